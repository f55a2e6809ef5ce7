// Chapter 02: strict-1, the Ed25519 verification that all libraries can reproduce.
//
// OpenSSL, which Node.js brings, solves the cofactorless equation by encoding [S]B - [k]A and
// comparing bytes with R (IDN-8), and refuses S >= L. It also takes a key of small order, for which
// anybody can make signatures, and keys in a second spelling. So the checks of IDN-4 to IDN-7 are
// made here first, with integers. They see public data only; nothing needs to be constant in time.

import { createPublicKey, verify as opensslVerify } from "node:crypto";
import { decompress, isIdentity, L, littleEndian, times } from "./edwards.mjs";
import { tag } from "./hash.mjs";

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
