// Chapter 21, sections 2 and 4: what a pool decides on. All in BigInt: products pass 64 bits.

import { refuseUnless } from "./refusal.mjs";

const MILLION = 1_000_000n;
const BPS = 10_000n;
const MOST_UNITS = 10n ** 12n;
const MAX = BigInt(Number.MAX_SAFE_INTEGER);

const largest = (...numbers) => numbers.reduce((one, other) => (other > one ? other : one));
const least = (...numbers) => numbers.reduce((one, other) => (other < one ? other : one));

// CLR-1: of a reference or a maximum.
export const rateOf = ({ amount, base }) => (BigInt(amount) * MILLION) / BigInt(base);

// CLR-1: of a tier, at the door of the pool's zone.
function landedRate(pool, offer, tier) {
  const goods = BigInt(offer.tiers[tier].amount) * (BPS + BigInt(pool.fee_bps));
  const landed = (goods + BigInt(carriageOf(pool, offer)) * BPS) * MILLION;
  const divisor = BigInt(offer.base) * BPS;
  return (landed + divisor - 1n) / divisor;
}

export function carriageOf(pool, offer) {
  return offer.carriage?.find(({ zone }) => zone === pool.zone)?.amount ?? 0;
}

// CLR-3: the terms of one tier; `below` is where the next one starts.
function termsOf(offer, tier) {
  return {
    from: BigInt(offer.tiers[tier].from_quantity),
    below: BigInt(offer.tiers[tier + 1]?.from_quantity ?? MOST_UNITS + 1n),
    minimum: BigInt(offer.min_quantity ?? 1),
    maximum: BigInt(offer.max_quantity ?? MOST_UNITS),
    pack: BigInt(offer.pack ?? 1),
  };
}

// `offers` as the close lists them; `wanted` = [rate, units] of each demand, in any order.
export function marketOf(pool, offers, wanted) {
  const demandAt = (rate) =>
    wanted.reduce((sum, [maximum, units]) => (maximum >= rate ? sum + units : sum), 0n); // CLR-4
  const options = offers.map((offer) => tiersWithPart(pool, offer));
  const rates = new Set(options.flat().map(({ rate }) => rate));
  const rows = [...rates].sort((one, other) => (one < other ? -1 : 1));
  return {
    demandAt,
    rows,
    options: options.map((ofOne) => ofOne
      .map((each) => ({ ...each, high: down(least(each.high, demandAt(each.rate)), each.pack) }))
      .filter(({ low, high }) => low <= high)),
  };
}

const down = (units, pack) => units - (units % pack);
const up = (units, pack) => down(units + pack - 1n, pack);

// Those that may sell anything, whoever wants it.
function tiersWithPart(pool, offer) {
  return offer.tiers.map((_, tier) => {
    const { from, below, minimum, maximum, pack } = termsOf(offer, tier);
    const low = up(largest(from, minimum), pack);
    const high = down(least(below - 1n, maximum, MOST_UNITS), pack);
    return { tier, ...gainOf(pool, offer, tier), low, high, pack };
  }).filter(({ gain, low, high }) => hasPart(gain) && low <= high);
}

// CLR-2
const hasPart = (gain) => gain >= 1n && gain <= MAX;

function gainOf(pool, offer, tier) {
  const rate = landedRate(pool, offer, tier);
  return { rate, gain: 1n + rateOf(pool.reference) - rate };
}

// CLR-2, CLR-3: what a line sells, if its offer allows that.
export function saleOf(pool, offer, { tier, quantity }) {
  refuseUnless(tier < offer.tiers.length, "award.wrong_tier", `no tier ${tier}`);
  const units = BigInt(quantity);
  const { from, below, minimum, maximum, pack } = termsOf(offer, tier);
  refuseUnless(units <= maximum, "award.over_capacity", `${units} of ${maximum} units`);
  refuseUnless(units >= from, "award.tier_not_reached", `${units} units from ${from} on`);
  refuseUnless(units < below, "award.wrong_tier", `${units} units below ${below}`);
  refuseUnless(units >= minimum, "award.offer_minimum", `${units} of ${minimum} units`);
  refuseUnless(units % pack === 0n, "award.pack", `${units} units in packs of ${pack}`);
  const { rate, gain } = gainOf(pool, offer, tier);
  refuseUnless(hasPart(gain), "award.no_gain", `a gain of ${gain}`);
  return { tier, units, rate, gain };
}
