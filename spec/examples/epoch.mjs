// Chapter 09, sections 5 and 9: certificates that follow on one another, and which are in force.

import { find, found, isAscending, isVoter, readCertificate } from "./charter.mjs";
import { requireForm, requireSound } from "./charter.mjs";
import { nextCharter, requireLines, touched } from "./change.mjs";
import { encode } from "./cmp1-encode.mjs";
import { fold } from "./key-log.mjs";
import { refuseUnless } from "./refusal.mjs";
import { verify } from "./strict1.mjs";

// `operations` are the key logs known, read; `values` the certificates in the order in which they came.
// Returns those in force, and if the federation halted.
export function judgeChain(operations, values) {
  const keyLogs = operations.map((each) => ({ ...fold(each), operations: each }));
  const [genesis, ...later] = values.map(readCertificate);
  found(genesis, keyLogs);
  const chain = later.reduce((known, each) => add(known, each, keyLogs), [{ ...genesis, rank: 0 }]);
  return inForce(chain);
}

const fidOf = ({ charter, id }) => charter.fid ?? id;
const at = (chain, id) => chain.find((each) => each.id.equals(id));

function add(chain, certificate, keyLogs) {
  if (at(chain, certificate.id)) return chain;
  const { charter } = certificate;
  const { prev, refounds = [] } = charter;
  refuseUnless(fidOf(certificate).equals(fidOf(chain[0])), "charter.fid", "of another federation");
  const areKnown = [prev, ...refounds].every((id) => at(chain, id));
  refuseUnless(areKnown, "charter.unknown_epoch", "a certificate before it is missing");
  const areSides = refounds.every((id) => at(chain, id).charter.prev.equals(prev));
  refuseUnless(areSides, "charter.refounding", "refounds what follows on another");
  // CHR-84
  const isMore = chain.some((each) =>
    each.isLate && (prev.equals(each.id) || prev.equals(each.charter.prev)));
  refuseUnless(!isMore, "charter.late", "a second late one, or on a late one");
  judge(certificate, at(chain, prev), keyLogs);
  const rank = Math.max(0, ...refounds.map((id) => at(chain, id).rank + 1));
  return [...chain, { ...certificate, rank, isLate: isLate(chain, prev) }];
}

// CHR-81: where it parts from the path, and on which side.
function isLate(chain, prev) {
  const { path } = inForce(chain);
  let side;
  let parts = at(chain, prev);
  while (!path.includes(parts)) [side, parts] = [parts, at(chain, parts.charter.prev)];
  const heir = path[path.indexOf(parts) + 1];
  const isLost = side !== undefined && contending(chain, parts)[0] !== side;
  return isLost || (heir !== undefined && isBuiltUpon(chain, heir));
}

function judge(certificate, { charter: before, id: beforeId, ...rest }, keyLogs) {
  const { approvals, body, charter, id, round } = certificate;
  refuseUnless(charter.epoch === before.epoch + 1, "charter.epoch", `${charter.epoch}`); // CHR-31
  requireForm(certificate, charter.refounds === undefined);
  if (charter.refounds) requireRefounding(charter, before);
  else {
    const made = nextCharter(before, beforeId, fidOf({ charter: before, id: beforeId }), charter);
    refuseUnless(encode(made).equals(body), "charter.body", "not what its change makes");
  }
  const voters = before.members.filter(isVoter);
  const counted = approvals.filter(({ cid }) => voters.some((voter) => voter.cid.equals(cid)));
  const quorum = quorumOf(voters.length, before.policy.certify);
  refuseUnless(counted.length >= quorum, "charter.quorum", `${counted.length} of ${quorum}`);
  requireHeads(charter.members, before.members, keyLogs);
  for (const approval of counted) {
    const isOfIt = ({ cid }) => cid.equals(approval.cid);
    const member = charter.members.find(isOfIt) ?? before.members.find(isOfIt);
    const isApproved = charter.refounds
      ? isByManager(approval, body, member, keyLogs)
      : isByWriter(approval, Buffer.concat([id, eightBytes(round)]), member, keyLogs);
    refuseUnless(isApproved, "charter.signature", "an approval that does not hold");
  }
}

const quorumOf = (voters, certify) =>
  certify === "majority" ? Math.floor(voters / 2) + 1 : Math.floor((2 * voters) / 3) + 1;

function eightBytes(number) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(number));
  return bytes;
}

// CHR-26, CHR-37
function requireHeads(members, before, keyLogs) {
  for (const member of members) {
    const old = before.find(({ cid }) => cid.equals(member.cid));
    if (old?.key_head.equals(member.key_head)) continue;
    const { log, at: place } = find(keyLogs, member);
    const isOn = !old || log.ids.slice(0, place).some((id) => id.equals(old.key_head));
    refuseUnless(isOn, "charter.heads", "a key head that goes back");
  }
}

// CHR-77
function isByManager({ signature }, body, member, keyLogs) {
  const { log, at: place } = find(keyLogs, member);
  return verify(log.managers[place], "certificate", body, signature);
}

// CHR-35, CHR-36: open at that operation, whatever came after it.
function isByWriter({ signature, wid }, message, member, keyLogs) {
  const { log, at: place } = find(keyLogs, member);
  const then = fold(log.operations.slice(0, place + 1)).writers.get(wid.toString("hex"));
  return then && then.cuts === undefined && verify(wid, "certify", message, signature);
}

// CHR-75
function requireRefounding(charter, before) {
  const { ballot, change, lines, members, name, nonce, policy, refounds } = charter;
  const isPlain = ballot === undefined && change === undefined;
  const isKept = name === before.name && nonce.equals(before.nonce);
  const isRight = isAscending(refounds) && isPlain && isKept;
  refuseUnless(isRight, "charter.refounding", "out of order, or with more than a re-foundation has");
  const isOther = !encode(policy).equals(encode(before.policy));
  const version = before.policy.version + (isOther ? 1 : 0);
  refuseUnless(policy.version === version, "charter.policy", `version ${policy.version}`);
  requireSound(charter, members);
  requireLines(lines, touched(before, charter));
}

// CHR-82
const heirsOf = (chain, { id }) =>
  chain.slice(1).filter(({ charter, isLate }) => charter.prev.equals(id) && !isLate);
const isBuiltUpon = (chain, certificate) => heirsOf(chain, certificate).length > 0;

// CHR-78, CHR-80: the first that came stands first.
function contending(chain, before) {
  const heirs = heirsOf(chain, before);
  const settled = heirs.filter(({ rank }) => rank > 0);
  const highest = settled.length > 0 ? settled : heirs;
  const named = highest.flatMap(({ charter }) => charter.refounds ?? []);
  const left = highest.filter(({ id }) => !named.some((each) => each.equals(id)));
  return left.length > 1 && isBuiltUpon(chain, left[0]) ? [left[0]] : left;
}

// CHR-73
function inForce(chain) {
  const path = [chain[0]];
  for (;;) {
    const left = contending(chain, path.at(-1));
    if (left.length !== 1) return { path, isForked: left.length > 1 };
    path.push(left[0]);
  }
}
