// Chapter 15, section 4: what a node says next in the rounds on one predecessor.

import { refuseUnless } from "./refusal.mjs";
import { verify } from "./strict1.mjs";

const hex = (id) => id.toString("hex");

// `voters` are `{cid, writers}`.
export function openRounds({ prev, quorum, voters }) {
  const sorted = [...voters].sort((a, b) => a.cid.compare(b.cid));
  return { prev, quorum, voters: sorted, said: [], accepts: new Map() };
}

// RND-1
function proposerOf({ prev, voters }, round) {
  const place = (prev.readBigUInt64BE(0) + BigInt(round)) % BigInt(voters.length);
  return voters[Number(place)].cid;
}

// RND-2
function requireSigned(rounds, purpose, { certificate, round }, { cid, signature, wid }) {
  const voter = rounds.voters.find((candidate) => candidate.cid.equals(cid));
  const number = Buffer.alloc(8);
  number.writeBigUInt64BE(BigInt(round));
  const isWriter = voter?.writers.some((known) => known.equals(wid));
  const message = Buffer.concat([certificate, number]);
  const isSigned = isWriter && verify(wid, purpose, message, signature);
  refuseUnless(isSigned, "round.signature", `not signed by ${hex(cid)}`);
}

function countAccept(rounds, { certificate, round }, by) {
  const key = `${round} ${hex(certificate)}`;
  const place = rounds.accepts.get(key) ?? { certificate, round, coops: new Map() };
  place.coops.set(hex(by.cid), by);
  rounds.accepts.set(key, place);
}

// RND-8
function requireLock(rounds, { lock, round }) {
  refuseUnless(lock.round <= round, "round.lock", "a lock of a later round");
  const isAscending = lock.accepts.every(
    ({ cid }, i) => i === 0 || lock.accepts[i - 1].cid.compare(cid) < 0,
  );
  refuseUnless(isAscending, "round.lock", "accepts out of order");
  const areVoters = lock.accepts.every(({ cid }) => rounds.voters.some((v) => v.cid.equals(cid)));
  refuseUnless(areVoters, "round.lock", "an accept of no voter");
  refuseUnless(lock.accepts.length >= rounds.quorum, "round.lock", "no quorum");
  for (const by of lock.accepts) requireSigned(rounds, "accept", lock, by);
}

const COUNT = {
  "charter.propose": (rounds, { cid, body }) => {
    const isTurn = proposerOf(rounds, body.round).equals(cid);
    refuseUnless(isTurn, "round.proposer", "not its turn");
  },
  "charter.accept": (rounds, { cid, wid, body }) => {
    const by = { cid, signature: body.signature, wid };
    requireSigned(rounds, "accept", body, by);
    countAccept(rounds, body, by);
  },
  "charter.approve": (rounds, { cid, wid, body }) => {
    requireSigned(rounds, "certify", body, { cid, signature: body.signature, wid });
  },
  "charter.abandon": (rounds, { body }) => {
    if (!body.lock) return;
    requireLock(rounds, body);
    for (const by of body.lock.accepts) countAccept(rounds, body.lock, by); // RND-12
  },
};

// `statement` is `{cid, wid, kind, body, bytes}`, the body read and as bytes.
export function hearStatement(rounds, statement) {
  const { body, cid, kind } = statement;
  refuseUnless(body.prev.equals(rounds.prev), "round.prev", "on another predecessor");
  const isVoter = rounds.voters.some((voter) => voter.cid.equals(cid));
  refuseUnless(isVoter, "round.voter", "of a co-op without a vote");
  COUNT[kind](rounds, statement);
  rounds.said.push(statement);
}

const saidOf = (rounds, kind) => rounds.said.filter((one) => one.kind === `charter.${kind}`);
const coopsOf = (statements) => new Set(statements.map(({ cid }) => hex(cid)));
const shownBy = ({ body }) => (body.lock ? body.lock.round : -1);

// RND-10: the pairs that prove a liar.
export function findDoubles({ said }) {
  const pairs = said.flatMap((first, i) => said.slice(i + 1).map((second) => [first, second]));
  const areDouble = (a, b) => areUnequal(a, b) || denies(a, b) || denies(b, a);
  return pairs.filter(([a, b]) => a.cid.equals(b.cid) && areDouble(a, b));
}

const areUnequal = (a, b) =>
  a.kind === b.kind && a.body.round === b.body.round && !a.bytes.equals(b.bytes);

const denies = (abandon, approve) =>
  abandon.kind === "charter.abandon" &&
  approve.kind === "charter.approve" &&
  shownBy(abandon) < approve.body.round &&
  approve.body.round <= abandon.body.round;

// RND-9
export function findDecided(rounds) {
  const approvals = saidOf(rounds, "approve");
  for (const { body } of approvals) {
    const same = approvals.filter(
      (one) => one.body.round === body.round && one.body.certificate.equals(body.certificate),
    );
    const coops = [...coopsOf(same)].sort().map((id) => Buffer.from(id, "hex"));
    if (coops.length >= rounds.quorum) return { ...body, coops };
  }
  return undefined;
}

// The highest lock of a round or those below, of two the lower id.
function lockBelow({ accepts, quorum }, round) {
  const locks = [...accepts.values()].filter((l) => l.round <= round && l.coops.size >= quorum);
  return locks.sort((a, b) => b.round - a.round || a.certificate.compare(b.certificate))[0];
}

function roundOf(rounds, own) {
  const abandons = saidOf(rounds, "abandon");
  const isOpened = (round) =>
    coopsOf(abandons.filter(({ body }) => body.round >= round - 1)).size >= rounds.quorum;
  const opened = abandons.map(({ body }) => body.round + 1).filter(isOpened);
  return Math.max(0, ...own.map(({ body }) => body.round), ...opened);
}

const abandonsOf = (rounds, round) =>
  saidOf(rounds, "abandon").filter(({ body }) => body.round === round);

// How many co-ops gave the round before up with no lock above `highest`.
const countBelow = (rounds, here, highest) =>
  coopsOf(abandonsOf(rounds, here - 1).filter((one) => shownBy(one) <= highest)).size;

const isFree = (rounds, here) => here === 0 || countBelow(rounds, here, -1) >= rounds.quorum;

const locksShown = (rounds, here) =>
  abandonsOf(rounds, here - 1).map(({ body }) => body.lock).filter(Boolean);

function isBound(rounds, here, certificate) {
  const own = locksShown(rounds, here).filter((lock) => lock.certificate.equals(certificate));
  const highest = Math.max(...own.map(({ round }) => round));
  return own.length > 0 && countBelow(rounds, here, highest) >= rounds.quorum;
}

// RND-4
function valueFor(rounds, here, views) {
  const [highest] = locksShown(rounds, here).sort(
    (a, b) => b.round - a.round || a.certificate.compare(b.certificate),
  );
  const isAsked = ({ body }) => views.derive(body).equals(highest.certificate);
  const asked = highest && saidOf(rounds, "propose").find(isAsked);
  if (asked) return asked.body;
  return isFree(rounds, here) ? views.value : undefined;
}

// The next thing that `own` says: `{step, round}` with what belongs to it. `views` say what it thinks:
// `derive(proposal)`, the id of the certificate made, `agrees(proposal)`, and its own `value`.
export function nextStep(rounds, own, views, isLate) {
  const mine = rounds.said.filter(({ cid }) => cid.equals(own));
  const roundsOf = (kind) => mine.filter((one) => one.kind === kind).map(({ body }) => body.round);
  const last = (kind) => Math.max(-1, ...roundsOf(`charter.${kind}`));
  const spoken = Math.max(0, ...mine.map(({ body }) => body.round));
  const here = roundOf(rounds, mine);
  const top = lockBelow(rounds, Infinity);
  if (top && top.round >= spoken && top.round > Math.max(last("abandon"), last("approve"))) {
    return { step: "approve", certificate: top.certificate, round: top.round }; // RND-6
  }
  const hasGivenUp = here <= last("abandon");
  if (!hasGivenUp && proposerOf(rounds, here).equals(own) && here > last("propose")) {
    const value = valueFor(rounds, here, views);
    if (value) return { step: "propose", certificate: views.derive(value), round: here };
  }
  if (!hasGivenUp && here > Math.max(last("accept"), last("approve"))) {
    const put = saidOf(rounds, "propose").filter(({ body }) => body.round === here);
    const isAgreed = (value) => isFree(rounds, here) && views.agrees(value);
    const taken = put
      .map(({ body }) => body)
      .find((value) => isBound(rounds, here, views.derive(value)) || isAgreed(value));
    if (taken) return { step: "accept", certificate: views.derive(taken), round: here }; // RND-5
  }
  const lock = lockBelow(rounds, here);
  if (isLate && !hasGivenUp && (lock?.round ?? -1) >= last("approve")) {
    return { step: "abandon", round: here, lock }; // RND-7
  }
  return { step: "wait", round: here };
}
