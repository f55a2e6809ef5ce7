// Chapter 07, section 2: the three messages that two writers begin a link with.

import { hkdfSync } from "node:crypto";
import { open, seal } from "./aead.mjs";
import { encode } from "./cmp1-encode.mjs";
import { decode } from "./cmp1.mjs";
import { hash, tag } from "./hash.mjs";
import { foldKeyLog } from "./key-log.mjs";
import { MAX_KEY_LOG } from "./operation.mjs";
import { refuseUnless } from "./refusal.mjs";
import { bytes, digest, integer, key, list, map, text } from "./shape.mjs";
import { verify } from "./strict1.mjs";
import { agree, publicOf } from "./x25519.mjs";

const MAX_HELLO = 1024;
const MAX_HANDSHAKE = 524_288;
const VERSION = 1;
const NONCE = Buffer.alloc(12); // Each box key seals one box.

const HELLO = map({
  audience: text(/^[\x21-\x7e]{1,255}$/),
  eph: key,
  nonce: bytes(16),
  versions: list(integer(1, 255), 1, 16),
});
const BOX = bytes(0, MAX_HANDSHAKE);
const REPLY = map({ box: BOX, eph: key, nonce: bytes(16), version: integer(1, 255) });
const PROOF = map({ box: BOX });
const INSIDE = map({
  cid: digest,
  key_log: list((operation) => operation, 1, MAX_KEY_LOG),
  sig: bytes(64),
  wid: key,
});

export const kdf = (secret, salt, purpose) =>
  Buffer.from(hkdfSync("sha256", secret, salt, tag(purpose), 32));

// A side is {cid, keyLog, writer, ephemeral, nonce}: who it is and what it drew.
export function hello({ ephemeral, nonce }, audience) {
  return encode({ audience, eph: publicOf(ephemeral), nonce, versions: [VERSION] });
}

// R's answer to M1, and what it goes on with.
export function reply(side, names, m1) {
  const { audience, eph, versions } = HELLO(decode(m1, MAX_HELLO));
  refuseUnless(names.includes(audience), "link.audience", `we are not ${audience}`);
  refuseUnless(versions.includes(VERSION), "link.version", `none of ${versions}`);
  const secret = secretOf(side, eph);
  const fields = { eph: publicOf(side.ephemeral), nonce: side.nonce, version: VERSION };
  const opened = openedBy(m1, fields);
  const plaintext = inside(side, "handshake-responder", opened);
  const box = seal(kdf(secret, opened, "link-responder-box"), NONCE, tag("link-box"), plaintext);
  const proven = provenBy(opened, box, side.writer.public);
  return { m2: encode({ ...fields, box }), secret, proven };
}

// I's answer to M2, and the secrets of the link.
export function prove(side, m1, m2, now) {
  const { box, ...fields } = REPLY(decode(m2, MAX_HANDSHAKE));
  refuseUnless(fields.version === VERSION, "link.version", `${fields.version} was not offered`);
  const secret = secretOf(side, fields.eph);
  const opened = openedBy(m1, fields);
  const boxKey = kdf(secret, opened, "link-responder-box");
  const wid = readInside(boxKey, box, "handshake-responder", opened, now);
  const proven = provenBy(opened, box, wid);
  const plaintext = inside(side, "handshake-initiator", proven);
  const ownKey = kdf(secret, proven, "link-initiator-box");
  const ownBox = seal(ownKey, NONCE, tag("link-box"), plaintext);
  return { m3: encode({ box: ownBox }), secret, whole: wholeBy(proven, ownBox) };
}

// R reads M3.
export function finish({ secret, proven }, m3, now) {
  const { box } = PROOF(decode(m3, MAX_HANDSHAKE));
  const boxKey = kdf(secret, proven, "link-initiator-box");
  readInside(boxKey, box, "handshake-initiator", proven, now);
  return { secret, whole: wholeBy(proven, box) };
}

const openedBy = (m1, fields) => {
  const m2 = encode({ ...fields, box: Buffer.alloc(0) });
  return hash("link-opened", hash("link-hello", m1), hash("link-reply", m2));
};
const provenBy = (opened, box, wid) => hash("link-proven", opened, hash("link-box", box), wid);
const wholeBy = (proven, box) => hash("link-whole", proven, hash("link-box", box));

function secretOf({ ephemeral }, other) {
  const secret = agree(ephemeral, other);
  refuseUnless(secret, "link.key", "a shared secret of zero bytes"); // LNK-5
  return secret;
}

function inside({ cid, keyLog, writer }, purpose, transcript) {
  const sig = writer.sign(purpose, Buffer.concat([transcript, cid]));
  return encode({ cid, key_log: keyLog, sig, wid: writer.public });
}

// LNK-8 to LNK-11. Returns the writer.
function readInside(boxKey, box, purpose, transcript, now) {
  const plaintext = open(boxKey, NONCE, tag("link-box"), box);
  refuseUnless(plaintext, "link.box", "the box does not open");
  const { cid, key_log, sig, wid } = INSIDE(decode(plaintext, MAX_HANDSHAKE));
  const isSigned = verify(wid, purpose, Buffer.concat([transcript, cid]), sig);
  refuseUnless(isSigned, "link.signature", "not signed by the writer named");
  const state = foldKeyLog(key_log);
  refuseUnless(state.cid.equals(cid), "link.coop", "the key log of another co-op");
  const writer = state.writers.get(wid.toString("hex"));
  refuseUnless(writer, "link.not_delegated", "no writer of this co-op");
  refuseUnless(!writer.cuts, "link.writer_closed", "a closed writer");
  refuseUnless(now <= writer.expires_ms, "link.expired", `at ${now}`);
  return wid;
}
