// Chapter 19: what an invitation says, and both sides of an exchange by it.

import { timingSafeEqual } from "node:crypto";
import { open, seal } from "./aead.mjs";
import { encode } from "./cmp1-encode.mjs";
import { decode } from "./cmp1.mjs";
import { kdf } from "./handshake.mjs";
import { hash, tag } from "./hash.mjs";
import { foldKeyLog } from "./key-log.mjs";
import { MAX_KEY_LOG } from "./operation.mjs";
import { Refusal, refuseUnless } from "./refusal.mjs";
import { boolean, bytes, digest, integer, key, list, map, text, tuple } from "./shape.mjs";
import { signingKey } from "./sign.mjs";
import { verify } from "./strict1.mjs";
import { agree, publicOf } from "./x25519.mjs";

const MAX_REQUEST = 524_288;
const MAX_ANSWER = 17 * 524_288;
const MAX_CLOCK_AHEAD_MS = 300_000;
const NONCE = Buffer.alloc(12); // Each key seals one box.
const DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

const ANY = bytes(0, MAX_ANSWER);
const WHO = map({
  cid: digest,
  key_log: list((operation) => operation, 1, MAX_KEY_LOG),
  sig: bytes(64),
  wid: key,
});
const TERMS = map({
  expires_ms: integer(0),
  fid: digest,
  is_alone: boolean,
  members: integer(1, 1024),
  name: text(/^[^\x00-\x1f]+$/, 1, 120),
  now_ms: integer(0),
  roles: list(text(/^[a-z]+$/), 1, 9),
});
const ASK = map({ eph: key, id: digest, nonce: bytes(16), proof: digest });
const OFFER = map({ box: bytes(0, MAX_REQUEST), eph: key, nonce: bytes(16) });
const JOIN = map({ box: bytes(0, MAX_REQUEST), exchange: digest });
const WELCOME = map({ box: ANY });
const OFFERED = map({ terms: TERMS, who: WHO });
const JOINING = map({ secret: bytes(16), who: WHO });
const WELCOMED = map(
  { charter: bytes(1, 16 * 524_288), is_member: boolean },
  { closes_at_ms: integer(0) },
);

const proofKey = (secret) => hash("invitation-key", secret);

// INV-2
export function readInvitation(given) {
  const written = given.trim();
  if (written.includes("#") || written.includes("://")) return readLink(written);
  return [readCode(written)];
}

function readLink(written) {
  const parts = /^(https?):\/\/([^/?#@]+)\/sheaf\/1\/join#([A-Za-z0-9_-]{66})$/.exec(written);
  refuseUnless(parts, "invite.link", "not the whole link");
  const [, scheme, host, fragment] = parts;
  const data = Buffer.from(fragment, "base64url");
  const isWhole = data[0] === 1 && data.toString("base64url") === fragment;
  refuseUnless(isWhole, "invite.link", "another version");
  return [data.subarray(1, 17), `${scheme}://${host}`, data.subarray(17)];
}

function readCode(written) {
  const digits = written.replace(/[\s-]/g, "").toUpperCase().replace(/O/g, "0").replace(/[IL]/g, "1");
  const isWhole = digits.length === 28 && [...digits].every((digit) => DIGITS.includes(digit));
  refuseUnless(isWhole, "invite.code", "not the whole code");
  const number = [...digits].reduce((sum, digit) => (sum << 5n) | BigInt(DIGITS.indexOf(digit)), 0n);
  const secret = Buffer.from((number >> 12n).toString(16).padStart(32, "0"), "hex");
  const check = hash("invitation-code", secret).readUInt16BE() >> 4;
  refuseUnless(BigInt(check) === (number & 0xfffn), "invite.code", "a letter is wrong");
  return secret;
}

function proofOf(p, { eph, id, nonce }) {
  return kdf(p, hash("invitation-asked", eph, id, nonce), "invitation-proof");
}

const openedBy = (ask, { eph, nonce }) => {
  const bare = encode({ box: Buffer.alloc(0), eph, nonce });
  return hash("invitation-opened", hash("invitation-ask", ask), hash("invitation-reply", bare));
};
const saidBy = (before, box) => hash("invitation-said", before, hash("invitation-sealed", box));
const sealBox = (boxKey, inside) => seal(boxKey, NONCE, tag("invitation-box"), encode(inside));

function openBox(boxKey, box) {
  const plain = open(boxKey, NONCE, tag("invitation-box"), box);
  refuseUnless(plain, "invite.box", "the box does not open"); // INV-7
  return decode(plain, MAX_ANSWER);
}

function sharedBy({ ephemeral }, eph, p) {
  const secret = agree(ephemeral, eph);
  refuseUnless(secret, "link.key", "a shared secret of zero bytes");
  return Buffer.concat([secret, p]);
}

const whoIs = ({ cid, keyLog, writer }, purpose, said) => ({
  cid,
  key_log: keyLog,
  sig: writer.sign(purpose, Buffer.concat([said, cid])),
  wid: writer.public,
});

// INV-11
function checkWho({ cid, key_log, sig, wid }, purpose, said, now) {
  const isSigned = verify(wid, purpose, Buffer.concat([said, cid]), sig);
  refuseUnless(isSigned, "link.signature", "not signed by the writer named");
  const state = foldKeyLog(key_log);
  refuseUnless(state.cid.equals(cid), "link.coop", "the key log of another co-op");
  const writer = state.writers.get(wid.toString("hex"));
  refuseUnless(writer, "link.not_delegated", "no writer of this co-op");
  refuseUnless(!writer.cuts, "link.writer_closed", "a closed writer");
  refuseUnless(now <= writer.expires_ms, "link.expired", `at ${now}`);
}

function joiner(own, secret, cid, offer, welcome, now) {
  const p = proofKey(secret);
  const bare = { eph: publicOf(own.ephemeral), id: hash("invitation-id", p), nonce: own.nonce };
  const ask = encode({ ...bare, proof: proofOf(p, bare) });
  const reply = OFFER(decode(offer, MAX_ANSWER));
  const shared = sharedBy(own, reply.eph, p);
  const t1 = openedBy(ask, reply);
  const { terms, who } = OFFERED(openBox(kdf(shared, t1, "invitation-offer"), reply.box));
  const isNear = Math.abs(terms.now_ms - now) <= MAX_CLOCK_AHEAD_MS;
  refuseUnless(isNear, "invite.clock", `${terms.now_ms} there, ${now} here`); // INV-10
  refuseUnless(!cid.length || who.cid.equals(cid), "link.coop", "another inviter"); // INV-6
  checkWho(who, "invitation-inviter", t1, now);
  const t2 = saidBy(t1, reply.box);
  const inside = { secret, who: whoIs(own, "invitation-joiner", t2) };
  const box = sealBox(kdf(shared, t2, "invitation-join"), inside);
  const sent = [ask, encode({ box, exchange: t2 })];
  if (!welcome.length) return sent;
  const welcomeKey = kdf(shared, saidBy(t2, box), "invitation-welcome");
  const opened = openBox(welcomeKey, WELCOME(decode(welcome, MAX_ANSWER)).box);
  return [...sent, WELCOMED(opened).charter];
}

function inviter(own, p, terms, asked, joined, now) {
  const ask = ASK(decode(asked, MAX_REQUEST));
  const isOurs = ask.id.equals(hash("invitation-id", p)) && timingSafeEqual(ask.proof, proofOf(p, ask));
  refuseUnless(isOurs, "invite.unknown", "no invitation of ours"); // INV-4
  const shared = sharedBy(own, ask.eph, p);
  const bare = { eph: publicOf(own.ephemeral), nonce: own.nonce };
  const t1 = openedBy(asked, bare);
  const inside = { terms, who: whoIs(own, "invitation-inviter", t1) };
  const box = sealBox(kdf(shared, t1, "invitation-offer"), inside);
  const offer = encode({ box, ...bare });
  if (!joined.length) return [offer];
  const t2 = saidBy(t1, box);
  const join = JOIN(decode(joined, MAX_REQUEST));
  refuseUnless(join.exchange.equals(t2), "invite.exchange", "of another offer"); // INV-9
  const { secret, who } = JOINING(openBox(kdf(shared, t2, "invitation-join"), join.box));
  refuseUnless(proofKey(secret).equals(p), "invite.unknown", "without the secret"); // INV-8
  checkWho(who, "invitation-joiner", t2, now);
  return [offer, who.cid];
}

const SIDE = tuple(digest, list((operation) => operation, 0, MAX_KEY_LOG), key, key, bytes(16));
const side = (value) => {
  const [cid, keyLog, seed, ephemeral, nonce] = SIDE(value);
  return { cid, keyLog, writer: signingKey(seed), ephemeral, nonce };
};
const terms = (value) => TERMS(value);
const name = text(/^/);
const QUESTIONS = {
  joiner: [joiner, tuple(name, side, bytes(16), bytes(0, 32), ANY, ANY, integer(0))],
  inviter: [inviter, tuple(name, side, key, terms, ANY, ANY, integer(0))],
};

// How the bytes of 19-link and 19-exchange are read (vectors/README.md).
export const judgeInvitation = (input) => readInvitation(name(input));

export function judgeExchange(input) {
  const question = Array.isArray(input) ? input[0] : undefined;
  if (!Object.hasOwn(QUESTIONS, question)) throw new Refusal("schema.invalid", `no ${question}`);
  const [answer, shape] = QUESTIONS[question];
  return answer(...shape(input).slice(1));
}
