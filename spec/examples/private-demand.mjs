// Chapter 17, sections 3 to 5: commitments to lines, totals of them, and what may be published.

import { add, B, decompress, IDENTITY, isIdentity, isSame, L, littleEndian, times } from "./edwards.mjs";
import { hash } from "./hash.mjs";
import { refuseUnless } from "./refusal.mjs";
import { isValidKey } from "./strict1.mjs";

export function checkOpening({ commitment, ...opening }) {
  const point = readCommitment(commitment);
  checkLine(opening.line, opening);
  refuseUnless(isSame(combine(opening), point), "curve.mismatch", "another point"); // PRV-13
}

export function checkTotals({ commitments, ...totals }) {
  const points = commitments.map(readCommitment);
  checkLine(totals.line, { ...totals, cap: totals.cap * points.length });
  const sum = points.reduce(add, IDENTITY);
  refuseUnless(isSame(combine(totals), sum), "curve.sum", "another sum"); // PRV-24
}

// PRV-10 to PRV-12
export function checkLine(line, { levels, cap }) {
  refuseUnless(line.length === levels, "curve.levels", `${line.length} levels of ${levels}`);
  refuseUnless(line.every((quantity) => quantity <= cap), "curve.cap", `more than ${cap}`);
  const falls = line.every((quantity, level) => level === 0 || quantity <= line[level - 1]);
  refuseUnless(falls, "curve.order", "more at a higher price");
}

// PRV-4: what may be registered as a key may be a commitment, and nothing else.
function readCommitment(bytes) {
  refuseUnless(isValidKey(bytes), "curve.point", "no point of prime order");
  return decompress(bytes);
}

// PRV-2, and PRV-5 on the way
function combine({ blinding, line }) {
  const scalar = littleEndian(blinding);
  refuseUnless(scalar < L, "curve.scalar", "L or more");
  const terms = line.map((quantity, level) => times(generator(level), BigInt(quantity)));
  return terms.reduce(add, times(B, scalar));
}

// PRV-1
function generator(level) {
  if (!GENERATORS.has(level)) GENERATORS.set(level, makeGenerator(level));
  return GENERATORS.get(level);
}

const GENERATORS = new Map();

function makeGenerator(level) {
  for (let attempt = 0; ; attempt += 1) {
    const found = decompress(hash("curve-level", eightBytes(level), eightBytes(attempt)));
    const point = found && times(found, 8n);
    if (point && !isIdentity(point)) return point;
  }
}

export function eightBytes(number) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(number));
  return bytes;
}

// PRV-26 to PRV-28, as the coordinator sees it. Lines are [co-op, line] pairs.
export function judgeLines([lines, earlier, leastCoops, mostBps]) {
  const bidding = lines.map(([, line]) => line).filter((line) => line.some(Boolean));
  refuseUnless(bidding.length >= leastCoops, "curve.too_few", `${bidding.length} lines`);
  for (let level = 0; level < bidding[0].length; level += 1) {
    const wanted = bidding.map((line) => line[level]);
    const total = wanted.reduce((sum, quantity) => sum + quantity, 0);
    // Beyond 2^53 times ten thousand no float is exact.
    const isDominated = BigInt(Math.max(...wanted)) * 10_000n > BigInt(total) * BigInt(mostBps);
    refuseUnless(!isDominated, "curve.dominance", `level ${level}`);
  }
  for (const before of earlier) {
    requireApart(changed(named(lines), named(before)), leastCoops);
  }
}

// PRV-26 and PRV-29, as everybody sees it.
export function judgeCoops([coops, earlier, leastCoops]) {
  refuseUnless(coops.length >= leastCoops, "curve.too_few", `${coops.length} co-ops`);
  for (const before of earlier) {
    const names = [coops, before].map((each) => each.map((cid) => cid.toString("hex")));
    const apart = names[0].filter((name) => !names[1].includes(name)).length
      + names[1].filter((name) => !names[0].includes(name)).length;
    requireApart(apart, leastCoops);
  }
}

function requireApart(apart, leastCoops) {
  const isTelling = apart > 0 && apart < leastCoops;
  refuseUnless(!isTelling, "curve.differencing", `${apart} co-ops apart`);
}

function named(lines) {
  return new Map(lines.map(([cid, line]) => [cid.toString("hex"), line]));
}

// No line is a line of zeros.
function changed(lines, before) {
  const spelled = (line = []) => (line.some(Boolean) ? line.join() : "");
  const names = new Set([...lines.keys(), ...before.keys()]);
  return [...names].filter((name) => spelled(lines.get(name)) !== spelled(before.get(name))).length;
}
