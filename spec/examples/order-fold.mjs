// Chapters 10, section 7 and 13, and 11, section 5: one order, folded from the records of two lines.

import { amountFor } from "./amount.mjs";
import { advance } from "./lifecycle.mjs";
import { compareBill, creditOf } from "./order-bill.mjs";
import { readingOrder } from "./order.mjs";
import { Refusal, refuseUnless } from "./refusal.mjs";

const MOST = 256; // LIF-9
const INSPECTION_MS = 3 * 86_400_000; // REC-16
const hex = (bytes) => bytes.toString("hex");
const total = (numbers) => numbers.reduce((all, each) => all + each, 0);

function begin({ lines, price }) {
  const fresh = ({ quantity }) => ({ ordered: quantity, due: quantity, sent: 0, accepted: 0, price });
  return {
    main: "PLACED", lines: lines.map(fresh), currency: price.currency, feeBps: 0, fee: 0,
    proposal: null, change: null, cancel: null,
    amendment: {}, cancellation: {}, delivery: {}, invoice: {}, return: {},
  };
}

// Moves one machine of a track; there are as many as records that begin one.
function move(state, machine, id, event, party) {
  const found = state[machine][id];
  const to = advance(machine, found?.state ?? "-", event, party);
  state[machine][id] = { ...found, state: to };
  return state[machine][id];
}

function moveMain(state, event, party) {
  state.main = advance("order", state.main, event, party);
}

function requireLines(state, lines) { // REC-12
  refuseUnless(lines.every(({ line }) => line < state.lines.length), "order.line", "no such line");
}

function requireSomething(state, quantities) { // REC-14
  const left = state.lines.map((line, at) => quantities.get(at) ?? line.ordered);
  refuseUnless(total(left) > 0, "order.quantity", "nothing is left of the order");
}

const promisedOf = ({ deliveries }) => total(deliveries.map(({ quantity }) => quantity));

function mostFee(state) { // REC-15
  if (!["ACCEPTED", "IN_FULFILMENT"].includes(state.main)) return 0n;
  const goods = state.lines.reduce((all, { due, price }) =>
    all + amountFor({ amount: price.amount, base: price.base, quantity: due }), 0n);
  return amountFor({ amount: state.feeBps, base: 10_000, quantity: goods });
}

const RULES = {
  "order.response": (state, { id, record }, party) => {
    const was = state.main;
    moveMain(state, `order.response ${record.code}`, party);
    if (record.lines !== undefined) {
      requireLines(state, record.lines);
      for (const line of record.lines) {
        const { ordered, price } = state.lines[line.line];
        refuseUnless(promisedOf(line) <= ordered, "order.quantity", "more than was ordered");
        const isFair = line.price === undefined || (line.price.base === price.base
          && line.price.currency === price.currency && line.price.amount <= price.amount);
        refuseUnless(isFair, "order.price", "dearer than was ordered"); // REC-13
      }
      requireSomething(state, new Map(record.lines.map((line) => [line.line, promisedOf(line)])));
      state.proposal = { id, lines: record.lines, agreeByMs: record.agree_by_ms };
    }
    state.feeBps = record.cancel_fee_bps ?? state.feeBps;
    if (was !== "AGREED") return;
    for (const line of state.proposal.lines) {
      const price = line.price ?? state.lines[line.line].price;
      const quantity = promisedOf(line);
      state.lines[line.line] = { ...state.lines[line.line], ordered: quantity, due: quantity, price };
    }
  },
  "order.agree": (state, { record }, party) => {
    moveMain(state, `order.agree ${record.code}`, party);
    refuseUnless(state.proposal?.id === hex(record.response), "state.illegal", "another proposal");
  },
  "order.lapse": (state, { record, timeMs }, party) => {
    moveMain(state, "order.lapse", party);
    refuseUnless(state.proposal?.id === hex(record.response), "state.illegal", "another proposal");
    refuseUnless(timeMs > state.proposal.agreeByMs, "order.early", "too early"); // LIF-10
  },
  "order.change": (state, { id, record }, party) => {
    moveMain(state, "order.change", party);
    requireLines(state, record.lines);
    if (state.change !== null) move(state, "amendment", state.change.id, "order.change", party);
    move(state, "amendment", id, "order.change", party);
    state.change = { id, lines: record.lines };
  },
  "order.change_response": (state, { record }, party) => {
    const event = `order.change_response ${record.code}`;
    moveMain(state, event, party);
    move(state, "amendment", hex(record.change), event, party);
    if (record.code === "AP") {
      const asked = new Map(state.change.lines.map(({ line, quantity }) => [line, quantity]));
      for (const [at, quantity] of asked) {
        const isMore = quantity >= state.lines[at].sent;
        refuseUnless(isMore, "order.quantity", "less than went off");
      }
      requireSomething(state, asked);
      for (const [at, quantity] of asked) {
        const { sent } = state.lines[at];
        state.lines[at] = { ...state.lines[at], ordered: quantity, due: quantity - sent };
      }
    }
    state.change = null;
  },
  "order.cancel": (state, { id }, party) => {
    moveMain(state, "order.cancel", party);
    refuseUnless(state.cancel === null, "state.illegal", "one waits already");
    move(state, "cancellation", id, "order.cancel", party);
    state.cancel = id;
  },
  "order.cancel_response": (state, { record }, party) => {
    const event = `order.cancel_response ${record.code}`;
    const most = record.code === "AP" ? mostFee(state) : 0n;
    moveMain(state, event, party);
    move(state, "cancellation", hex(record.cancel), event, party);
    refuseUnless(BigInt(record.fee ?? 0) <= most, "order.fee", `more than ${most}`);
    if (record.code === "AP") {
      state.fee = record.fee ?? 0;
      state.lines = state.lines.map((line) => ({ ...line, due: 0 }));
    }
    state.cancel = null;
  },
  "despatch.advice": (state, { id, record, timeMs }, party) => {
    moveMain(state, "despatch.advice", party);
    requireLines(state, record.lines);
    const refs = Object.values(state.delivery).map(({ ref }) => ref);
    refuseUnless(!refs.includes(record.ref), "despatch.twice", record.ref); // REC-19
    for (const { line, delivered, outstanding } of record.lines) {
      const isDue = delivered + outstanding <= state.lines[line].due;
      refuseUnless(isDue, "order.quantity", "more than is outstanding");
    }
    const earliestMs = Math.max(timeMs, record.arrives_ms) + INSPECTION_MS;
    refuseUnless(record.inspect_until_ms >= earliestMs, "order.inspection", "too soon");
    const found = move(state, "delivery", id, "despatch.advice", party);
    Object.assign(found, { ref: record.ref, untilMs: record.inspect_until_ms, receipt: null });
    Object.assign(found, { advised: {}, accepted: {}, returned: {} });
    for (const { line, delivered, outstanding } of record.lines) {
      const known = state.lines[line];
      state.lines[line] = { ...known, due: outstanding, sent: known.sent + delivered };
      found.advised[line] = delivered;
    }
  },
  "receipt.advice": (state, { id, record }, party) => {
    moveMain(state, "receipt.advice", party);
    const found = move(state, "delivery", hex(record.despatch), "receipt.advice", party);
    requireLines(state, record.lines);
    const counted = {};
    for (const { line, accepted, damaged, over, refused, short } of record.lines) {
      const advised = found.advised[line] ?? 0;
      const isRight = accepted + damaged + refused === advised - short + over
        && (short === 0 || over === 0) && short <= advised;
      refuseUnless(isRight, "receipt.sum", `line ${line}`); // REC-17
      counted[line] = accepted;
    }
    close(state, found, id, { ...found.advised, ...counted });
  },
  "receipt.deem": (state, { id, record, timeMs }, party) => {
    moveMain(state, "receipt.deem", party);
    const found = move(state, "delivery", hex(record.despatch), "receipt.deem", party);
    refuseUnless(timeMs > found.untilMs, "order.early", "too early");
    close(state, found, id, found.advised);
  },
  "return.request": (state, { id, record }, party) => {
    const found = move(state, "return", id, "return.request", party);
    const delivery = state.delivery[hex(record.despatch)];
    refuseUnless(delivery?.receipt, "state.illegal", "nothing was received");
    const refs = Object.values(state.return).map(({ ref }) => ref);
    refuseUnless(!refs.includes(record.ref), "return.twice", record.ref);
    for (const { line, quantity } of record.lines) { // REC-18
      const back = (delivery.returned[line] ?? 0) + quantity;
      refuseUnless(back <= (delivery.accepted[line] ?? 0), "return.quantity", `line ${line}`);
      delivery.returned[line] = back;
    }
    Object.assign(found, { ref: record.ref, lines: record.lines, of: hex(record.despatch) });
  },
  "return.response": (state, { record }, party) => {
    const found = move(state, "return", hex(record.request), `return.response ${record.code}`, party);
    if (record.code === "AP") return;
    const { returned } = state.delivery[found.of];
    for (const { line, quantity } of found.lines) returned[line] -= quantity;
  },
  "invoice.issue": (state, { id, record }, party) => {
    const found = move(state, "invoice", id, "invoice.issue", party);
    compareBill(state, record);
    Object.assign(found, { record: { ...record, receipts: record.receipts.map(hex) } });
    Object.assign(found, { credited: {}, notes: [] });
  },
  "invoice.response": (state, { record }, party) => {
    move(state, "invoice", hex(record.invoice), `invoice.response ${record.code}`, party);
  },
  "credit_note.issue": (state, { record }, party) => {
    const id = hex(record.invoice);
    const found = move(state, "invoice", id, "credit_note.issue", party);
    if (record.request !== undefined) {
      move(state, "return", hex(record.request), "credit_note.issue", party);
    }
    const isWhole = creditOf(state, found, record);
    if (isWhole) move(state, "invoice", id, "sum.credited", "nobody");
  },
};

function close(state, found, receipt, accepted) {
  found.receipt = receipt;
  for (const [at, quantity] of Object.entries(accepted)) {
    if (quantity === 0) continue;
    found.accepted[at] = quantity;
    state.lines[at] = { ...state.lines[at], accepted: state.lines[at].accepted + quantity };
  }
}

function isComplete(state) {
  const isOnTheWay = ({ state: stands, advised }) =>
    stands === "DESPATCHED" && total(Object.values(advised)) > 0;
  return state.lines.every(({ due }) => due === 0)
    && !Object.values(state.delivery).some(isOnTheWay);
}

// `said` is {id, timeMs, kind, record}, ids in hex. Returns what chapter 11 makes of an order.
export function foldOrder(order, buyer, supplier) {
  const refused = {};
  for (const side of [buyer, supplier]) {
    for (const { id } of side.slice(MOST)) refused[id] = "order.too_many";
  }
  const sides = [buyer, supplier].map((side) => side.slice(0, MOST));
  const party = new Map(sides.flatMap((side, n) =>
    side.map((said) => [said.id, [said, ["buyer", "supplier"][n]]])));
  const bytes = ({ id }) => Buffer.from(id, "hex");
  const words = sides[1].map((said) => [bytes(said), said.record.after ?? Buffer.alloc(0)]);
  const [ids, unread, waiting] = readingOrder(bytes(order), sides[0].map(bytes), words);
  let state = begin(order.record);
  for (const id of ids.map(hex)) {
    const [said, by] = party.get(id);
    const next = structuredClone(state); // A record has its effect whole, or none.
    try {
      RULES[said.kind](next, said, by);
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      refused[id] = refusal.code;
      continue;
    }
    if (next.main === "IN_FULFILMENT" && isComplete(next)) moveMain(next, "sum.complete", "nobody");
    state = next;
  }
  return { ...state, refused, unread, waiting };
}
