// How the vectors of chapter 15 are read (vectors/README.md).

import { encode } from "./cmp1-encode.mjs";
import { decode } from "./cmp1.mjs";
import { hash } from "./hash.mjs";
import { readRecord, shapeNamed } from "./record.mjs";
import { refuseUnless } from "./refusal.mjs";
import { findDecided, findDoubles, hearStatement, nextStep, openRounds } from "./rounds.mjs";
import { boolean, bytes, digest, integer, list, map, text, tuple } from "./shape.mjs";
import { tallyBallot } from "./tally.mjs";

const MAX_PAYLOAD = 65_536;
const CHOICE = text(/^(yes|no|abstain)$/);
const CAST = tuple(digest, digest, integer(0), integer(0), integer(0), CHOICE);
const BALLOT = map(
  {
    casts: list(CAST, 0, 64),
    chain: list(digest, 0, 1024),
    electorate: list(digest, 0, 1024),
    enacted: list(digest, 0, 1024),
    id: digest,
    is_closed: boolean,
    policy: shapeNamed("Policy"),
    proposal: shapeNamed("ballot.propose"),
    time_ms: integer(0),
  },
  { ballot: shapeNamed("Ballot") },
);
const KIND = text(/^charter\.(abandon|accept|approve|propose)$/);
const SAID = tuple(digest, digest, bytes(32), KIND, bytes(0, MAX_PAYLOAD));
const ROUNDS = map(
  {
    agreed: list(digest, 0, 1024),
    is_late: boolean,
    own: digest,
    prev: digest,
    quorum: integer(1, 1024),
    said: list(SAID, 0, 256),
    voters: list(tuple(digest, list(bytes(32), 0, 64)), 1, 16),
  },
  { value: (value) => proposalOf(value) },
);

// What stands for the id of the certificate is made of the change, so that is kept as it was.
function proposalOf(value) {
  const read = readRecord("charter.propose", value);
  return { ...read, stands: hash("federation", encode(value.get("change"))) };
}

export function judgeTally(value) {
  const given = BALLOT(value);
  const casts = given.casts.map(([entry, cid, writer, seq, timeMs, choice]) => (
    { entry, cid, writer, seq, timeMs, choice }
  ));
  return encode(tallyBallot({ ...given, casts, isClosed: given.is_closed }));
}

export function judgeRounds(value) {
  const given = ROUNDS(value);
  const voters = given.voters.map(([cid, writers]) => ({ cid, writers }));
  const rounds = openRounds({ ...given, voters });
  for (const [, cid, wid, kind, body] of given.said) {
    const read = decode(body, MAX_PAYLOAD);
    const record = kind === "charter.propose" ? proposalOf(read) : readRecord(kind, read);
    hearStatement(rounds, { cid, wid, kind, body: record, bytes: body });
  }
  refuseUnless(findDoubles(rounds).length === 0, "ballot.double", "two statements of one co-op");
  const decided = findDecided(rounds);
  if (decided) return encode(["decided", decided.certificate, decided.round, decided.coops]);
  const derive = (proposal) => proposal.stands;
  const agrees = (proposal) => given.agreed.some((id) => id.equals(derive(proposal)));
  const views = { derive, agrees, value: given.value };
  return encode(told(nextStep(rounds, given.own, views, given.is_late)));
}

function told({ step, certificate, round, lock }) {
  if (step === "wait") return [step, round];
  if (step === "abandon") return [step, round, lock ? [lock.certificate, lock.round] : []];
  return [step, certificate, round];
}
