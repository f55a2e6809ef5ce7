// Chapters 08 to 10, 15 to 18, 20: the tables of records are data too, so shapes are built from them.

import { chapter } from "./chapter.mjs";
import { refuseUnless } from "./refusal.mjs";
import { boolean, bytes, integer, list, map, text } from "./shape.mjs";

// What a record is built of. The JSON view (chapter 03) has other bytes and maps.
export const CMP1 = { bytes, map };

const ROW = /^\| `(\w+)` \| (optional)? ?\| (.+) \|$/gm;
const CHAPTERS = ["08-discovery", "09-charter", "10-records", "15-deciding", "16-treaties",
  "17-private-demand", "18-restoring-a-writer", "20-seats"];
const TABLES = new Map();
for (const section of CHAPTERS.flatMap((name) => chapter(name).split(/^### /m).slice(1))) {
  const rows = [...section.matchAll(ROW)];
  if (rows.length > 0) TABLES.set(section.split("\n", 1)[0], rows);
}

const number = (digits) => (digits === "2^53-1" ? 2 ** 53 - 1 : Number(digits.replaceAll(",", "")));

// How a cell of the third column reads, and what it means.
const FORMS = [
  [/^integer (\S+)\.\.(\S+)$/, (kit, least, most) => integer(number(least), number(most))],
  [/^(\d+) bytes$/, (kit, size) => kit.bytes(number(size))],
  [/^(\d+)\.\.(\d+) bytes$/, (kit, least, most) => kit.bytes(number(least), number(most))],
  [/^boolean$/, () => boolean],
  [/^text `(.+)`$/, (kit, pattern) => text(whole(pattern))],
  [/^text `(.+)`, (\d+)\.\.(\d+) characters$/, (kit, pattern, least, most) =>
    text(whole(pattern), number(least), number(most))],
  [/^(\d+)\.\.(\d+) of (.+)$/, (kit, least, most, item) =>
    list(shapeOfCell(kit, item), number(least), number(most))],
  [/^\[(\w+)\]\((?:[\w-]+\.md)?#\w+\)$/, (kit, name) => shapeOf(kit, name)],
  [/^`(\d+)`$/, (kit, only) => integer(number(only), number(only))],
  [/^`"(.+)"`$/, (kit, words) => text(whole(words.replaceAll('"` or `"', "|")))],
];

const whole = (pattern) => new RegExp(`^(?:${pattern.replaceAll("\\|", "|")})$`, "u");

function shapeOfCell(kit, cell) {
  for (const [form, make] of FORMS) {
    const found = cell.match(form);
    if (found) return make(kit, ...found.slice(1));
  }
  throw new Error(`a chapter has a cell that reads like none before: ${cell}`);
}

function shapeOf(kit, name) {
  const required = {};
  const optional = {};
  for (const [, key, isOptional, cell] of TABLES.get(name)) {
    (isOptional ? optional : required)[key] = shapeOfCell(kit, cell);
  }
  const fields = kit.map(required, optional);
  return (value) => {
    const record = fields(value);
    BETWEEN[name]?.(record);
    return record;
  };
}

// Rules between the keys of one record: REC-3 to REC-6, REC-10, REC-11, REC-16, REC-28, PRV-14,
// PRV-21, CLR-8, CLR-10.
const ascending = ({ lines }) => // REC-10
  (lines ?? []).slice(1).forEach((each, i) =>
    require(each.line > lines[i].line, "lines that ascend, each once"));

const BETWEEN = {
  ...Object.fromEntries(["order.change", "receipt.advice", "return.request", "invoice.issue",
    "credit_note.issue"].map((kind) => [kind, ascending])),
  "order.response": (record) => {
    const hasChange = [record.agree_by_ms, record.lines].map((each) => each !== undefined);
    require(hasChange.every((has) => has === (record.code === "CA")), "CA with changes"); // REC-11
    ascending(record);
  },
  "despatch.advice": (record) => {
    require(record.arrives_ms <= record.inspect_until_ms, "goods inspected once they are there");
    ascending(record);
  },
  "invoice.response": ({ code, reasons }) =>
    require(reasons !== undefined || !["CA", "RE", "UQ"].includes(code), "a reason"), // REC-28
  "curve.close": ({ bids }) =>
    bids.slice(1).forEach((bid, i) => require(bid.compare(bids[i]) > 0, "bids in ascending order")),
  "curve.open": ({ levels }) =>
    levels.slice(1).forEach((level, i) => require(level > levels[i], "levels that ascend")),
  "pool.award": ({ branches, certificate, gap }) => { // CLR-8, CLR-10
    const hasBranches = branches !== undefined;
    require(hasBranches !== (certificate !== undefined), "a certificate or branches");
    require(hasBranches === (gap !== undefined), "branches with their gap");
  },
  Branch: ({ offer, prices, upto }) => { // CLR-8
    const isLeaf = prices !== undefined;
    require([offer, upto].every((each) => (each === undefined) === isLeaf), "a branch or a leaf");
  },
  Window: ({ from_ms, to_ms }) => require(from_ms <= to_ms, "a window that ends after it begins"),
  "demand.submit": ({ min_quantity, quantity }) =>
    require(min_quantity <= quantity, "a minimum up to the quantity"),
  "offer.submit": ({ tiers }) =>
    tiers.slice(1).forEach((tier, i) => {
      const isBetter =
        tier.from_quantity > tiers[i].from_quantity && tier.amount < tiers[i].amount;
      require(isBetter, "tiers that ascend by quantity and fall in price");
    }),
  "travel.table": ({ first_row, rows, seconds, size }) => {
    require(seconds.length === 4 * rows * size, "four bytes for each cell");
    require(first_row + rows <= size, "rows within the table");
  },
  "treaty.brake": ({ level, per_day }) =>
    require((level === "limit") === (per_day !== undefined), "a rate with a limit alone"), // TRT-12
};

const require = (holds, expected) => refuseUnless(holds, "schema.invalid", `expected ${expected}`);

// The shape of what a table describes that is no record of its own, by the table's name.
export const shapeNamed = (name) => shapeOf(CMP1, name);

export const hasTable = (kind) => TABLES.has(kind);

// REC-1, REC-2: a body of a kind that has no table is checked for its encoding alone.
export function readRecord(kind, body, kit = CMP1) {
  return hasTable(kind) ? shapeOf(kit, kind)(body) : body;
}
