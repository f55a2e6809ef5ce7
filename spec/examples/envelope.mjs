// Chapter 04: the signed header of thirteen elements, and the payload that it covers by a hash.

import { decode } from "./cmp1.mjs";
import { hash } from "./hash.mjs";
import { refuseUnless } from "./refusal.mjs";
import { as, bytes, digest, integer, key, list, text, tuple } from "./shape.mjs";

const MAX_HEADER = 1024;
const MAX_PAYLOAD = 65_536;
const SALT_BYTES = 16;

const NAMES = ["v", "fid", "cid", "wid", "seq", "prev", "kind", "time_ms", "expires_ms"];
NAMES.push("payload_hash", "payload_len", "refs", "flags");

const ELEMENTS = as(
  "env.header",
  tuple(
    integer(1, 1), digest, digest, key, integer(1), digest, text(/^[a-z0-9_.]{1,24}$/),
    integer(0), integer(0), digest, integer(SALT_BYTES, MAX_PAYLOAD), list(digest, 0, 16),
    integer(0, 0),
  ),
);

const signature = (value) => bytes(value?.length === 0 ? 0 : 64)(value);
export const ENVELOPE = tuple(bytes(0, MAX_HEADER), signature, bytes(0, MAX_PAYLOAD));

export function readHeader(headerBytes) {
  const elements = decode(headerBytes, MAX_HEADER);
  const version = Array.isArray(elements) ? elements[0] : undefined;
  refuseUnless((version ?? 1) === 1, "env.version", `version ${version}`); // ENV-2: before all else
  const values = ELEMENTS(elements);
  return Object.fromEntries(NAMES.map((name, i) => [name, values[i]]));
}

// ENV-6: over the bytes as received, never over a second encoding.
export const entryId = (headerBytes) => hash("entry", headerBytes);

// Form and payload hash; the signature is asked for apart, since a later one may stand for it.
export function openEnvelope(value) {
  const [headerBytes, signatureBytes, payload] = ENVELOPE(value);
  const header = readHeader(headerBytes);
  if (payload.length > 0) {
    const isMeant =
      payload.length === header.payload_len && hash("payload", payload).equals(header.payload_hash);
    refuseUnless(isMeant, "env.payload_hash", `another payload at ${header.seq}`); // ENV-4
  }
  return { id: entryId(headerBytes), header, headerBytes, signature: signatureBytes, payload };
}

export function readBody(payload) {
  return decode(payload.subarray(SALT_BYTES), MAX_PAYLOAD); // ENV-10
}
