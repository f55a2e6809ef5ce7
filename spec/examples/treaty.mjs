// Chapter 16, sections 3 and 6: what a federation may agree to, and what a direction shows.

import { chapter, codes, table } from "./chapter.mjs";
import { encode } from "./cmp1-encode.mjs";
import { decode } from "./cmp1.mjs";
import { hash } from "./hash.mjs";
import { shapeNamed } from "./record.mjs";
import { refuseUnless } from "./refusal.mjs";

const MAX_PAYLOAD = 65_536;
const MAX_TREATY = 4_096;
const SALT_BYTES = 16;
const TREATY = shapeNamed("Treaty");
export const DIRECTION = shapeNamed("Direction");

const AT_HOME = /^(ballot|bridge|charter|entry|member|treaty)\./;
const SINGLE = ["demand.submit", "demand.withdraw", "curve.bid"];
const SEALED_ONLY = table(chapter("14-versioning-and-kinds"), "kinds")
  .filter(([, , travels]) => travels === "sealed")
  .map(([kind]) => codes(kind)[0]);

const staysHome = (kind) =>
  AT_HOME.test(kind) || [...SINGLE, ...SEALED_ONLY].includes(kind);

// TRT-26, TRT-42: a re-foundation may list a treaty that nobody might have adopted.
export const mayCross = ({ kinds }, kind) => kinds.includes(kind) && !staysHome(kind);

export const readTreaty = (body) => ({
  id: hash("treaty", body),
  ...TREATY(decode(body, MAX_TREATY)),
});

export const directionFrom = ({ directions, parties }, fid) =>
  directions[parties[0].equals(fid) ? 0 : 1];

// Whether the federation `fid` may adopt it, whose members in the role `bridge` are `bridges`.
export function verifyAgreement({ bridges, directions, parties }, fid, members) {
  const isOurs = Buffer.compare(...parties) < 0 && parties.some((party) => party.equals(fid));
  refuseUnless(isOurs, "treaty.parties", "not between this federation and another"); // TRT-2
  const areMembers = bridges.every((cid) => members.some((member) => member.equals(cid)));
  const areOnce = new Set(bridges.map((cid) => cid.toString("hex"))).size === bridges.length;
  refuseUnless(areMembers && areOnce, "treaty.bridges", "no bridges of ours, once each"); // TRT-3
  directions.forEach(verifyDirection);
  const [there, back] = directions.map(({ ids }) => ids);
  const turned = back.map(({ field, ours, theirs }) => ({ field, ours: theirs, theirs: ours }));
  const texts = (ids) => ids.map(nameOf("ours", "theirs")).sort();
  const areInverse = texts(there).join("\n") === texts(turned).join("\n");
  refuseUnless(areInverse, "treaty.ids", "the way back does not undo the way there"); // TRT-7
}

const nameOf = (...keys) => (pair) => [pair.field, ...keys.map((key) => pair[key])].join("\0");

function verifyDirection({ categories, ids, kinds, regions, removed }) {
  for (const listed of [categories, kinds, regions, removed, ids.map(nameOf("ours"))]) {
    const isAscending = listed.every((text, i) => i === 0 || listed[i - 1] < text);
    refuseUnless(isAscending, "treaty.order", "not in order, or twice"); // TRT-4
  }
  for (const kind of kinds) {
    refuseUnless(!staysHome(kind), "treaty.kinds", `${kind} stays at home`); // TRT-5
  }
  const needed = [
    ...(categories.length > 0 ? ["category", "item"] : []),
    ...(regions.length > 0 ? ["zone"] : []),
  ];
  const isSeen = !removed.some((key) => needed.includes(key));
  refuseUnless(isSeen, "treaty.removed", "what decides is taken out"); // TRT-6
}

export const bodyOf = ({ payload }) => payload.subarray(SALT_BYTES);
const saltOf = ({ payload }) => payload.subarray(0, SALT_BYTES);

// What a direction shows of a payload: {isView, payload}.
export function project(direction, kind, source) {
  if (kind === "sealed") {
    refuseUnless(!source.isView, "bridge.view", "a sealed body crosses whole"); // TRT-36
    return source;
  }
  const body = decode(bodyOf(source), MAX_PAYLOAD);
  if (!(body instanceof Map)) return source;
  verifyPlace(direction, body);
  const { names, taken } = namesOf(direction.ids, "ours", "theirs");
  const made = renamed(without(direction.removed, body), (field, name) => {
    const key = `${field}\0${name}`;
    refuseUnless(names.has(key) || !taken.has(key), "bridge.ids", `${name} is taken`); // TRT-34
    return names.get(key) ?? name;
  });
  const left = encode(made);
  if (left.equals(bodyOf(source))) return source; // TRT-35
  const salt = hash("view-salt", saltOf(source)).subarray(0, SALT_BYTES);
  return { isView: true, payload: Buffer.concat([salt, left]) };
}

// TRT-46: with its names exchanged back, an honest view comes out as it was.
export function verifyProjected(direction, kind, shown) {
  const source = shown.isView && kind !== "sealed" ? restored(direction, shown) : shown;
  const isHonest = bodyOf(project(direction, kind, source)).equals(bodyOf(shown));
  refuseUnless(isHonest, "bridge.view", "shows what the treaty keeps back");
}

function restored(direction, shown) {
  const { names } = namesOf(direction.ids, "theirs", "ours");
  const body = decode(bodyOf(shown), MAX_PAYLOAD);
  const back = renamed(body, (field, name) => names.get(`${field}\0${name}`) ?? name);
  return { isView: true, payload: Buffer.concat([saltOf(shown), encode(back)]) };
}

function namesOf(ids, from, to) {
  const key = (side) => (pair) => nameOf(side)(pair);
  const names = new Map(ids.map((pair) => [key(from)(pair), pair[to]]));
  return { names, taken: new Set(ids.map(key(to))) };
}

// TRT-30, TRT-31
function verifyPlace({ categories, regions }, body) {
  const item = body.get("item");
  const category = item instanceof Map ? item.get("category") : undefined;
  const isListed = categories.length === 0 || !body.has("item") || categories.includes(category);
  refuseUnless(isListed, "bridge.category", `category ${category}`);
  const zone = body.get("zone");
  const isInside = regions.length === 0 || !body.has("zone") || regions.includes(zone);
  refuseUnless(isInside, "bridge.region", `zone ${zone}`);
}

// TRT-32
function without(removed, body) {
  const kept = new Map([...body].filter(([key]) => !removed.includes(key)));
  const item = kept.get("item");
  if (item instanceof Map) {
    kept.set("item", new Map([...item].filter(([key]) => !removed.includes(key))));
  }
  return kept;
}

// TRT-33
const IN_ITEM = { category: "category", code: "item" };

function renamed(value, rename, isItem = false) {
  if (Array.isArray(value)) return value.map((each) => renamed(each, rename));
  if (!(value instanceof Map)) return value;
  const entries = [...value].map(([key, each]) => {
    const field = key === "zone" ? "zone" : isItem ? IN_ITEM[key] : undefined;
    if (field && typeof each === "string") return [key, rename(field, each)];
    return [key, renamed(each, rename, key === "item")];
  });
  return new Map(entries);
}
