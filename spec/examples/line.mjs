// Chapter 18, section 5: which writers follow on one another, and where their entries stand.

import { foldKeyLog } from "./key-log.mjs";
import { bytes, digest, integer, list, map, text, tuple } from "./shape.mjs";

const WRITER = ["writer.lost", "writer.override", "writer.promise", "writer.succeed"];
const KIND = text(/^/);
const SUCCEED = tuple(bytes(32), integer(0), digest);
const ENTRY = (value) => (typeof value === "string" ? KIND(value) : SUCCEED(value));
const QUESTION = map({
  at: list(tuple(bytes(32), integer(0)), 0, 64),
  fid: digest,
  key_log: foldKeyLog,
  logs: list(tuple(bytes(32), list(ENTRY, 0, 64)), 0, 64),
});

// The writers of a key log, oldest first, each with its end in a federation, if it has one. What
// no close names ends before its first entry (IDN-28).
export const writersOf = (keyLog, fid) =>
  [...keyLog.writers].map(([name, { cuts }], age) => {
    const { last_seq: seq = 0, last_head: head = Buffer.alloc(32) } =
      cuts?.find((cut) => cut.fid.equals(fid)) ?? {};
    return { name, age, cut: cuts && { seq, head } };
  });

export const isOlder = (one, other) => one && other && one.age < other.age;

// What a log says of others, as long as it says nothing else (RST-12).
function wordsOf([wid, entries], named) {
  const own = entries.findIndex((each) => typeof each === "string" && !WRITER.includes(each));
  const opening = own < 0 ? entries : entries.slice(0, own);
  return opening.flatMap((entry, i) => {
    if (typeof entry === "string") return [];
    const [old, seq, head] = entry;
    return [{ by: named(wid), at: i + 1, old: named(old), seq, head }];
  });
}

// Of each writer that has ended, the word that counts.
function successions(writers, words) {
  const isTrue = ({ old, seq, head }) => old.cut?.seq === seq && old.cut.head.equals(head);
  const ordered = words.filter(isTrue).sort((a, b) => a.by.age - b.by.age || a.at - b.at);
  const counting = writers.map((writer) => ordered.find(({ old }) => old === writer));
  return counting.filter((word) => word !== undefined);
}

// The writers of the line of one, oldest first: all that come to the same end.
function lineOf(writer, writers, counting) {
  const end = (from) => {
    const next = counting.find(({ old }) => old === from);
    return next ? end(next.by) : from;
  };
  return writers.filter((each) => end(each) === end(writer));
}

// RST-18
function placeOf(writer, seq, line, counting) {
  const begins = Math.max(0, ...counting.filter(({ by }) => by === writer).map(({ at }) => at));
  if (seq < begins) return 0;
  const isSucceeded = counting.some(({ old }) => old === writer);
  const before = line.filter((each) => isOlder(each, writer)).map(({ cut }) => cut.seq);
  const own = isSucceeded ? Math.min(seq, writer.cut.seq) : seq;
  return before.reduce((sum, each) => sum + each, own);
}

export function judgeLine(input) {
  const { at, fid, key_log: keyLog, logs } = QUESTION(input);
  const writers = writersOf(keyLog, fid);
  const named = (wid) => writers.find(({ name }) => name === wid.toString("hex"));
  const said = logs.flatMap((log) => wordsOf(log, named));
  const words = said.filter(({ old, by }) => isOlder(old, by));
  const counting = successions(writers, words);
  const places = at.map(([wid, seq]) => {
    const writer = named(wid);
    const line = lineOf(writer, writers, counting);
    const isBelow = (word) => word.by === writer && word.at <= seq;
    const isPending = words.some((word) => isBelow(word) && !word.old.cut); // RST-16
    const after = counting.filter(isBelow).sort((a, b) => a.at - b.at); // RST-13
    const waits = isPending ? false : after.map(({ old }) => [bytesOf(old), old.cut.seq]);
    return [bytesOf(line[0]), placeOf(writer, seq, line, counting), waits];
  });
  return [places, owed(writers, counting), furthest(places)];
}

// RST-11, of the newest writer that is open.
function owed(writers, counting) {
  const newest = writers.findLast(({ cut }) => !cut);
  const isOwed = (each) => each.cut?.seq > 0 && !counting.some(({ old }) => old === each);
  const due = writers.filter((each) => isOlder(each, newest) && isOwed(each));
  return due.map((each) => [bytesOf(each), each.cut.seq, each.cut.head]);
}

// RST-19
function furthest(places) {
  const roots = new Map();
  for (const [root, place] of places) {
    const name = root.toString("hex");
    roots.set(name, Math.max(roots.get(name) ?? 0, place));
  }
  const ascending = [...roots].sort(([a], [b]) => (a < b ? -1 : 1));
  return ascending.map(([name, place]) => [bytesOf({ name }), place]);
}

const bytesOf = ({ name }) => Buffer.from(name, "hex");
