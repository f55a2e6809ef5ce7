// Chapter 21, CLR-19: what a member checks that sees no line but its own.

import { canPay, partOf } from "./clearing-shares.mjs";
import { rateOf } from "./clearing-market.mjs";
import { ascends, judgeRules, judgeTotals, MONEY, sum } from "./clearing-totals.mjs";
import { OFFERS, recordOf } from "./clearing.mjs";
import { decode } from "./cmp1.mjs";
import { rootAbove } from "./merkle.mjs";
import { shapeNamed } from "./record.mjs";
import { refuseUnless } from "./refusal.mjs";
import { bytes, digest, integer, list, map, tuple } from "./shape.mjs";

const MAX_PAYLOAD = 65_536;
const OWN = map({
  award: recordOf("pool.award"),
  demand: recordOf("demand.submit"),
  id: digest,
  index: integer(0),
  leaf: bytes(0, MAX_PAYLOAD),
  line: digest,
  offers: OFFERS,
  path: list(digest, 0, 64),
  pool: recordOf("pool.open"),
  wanted: list(tuple(integer(0), integer(1, 10 ** 12)), 0, 1_024),
});

// Of the demands no more is told than how many units are wanted at which maximum.
export function judgeOwn(input) {
  const { award, demand, id, index, leaf, line, offers, path, pool, wanted } = OWN(input);
  refuseUnless(ascends(offers.map(([each]) => each)), "schema.invalid", "ids in another order");
  judgeRules(award, pool, id);
  const sums = wanted.map(([rate, wants]) => [BigInt(rate), BigInt(wants)]);
  const sales = judgeTotals(award, pool, offers, sums);
  const own = shapeNamed("Allotment")(decode(leaf, MAX_PAYLOAD));
  refuseUnless(own.demand.equals(line), "award.not_included", "the leaf of another line");
  const above = rootAbove({ index, leaf, path, size: award.leaves }, "award.not_included");
  refuseUnless(above.equals(award.root), "award.not_included", "under another root"); // AWD-5
  const { parts } = own;
  parts.forEach((part) => judgePart(part, pool, sales));
  const order = [...sales].reverse().map(({ offer }) => offer);
  const expected = order.filter((offer) => parts.some((part) => part.offer.equals(offer)));
  const isOrdered = parts.length === expected.length
    && parts.every((part, n) => part.offer.equals(expected[n]));
  refuseUnless(isOrdered, "award.parts", "parts twice or in another order"); // CLR-16
  const got = sum(parts.map(({ quantity }) => BigInt(quantity)));
  const fits = got >= demand.min_quantity && got <= demand.quantity;
  refuseUnless(fits, "award.quantity", `${got} units`);
  const exact = parts.map((part) => Object.fromEntries(
    ["quantity", ...MONEY].map((name) => [name, BigInt(part[name])]),
  ));
  refuseUnless(canPay(demand, exact), "award.over_max_price", "dearer than the maximum"); // AWD-1
  const least = leastShare(pool, demand, sales, sums);
  refuseUnless(got >= least, "award.ration", `${got} of ${least} units`);
}

function judgePart(part, pool, sales) {
  const sale = sales.find(({ offer, tier }) => offer.equals(part.offer) && tier === part.tier);
  refuseUnless(sale, "award.offer_unknown", "an offer or a tier that sells nothing");
  const exact = partOf(pool, sale.terms, sale, BigInt(part.quantity));
  for (const name of MONEY) { // CLR-12
    refuseUnless(BigInt(part[name]) === exact[name], `award.${name}`, `${exact[name]}`);
  }
}

// Classes that are served before say nothing of how much is left to it.
function leastShare(pool, demand, sales, wanted) {
  if (pool.ration === "priority_mix/1") return 0n;
  const maximum = rateOf(demand.max_price);
  const all = BigInt(demand.quantity);
  let left = all;
  let taken = 0n;
  let count = 0n;
  for (const { rate, units: sold } of sales) {
    if (rate <= maximum) {
      const able = sum(wanted.filter(([most]) => most >= rate).map(([, wants]) => wants));
      left -= (left * sold) / (able - taken);
      count += 1n;
    }
    taken += sold;
  }
  return all - left - count;
}
