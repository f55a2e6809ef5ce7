// Chapter 07, sections 4 and 5: what may be said on a link, and when.

import { chapter, codes, table } from "./chapter.mjs";
import { CERTIFICATE } from "./charter.mjs";
import { decode } from "./cmp1.mjs";
import { ENVELOPE } from "./envelope.mjs";
import { PROOF } from "./fork.mjs";
import { MAX_KEY_LOG, SIGNED } from "./operation.mjs";
import { TAIL } from "./proof.mjs";
import { Refusal, refuseUnless } from "./refusal.mjs";
import { as, boolean, bytes, digest, integer, list, text, tuple } from "./shape.mjs";
import { FILTER } from "./subscription.mjs";

const MAX_FRAME = 1_048_576;
const CREDIT_BYTES = 2_097_152;
const MAX_BATCH_ENTRIES = 256;
const MAX_LIST = 1000;
const MAX_NODES = 256;
const MAX_BATCH_BYTES = 262_144;
const MAX_COVERED = 2048;

const some = (item) => list(item, 1, MAX_LIST);
const any = (item) => list(item, 0, MAX_LIST);
const scope = bytes(16);
const code = text(/^[a-z0-9_]{1,32}\.[a-z0-9_]{1,32}$/);
const size = integer(1, MAX_KEY_LOG);
const head = (value) => bytes(value?.length === 8 ? 8 : 32)(value); // SYN-18
const prefix = text(/^[0-9a-f]{0,8}$/);
const operations = list(SIGNED, 1, MAX_KEY_LOG);
const range = tuple(digest, integer(1), integer(1));
const payload = tuple(digest, integer(1), bytes(16, 65_536));

const FORMS = {
  control_have: [any(tuple(digest, size, digest)), any(digest), any(digest), boolean],
  control_want: [any(tuple(digest, integer(0, MAX_KEY_LOG - 1))), any(digest), any(digest)],
  control_items: [any(tuple(digest, operations)), any(CERTIFICATE), any(PROOF), boolean],
  scope: [any(scope), bytes(16, 32)],
  idle: [bytes(16)],
  compare: [scope, digest, integer(0)],
  have: [scope, digest, integer(0), any(tuple(digest, integer(1), head))],
  tree: [scope, list(tuple(prefix, list(digest, 16, 16)), 1, MAX_NODES)],
  tree_want: [scope, some(prefix)],
  want: [scope, some(range)],
  entries: [scope, boolean, list(ENVELOPE, 1, MAX_BATCH_ENTRIES), list(TAIL, 0, MAX_BATCH_ENTRIES)],
  served: [scope],
  lagged: [scope],
  subscribe: [scope, FILTER],
  payload_want: [scope, some(range)],
  payloads: [scope, list(payload, 1, MAX_BATCH_ENTRIES)],
  credit: [integer(1, CREDIT_BYTES)],
  reject: [digest, code],
  bye: [code],
};

// What no bound of a single element holds down (LNK-18, SYN-78).
const SIZES = {
  payload_want: { of: ([, first, last]) => Math.max(0, last - first + 1), most: MAX_COVERED },
  payloads: { of: ([, , { length }]) => length, most: MAX_BATCH_BYTES },
};

const TURNS = table(chapter("07-link"), "turns").map(([turn, message, after]) => ({
  turn: turn.toLowerCase(), name: codes(message)[0], after: after.toLowerCase(),
}));

// Returns the turn after a message.
export function takeTurn(turn, plaintext) {
  const name = readMessage(plaintext);
  const row = TURNS.find((candidate) => candidate.turn === turn && candidate.name === name);
  if (row === undefined) throw new Refusal("link.order", `${name} in ${turn}`);
  return row.after;
}

function readMessage(plaintext) {
  const value = decode(plaintext, MAX_FRAME);
  const name = Array.isArray(value) ? value[0] : undefined;
  const isKnown = typeof name === "string" && Object.hasOwn(FORMS, name);
  refuseUnless(isKnown, "link.message", "no message of this version");
  const [, , items] = as("link.message", tuple(text(/^/), ...FORMS[name]))(value);
  if (Object.hasOwn(SIZES, name)) {
    const { of, most } = SIZES[name];
    const size = items.reduce((sum, item) => sum + of(item), 0);
    refuseUnless(size <= most, "link.batch", `${size} of ${most}`);
  }
  return name;
}
