// Chapter 07, section 3: one direction of a link, each frame under the next counter.

import { open, seal } from "./aead.mjs";
import { tag } from "./hash.mjs";
import { refuseUnless } from "./refusal.mjs";

const MAX_FRAME = 1_048_576;

const nonceOf = (counter) => {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64BE(BigInt(counter), 4);
  return nonce;
};

export const sealFrame = (key, counter, plaintext) =>
  seal(key, nonceOf(counter), tag("link-frame"), plaintext);

export function openFrames(key, frames) {
  return frames.map((frame, counter) => {
    refuseUnless(frame.length <= MAX_FRAME, "link.frame_size", `${frame.length} bytes`);
    const plaintext = open(key, nonceOf(counter), tag("link-frame"), frame);
    refuseUnless(plaintext, "link.frame", `frame ${counter} does not open`);
    return plaintext;
  });
}
