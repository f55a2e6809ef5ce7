// Chapter 02, section 2: tags and hashes.

import { createHash } from "node:crypto";

export const tag = (purpose) => Buffer.from(`sheaf/1/${purpose}\0`, "ascii");

export function hash(purpose, ...parts) {
  const sha = createHash("sha256").update(tag(purpose));
  for (const part of parts) sha.update(part);
  return sha.digest();
}

export const ZERO = Buffer.alloc(32);
