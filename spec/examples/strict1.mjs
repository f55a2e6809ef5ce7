// Chapter 02: strict-1, the Ed25519 verification that all libraries can reproduce.
//
// OpenSSL, which Node.js brings, solves the cofactorless equation by encoding [S]B - [k]A and
// comparing bytes with R (IDN-8), and refuses S >= L. It also takes a key of small order, for which
// anybody can make signatures, and keys in a second spelling. So the checks of IDN-4 to IDN-7 are
// made here first, with integers. They see public data only; nothing needs to be constant in time.

import { createPublicKey, verify as opensslVerify } from "node:crypto";
import { tag } from "./hash.mjs";

const P = 2n ** 255n - 19n;
const L = 2n ** 252n + 27742317777372353535851937790883648493n;
const D = mod(-121665n * inverse(121666n));
const ROOT_OF_MINUS_ONE = power(2n, (P - 1n) / 4n);
const SPKI = Buffer.from("302a300506032b6570032100", "hex"); // What X.509 puts before a key.

export function verify(key, purpose, message, signature) {
  return verifyUntagged(key, Buffer.concat([tag(purpose), message]), signature);
}

// As `verify` without the tag of IDN-3: for the public vectors, which have none.
export function verifyUntagged(key, message, signature) {
  if (key.length !== 32 || signature.length !== 64) return false; // IDN-4
  const r = signature.subarray(0, 32);
  const s = littleEndian(signature.subarray(32));
  if (s >= L || !isSoundPoint(key) || !isSoundPoint(r)) return false; // IDN-5, IDN-7
  const der = Buffer.concat([SPKI, key]);
  const handle = createPublicKey({ key: der, format: "der", type: "spki" });
  return opensslVerify(null, message, handle, signature); // IDN-8
}

// IDN-6: [L]A is the identity, and A is not. Dear, and asked at registration, so once per key.
export function isValidKey(key) {
  const name = key.toString("hex");
  if (!VALID.has(name)) VALID.set(name, isOfPrimeOrder(key));
  return VALID.get(name);
}

const VALID = new Map();

function isOfPrimeOrder(key) {
  const point = key.length === 32 ? decompress(key) : undefined;
  return point !== undefined && !isIdentity(point) && isIdentity(times(point, L));
}

// IDN-7: the one spelling of a point which eight-folding does not carry to the identity.
function isSoundPoint(bytes) {
  const point = decompress(bytes);
  return point !== undefined && !isIdentity(times(point, 8n));
}

// RFC 8032, 5.1.3, with what it leaves open said: y >= p and a sign on x = 0 are no encodings.
function decompress(bytes) {
  const number = littleEndian(bytes);
  const sign = number >> 255n;
  const y = number & (2n ** 255n - 1n);
  if (y >= P) return undefined;
  const root = squareRoot(mod((y * y - 1n) * inverse(D * y * y + 1n)));
  if (root === undefined || (root === 0n && sign === 1n)) return undefined;
  const x = (root & 1n) === sign ? root : P - root;
  return { x, y, z: 1n, t: mod(x * y) };
}

function squareRoot(square) {
  const root = power(square, (P + 3n) / 8n);
  for (const candidate of [root, mod(root * ROOT_OF_MINUS_ONE)]) {
    if (mod(candidate * candidate) === square) return candidate;
  }
  return undefined;
}

// RFC 8032, 5.1.4: complete formulas, so doubling and small order need no case of their own.
function add(p, q) {
  const a = mod((p.y - p.x) * (q.y - q.x));
  const b = mod((p.y + p.x) * (q.y + q.x));
  const c = mod(2n * D * p.t * q.t);
  const d = mod(2n * p.z * q.z);
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return { x: mod(e * f), y: mod(g * h), z: mod(f * g), t: mod(e * h) };
}

function times(point, scalar) {
  let sum = { x: 0n, y: 1n, z: 1n, t: 0n };
  for (let bits = scalar, step = point; bits > 0n; bits >>= 1n, step = add(step, step)) {
    if (bits & 1n) sum = add(sum, step);
  }
  return sum;
}

function isIdentity(point) {
  return point.x === 0n && point.y === point.z;
}

function littleEndian(bytes) {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString("hex")}`);
}

function mod(number) {
  const rest = number % P;
  return rest < 0n ? rest + P : rest;
}

function power(base, exponent) {
  let product = 1n;
  for (let bits = exponent, step = mod(base); bits > 0n; bits >>= 1n, step = mod(step * step)) {
    if (bits & 1n) product = mod(product * step);
  }
  return product;
}

function inverse(number) {
  return power(number, P - 2n);
}
