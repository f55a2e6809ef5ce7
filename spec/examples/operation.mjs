// Chapter 02, section 2: the six operations of a key log, by their bytes alone.

import { decode } from "./cmp1.mjs";
import { hash, ZERO } from "./hash.mjs";
import { refuseUnless } from "./refusal.mjs";
import { bytes, digest, integer, key, list, map, text } from "./shape.mjs";
import { isValidKey } from "./strict1.mjs";

export const MAX_KEY_LOG = 512;
const MAX_KEY_OP = 8192;
const MAX_CUTS = 64;
const MAX_SIGNERS = 16;
const MAX_ENDED_WRITERS = 16;

export const SIGNED = map({
  body: bytes(0, MAX_KEY_OP),
  signatures: list(map({ key, signature: bytes(64) }), 1, MAX_SIGNERS),
});

const NAME = text(/^[^\u0000-\u001f]*$/, 1, 120);
const KEYS = list(key, 1, MAX_SIGNERS);
const COUNT = integer(1, MAX_SIGNERS);
const CUTS = list(map({ fid: digest, last_head: digest, last_seq: integer(1) }), 0, MAX_CUTS);

const FIRST = { prev: digest, seq: integer(0, 0) };
const LATER = { cid: digest, prev: digest, seq: integer(1) };
const ENDING = {
  by: list(integer(0, MAX_SIGNERS - 1), 1, MAX_SIGNERS),
  manager: key,
  writers: list(map({ cuts: CUTS, key }), 0, MAX_ENDED_WRITERS),
};
const OFFLINE_KEYS = { next: list(digest, 1, MAX_SIGNERS), rotation: KEYS, threshold: COUNT };
const GUARDIANS = { guardian_threshold: COUNT, guardians: KEYS };

const BODIES = {
  inception: map(
    {
      ...FIRST,
      ...OFFLINE_KEYS,
      country: text(/^[A-Z]{2}$/),
      manager: key,
      name: NAME,
      nonce: bytes(16),
    },
    { ...GUARDIANS, gln: text(/^[0-9]{13}$/), vat: text(/^[A-Z0-9]{4,20}$/) },
  ),
  delegate: map({ ...LATER, expires_ms: integer(0), key, role: text(/^(writer|prekey)$/) }),
  close: map({ ...LATER, cuts: CUTS, key }),
  revoke: map({ ...LATER, ...ENDING }),
  recover: map({ ...LATER, ...ENDING, ...OFFLINE_KEYS }),
  rotate: map({ ...LATER, ...ENDING, ...OFFLINE_KEYS }, GUARDIANS),
};

export function readOperation(value) {
  const { body, signatures } = SIGNED(value);
  const fields = decode(body, MAX_KEY_OP);
  const { op } = map({ op: text(/^/) })(fields);
  refuseUnless(Object.hasOwn(BODIES, op), "key.operation", op); // IDN-18
  const operation = { op, ...BODIES[op](fields), id: hash("key-op", body), body, signatures };
  checkKeys(operation);
  checkCuts(operation);
  return operation;
}

// IDN-6, IDN-10, IDN-30, IDN-31
function checkKeys({ op, prev, manager, next, role, key: delegated, ...lists }) {
  const { rotation, threshold, guardians, guardian_threshold } = lists;
  const require = (holds, why) => refuseUnless(holds, "key.invalid", why);
  require(op !== "inception" || prev.equals(ZERO), "something before the inception");
  require(!manager || isValidKey(manager), "a manager key of another order");
  require(role !== "writer" || isValidKey(delegated), "a writer of another order");
  require(!guardians === !guardian_threshold, "guardians and their threshold go together");
  for (const [keys, least] of [[rotation, threshold], [guardians, guardian_threshold]]) {
    const canSign = !keys || (isOnceEach(keys) && least <= keys.length);
    require(canSign, "keys that cannot reach a threshold");
    require(!keys || keys.every(isValidKey), "a key of another order");
  }
  require(!next || (isOnceEach(next) && threshold <= next.length), "too few next keys");
}

// IDN-27, IDN-37
function checkCuts({ cuts, writers = [] }) {
  const lists = [cuts ?? [], ...writers.map((writer) => writer.cuts)];
  const areRight = lists.every((list) => isAscending(list.map(({ fid }) => fid)));
  refuseUnless(areRight, "key.cuts", "cuts out of order");
  const areSorted = isAscending(writers.map((writer) => writer.key));
  refuseUnless(areSorted, "key.cuts", "writers out of order");
}

const isOnceEach = (keys) => new Set(keys.map((key) => key.toString("hex"))).size === keys.length;
const isAscending = (ids) => ids.every((id, i) => i === 0 || Buffer.compare(ids[i - 1], id) < 0);
