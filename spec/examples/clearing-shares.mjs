// Chapter 21, section 5: who gets how much of what is sold, and what each pays.

import { amountFor } from "./amount.mjs";
import { carriageOf } from "./clearing-market.mjs";

const sum = (numbers) => numbers.reduce((all, each) => all + each, 0n);
const isBefore = (one, other) => one.compare(other) < 0;

// CLR-11: the dearest first, of equals the lowest offer.
export function inOrder(sales) {
  return [...sales].sort((one, other) =>
    one.rate === other.rate ? one.offer.compare(other.offer) : one.rate > other.rate ? -1 : 1);
}

// AWD-8: what units of a sale come to.
export function partOf(pool, offer, { tier }, units) {
  const price = { amount: offer.tiers[tier].amount, base: offer.base, quantity: units };
  const amount = amountFor(price);
  return {
    quantity: units,
    amount,
    fee: amountFor({ amount: pool.fee_bps, base: 10_000, quantity: amount }),
    carriage: amountFor({ ...price, amount: carriageOf(pool, offer) }),
  };
}

// AWD-1
export function canPay(demand, parts) {
  const units = sum(parts.map(({ quantity }) => quantity));
  const landed = sum(parts.flatMap(({ amount, fee, carriage }) => [amount, fee, carriage]));
  const { amount, base } = demand.max_price;
  return landed * BigInt(base) <= BigInt(amount) * units;
}

// CLR-11, CLR-13: units of each sale for each line by its id, or undefined where some find nobody.
// Lines have an id, want, minimum, rate and rank; `pays` says whether a line can pay its units.
export function shareOut(lines, sales, isRanked, pays) {
  let left = [...lines].sort((one, other) => one.id.compare(other.id));
  for (;;) {
    const wants = isRanked ? servedByRank(left, sales) : left.map(({ want }) => want);
    const got = wants && sharesOf(left, wants, sales);
    if (!got) return undefined;
    const unfit = left.filter((line, n) => {
      const units = sum(got[n]);
      return units > 0n && (units < line.minimum || !pays(line, got[n]));
    });
    if (unfit.length === 0) {
      return left.map((line, n) => ({ line, units: got[n] })).filter(({ units }) => sum(units) > 0n);
    }
    const out = unfit.sort(byBending).slice(0, Math.ceil(unfit.length / 4));
    left = left.filter((line) => !out.includes(line));
  }
}

// CLR-13: highest minimum per want, then want, then id.
function byBending(one, other) {
  const [here, there] = [one.minimum * other.want, other.minimum * one.want];
  if (here !== there) return here > there ? -1 : 1;
  if (one.want !== other.want) return one.want > other.want ? -1 : 1;
  return isBefore(one.id, other.id) ? 1 : -1;
}

function sharesOf(lines, wants, sales) {
  const left = [...wants];
  const got = lines.map(() => sales.map(() => 0n));
  for (const [n, { rate, units }] of sales.entries()) {
    const able = [...lines.keys()].filter((at) => lines[at].rate >= rate);
    if (sum(able.map((at) => left[at])) < units) return undefined;
    for (const [i, share] of inProportion(able.map((at) => left[at]), units).entries()) {
      got[able[i]][n] = share;
      left[able[i]] -= share;
    }
  }
  return got;
}

// CLR-15: what each line gets in all where classes are served in turn.
function servedByRank(lines, sales) {
  const left = lines.map(({ want }) => want);
  const ranks = [...new Set(lines.map(({ rank }) => rank))].sort((one, other) => one - other);
  for (const { rate, units } of sales) {
    let rest = units;
    for (const rank of ranks) {
      const able = [...lines.keys()].filter((n) => lines[n].rank === rank && lines[n].rate >= rate);
      const wanted = able.map((n) => left[n]);
      const some = sum(wanted) < rest ? sum(wanted) : rest;
      inProportion(wanted, some).forEach((share, i) => { left[able[i]] -= share; });
      rest -= some;
    }
    if (rest > 0n) return undefined;
  }
  return lines.map(({ want }, n) => want - left[n]);
}

// CLR-11: rounded down, then one each to the largest remainders, of equals the first.
function inProportion(wants, units) {
  const all = sum(wants);
  if (all === 0n) return wants;
  const shares = wants.map((want) => (units * want) / all);
  const rest = wants.map((want, n) => [(units * want) % all, n])
    .sort(([one, m], [other, n]) => (one === other ? m - n : one > other ? -1 : 1));
  for (const [, n] of rest.slice(0, Number(units - sum(shares)))) shares[n] += 1n;
  return shares;
}
