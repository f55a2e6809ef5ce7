// Chapter 05: where an entry stands in the log of one writer in one federation, and what proves it.

import { hash, ZERO } from "./hash.mjs";
import { admitEntry } from "./key-log.mjs";
import { isSigned, MAX_UNSIGNED, verifyChain } from "./proof.mjs";
import { refuseUnless } from "./refusal.mjs";

export const EMPTY = { seq: 0, id: ZERO, time_ms: 0 };

export const logId = ({ fid, cid, wid }) => hash("log", fid, cid, wid);

// One batch of one log on its head; returns the new head. The caller keeps a head per log (LOG-1).
export function appendBatch(head, keyLog, entries, tails) {
  return withProofs(entries, tails).reduce((last, { entry, proofs }) => {
    admitEntry(keyLog, entry);
    place(last, entry.header);
    refuseUnless(proofs.some(isSigned), "env.signature", `${entry.header.seq} is not proven`);
    return { seq: entry.header.seq, id: entry.id, time_ms: entry.header.time_ms };
  }, head);
}

function place(head, { seq, prev, time_ms }) {
  refuseUnless(seq > head.seq, "log.past", `${seq} at or below ${head.seq}`);
  refuseUnless(seq === head.seq + 1, "log.gap", `${seq} after ${head.seq}`);
  refuseUnless(prev.equals(head.id), "log.bad_prev", `${seq} names another entry`);
  refuseUnless(time_ms >= head.time_ms, "log.bad_time", `${time_ms} before ${head.time_ms}`);
}

// Each entry with the signed headers that may prove it (LOG-6). Which of a stretch are checked is
// the receiver's choice (LOG-17); here one valid signature is enough, and the last is tried first.
function withProofs(entries, tails) {
  const left = [...tails];
  const proven = runsOf(entries).flatMap((run) => {
    const needsTail = run.at(-1).signature.length === 0;
    const tail = needsTail ? left.shift() : undefined;
    if (tail) verifyChain([run.at(-1), ...tail.headers]);
    const signed = tail ? [...run, tail.last] : run;
    return run.map((entry) => ({ entry, proofs: proofsOf(entry, signed) }));
  });
  refuseUnless(left.length === 0, "log.tail", "a tail that belongs to no run"); // LOG-19
  return proven;
}

function proofsOf({ header }, signed) {
  const isInReach = (later) =>
    later.signature.length > 0 &&
    later.header.seq >= header.seq &&
    later.header.seq < header.seq + MAX_UNSIGNED;
  return signed.filter(isInReach).reverse();
}

// A run goes on as long as each entry is the next of one log.
function runsOf(entries) {
  const runs = [];
  for (const entry of entries) {
    const last = runs.at(-1)?.at(-1);
    if (last && follows(entry.header, last)) runs.at(-1).push(entry);
    else runs.push([entry]);
  }
  return runs;
}

function follows(header, { id, header: before }) {
  const isSameLog = logId(header).equals(logId(before));
  return isSameLog && header.seq === before.seq + 1 && header.prev.equals(id);
}
