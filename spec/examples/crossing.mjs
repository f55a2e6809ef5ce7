// Chapter 16, sections 5 and 7: what leaves a federation, and what enters one.

import { decode } from "./cmp1.mjs";
import { entryId, openEnvelope, readBody, readHeader } from "./envelope.mjs";
import { hash } from "./hash.mjs";
import { admitEntry } from "./key-log.mjs";
import { isSigned, readTail, verifyChain } from "./proof.mjs";
import { readRecord, shapeNamed } from "./record.mjs";
import { Refusal, refuseUnless } from "./refusal.mjs";
import { readSealed } from "./sealed.mjs";
import { bodyOf, directionFrom, mayCross, project, verifyProjected } from "./treaty.mjs";

const MAX_PAYLOAD = 65_536;
const MAX_TAIL = 1_048_576;
const ASK = shapeNamed("bridge.ask");
const EXPORT = shapeNamed("bridge.export");
const IMPORT = shapeNamed("bridge.import");

const otherParty = ({ parties }, fid) => parties[parties[0].equals(fid) ? 1 : 0];

// TRT-9 to TRT-11: `level` is that of the charter which judges the entry.
function verifyBridge(treaty, level, named, header) {
  const isOfTreaty =
    named.equals(treaty.id) &&
    treaty.parties.some((party) => party.equals(header.fid)) &&
    treaty.bridges.some((cid) => cid.equals(header.cid));
  refuseUnless(isOfTreaty, "bridge.treaty", "under no treaty here, or by none of its bridges");
  refuseUnless(!["pause", "end"].includes(level), "bridge.level", level);
  const isInTime = header.time_ms <= treaty.expires_ms;
  refuseUnless(isInTime, "bridge.expired", `${header.time_ms} after ${treaty.expires_ms}`);
}

// Section 5, for an entry at its home. Returns what is shown.
export function judgeExport({ ask, entry, export: word, level, treaty }) {
  const { entry: named, granted_by, into, is_onward, shown, treaty: id } = EXPORT(
    readBody(word.payload),
  );
  verifyBridge(treaty, level, id, word.header);
  const asked = ASK(readBody(ask.payload));
  const { header } = entry;
  const isAsked =
    asked.entry.equals(entry.id) && ask.header.fid.equals(header.fid) &&
    ask.header.cid.equals(header.cid) && granted_by.equals(ask.id) && named.equals(entry.id);
  refuseUnless(isAsked, "bridge.unasked", "its author did not ask for it"); // TRT-20
  const target = otherParty(treaty, header.fid);
  const isMeant = asked.into === undefined || asked.into.equals(target);
  refuseUnless(isMeant, "bridge.unasked", "its author meant another federation");
  refuseUnless(is_onward === (asked.into === undefined), "bridge.unasked", "how far"); // TRT-22
  refuseUnless(into.equals(target), "bridge.treaty", "no party of the treaty"); // TRT-23
  const direction = directionFrom(treaty, header.fid);
  refuseUnless(mayCross(direction, header.kind), "bridge.kind", header.kind); // TRT-26
  const made = project(direction, header.kind, { isView: false, payload: entry.payload });
  refuseUnless(hash("shown", made.payload).equals(shown), "bridge.shown", "something else");
  return shown;
}

// Section 7. `may(fid, cid)` is what the charters of a federation let a co-op publish, if they are
// known; `left` the level of the treaty where the entry left. Returns the id of the origin.
export function judgeImport({ entry, keyLogs, left, level, may, treaty }) {
  const { header: raw, is_view: isView, payload, proof, receipt, treaty: id, via } = IMPORT(
    readBody(entry.payload),
  );
  const here = entry.header.fid;
  verifyBridge(treaty, level, id, entry.header);
  const origin = { id: entryId(raw), header: as("bridge.origin", () => readHeader(raw)), raw };
  const direction = verifyWay(origin, via, here, treaty);
  const word = readReceipt(receipt);
  verifyReceipt(word, via.at(-1), here);
  verifyBridge(treaty, level, word.export.treaty, word.header);
  verifyAuthor(word, keyLogs, may, "bridge.receipt");
  refuseUnless(left !== undefined, "bridge.treaty", "not agreed to where it left"); // TRT-57
  refuseUnless(!["pause", "end"].includes(left), "bridge.level", `${left} where it left`);
  const isSaid =
    word.export.entry.equals(origin.id) && word.export.shown.equals(hash("shown", payload));
  refuseUnless(isSaid, "bridge.shown", "not what its bridge signed for"); // TRT-44
  const isMeant = isView || hash("payload", payload).equals(origin.header.payload_hash);
  refuseUnless(isMeant, "bridge.origin", "another payload"); // TRT-45
  const { kind } = origin.header;
  const shown = { isView, payload };
  asView(() => verifyProjected(direction, kind, shown));
  as("bridge.origin", () => verifyProof(origin, proof));
  verifyAuthor(origin, keyLogs, may, "bridge.origin");
  as(isView ? "bridge.view" : "schema.invalid", () => readAny(kind, bodyOf(shown))); // TRT-48
  return origin.id;
}

// TRT-40 to TRT-42; returns the direction that it comes by.
function verifyWay({ header }, via, here, treaty) {
  const names = [...via, here].map((fid) => fid.toString("hex"));
  refuseUnless(new Set(names).size === names.length, "bridge.loop", "it has been there");
  refuseUnless(header.fid.equals(via[0]), "bridge.origin", "its way begins elsewhere");
  const from = via.at(-1);
  refuseUnless(from.equals(otherParty(treaty, here)), "bridge.treaty", "from a third federation");
  const direction = directionFrom(treaty, from);
  refuseUnless(via.length <= direction.hops, "bridge.hops", `${via.length}`);
  refuseUnless(mayCross(direction, header.kind), "bridge.kind", header.kind);
  return direction;
}

const readReceipt = ({ header, payload, signature }) =>
  as("bridge.receipt", () => {
    const word = openEnvelope([header, signature, payload]);
    return { ...word, export: EXPORT(readBody(payload)) };
  });

// TRT-43
function verifyReceipt(word, from, here) {
  const isExport =
    isSigned(word) && word.header.kind === "bridge.export" && word.header.fid.equals(from) &&
    word.export.into.equals(here);
  refuseUnless(isExport, "bridge.receipt", "no signed export from there to here");
}

function verifyProof({ id, header, raw }, proof) {
  if (proof.length === 64) {
    const signed = isSigned({ header, headerBytes: raw, signature: proof });
    return refuseUnless(signed, "bridge.origin", "not signed by its author");
  }
  const { headers, last } = readTail(decode(proof, MAX_TAIL));
  verifyChain([{ id, header }, ...headers]);
  refuseUnless(isSigned(last), "bridge.origin", "a tail that nobody signed");
}

// TRT-43, TRT-47 and TRT-49
function verifyAuthor({ id, header }, keyLogs, may, code) {
  const keyLog = keyLogs.find(({ cid }) => cid.equals(header.cid));
  const kinds = may(header.fid, header.cid);
  const isKnown = kinds && keyLog?.writers.has(header.wid.toString("hex"));
  refuseUnless(isKnown, "bridge.unknown", "what proves it may still arrive");
  as(code, () => admitEntry(keyLog, { id, header }));
  refuseUnless(kinds.includes(header.kind), code, `may not publish ${header.kind}`);
}

function readAny(kind, body) {
  const value = decode(body, MAX_PAYLOAD);
  if (kind === "sealed") readSealed(value);
  else readRecord(kind, value);
}

// What is refused inside a wrapping is refused under the wrapping's own code.
function as(code, judge) {
  try {
    return judge();
  } catch (refusal) {
    if (refusal instanceof Refusal) throw new Refusal(code, refusal.message);
    throw refusal;
  }
}

// But what chapter 16 calls by a name keeps it.
function asView(judge) {
  try {
    judge();
  } catch (refusal) {
    const isNamed = refusal instanceof Refusal && refusal.code.startsWith("bridge.");
    if (isNamed || !(refusal instanceof Refusal)) throw refusal;
    throw new Refusal("bridge.view", refusal.message);
  }
}
