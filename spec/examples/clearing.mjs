// Chapter 21: whether an award of several offers follows from what it was decided on (CLR-20).

import { rateOf } from "./clearing-market.mjs";
import { canPay, partOf, shareOut } from "./clearing-shares.mjs";
import { ascends, judgeRules, judgeTotals, MONEY, sum } from "./clearing-totals.mjs";
import { encode } from "./cmp1-encode.mjs";
import { decode } from "./cmp1.mjs";
import { hash, ZERO } from "./hash.mjs";
import { readRecord } from "./record.mjs";
import { refuseUnless } from "./refusal.mjs";
import { bytes, digest, list, map, tuple } from "./shape.mjs";

const MAX_PAYLOAD = 65_536;
export const recordOf = (kind) => (body) =>
  readRecord(kind, decode(bytes(0, MAX_PAYLOAD)(body), MAX_PAYLOAD));
export const OFFERS = list(tuple(digest, recordOf("offer.submit")), 0, 256);
const AWARD = map({
  award: recordOf("pool.award"),
  demands: list(tuple(digest, digest, recordOf("demand.submit")), 0, 1_024),
  id: digest,
  offers: OFFERS,
  pool: recordOf("pool.open"),
});

// Returns the root over the leaves.
export function judgeAward(input) {
  const { award, demands, id, offers, pool } = AWARD(input);
  const ids = [demands, offers].map((each) => each.map(([own]) => own));
  refuseUnless(ids.every(ascends), "schema.invalid", "ids in another order");
  judgeRules(award, pool, id);
  const coops = new Set(demands.map(([, cid]) => cid.toString("hex")));
  refuseUnless(coops.size >= pool.k_min, "award.too_few", `${coops.size} co-ops`); // AWD-13
  const inputs = hash("award-inputs", encode({ demands: ids[0], offers: ids[1], pool: id }));
  refuseUnless(award.inputs.equals(inputs), "award.inputs_hash", "other inputs"); // AWD-2
  const wanted = demands.map(([, , { max_price: most, quantity }]) => [rateOf(most), BigInt(quantity)]);
  const sales = judgeTotals(award, pool, offers, wanted);
  const leaves = leavesOf(id, pool, demands, sales);
  refuseUnless(leaves, "award.unshared", "units for nobody"); // CLR-14
  award.lines.forEach((line) => judgeSums(line, leaves));
  refuseUnless(award.leaves === leaves.length, "award.leaves", `${leaves.length} leaves`); // CLR-16
  const root = rootOf(leaves.map((leaf) => encode(leaf)));
  refuseUnless(award.root.equals(root), "award.root", "other leaves"); // CLR-16
  return root;
}

// CLR-11 to CLR-16
function leavesOf(id, pool, demands, sales) {
  const isRanked = pool.ration === "priority_mix/1";
  const classes = pool.priority ?? [];
  const rankOf = (cid) => {
    const rank = classes.findIndex((each) => each.some((one) => one.equals(cid)));
    return rank < 0 ? classes.length : rank;
  };
  const lines = demands.map(([own, cid, demand]) => ({
    id: own,
    demand,
    want: BigInt(demand.quantity),
    minimum: BigInt(demand.min_quantity),
    rate: rateOf(demand.max_price),
    rank: rankOf(cid),
  }));
  const partsOf = (got) => sales.flatMap((sale, n) =>
    (got[n] > 0n ? [{ ...partOf(pool, sale.terms, sale, got[n]), offer: sale.offer, tier: sale.tier }] : []));
  const shared = shareOut(lines, sales, isRanked, ({ demand }, got) => canPay(demand, partsOf(got)));
  return shared?.map(({ line, units: got }) => ({
    demand: line.id,
    parts: partsOf(got).reverse().map(plain), // CLR-16: the cheapest first
    salt: hash("open-salt", id, line.id).subarray(0, 16), // AWD-10
  }));
}

const plain = (part) =>
  Object.fromEntries(Object.entries(part).map(([key, n]) => [key, typeof n === "bigint" ? Number(n) : n]));

// CLR-17
function judgeSums(line, leaves) {
  const parts = leaves.flatMap((leaf) => leaf.parts.filter(({ offer }) => offer.equals(line.offer)));
  refuseUnless(parts.length === line.lines, "award.lines", `${parts.length} parts`);
  for (const name of MONEY) {
    const all = sum(parts.map((part) => BigInt(part[name])));
    refuseUnless(BigInt(line[name]) === all, `award.${name}`, `${all}`);
  }
}

// AWD-4
function rootOf(leaves) {
  let level = leaves.map((leaf) => hash("leaf", leaf));
  while (level.length > 1) {
    level = level.filter((_, n) => n % 2 === 0).map((node, n) =>
      (2 * n + 1 < level.length ? hash("node", node, level[2 * n + 1]) : node));
  }
  return level[0] ?? ZERO;
}
