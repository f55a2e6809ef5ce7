// Chapter 11: what may follow on what, and who may send it.

import { chapter, table } from "./chapter.mjs";
import { Refusal, refuseUnless } from "./refusal.mjs";

const TEXT = chapter("11-lifecycles");
const MACHINES = Object.fromEntries(
  ["pool", "hold", "shipment"].map((name) => [name, table(TEXT, name).map(rowOf)]),
);

function rowOf([from, event, by, to]) {
  return { from, event: event.replaceAll("`", ""), by, to };
}

// `events` are pairs of an event and the party that it came from. Returns the state after them.
export function foldLifecycle(machine, events) {
  const rows = MACHINES[machine];
  return events.reduce((from, [event, party]) => {
    const row = rows.find((candidate) => candidate.from === from && candidate.event === event);
    if (row === undefined) throw new Refusal("state.illegal", `${event} in ${from}`);
    refuseUnless(row.by === party, "state.wrong_sender", `${event} by ${party}`);
    return row.to;
  }, "-");
}
