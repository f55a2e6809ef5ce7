// Canonical bytes that do not fit their type are `schema.invalid` (ENC-17). A shape is a function
// that returns the value it was given, or refuses it.

import { Refusal, refuseUnless } from "./refusal.mjs";

const check = (holds, expected) => refuseUnless(holds, "schema.invalid", `expected ${expected}`);

export const bytes = (least, most = least) => (value) => {
  const fits = Buffer.isBuffer(value) && value.length >= least && value.length <= most;
  check(fits, `${least} to ${most} bytes`);
  return value;
};

export const integer = (least, most = Number.MAX_SAFE_INTEGER) => (value) => {
  check(Number.isSafeInteger(value) && value >= least && value <= most, `${least}..${most}`);
  return value;
};

// Characters are code points.
export const text = (pattern, least = 0, most = Infinity) => (value) => {
  check(typeof value === "string" && pattern.test(value), `text of ${pattern}`);
  const length = [...value].length;
  check(length >= least && length <= most, `${least} to ${most} characters`);
  return value;
};

export const boolean = (value) => {
  check(typeof value === "boolean", "a boolean");
  return value;
};

export const list = (item, least, most) => (value) => {
  check(Array.isArray(value) && value.length >= least && value.length <= most, "a list");
  return value.map(item);
};

// An array with fixed elements, of which there are no others (ENC-16).
export const tuple = (...items) => (value) => {
  check(Array.isArray(value) && value.length === items.length, `${items.length} elements`);
  return items.map((item, i) => item(value[i]));
};

// A map becomes an object of the keys known; further ones are ignored (ENC-16).
export const map = (required, optional = {}) => (value) => {
  check(value instanceof Map, "a map");
  const object = {};
  for (const [key, shape] of Object.entries({ ...required, ...optional })) {
    if (value.has(key)) object[key] = shape(value.get(key));
    else check(key in optional, `the key ${key}`);
  }
  return object;
};

export const key = bytes(32);
export const digest = bytes(32);

// The same shape under another code, for places that chapter 12 gives a code of their own.
export const as = (code, shape) => (value) => {
  try {
    return shape(value);
  } catch (refusal) {
    if (refusal instanceof Refusal) throw new Refusal(code, refusal.message);
    throw refusal;
  }
};
