// Chapter 02, sections 3.1, 3.2 and 4: who may write for a co-op, folded from one path.

import { hash } from "./hash.mjs";
import { MAX_KEY_LOG, readOperation } from "./operation.mjs";
import { refuseUnless } from "./refusal.mjs";
import { list } from "./shape.mjs";
import { isValidKey, verify } from "./strict1.mjs";

export const readOperations = list(readOperation, 0, MAX_KEY_LOG);

export const foldKeyLog = (value) => fold(readOperations(value));

export function fold(operations) {
  refuseUnless(operations.length > 0, "key.empty", "no operation");
  const [first, ...later] = operations;
  return later.reduce(append, begin(first));
}

function begin(inception) {
  refuseUnless(inception.op === "inception", "key.no_inception", inception.op);
  const { rotation, threshold } = inception;
  const signers = verifyAll(inception, rotation);
  refuseUnless(signers >= threshold, "key.signature", `${signers} signers of ${threshold}`);
  const cid = hash("coop", inception.body);
  const nobody = { writers: new Map(), prekeys: new Map(), ended: new Set(), guardians: [] };
  return follow({ cid, ids: [], managers: [], ...nobody }, inception);
}

// The keys that an operation names replace those before it.
function follow(state, operation) {
  const { manager, next, rotation, threshold, guardians, guardian_threshold } = {
    ...state,
    ...operation,
  };
  const ids = [...state.ids, operation.id];
  const managers = [...state.managers, manager]; // Who approved a charter at one of `ids`.
  const keys = { manager, next, rotation, threshold, guardians, guardian_threshold };
  checkUses({ ...state, ...keys });
  return { ...state, ...keys, ids, managers };
}

// IDN-71
function checkUses({ manager, rotation, guardians, writers, prekeys, ended }) {
  const names = [manager, ...rotation, ...guardians].map((key) => key.toString("hex"));
  const isFree = (name) => !writers.has(name) && !prekeys.has(name) && !ended.has(name);
  const areApart = new Set(names).size === names.length && names.every(isFree);
  refuseUnless(areApart, "key.invalid", "a key with two uses");
}

export function append(state, operation) {
  const { ids } = state;
  const isOfCoop = operation.cid?.equals(state.cid) ?? true; // ENV-19: a gap comes after it.
  refuseUnless(isOfCoop, "key.wrong_coop", "for another co-op");
  refuseUnless(operation.seq <= ids.length, "key.gap", `${operation.seq} after ${ids.length - 1}`);
  const isNext = operation.seq === ids.length && operation.prev.equals(ids.at(-1));
  refuseUnless(isNext, "key.fork", `another operation ${operation.seq}`);
  const signers = signersOf(state, operation);
  const isSigned = verifyAll(operation, signers) === signers.length;
  refuseUnless(isSigned, "key.signature", `not signed by all of ${signers.length}`);
  return follow(EFFECTS[operation.op](state, operation), operation);
}

// The keys that have to sign: no fewer and, but for an inception, no others.
function signersOf(state, operation) {
  const { rotation, threshold, guardians, guardian_threshold, next, manager } = state;
  switch (operation.op) {
    case "revoke": return pick(operation.by, rotation, threshold);
    case "recover": return pick(operation.by, guardians, guardian_threshold);
    case "rotate": return pick(operation.by, shown(next, operation.rotation), threshold);
    default: return [manager];
  }
}

// IDN-32, IDN-33, and for a rotate IDN-35
function pick(by, keys, threshold) {
  const isAscending = by.every((index, i) => i === 0 || by[i - 1] < index);
  const areThere = by.every((index) => keys[index] !== undefined);
  refuseUnless(isAscending && areThere, "key.authority", `no such signers: ${by}`);
  refuseUnless(by.length >= threshold, "key.authority", `${by.length} signers of ${threshold}`);
  return by.map((index) => keys[index]);
}

// IDN-34: each hash of `next` with the key that is shown for it, where one is.
function shown(next, rotation) {
  const hashes = rotation.map((key) => hash("next", key).toString("hex"));
  const promises = next.map((promise) => promise.toString("hex"));
  const areCommitted = hashes.every((name) => promises.includes(name));
  refuseUnless(areCommitted, "key.not_committed", "a key that was not promised");
  return promises.map((name) => rotation[hashes.indexOf(name)]);
}

// Returns the number of signers. IDN-11, IDN-36: different ones, of the list, and valid all.
function verifyAll({ body, signatures }, signers) {
  const seen = new Set();
  for (const { key, signature } of signatures) {
    const isListed = signers.some((listed) => listed.equals(key));
    const isValid = isListed && verify(key, "key-op", body, signature);
    refuseUnless(isValid, "key.signature", "a signature that nobody asked for");
    seen.add(key.toString("hex"));
  }
  refuseUnless(seen.size === signatures.length, "key.signature", "two signatures of one key");
  return seen.size;
}

const EFFECTS = {
  delegate(state, { role, key, expires_ms }) {
    const name = key.toString("hex");
    const { writers, prekeys, ended } = state;
    const isKnown = writers.has(name) || prekeys.has(name) || ended.has(name);
    refuseUnless(!isKnown, "key.reused", "a key delegated twice");
    if (role === "prekey") {
      return { ...state, prekeys: new Map(state.prekeys).set(name, { expires_ms }) };
    }
    return { ...state, writers: new Map(state.writers).set(name, { expires_ms }) };
  },
  close(state, { key, cuts }) {
    const name = key.toString("hex");
    const writer = state.writers.get(name);
    refuseUnless(writer && !writer.cuts, "key.not_open", "no open writer");
    return { ...state, writers: new Map(state.writers).set(name, { ...writer, cuts }) };
  },
  inception(state, { seq }) {
    refuseUnless(false, "key.fork", `a second inception at ${seq}`);
  },
  revoke: end,
  recover: end,
  rotate: end,
};

// IDN-38, IDN-39: cuts replace what was there, the date included.
function end(state, { writers: ended }) {
  const writers = new Map(state.writers);
  const prekeys = new Map(state.prekeys);
  const endedPrekeys = new Set(state.ended);
  for (const { key, cuts } of ended) {
    const name = key.toString("hex");
    if (prekeys.delete(name)) endedPrekeys.add(name);
    if (endedPrekeys.has(name)) continue;
    refuseUnless(writers.has(name) || isValidKey(key), "key.invalid", "a writer of another order");
    writers.set(name, { cuts });
  }
  return { ...state, writers, prekeys, ended: endedPrekeys };
}

// IDN-20, IDN-21, IDN-28: whether the key log lets this entry count.
export function admitEntry(state, { id, header }) {
  const isOfCoop = header.cid.equals(state.cid);
  const writer = isOfCoop ? state.writers.get(header.wid.toString("hex")) : undefined;
  refuseUnless(writer, "key.unknown", "a writer that no key log delegates so far");
  const { expires_ms = Infinity, cuts } = writer;
  refuseUnless(header.time_ms <= expires_ms, "key.expired", `${header.time_ms}`);
  if (cuts === undefined) return;
  const cut = cuts.find(({ fid }) => fid.equals(header.fid));
  const isBelow = cut && header.seq < cut.last_seq;
  const isCut = cut && header.seq === cut.last_seq && id.equals(cut.last_head);
  refuseUnless(isBelow || isCut, "key.closed", `${header.seq} is above the cut`);
}
