// ChaCha20-Poly1305 (RFC 8439): a box is the ciphertext and then the tag of 16 bytes.

import { createCipheriv, createDecipheriv } from "node:crypto";

const NAME = "chacha20-poly1305";
const TAG = { authTagLength: 16 };

export function seal(key, nonce, additional, plaintext) {
  const cipher = createCipheriv(NAME, key, nonce, TAG).setAAD(additional);
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

// Undefined where it does not open.
export function open(key, nonce, additional, box) {
  if (box.length < TAG.authTagLength) return undefined;
  const cipher = createDecipheriv(NAME, key, nonce, TAG).setAAD(additional);
  cipher.setAuthTag(box.subarray(-TAG.authTagLength));
  try {
    return Buffer.concat([cipher.update(box.subarray(0, -TAG.authTagLength)), cipher.final()]);
  } catch {
    return undefined;
  }
}
