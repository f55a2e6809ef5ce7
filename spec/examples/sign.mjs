// Chapter 02, IDN-3: signing under a purpose, from a seed of 32 bytes.

import { createPrivateKey, createPublicKey, sign as opensslSign } from "node:crypto";
import { tag } from "./hash.mjs";

const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex"); // What it puts before a seed.

export function signingKey(seed) {
  const der = Buffer.concat([PKCS8, seed]);
  const handle = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  const { x } = createPublicKey(handle).export({ format: "jwk" });
  return {
    public: Buffer.from(x, "base64url"),
    sign: (purpose, message) => opensslSign(null, Buffer.concat([tag(purpose), message]), handle),
  };
}
