// Chapter 03, section 7: from a JSON view back to a record, by the types of chapter 10.

import { Refusal, refuseUnless } from "./refusal.mjs";
import { readRecord } from "./record.mjs";
import { bytes, map } from "./shape.mjs";

const STRING = /"(?:[^"\\]|\\.)*"/g;
const KEY = /"(?:[^"\\]|\\.)*"(?=\s*:)/g;
const NUMBER = /-?\d[\d.eE+-]*/g;
const INTEGER = /^(?:0|-?[1-9]\d*)$/;

const hexBytes = (least, most) => {
  const fits = bytes(least, most);
  return (value) => {
    const isHex = typeof value === "string" && /^(?:[0-9a-f]{2})*$/.test(value);
    refuseUnless(isHex, "schema.invalid", "expected lower-case hex");
    return fits(Buffer.from(value, "hex"));
  };
};

const objectMap = (required, optional) => {
  const fields = map(required, optional);
  return (value) => {
    refuseUnless(value?.constructor === Object, "schema.invalid", "expected an object");
    return fields(new Map(Object.entries(value)));
  };
};

export function readView(kind, view) {
  // JSON.parse takes 4e1 and 40.0 for 40, and rounds what a double does not hold.
  for (const number of view.replaceAll(STRING, "").match(NUMBER) ?? []) {
    refuseUnless(INTEGER.test(number), "schema.invalid", `expected an integer, got ${number}`);
  }
  return readRecord(kind, parse(view), { bytes: hexBytes, map: objectMap });
}

function parse(view) {
  const value = parseAny(view);
  refuseUnless(countKeys(value) === (view.match(KEY) ?? []).length, "schema.invalid", "a key twice");
  return value;
}

function parseAny(view) {
  try {
    return JSON.parse(view);
  } catch {
    throw new Refusal("schema.invalid", "no JSON");
  }
}

// ENC-21: JSON.parse keeps the last of two, so the keys in the text are more than those read.
function countKeys(value) {
  if (typeof value !== "object" || value === null) return 0;
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Object.values(value).reduce((sum, item) => sum + countKeys(item), own);
}
