// Chapter 21, CLR-1 to CLR-10: what sums of demand are enough to judge.

import { boundOf } from "./clearing-certificate.mjs";
import { marketOf, saleOf } from "./clearing-market.mjs";
import { inOrder, partOf } from "./clearing-shares.mjs";
import { refuseUnless } from "./refusal.mjs";

const MAX = BigInt(Number.MAX_SAFE_INTEGER);
const RATIONS = ["proportional_mix/1", "priority_mix/1"];

export const MONEY = ["amount", "fee", "carriage"];
export const sum = (numbers) => numbers.reduce((all, each) => all + each, 0n);
export const ascends = (ids) => ids.slice(1).every((id, n) => id.compare(ids[n]) > 0);

export function judgeRules(award, pool, id) {
  const isKnown = award.objective === "several_offers/1" && RATIONS.includes(award.ration);
  refuseUnless(isKnown, "award.rule_unknown", `${award.objective} and ${award.ration}`);
  refuseUnless(award.pool.equals(id), "award.pool", "of another pool"); // AWD-13
  const isOwn = award.objective === pool.objective && award.ration === pool.ration;
  refuseUnless(isOwn, "award.rule", "by other rules than the pool's"); // AWD-13
}

// Returns the sales as they are shared.
export function judgeTotals(award, pool, offers, wanted) {
  const sales = award.lines.map((line) => {
    const [id, offer] = offers.find(([each]) => each.equals(line.offer)) ?? [];
    refuseUnless(offer, "award.offer_unknown", "an offer that does not count");
    refuseUnless(line.zone === pool.zone, "award.zone", line.zone);
    return { offer: id, terms: offer, line, ...saleOf(pool, offer, line) };
  });
  refuseUnless(ascends(sales.map(({ offer }) => offer)), "award.lines", "no ascending offers"); // CLR-5
  const market = marketOf(pool, offers.map(([, offer]) => offer), wanted);
  for (const { rate } of sales) { // CLR-4
    const taken = sum(sales.filter((other) => other.rate >= rate).map((other) => other.units));
    const able = market.demandAt(rate);
    refuseUnless(taken <= able, "award.over_demand", `${taken} units for ${able}`);
  }
  const all = sum(sales.map((sale) => sale.units));
  refuseUnless(BigInt(award.quantity) === all, "award.quantity", `${all} units`);
  const least = pool.min_quantity ?? 1;
  refuseUnless(all >= least, "award.below_minimum", `${all} of ${least} units`); // CLR-5
  sales.forEach((sale) => judgeNear(sale, pool));
  judgeCertificate(award, market, sum(sales.map((sale) => sale.units * sale.gain)));
  return inOrder(sales);
}

// CLR-18: sums are what rounding each line once can make of them.
function judgeNear({ line, terms, units: sold, ...sale }, pool) {
  const exact = partOf(pool, terms, sale, sold);
  const slack = BigInt(line.lines) + 1n;
  for (const name of MONEY) {
    const off = BigInt(line[name]) - exact[name];
    refuseUnless(off <= slack && -off <= slack, `award.${name}`, `${line[name]}, not ${exact[name]}`);
  }
}

function judgeCertificate({ branches, gap, value }, market, objective) {
  refuseUnless(BigInt(value) === objective / 1_000_000n, "award.value", `${objective}`); // CLR-6
  refuseUnless(branches, "award.certificate", "none of this rule"); // CLR-8
  const beyond = boundOf(market, branches) - objective;
  const told = beyond > MAX ? MAX : beyond;
  refuseUnless(BigInt(gap) === told, "award.gap", `${gap}, not ${told}`); // CLR-10
}
