// Chapter 06, section 7: which payloads a subscription wants.

import { decode } from "./cmp1.mjs";
import { bytes, list, map, text } from "./shape.mjs";

const MAX_PAYLOAD = 65_536;
const WRITER = ["writer.lost", "writer.override", "writer.promise", "writer.succeed"];
const EVERYBODYS = ["entry.erase", "entry.restore", ...WRITER]; // SYN-73

const KINDS = list(text(/^[a-z0-9_.]{1,24}$/), 1, 64);
const TOPICS = list(text(/^[!-~]{1,64}$/), 1, 64);
export const FILTER = map({}, { categories: TOPICS, kinds: KINDS, regions: TOPICS });
const QUESTION = map({ body: bytes(0, MAX_PAYLOAD), filter: FILTER, kind: text(/^/) });

// Whether a payload of a kind, with this body decoded, is wanted.
export function isWanted(filter, kind, body) {
  if (EVERYBODYS.includes(kind)) return true;
  if (filter.kinds && !filter.kinds.includes(kind)) return false;
  if (kind === "sealed" || !(body instanceof Map)) return true;
  return fits(filter.categories, categoryOf(body)) && fits(filter.regions, regionOf(body));
}

function fits(wanted, topic) {
  return !wanted || typeof topic !== "string" || wanted.includes(topic);
}

function categoryOf(body) {
  const item = body.get("item");
  if (body.has("category")) return body.get("category");
  return item instanceof Map ? item.get("category") : undefined;
}

function regionOf(body) {
  return body.has("zone") ? body.get("zone") : body.get("region");
}

export function judgeSubscription(input) {
  const { body, filter, kind } = QUESTION(input);
  return Buffer.from([isWanted(filter, kind, decode(body, MAX_PAYLOAD)) ? 1 : 0]);
}
