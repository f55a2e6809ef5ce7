// X25519 on raw keys, which Node.js wants wrapped.

import { createPrivateKey, createPublicKey, diffieHellman } from "node:crypto";

const SPKI = Buffer.from("302a300506032b656e032100", "hex");
const PKCS8 = Buffer.from("302e020100300506032b656e04220420", "hex");

const wrapSecret = (secret) =>
  createPrivateKey({ key: Buffer.concat([PKCS8, secret]), format: "der", type: "pkcs8" });
const wrapPublic = (key) =>
  createPublicKey({ key: Buffer.concat([SPKI, key]), format: "der", type: "spki" });

export function publicOf(secret) {
  const { x } = createPublicKey(wrapSecret(secret)).export({ format: "jwk" });
  return Buffer.from(x, "base64url");
}

// Undefined for a key of small order: its secret is zero bytes, which OpenSSL gives to nobody.
export function agree(secret, other) {
  const [privateKey, publicKey] = [wrapSecret(secret), wrapPublic(other)];
  try {
    return diffieHellman({ privateKey, publicKey });
  } catch {
    return undefined;
  }
}
