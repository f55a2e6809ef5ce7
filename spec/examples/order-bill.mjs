// Chapter 10, section 14: an invoice and a credit note, made again by whoever reads them.

import { figures } from "./order.mjs";
import { refuseUnless } from "./refusal.mjs";

const GONE = ["REJECTED", "CREDITED"];
const hex = (bytes) => bytes.toString("hex");
const pairs = (lines) => lines.map(({ line, quantity }) => [line, quantity]);
const isSame = (one, other) => JSON.stringify(one) === JSON.stringify(other);

function requireNumber(state, number) { // REC-19
  const used = Object.values(state.invoice).filter(({ record }) => record !== undefined)
    .flatMap(({ record, notes }) => [record.number, ...notes]);
  refuseUnless(!used.includes(number), "invoice.twice", number);
}

// REC-20: what receipts accepted that no invoice in force bills, by line.
function billable(state, receipts) {
  const standing = Object.values(state.invoice).filter(({ record, state: stands }) =>
    record !== undefined && !GONE.includes(stands));
  const billed = new Set(standing.flatMap(({ record }) => record.receipts));
  const sums = new Map();
  for (const receipt of receipts.map(hex)) {
    const found = Object.values(state.delivery).find((each) => each.receipt === receipt);
    refuseUnless(found !== undefined && !billed.has(receipt), "invoice.receipt", receipt);
    billed.add(receipt);
    for (const [at, quantity] of Object.entries(found.accepted)) {
      sums.set(Number(at), (sums.get(Number(at)) ?? 0) + quantity);
    }
  }
  return [...sums].sort(([one], [other]) => one - other);
}

// Each line may have a price of its own, so each is a bill by itself and taxes are added up last.
function compare(state, record, { rows, before, carriage, feeBps }) {
  const made = figures({
    before,
    rows,
    carriage: carriage === undefined ? [] : [carriage.amount, carriage.base],
    feeBps,
    price: (line) => [state.lines[line].price.amount, state.lines[line].price.base],
  });
  const [lines, taxes, [fee, net, tax, all]] = made;
  refuseUnless(isSame(pairs(record.lines), lines.map(([at, n]) => [at, n])), "invoice.lines", "other");
  for (const [n, [line, , amount, freight, part]] of lines.entries()) {
    const got = record.lines[n];
    refuseUnless(got.amount === amount, "invoice.amount", `line ${line}`);
    refuseUnless(got.carriage === freight, "invoice.carriage", `line ${line}`);
    refuseUnless(got.fee === part, "invoice.fee", `line ${line}`);
  }
  const told = record.taxes.map(({ tax: { category, rate_bps }, base, amount }) =>
    [category, rate_bps, base, amount]);
  refuseUnless(isSame(told, taxes) && record.tax === tax, "invoice.tax", `expected ${tax}`);
  const sums = [record.fee, record.net, record.total];
  refuseUnless(isSame(sums, [fee, net, all]), "invoice.total", `expected ${all}`);
}

const rowsOf = (lines) =>
  lines.map(({ line, quantity, tax }) => [line, quantity, tax.category, tax.rate_bps]);

export function compareBill(state, record) {
  requireNumber(state, record.number);
  const expected = billable(state, record.receipts);
  refuseUnless(isSame(pairs(record.lines), expected), "invoice.lines", "other quantities");
  const currencies = [record.currency, record.carriage?.currency ?? record.currency];
  refuseUnless(currencies.every((each) => each === state.currency), "invoice.currency", "another");
  const { carriage, fee_bps: feeBps } = record;
  compare(state, record, { rows: rowsOf(record.lines), before: [], carriage, feeBps });
}

// REC-26, REC-27. Returns whether all of the invoice is credited now.
export function creditOf(state, found, record) {
  requireNumber(state, record.number);
  if (record.request !== undefined) {
    const { lines } = state.return[hex(record.request)];
    refuseUnless(isSame(pairs(record.lines), pairs(lines)), "credit.quantity", "not what goes back");
  }
  const asked = new Map(pairs(record.lines));
  const { carriage, fee_bps: feeBps } = found.record;
  const isBilled = [...asked.keys()].every((at) => found.record.lines.some(({ line }) => line === at));
  refuseUnless(isBilled, "credit.quantity", "a line that was not billed");
  const after = found.record.lines.map((line) => {
    const quantity = (found.credited[line.line] ?? 0) + (asked.get(line.line) ?? 0);
    refuseUnless(quantity <= line.quantity, "credit.quantity", `line ${line.line}`);
    return { ...line, quantity };
  }).filter(({ quantity }) => quantity > 0);
  const before = Object.entries(found.credited).map(([at, quantity]) => [Number(at), quantity]);
  compare(state, record, { rows: rowsOf(after), before, carriage, feeBps });
  for (const line of record.lines) {
    const { tax } = found.record.lines.find((each) => each.line === line.line);
    refuseUnless(isSame(line.tax, tax), "invoice.tax", `line ${line.line}`);
  }
  for (const { line, quantity } of after) found.credited[line] = quantity;
  found.notes.push(record.number);
  return found.record.lines.every(({ line, quantity }) => found.credited[line] === quantity);
}
