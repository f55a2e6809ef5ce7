// Chapters 10 and 11: what accepted goods come to, and the order in which two lines are read.

import { amountFor } from "./amount.mjs";
import { refuseUnless } from "./refusal.mjs";

const TAXED = ["L", "M", "S"]; // REC-23
const sum = (numbers) => numbers.reduce((all, each) => all + each, 0n);

// `price` is one of all lines, or a function of the line.
function lineOf([line, quantity], { price, carriage, feeBps }) {
  const [each, base] = typeof price === "function" ? price(line) : price;
  const amount = amountFor({ amount: each, base, quantity });
  const rate = carriage.length > 0 ? carriage : [0, 1];
  const freight = amountFor({ amount: rate[0], base: rate[1], quantity });
  const fee = amountFor({ amount: feeBps, base: 10_000, quantity: amount });
  return { line, quantity: BigInt(quantity), amount, carriage: freight, fee };
}

function billOf(quantities, taxOf, rates) {
  const lines = quantities.map((each) => lineOf(each, rates));
  const bases = new Map();
  for (const { line, amount, carriage, fee } of lines) {
    const key = taxOf.get(line).join("/");
    bases.set(key, (bases.get(key) ?? 0n) + amount + carriage + fee);
  }
  const taxes = new Map([...bases].map(([key, base]) => {
    const bps = key.split("/")[1];
    return [key, { base, amount: amountFor({ amount: bps, base: 10_000, quantity: base }) }];
  }));
  return { lines, taxes };
}

const less = (figures, before, names) =>
  Object.fromEntries(names.map((name) => [name, figures[name] - (before?.[name] ?? 0n)]));

// REC-22 to REC-26: a bill, less what was billed before.
export function figures({ before, rows, ...rates }) {
  const taxOf = new Map(rows.map(([line, , category, bps]) => [line, [category, bps]]));
  const isSound = [...taxOf.values()].every(([category, bps]) => bps === 0 || TAXED.includes(category));
  refuseUnless(isSound, "invoice.tax", "a rate above 0 for a category without tax");
  const billed = new Map(rows.map(([line, quantity]) => [line, quantity]));
  const isLeft = before.every(([line, quantity]) => quantity <= (billed.get(line) ?? 0));
  refuseUnless(isLeft, "credit.quantity", "more than was billed");
  const after = billOf(rows, taxOf, rates);
  const had = billOf(before, taxOf, rates);
  const lines = after.lines.map((line) => {
    const earlier = had.lines.find((each) => each.line === line.line);
    return { line: line.line, ...less(line, earlier, ["quantity", "amount", "carriage", "fee"]) };
  }).filter(({ quantity }) => quantity > 0n);
  const kept = new Set(lines.map(({ line }) => taxOf.get(line).join("/")));
  const taxes = [...after.taxes].filter(([key]) => kept.has(key)).map(([key, total]) => {
    const [category, bps] = key.split("/");
    return { category, bps: Number(bps), ...less(total, had.taxes.get(key), ["base", "amount"]) };
  });
  taxes.sort((a, b) => (a.category === b.category ? a.bps - b.bps : a.category < b.category ? -1 : 1));
  const fee = sum(lines.map((line) => line.fee));
  const net = sum(lines.map((line) => line.amount + line.carriage + line.fee));
  const tax = sum(taxes.map((each) => each.amount));
  refuseUnless(net + tax <= Number.MAX_SAFE_INTEGER, "enc.int_range", "above 2^53-1"); // VAL-7
  return [
    lines.map((n) => [n.line, n.quantity, n.amount, n.carriage, n.fee].map(Number)),
    taxes.map((t) => [t.category, t.bps, Number(t.base), Number(t.amount)]),
    [fee, net, tax, net + tax].map(Number),
  ];
}

// LIF-8: the supplier's records, each after those of the buyer's that it had read.
export function readingOrder(order, buyer, supplier) {
  const read = [];
  let upto = 0;
  let waiting = 0;
  for (const [at, [id, after]] of supplier.entries()) {
    const place = after.length === 0 || after.equals(order)
      ? 0 : buyer.findIndex((each) => each.equals(after)) + 1;
    if (place === 0 && after.length > 0 && !after.equals(order)) {
      waiting = supplier.length - at;
      break;
    }
    while (upto < place) read.push(buyer[upto++]);
    read.push(id);
  }
  return [[...read, ...buyer.slice(upto)], buyer.length - upto, waiting];
}
