// How the bytes of 06-frontier are read (vectors/README.md).

import { encode } from "./cmp1-encode.mjs";
import { answerTo, descend, digestOf, idleDigest, readItems } from "./frontier.mjs";
import { Refusal } from "./refusal.mjs";
import { boolean, bytes, digest, integer, list, text, tuple } from "./shape.mjs";

const log = (value) => {
  const [id, seq, head, isForked] = tuple(digest, integer(1), digest, boolean)(value);
  return { id, seq, head, isForked };
};
const HEAD = (value) => bytes(value?.length === 8 ? 8 : 32)(value); // SYN-18
const item = (value) => {
  const [id, seq, head] = tuple(digest, integer(1), HEAD)(value);
  return { id, seq, head };
};
const node = tuple(text(/^[0-9a-f]{0,8}$/), list(digest, 16, 16));
const logs = list(log, 0, 1024);

const QUESTIONS = {
  part(input) {
    const [, prefix, held] = tuple(text(/^part$/), text(/^[0-9a-f]*$/), logs)(input);
    return digestOf(held, prefix);
  },
  idle(input) {
    const [, roots] = tuple(text(/^idle$/), list(digest, 0, 1024))(input);
    return idleDigest(roots);
  },
  compare(input) {
    const [, held, items] = tuple(text(/^compare$/), logs, list(item, 0, 1024))(input);
    const { asked, diverged } = readItems(held, items);
    return encode([asked, diverged]);
  },
  descend(input) {
    const [, held, nodes] = tuple(text(/^descend$/), logs, list(node, 0, 1024))(input);
    const { told, wanted, sent } = descend(held, nodes);
    return encode([told, wanted, sent]);
  },
  answer(input) {
    const shape = tuple(text(/^answer$/), logs, integer(0), digest, integer(0));
    const [, held, arrival, root, since] = shape(input);
    return Buffer.from(answerTo({ root, since }, held, arrival), "ascii");
  },
};

export function judgeFrontier(input) {
  const question = Array.isArray(input) ? input[0] : undefined;
  if (!Object.hasOwn(QUESTIONS, question)) throw new Refusal("schema.invalid", `no ${question}`);
  return QUESTIONS[question](input);
}
