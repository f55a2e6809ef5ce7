// Chapter 21, section 4: what no award can gain more than, as a tree of prices proves it.

import { Refusal, refuseUnless } from "./refusal.mjs";

const CODE = "award.certificate";

// CLR-8, CLR-9: the bound of a tree.
export function boundOf(market, steps) {
  const left = steps[Symbol.iterator]();
  const all = market.options.map((options) => [0, options.length]); // The first and the last left.
  const bound = boundOfBranch(market, left, all);
  refuseUnless(left.next().done, CODE, "steps after the last leaf");
  return bound > 0n ? bound : 0n;
}

// An offer of 64 options is parted 64 times at most, so branches lie no deeper than there are steps.
function boundOfBranch(market, left, ranges) {
  const { value: step, done } = left.next();
  if (done) throw new Refusal(CODE, "a branch without its end");
  if (step.prices !== undefined) return boundOfLeaf(market, step.prices, ranges);
  const { offer, upto } = step;
  refuseUnless(offer < ranges.length, CODE, `no offer ${offer}`);
  const [first, last] = ranges[offer];
  refuseUnless(upto >= first && upto < last, CODE, `${first} to ${last} parted at ${upto}`);
  const lower = boundOfBranch(market, left, ranges.with(offer, [first, upto]));
  const higher = boundOfBranch(market, left, ranges.with(offer, [upto + 1, last]));
  return lower > higher ? lower : higher;
}

function boundOfLeaf(market, prices, ranges) {
  const byRow = new Map(prices.map(({ row, amount }) => [row, BigInt(amount)]));
  refuseUnless(byRow.size === prices.length, CODE, "two prices for a row");
  refuseUnless([...byRow.keys()].every((row) => row < market.rows.length), CODE, "no such row");
  const paidAt = (rate) =>
    market.rows.reduce((sum, row, n) => (row <= rate ? sum + (byRow.get(n) ?? 0n) : sum), 0n);
  const forRows = market.rows.map((rate, n) => (byRow.get(n) ?? 0n) * market.demandAt(rate));
  const forOffers = market.options.map((options, n) => bestReply(options, ranges[n], paidAt));
  return [...forRows, ...forOffers].reduce((sum, each) => sum + each, 0n);
}

function bestReply(options, [first, last], paidAt) {
  const replies = options.slice(Math.max(first, 1) - 1, last).map(({ rate, gain, low, high }) => {
    const beyond = gain - paidAt(rate);
    return beyond * (beyond > 0n ? high : low);
  });
  if (first === 0) replies.push(0n); // To sell nothing is left to it.
  return replies.reduce((best, each) => (each > best ? each : best));
}
