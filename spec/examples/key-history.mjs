// Chapter 02, section 3.3: operations form a tree; which of its paths is in force.

import { hash } from "./hash.mjs";
import { fold } from "./key-log.mjs";
import { Refusal, refuseUnless } from "./refusal.mjs";

const RANKS = { delegate: 0, close: 0, recover: 1, revoke: 2, rotate: 3 };

// `anchors` are ids of operations that certificates name as key heads.
export function beginHistory(run) {
  fold(run);
  return { path: run, rival: undefined };
}

// IDN-47: of the paths known, one or two are kept. Throws what is wrong with the run.
export function merge({ path, rival }, run, anchors) {
  const kept = [path, rival ?? []];
  const candidate = [...before(run, kept), ...run.map((operation) => asKept(operation, kept))];
  fold(candidate);
  const [first, ...others] = [path, rival, candidate]
    .filter(Boolean)
    .sort((one, other) => order(one, other, anchors));
  const rivals = others.filter((other) => isTie(first, other, anchors));
  const division = Math.min(...rivals.map((other) => divide(first, other)));
  return { path: first, rival: rivals.find((other) => divide(first, other) === division) };
}

// An operation that is kept is known by its id, whatever signatures it comes with this time.
function asKept(operation, kept) {
  return kept.flat().find(({ id }) => id.equals(operation.id)) ?? operation;
}

// What a run follows on: nothing, or a path kept up to one of its operations.
function before([first], kept) {
  refuseUnless(first, "key.empty", "a run without operations");
  const [[inception]] = kept;
  const cid = first.cid ?? hash("coop", first.body);
  refuseUnless(cid.equals(hash("coop", inception.body)), "key.wrong_coop", "of another co-op");
  if (first.op === "inception") return [];
  for (const path of kept) {
    const at = path.findIndex(({ id }) => id.equals(first.prev));
    if (at >= 0) return path.slice(0, at + 1);
  }
  throw new Refusal("key.gap", "follows on no operation that is kept");
}

// IDN-44, IDN-45: the state in force and the head that stands for it.
export function inForce({ path, rival }) {
  if (rival === undefined) return { operations: path, head: path.at(-1).id };
  const operations = path.slice(0, divide(path, rival));
  return { operations, head: hash("key-frozen", operations.at(-1).id) };
}

// How many operations two paths share.
function divide(one, other) {
  const at = one.findIndex(({ id }, i) => !other[i]?.id.equals(id));
  return at < 0 ? one.length : at;
}

// Section 7: the longer of one path, the stronger of two sides, and else the smaller id first.
function order(one, other, anchors) {
  const at = divide(one, other);
  if (at === one.length || at === other.length) return other.length - one.length;
  return compareSides(one, other, at, anchors) || Buffer.compare(one[at].id, other[at].id);
}

function isTie(one, other, anchors) {
  const at = divide(one, other);
  return at < one.length && at < other.length && compareSides(one, other, at, anchors) === 0;
}

// IDN-43, then IDN-42. Negative where the first is stronger.
function compareSides(one, other, at, anchors) {
  const isAnchored = (path) =>
    path.slice(at).some(({ id }) => anchors.some((anchor) => anchor.equals(id)));
  if (isAnchored(one) || isAnchored(other)) return isAnchored(other) - isAnchored(one);
  return compareAuthorities(strength(one, at), strength(other, at));
}

// The greatest of a side's operations up to and with its first rotate or recover.
function strength(path, at) {
  const side = path.slice(at);
  const end = side.findIndex(({ op }) => op === "rotate" || op === "recover");
  const own = end < 0 ? side : side.slice(0, end + 1);
  const [greatest] = own.toSorted(compareAuthorities);
  return greatest;
}

function compareAuthorities(one, other) {
  if (RANKS[one.op] !== RANKS[other.op]) return RANKS[other.op] - RANKS[one.op];
  const [by, otherBy] = [one.by ?? [], other.by ?? []];
  const at = by.findIndex((index, i) => index !== otherBy[i]);
  if (at < 0 || at >= otherBy.length) return otherBy.length - by.length; // One continues the other.
  return by[at] - otherBy[at];
}
