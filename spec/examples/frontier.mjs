// Chapter 06: what is held in one hash, and what to ask for. A log is {id, seq, head, isForked}.

import { hash, ZERO } from "./hash.mjs";

const LEAF_LOGS = 16;
const MAX_PREFIX = 8;
const DIGITS = "0123456789abcdef";

// The digest of the part with this prefix, in hex digits; the empty prefix makes the root.
export function digestOf(logs, prefix = "") {
  const part = partOf(logs, prefix);
  if (part.length === 0) return ZERO;
  if (part.length <= LEAF_LOGS) return hash("frontier-leaf", ...part.map(leafOf));
  return hash("frontier-node", ...[...DIGITS].map((digit) => digestOf(part, prefix + digit)));
}

const partOf = (logs, prefix) =>
  logs
    .filter(({ id }) => id.toString("hex").startsWith(prefix))
    .sort((one, other) => Buffer.compare(one.id, other.id));

function leafOf({ id, seq, head }) {
  const number = Buffer.alloc(8);
  number.writeBigUInt64BE(BigInt(seq));
  return Buffer.concat([id, number, head]);
}

export const idleDigest = (roots) => hash("idle", ...roots).subarray(0, 16);

// SYN-21
export function answerTo({ root, since }, logs, arrival) {
  if (root.equals(digestOf(logs))) return "equal";
  return since >= 1 && since <= arrival ? "changed" : "whole";
}

// SYN-2 to SYN-4: the ranges to ask for, and the logs in which a fork has to be found.
export function readItems(logs, items) {
  const asked = [];
  const diverged = [];
  for (const item of items) {
    const ours = logs.find(({ id }) => id.equals(item.id)) ?? { seq: 0, isForked: false };
    const isAbove = item.seq > ours.seq;
    const isBeside = item.seq === ours.seq;
    if (isAbove && !ours.isForked) asked.push([item.id, ours.seq + 1, item.seq]);
    if (isBeside && !ours.head.subarray(0, item.head.length).equals(item.head)) {
      diverged.push(item.id);
    }
  }
  return { asked, diverged };
}

// SYN-26: what is told, asked for, and looked at one digit further down.
export function descend(logs, nodes) {
  const step = { told: [], wanted: [], sent: [] };
  for (const [prefix, digests] of nodes) {
    const parts = [...DIGITS]
      .map((digit) => prefix + digit)
      .filter((part, at) => !digests[at].equals(digestOf(logs, part)));
    for (const part of parts) {
      const held = partOf(logs, part);
      if (held.length > LEAF_LOGS && part.length < MAX_PREFIX) {
        step.sent.push(part);
        continue;
      }
      step.told.push(...held.map(({ id }) => id));
      const named = part.slice(0, MAX_PREFIX); // A prefix on the wire ends at eight digits.
      if (!step.wanted.includes(named)) step.wanted.push(named);
    }
  }
  return step;
}
