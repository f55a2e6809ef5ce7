// How the bytes of a vector are read, folder by folder (vectors/README.md). A judge returns the
// output, if its folder has one, or refuses.

import { amountFor } from "./amount.mjs";
import { foundFederation } from "./charter.mjs";
import { readPiece, verifyPiece } from "./blob.mjs";
import { judgeAward } from "./clearing.mjs";
import { judgeOwn } from "./clearing-own.mjs";
import { encode } from "./cmp1-encode.mjs";
import { decode } from "./cmp1.mjs";
import { judgeExport, judgeImport } from "./crossing.mjs";
import { judgeRounds, judgeTally } from "./deciding-judge.mjs";
import { judgeEffect } from "./effect.mjs";
import { openEnvelope, readBody } from "./envelope.mjs";
import { judgeChain } from "./epoch.mjs";
import { judgeErasure } from "./erasure.mjs";
import { verifyForkProof } from "./fork.mjs";
import { judgeExchange, judgeInvitation } from "./invitation.mjs";
import { readView } from "./json-view.mjs";
import { judgeFrontier } from "./frontier-judge.mjs";
import { beginHistory, inForce, merge } from "./key-history.mjs";
import { foldKeyLog, readOperations } from "./key-log.mjs";
import { judgeLink } from "./link-judge.mjs";
import { foldLifecycle } from "./lifecycle.mjs";
import { judgeLine } from "./line.mjs";
import { appendBatch, EMPTY, logId } from "./log.mjs";
import { verifyPath } from "./merkle.mjs";
import { foldOrder } from "./order-fold.mjs";
import { figures, readingOrder } from "./order.mjs";
import { judgeClose, judgePromise } from "./promise.mjs";
import { isSigned, readTail } from "./proof.mjs";
import { readRecord } from "./record.mjs";
import { Refusal, refuseUnless } from "./refusal.mjs";
import { boolean, bytes, digest, integer, list, map, text, tuple } from "./shape.mjs";
import { checkOpening, checkTotals, judgeCoops, judgeLines } from "./private-demand.mjs";
import { openSealed } from "./sealed.mjs";
import { isValidKey, verify } from "./strict1.mjs";
import { judgeStanding } from "./standing.mjs";
import { judgeSubscription } from "./subscription.mjs";
import { sumsAbove } from "./sum-tree.mjs";
import { DIRECTION, project, readTreaty, verifyAgreement } from "./treaty.mjs";

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
const PAIR = list(integer(0), 2, 2);
const BILL = map({
  before: list(PAIR, 0, 1024),
  carriage: list(integer(0), 0, 2),
  fee_bps: integer(0),
  price: PAIR,
  rows: list(tuple(integer(0), integer(0), text(/^(AE|E|G|K|L|M|O|S|Z)$/), integer(0)), 0, 1024),
});
const ID = bytes(0, 32);
const WORDS = tuple(ID, list(ID, 0, 256), list(tuple(ID, ID), 0, 256));
const EVENTS = tuple(text(/^/), list(tuple(text(/^/), text(/^/)), 0, 1024));
const RECORD = map({ body: ANY, kind: text(/^/) });
const SEALED = map({
  author: map({ cid: digest, fid: digest, wid: digest }),
  body: ANY,
  public: bytes(32),
  secret: bytes(32),
});
const LINE = list(integer(0), 0, 128);
const OPENING = { blinding: bytes(32), cap: integer(0), levels: integer(0), line: LINE };
const COMMITMENT = map({ ...OPENING, commitment: bytes(32) });
const TOTALS = map({ ...OPENING, commitments: list(bytes(32), 0, 1024) });
const SUM_TREE = map({
  cap: integer(0),
  index: integer(0),
  levels: integer(0),
  line: LINE,
  path: list(tuple(digest, LINE), 0, 16),
  root: digest,
  salt: bytes(16),
});
const LINES = list(tuple(digest, LINE), 0, 1024);
const COOPS = list(digest, 0, 1024);
const PUBLISHED = {
  lines: [tuple(LINES, list(LINES, 0, 64), integer(0), integer(0)), judgeLines],
  coops: [tuple(COOPS, list(COOPS, 0, 64), integer(0)), judgeCoops],
};
const AGREEMENT = map({ body: ANY, bridges: list(digest, 0, 16), fid: digest });
const PROJECTION = map({
  direction: DIRECTION,
  is_view: boolean,
  kind: text(/^/),
  payload: bytes(16, MAX_PAYLOAD),
});
const LEAVING = map({
  ask: openEnvelope,
  entry: openEnvelope,
  export: openEnvelope,
  level: text(/^(allow|limit|pause|end)$/),
  treaty: (body) => readTreaty(ANY(body)),
});
const ENTERING = map({
  charters: list(tuple(digest, digest, list(text(/^/), 0, 64)), 0, 64),
  entry: openEnvelope,
  key_logs: list(foldKeyLog, 0, 64),
  level: text(/^(allow|limit|pause|end)$/),
  treaty: (body) => readTreaty(ANY(body)),
}, { left: text(/^(allow|limit|pause|end)$/) });
const VIEW = map({ json: ANY, kind: text(/^/) });

const FOUNDING = tuple(list(foldKeyLog, 0, 1024), (certificate) => certificate);
const STORY = tuple(
  list(foldKeyLog, 0, 1024),
  (certificate) => certificate,
  list(openEnvelope, 1, 256),
);
const ANYTHING = (value) => value;
const CHAIN = tuple(list(readOperations, 0, 1024), list(ANYTHING, 1, 1024));
const PLACE = map({ body: ANY, cid: digest, kind: text(/^/), seq: integer(1), wid: bytes(32) });
const PLACED = tuple(list(readOperations, 0, 1024), list(ANYTHING, 1, 1024), PLACE);
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

function epoch(input) {
  const { path, isForked } = judgeChain(...CHAIN(decode(input, MAX_INPUT)));
  refuseUnless(!isForked, "charter.forked", "two certificates on one");
  return path.at(-1).id;
}

function standing(input) {
  const [operations, certificates, entry] = PLACED(decode(input, MAX_INPUT));
  const { path } = judgeChain(operations, certificates);
  return encode(judgeStanding(path, entry, decode(entry.body, MAX_PAYLOAD)));
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

function bill(input) {
  const { fee_bps: feeBps, ...given } = BILL(decode(input, MAX_INPUT));
  return encode(figures({ ...given, feeBps }));
}

const SAID = tuple(digest, integer(0), text(/^/), ANY);
const STORY_OF_ORDER = map({
  buyer: list(SAID, 0, 1024),
  order: tuple(digest, integer(0), ANY),
  supplier: list(SAID, 0, 1024),
});

// A story of chapter 11: what came of an order, track by track, ids in ascending order.
function story(input) {
  const { buyer, order: [id, timeMs, body], supplier } = STORY_OF_ORDER(decode(input, MAX_INPUT));
  const read = (kind, data) => readRecord(kind, decode(data, MAX_PAYLOAD));
  const told = ([said, at, kind, data]) =>
    ({ id: said.toString("hex"), timeMs: at, kind, record: read(kind, data) });
  const order = { id: id.toString("hex"), timeMs, record: read("order.place", body) };
  const made = foldOrder(order, buyer.map(told), supplier.map(told));
  const bytes = ([key, value]) => [Buffer.from(key, "hex"), value];
  const rows = (found) => Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1)).map(bytes);
  const states = (track) =>
    rows(Object.fromEntries(Object.entries(made[track]).map(([key, { state }]) => [key, state])));
  return encode([
    made.main,
    made.lines.map(({ ordered, due, sent, accepted }) => [ordered, due, sent, accepted]),
    ...["amendment", "cancellation", "delivery", "invoice", "return"].map(states),
    rows(made.refused),
    [made.fee, made.unread, made.waiting],
  ]);
}

function lifecycle(input) {
  return Buffer.from(foldLifecycle(...EVENTS(decode(input, MAX_INPUT))), "ascii");
}

function published(input) {
  const [who, ...asked] = decode(input, MAX_INPUT);
  const [shape, judge] = PUBLISHED[who];
  judge(shape(asked));
}

function agreement(input) {
  const { body, bridges, fid } = AGREEMENT(decode(input, MAX_INPUT));
  const treaty = readTreaty(body);
  verifyAgreement(treaty, fid, bridges);
  return treaty.id;
}

function projection(input) {
  const { direction, is_view: isView, kind, payload } = PROJECTION(decode(input, MAX_INPUT));
  return project(direction, kind, { isView, payload }).payload;
}

// A co-op that the charters of a federation do not name may publish nothing there.
function entering(input) {
  const { charters, key_logs: keyLogs, ...given } = ENTERING(decode(input, MAX_INPUT));
  const may = (fid, cid) => {
    const rows = charters.filter(([known]) => known.equals(fid));
    const own = rows.filter(([, member]) => member.equals(cid));
    return rows.length > 0 ? own.flatMap(([, , kinds]) => kinds) : undefined;
  };
  return judgeImport({ ...given, keyLogs, may });
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
  "09-epoch": epoch,
  "09-federation": federation,
  "09-standing": standing,
  "10-amount": amount,
  "10-bill": bill,
  "10-merkle": merkle,
  "10-record": record,
  "11-lifecycle": lifecycle,
  "11-story": story,
  "11-order": (input) => encode(readingOrder(...WORDS(decode(input, MAX_INPUT)))),
  "15-rounds": (input) => judgeRounds(decode(input, MAX_INPUT)),
  "15-tally": (input) => judgeTally(decode(input, MAX_INPUT)),
  "16-export": (input) => judgeExport(LEAVING(decode(input, MAX_INPUT))),
  "16-import": entering,
  "16-projection": projection,
  "16-treaty": agreement,
  "17-commitment": (input) => checkOpening(COMMITMENT(decode(input, MAX_INPUT))),
  "17-disclosure": published,
  "17-sum-tree": (input) => encode(sumsAbove(SUM_TREE(decode(input, MAX_INPUT)))),
  "17-totals": (input) => checkTotals(TOTALS(decode(input, MAX_INPUT))),
  "18-close": (input) => encode(judgeClose(decode(input, MAX_INPUT))),
  "18-line": (input) => encode(judgeLine(decode(input, MAX_INPUT))),
  "18-promise": (input) => encode(judgePromise(decode(input, MAX_INPUT))),
  "19-exchange": (input) => encode(judgeExchange(decode(input, MAX_INPUT))),
  "19-link": (input) => encode(judgeInvitation(decode(input, MAX_INPUT))),
  "21-award": (input) => judgeAward(decode(input, MAX_INPUT)),
  "21-own": (input) => judgeOwn(decode(input, MAX_INPUT)),
};

// What becomes of a vector's input, in hex: `ok` with the output, or the code and why.
export function verdict(folder, input) {
  try {
    const output = JUDGES[folder](Buffer.from(input, "hex"));
    return { code: "ok", output: output?.toString("hex") };
  } catch (refusal) {
    if (refusal instanceof Refusal) return { code: refusal.code, why: refusal.message };
    throw refusal;
  }
}
