// Chapter 15, sections 2 and 3: which votes count, and what they come to.

import { refuseUnless } from "./refusal.mjs";

const CHARTER_ACTIONS = ["expel", "policy", "treaty", "treaty_level"];
const MAX_VOTES = 8;

const hex = (id) => id.toString("hex");
const isIn = (ids, id) => ids.some((other) => other.equals(id));

// BAL-1 to BAL-3.
function judgeProposal({ proposal, time_ms: askedMs, policy, chain }) {
  const { change, closes_at_ms: closesMs, epoch } = proposal;
  const isVoted = !["anchor", "leave"].includes(change.action);
  refuseUnless(isVoted, "ballot.action", `nobody votes on ${change.action}`);
  refuseUnless(closesMs - askedMs >= policy.ballot_ms, "ballot.short", "closes too soon");
  refuseUnless(isIn(chain, epoch), "ballot.epoch", "an epoch that is not known");
}

// Why a vote does not count whatever the others of its co-op, if so: BAL-4, BAL-5.
function faultOf(vote, { electorate, proposal }) {
  if (!isIn(electorate, vote.cid)) return "ballot.not_elector";
  return vote.timeMs > proposal.closes_at_ms ? "ballot.late" : undefined;
}

// The last of the first eight of each co-op: BAL-6.
function countVotes(given) {
  const ofCoop = new Map();
  for (const vote of given.casts) {
    const fault = faultOf(vote, given);
    refuseUnless(!fault, fault, "a vote that does not count");
    ofCoop.set(hex(vote.cid), [...(ofCoop.get(hex(vote.cid)) ?? []), vote]);
  }
  return [...ofCoop.values()].map((votes) => {
    votes.sort((a, b) => a.writer - b.writer || a.seq - b.seq);
    refuseUnless(votes.length <= MAX_VOTES, "ballot.changes", "a ninth vote");
    return votes.at(-1).choice;
  });
}

// BAL-11 to BAL-13.
function listedVotes(given) {
  const { proposal, votes } = given.ballot;
  refuseUnless(!isIn(given.enacted, proposal), "ballot.enacted", "enacted before");
  const isAscending = votes.every((id, i) => i === 0 || votes[i - 1].compare(id) < 0);
  refuseUnless(isAscending, "ballot.listed", "votes out of order");
  const listed = votes.map((id) => given.casts.find(({ entry }) => entry.equals(id)));
  refuseUnless(listed.every(Boolean), "ballot.unknown", "a vote that is not held");
  const counts = listed.every((vote) => !faultOf(vote, given));
  const coops = new Set(listed.map(({ cid }) => hex(cid)));
  refuseUnless(counts && coops.size === listed.length, "ballot.listed", "a vote too many");
  return listed.map(({ choice }) => choice);
}

function oneCoopOneVote({ yes, no, missing, hasTurnout }, bar, isClosed) {
  const passes = (votesFor, against) => votesFor * 10_000 > bar * (votesFor + against);
  if (isClosed) return hasTurnout && passes(yes, no) ? "passed" : "failed";
  if (hasTurnout && passes(yes, no + missing)) return "passed";
  return passes(yes + missing, no) ? "open" : "failed";
}

function consent({ no, missing, hasTurnout }, bar, isClosed) {
  if (no > 0) return "failed";
  if (missing > 0 && !isClosed) return "open";
  return hasTurnout ? "passed" : "failed";
}

const METHODS = { "one_coop_one_vote/1": oneCoopOneVote, "consent/1": consent };

// Returns `[yes, no, abstain, missing, outcome]`: of the votes listed, if a certificate lists some.
export function tallyBallot(given) {
  judgeProposal(given);
  const { policy, proposal, electorate } = given;
  const choices = given.ballot ? listedVotes(given) : countVotes(given);
  const method = METHODS[policy.tally];
  refuseUnless(method, "ballot.tally", `no method ${policy.tally}`);
  const [yes, no, abstain] = ["yes", "no", "abstain"].map(
    (word) => choices.filter((choice) => choice === word).length,
  );
  const missing = electorate.length - choices.length;
  const hasTurnout = choices.length * 10_000 >= policy.turnout_bps * electorate.length;
  const isCharter = CHARTER_ACTIONS.includes(proposal.change.action);
  const bar = isCharter ? policy.charter_bps : policy.pass_bps;
  const outcome = method({ yes, no, missing, hasTurnout }, bar, given.isClosed);
  return [yes, no, abstain, missing, outcome];
}
