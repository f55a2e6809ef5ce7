// Chapter 11: what may follow on what, and who may send it.

import { chapter, table } from "./chapter.mjs";
import { Refusal, refuseUnless } from "./refusal.mjs";

const TEXT = chapter("11-lifecycles");
const MACHINES = Object.fromEntries(
  ["pool", "hold", "shipment", "order", "amendment", "cancellation", "delivery", "invoice", "return"]
    .map((name) => [name, table(TEXT, name).map(rowOf)]),
);

function rowOf([from, event, by, to]) {
  return { from, event: event.replaceAll("`", ""), by, to };
}

// LIF-1, LIF-2: the state after one event, from `-` where nothing has begun.
export function advance(machine, from, event, party) {
  const row = MACHINES[machine].find((each) => each.from === from && each.event === event);
  if (row === undefined) throw new Refusal("state.illegal", `${event} in ${from}`);
  refuseUnless(row.by === party, "state.wrong_sender", `${event} by ${party}`);
  return row.to;
}

// `events` are pairs of an event and the party that it came from. Returns the state after them.
export const foldLifecycle = (machine, events) =>
  events.reduce((from, [event, party]) => advance(machine, from, event, party), "-");
