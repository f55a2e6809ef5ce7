// Chapter 04, section 5: what a recipient finds in a sealed body.

import { open } from "./aead.mjs";
import { blake2b } from "./blake2b.mjs";
import { decode } from "./cmp1.mjs";
import { hash, tag } from "./hash.mjs";
import { Refusal, refuseUnless } from "./refusal.mjs";
import { hchacha20, hsalsa20, salsa20Block } from "./salsa.mjs";
import { bytes, digest, list, map, text } from "./shape.mjs";
import { agree } from "./x25519.mjs";

const MAX_PAYLOAD = 65_536;
const MAX_TRIED = 2; // ENV-17

export const readSealed = map({
  box: bytes(0, MAX_PAYLOAD),
  commitment: digest,
  nonce: bytes(24),
  slots: list(map({ hint: bytes(4), key: bytes(80) }), 1, 64),
});
const INSIDE = map({
  body: bytes(0, MAX_PAYLOAD),
  kind: text(/^[a-z0-9_.]{1,24}$/),
  pad: bytes(0, 4096),
  refs: list(digest, 0, 16),
});

// The bytes of the map inside, or undefined where no slot is the reader's.
export function openSealed(value, { fid, cid, wid }, prekey) {
  const { box, commitment, nonce, slots } = readSealed(value);
  const shared = agree(prekey.secret, slots[0].key.subarray(0, 32)); // ENV-45
  if (shared === undefined) return undefined;
  const hint = hash("hint", shared, nonce).subarray(0, 4);
  const ours = slots.filter((slot) => slot.hint.equals(hint)).slice(0, MAX_TRIED);
  const key = ours.map((slot) => openSlot(slot.key, prekey)).find(Boolean);
  if (key === undefined) return undefined;
  const isCommitted = hash("content-key", key).equals(commitment);
  refuseUnless(isCommitted, "seal.opening", "another key than was committed to");
  const inside = openBox(box, key, nonce, Buffer.concat([tag("sealed"), fid, cid, wid]));
  checkInside(inside);
  return inside;
}

function checkInside(inside) {
  try {
    INSIDE(decode(inside, MAX_PAYLOAD));
  } catch (refusal) {
    if (refusal instanceof Refusal) throw new Refusal("seal.opening", refusal.message);
    throw refusal;
  }
}

// XChaCha20-Poly1305-IETF: a subkey for the first 16 bytes of the nonce, then RFC 8439.
function openBox(box, key, nonce, additional) {
  const subkey = hchacha20(key, nonce.subarray(0, 16));
  const rest = Buffer.concat([Buffer.alloc(4), nonce.subarray(16)]);
  const inside = open(subkey, rest, additional, box);
  refuseUnless(inside, "seal.opening", "the box does not open");
  return inside;
}

// libsodium's sealed box of 32 bytes: an ephemeral key, a tag, and the content, XSalsa20-Poly1305.
function openSlot(slot, prekey) {
  const [ephemeral, mac] = [slot.subarray(0, 32), slot.subarray(32, 48)];
  const content = slot.subarray(48);
  const nonce = blake2b(Buffer.concat([ephemeral, prekey.public]), 24);
  const shared = agree(prekey.secret, ephemeral);
  if (shared === undefined) return undefined;
  const key = hsalsa20(hsalsa20(shared, Buffer.alloc(16)), nonce.subarray(0, 16));
  const stream = salsa20Block(key, nonce.subarray(16));
  if (!poly1305(stream.subarray(0, 32), content).equals(mac)) return undefined;
  return content.map((byte, at) => byte ^ stream[32 + at]);
}

// RFC 8439, 2.5, for whole blocks of 16 bytes.
function poly1305(key, message) {
  const r = number(key.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn;
  let sum = 0n;
  for (let at = 0; at < message.length; at += 16) {
    sum = ((sum + number(message.subarray(at, at + 16)) + 2n ** 128n) * r) % (2n ** 130n - 5n);
  }
  const mac = (sum + number(key.subarray(16))) % 2n ** 128n;
  return Buffer.from(mac.toString(16).padStart(32, "0"), "hex").reverse();
}

const number = (bytes) => BigInt(`0x${Buffer.from(bytes).reverse().toString("hex")}`);
