// How the bytes of a vector are read, folder by folder (vectors/README.md). A judge returns the
// output, if its folder has one, or refuses.

import { amountFor } from "./amount.mjs";
import { foundFederation } from "./charter.mjs";
import { readPiece, verifyPiece } from "./blob.mjs";
import { encode } from "./cmp1-encode.mjs";
import { decode } from "./cmp1.mjs";
import { judgeEffect } from "./effect.mjs";
import { openEnvelope, readBody } from "./envelope.mjs";
import { judgeErasure } from "./erasure.mjs";
import { verifyForkProof } from "./fork.mjs";
import { readView } from "./json-view.mjs";
import { judgeFrontier } from "./frontier-judge.mjs";
import { beginHistory, inForce, merge } from "./key-history.mjs";
import { foldKeyLog, readOperations } from "./key-log.mjs";
import { judgeLink } from "./link-judge.mjs";
import { foldLifecycle } from "./lifecycle.mjs";
import { appendBatch, EMPTY, logId } from "./log.mjs";
import { verifyPath } from "./merkle.mjs";
import { isSigned, readTail } from "./proof.mjs";
import { readRecord } from "./record.mjs";
import { refuseUnless } from "./refusal.mjs";
import { bytes, digest, integer, list, map, text, tuple } from "./shape.mjs";
import { openSealed } from "./sealed.mjs";
import { isValidKey, verify } from "./strict1.mjs";
import { judgeSubscription } from "./subscription.mjs";

const MAX_PAYLOAD = 65_536;
const MAX_INPUT = 1_048_576; // Wrappers are no messages of the protocol; any room will do.

const MERKLE = map({
  index: integer(0),
  leaf: bytes(0, MAX_PAYLOAD),
  path: list(digest, 0, 64),
  root: digest,
  size: integer(0),
});
const ANY = bytes(0, MAX_PAYLOAD);
const SIGNATURE = map({ key: ANY, message: ANY, purpose: text(/^[a-z-]+$/), signature: ANY });
const AMOUNT = map({ amount: integer(0), base: integer(1), quantity: integer(0) });
const EVENTS = tuple(text(/^/), list(tuple(text(/^/), text(/^/)), 0, 1024));
const RECORD = map({ body: ANY, kind: text(/^/) });
const SEALED = map({
  author: map({ cid: digest, fid: digest, wid: digest }),
  body: ANY,
  public: bytes(32),
  secret: bytes(32),
});
const VIEW = map({ json: ANY, kind: text(/^/) });

const FOUNDING = tuple(list(foldKeyLog, 0, 1024), (certificate) => certificate);
const STORY = tuple(
  list(foldKeyLog, 0, 1024),
  (certificate) => certificate,
  list(openEnvelope, 1, 256),
);
const RUNS = tuple(list(digest, 0, 1024), list(readOperations, 0, 1024));
const BATCH = tuple(foldKeyLog, list(openEnvelope, 0, 256), list(readTail, 0, 256));

function key(input) {
  refuseUnless(isValidKey(input), "key.invalid", "no key that may sign");
}

function signature(input) {
  const { key: signer, message, purpose, signature: signed } = SIGNATURE(decode(input, MAX_INPUT));
  const isValid = verify(signer, purpose, message, signed);
  refuseUnless(isValid, "env.signature", "not valid under strict-1");
}

function identity(input) {
  return foldKeyLog(decode(input, MAX_INPUT)).cid;
}

function encoding(input) {
  decode(input, MAX_PAYLOAD);
}

function jsonView(input) {
  const { json, kind } = VIEW(decode(input, MAX_INPUT));
  return encode(readView(kind, json.toString("utf8")));
}

function envelope(input) {
  const opened = openEnvelope(decode(input, MAX_INPUT));
  refuseUnless(isSigned(opened), "env.signature", "a live entry is checked in full");
  if (opened.payload.length > 0) readBody(opened.payload);
  return opened.id;
}

function keyHistory(input) {
  const [anchors, [first, ...later]] = RUNS(decode(input, MAX_INPUT));
  refuseUnless(first, "key.empty", "no run");
  return inForce(later.reduce((kept, run) => merge(kept, run, anchors), beginHistory(first))).head;
}

export function readLog(input) {
  const [keyLog, entries, tails] = BATCH(decode(input, MAX_INPUT));
  return { keyLog, entries, head: appendBatch(EMPTY, keyLog, entries, tails) };
}

function sealed(input) {
  const { author, body, ...prekey } = SEALED(decode(input, MAX_INPUT));
  return openSealed(decode(body, MAX_PAYLOAD), author, prekey) ?? Buffer.alloc(0);
}

function forkProof(input) {
  return verifyForkProof(decode(input, MAX_INPUT));
}

function charter(input) {
  const [keyLogs, certificate] = FOUNDING(decode(input, MAX_INPUT));
  return foundFederation(certificate, keyLogs).fid;
}

function federation(input) {
  const [keyLogs, certificate, entries] = STORY(decode(input, MAX_INPUT));
  const { fid, members } = foundFederation(certificate, keyLogs);
  const heads = new Map();
  for (const entry of entries) {
    const { header } = entry;
    refuseUnless(header.fid.equals(fid), "charter.unknown_federation", "of another federation");
    const member = members.find(({ cid }) => cid.equals(header.cid));
    refuseUnless(member, "charter.not_member", "by a co-op that is no member");
    const keyLog = keyLogs.find(({ cid }) => cid.equals(header.cid));
    const log = logId(header).toString("hex");
    heads.set(log, appendBatch(heads.get(log) ?? EMPTY, keyLog, [entry], []));
    judgeEffect(entry, member.roles);
  }
  return entries.at(-1).id;
}

function merkle(input) {
  verifyPath(MERKLE(decode(input, MAX_INPUT)));
}

function record(input) {
  const { body, kind } = RECORD(decode(input, MAX_INPUT));
  readRecord(kind, decode(body, MAX_PAYLOAD));
}

function amount(input) {
  const result = amountFor(AMOUNT(decode(input, MAX_INPUT)));
  refuseUnless(result <= Number.MAX_SAFE_INTEGER, "enc.int_range", "above 2^53-1"); // VAL-7
  return encode(Number(result));
}

function lifecycle(input) {
  return Buffer.from(foldLifecycle(...EVENTS(decode(input, MAX_INPUT))), "ascii");
}

export const JUDGES = {
  "02-identity": identity,
  "02-key": key,
  "02-key-history": keyHistory,
  "02-signature": signature,
  "03-encoding": encoding,
  "03-json-view": jsonView,
  "04-envelope": envelope,
  "04-erasure": (input) => judgeErasure(decode(input, MAX_INPUT)),
  "04-sealed": sealed,
  "05-fork-proof": forkProof,
  "05-log": (input) => readLog(input).head.id,
  "06-blob": (input) => verifyPiece(readPiece(decode(input, MAX_INPUT))),
  "06-frontier": (input) => judgeFrontier(decode(input, MAX_INPUT)),
  "06-subscription": (input) => judgeSubscription(decode(input, MAX_INPUT)),
  "07-link": (input) => judgeLink(decode(input, MAX_INPUT)),
  "09-charter": charter,
  "09-federation": federation,
  "10-amount": amount,
  "10-merkle": merkle,
  "10-record": record,
  "11-lifecycle": lifecycle,
};
