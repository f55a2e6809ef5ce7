// How the bytes of 07-link are read (vectors/README.md).

import { encode } from "./cmp1-encode.mjs";
import { openFrames, sealFrame } from "./frame.mjs";
import { finish, hello, kdf, prove, reply } from "./handshake.mjs";
import { takeTurn } from "./message.mjs";
import { Refusal } from "./refusal.mjs";
import { bytes, digest, integer, key, list, text, tuple } from "./shape.mjs";
import { signingKey } from "./sign.mjs";

const ANY = bytes(0, 1_048_576);
const BYE = encode(["bye", "link.bye"]);
const whatever = (value) => value;

const SIDE = tuple(digest, whatever, bytes(32), bytes(32), bytes(16));
const side = (value) => {
  const [cid, keyLog, seed, ephemeral, nonce] = SIDE(value);
  return { cid, keyLog, writer: signingKey(seed), ephemeral, nonce };
};
const name = text(/^/);

const QUESTIONS = {
  message(input) {
    const [, turn, plaintext] = tuple(name, name, ANY)(input);
    return Buffer.from(takeTurn(turn, plaintext), "ascii");
  },
  frames(input) {
    const [, frameKey, frames] = tuple(name, key, list(ANY, 1, 64))(input);
    return openFrames(frameKey, frames).at(-1);
  },
  initiator(input) {
    const [, own, audience, m2, now] = tuple(name, side, name, ANY, integer(0))(input);
    const m1 = hello(own, audience);
    const { m3, secret, whole } = prove(own, m1, m2, now);
    return encode([m1, m3, sealFrame(kdf(secret, whole, "link-from-initiator"), 0, BYE)]);
  },
  responder(input) {
    const [, own, names, m1, m3, now] = tuple(
      name, side, list(name, 1, 64), ANY, ANY, integer(0),
    )(input);
    const { m2, ...kept } = reply(own, names, m1);
    if (m3.length === 0) return encode([m2]);
    const { secret, whole } = finish(kept, m3, now);
    return encode([m2, sealFrame(kdf(secret, whole, "link-from-responder"), 0, BYE)]);
  },
};

export function judgeLink(input) {
  const question = Array.isArray(input) ? input[0] : undefined;
  if (!Object.hasOwn(QUESTIONS, question)) throw new Refusal("schema.invalid", `no ${question}`);
  return QUESTIONS[question](input);
}
