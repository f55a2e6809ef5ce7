// Chapter 05, section 4: headers that follow on one another, under the signature over the last.

import { entryId, readHeader } from "./envelope.mjs";
import { refuseUnless } from "./refusal.mjs";
import { bytes, list, tuple } from "./shape.mjs";
import { verify } from "./strict1.mjs";

const MAX_HEADER = 1024;
export const MAX_UNSIGNED = 64; // LOG-6: an entry and at most 63 places on.

const chain = (most) => tuple(list(bytes(0, MAX_HEADER), 1, most), bytes(64));
export const BRANCH = chain(MAX_UNSIGNED);
export const TAIL = chain(MAX_UNSIGNED - 1);

const reader = (shape) => (value) => {
  const [raw, signature] = shape(value);
  const headers = raw.map((headerBytes) => ({
    id: entryId(headerBytes), header: readHeader(headerBytes), headerBytes,
  }));
  return { headers, last: { ...headers.at(-1), signature } };
};

export const readBranch = reader(BRANCH);
export const readTail = reader(TAIL);

export function isSigned({ header, headerBytes, signature }) {
  return verify(header.wid, "entry-signature", headerBytes, signature);
}

// LOG-20, LOG-21: each header is the next of one log.
export function verifyChain(headers) {
  headers.slice(1).forEach(({ header }, i) => {
    const before = headers[i];
    const isNext = isSameLog(header, before.header) && header.seq === before.header.seq + 1;
    refuseUnless(isNext, "log.tail", `${header.seq} after ${before.header.seq}, or of another log`);
    const isNamed = header.prev.equals(before.id);
    refuseUnless(isNamed, "log.bad_prev", `${header.seq} names another entry`);
  });
}

export const isSameLog = (a, b) => ["fid", "cid", "wid"].every((name) => a[name].equals(b[name]));
