// Chapter 18, sections 2 to 5: what is promised on a lost writer, and when it may be closed.

import { foldKeyLog } from "./key-log.mjs";
import { isOlder, writersOf } from "./line.mjs";
import { logId } from "./log.mjs";
import { bytes, digest, integer, list, map, tuple } from "./shape.mjs";

const DORMANT_MS = 72 * 3_600_000;
const MAX_PROMISES = 16;
const TOLD = map({
  key_log: foldKeyLog,
  promised: list(digest, 0, 64),
  told: list(tuple(digest, bytes(32), bytes(32)), 0, 64),
});
const CLOSE = map(
  {
    absent: list(digest, 0, 64),
    came_ms: integer(0),
    cid: digest,
    fid: digest,
    held: list(digest, 0, 64),
    lost: tuple(digest, bytes(32)),
    members: list(digest, 0, 64),
    newest: list(tuple(digest, integer(0)), 0, 64),
    promises: list(tuple(digest, digest, digest, integer(0), digest), 0, 64),
  },
  { forked_at: integer(0) },
);

const has = (listed, id) => listed.some((each) => each.equals(id));

// RST-4, RST-20: the words still to be answered, in the order heard.
export function judgePromise(input) {
  const { key_log: keyLog, promised, told } = TOLD(input);
  const writers = writersOf(keyLog, Buffer.alloc(32)); // They are open in all federations or none.
  const named = (wid) => writers.find(({ name }) => name === wid.toString("hex"));
  const isFirst = ([, by, of], i) =>
    told.findIndex((each) => each[1].equals(by) && each[2].equals(of)) === i;
  const due = [];
  for (const [id, by, of] of told.filter(isFirst)) {
    const isDue = isOlder(named(of), named(by)) && !named(of).cut && !has(promised, id);
    const done = [...promised, ...due];
    const times = told.filter((each) => each[2].equals(of) && has(done, each[0])).length;
    if (isDue && times < MAX_PROMISES) due.push(id);
  }
  return due;
}

// RST-7 to RST-9: who has still to promise, whose promise names what is not held, and the least
// place at which the writer may be closed.
export function judgeClose(input) {
  const { held, forked_at: forkedAt = Infinity, ...given } = CLOSE(input);
  const counted = countedOf(given);
  const silent = requiredOf(given).filter((cid) => !counted.has(cid.toString("hex")));
  const isHeld = ([seq, head]) =>
    forkedAt <= seq
      ? held.length >= forkedAt - 1
      : seq === 0 || (held[seq - 1]?.equals(head) ?? false);
  const lacking = [...counted].filter(([, promise]) => !isHeld(promise)).map(([name]) => name);
  const places = [...counted.values()].map(([seq]) => Math.min(seq, forkedAt - 1));
  const ascending = [silent, lacking.map((name) => Buffer.from(name, "hex"))].map((cids) =>
    cids.sort(Buffer.compare),
  );
  return [...ascending, Math.max(0, ...places)];
}

function requiredOf({ absent, came_ms: cameMs, cid: own, members, newest }) {
  const last = (cid) => newest.find(([known]) => known.equals(cid))?.[1] ?? cameMs;
  const isDormant = (cid) => cameMs - last(cid) > DORMANT_MS;
  return members.filter((cid) => !cid.equals(own) && !has(absent, cid) && !isDormant(cid));
}

// RST-8: of each member the furthest.
function countedOf({ absent, cid: own, fid, lost: [lost, wid], members, promises }) {
  const log = logId({ fid, cid: own, wid });
  const counted = new Map();
  for (const [cid, on, of, seq, head] of promises) {
    const isOfMember = has(members, cid) && !has(absent, cid) && !cid.equals(own);
    const known = counted.get(cid.toString("hex"));
    if (isOfMember && on.equals(lost) && of.equals(log) && !(known?.[0] >= seq)) {
      counted.set(cid.toString("hex"), [seq, head]);
    }
  }
  return counted;
}
