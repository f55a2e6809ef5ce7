// Chapter 09, sections 2 and 3: a federation is the hash of a charter that every founder approved.

import { decode } from "./cmp1.mjs";
import { chapter, table } from "./chapter.mjs";
import { hash, ZERO } from "./hash.mjs";
import { shapeNamed } from "./record.mjs";
import { refuseUnless } from "./refusal.mjs";
import { verify } from "./strict1.mjs";

const MAX_CERTIFICATE = 524_288;
const LATER = ["ballot", "change", "fid", "refounds"]; // CHR-13
const VOTING = table(chapter("09-charter"), "roles").flatMap(([role, vote]) =>
  vote === "yes" ? [role] : [],
);

export const CERTIFICATE = shapeNamed("Certificate");
const BODY = shapeNamed("Charter");

// A certificate with its id and what its body says.
export function readCertificate(value) {
  const certificate = CERTIFICATE(value);
  const { body } = certificate;
  const charter = BODY(decode(body, MAX_CERTIFICATE));
  return { ...certificate, id: hash("federation", body), charter };
}

// `keyLogs` are the key logs known, folded. Returns the id of the federation and its members.
export function foundFederation(value, keyLogs) {
  const certificate = readCertificate(value);
  found(certificate, keyLogs);
  return { fid: certificate.id, members: certificate.charter.members };
}

export function found(certificate, keyLogs) {
  const { approvals, body, charter } = certificate;
  const { epoch, lines, members, policy, prev, treaties } = charter;
  refuseUnless(epoch === 0 && prev.equals(ZERO), "charter.genesis", `epoch ${epoch}`); // CHR-1
  const isFirst =
    LATER.every((key) => charter[key] === undefined) &&
    lines.length + treaties.length + policy.version === 0 &&
    members.every(({ is_suspended }) => !is_suspended);
  refuseUnless(isFirst, "charter.genesis", "what only a later epoch has");
  requireForm(certificate, false);
  requireSound(charter, members);
  for (const member of members) {
    const { log, at } = find(keyLogs, member);
    const approval = approvals.find(({ cid }) => cid.equals(member.cid));
    const isApproved = approval && verify(log.managers[at], "certificate", body, approval.signature);
    refuseUnless(isApproved, "charter.signature", "a founder has not approved");
  }
}

// The key log of a co-op, and the number of the operation that a charter names for it.
export function find(keyLogs, { cid, key_head }) {
  const log = keyLogs.find((each) => each.cid.equals(cid));
  refuseUnless(log, "charter.unknown_member", "a key log that is missing");
  const at = log.ids.findIndex((id) => id.equals(key_head));
  refuseUnless(at >= 0, "charter.key_head", "a key log that is shorter, or another");
  return { log, at };
}

export const isVoter = ({ is_suspended, roles }) =>
  !is_suspended && roles.some((role) => VOTING.includes(role));

// CHR-11, CHR-18, CHR-34, CHR-76
export function requireForm({ approvals, round }, isByWriters) {
  const approvers = new Set(approvals.map(({ cid }) => cid.toString("hex")));
  refuseUnless(approvers.size === approvals.length, "charter.approvals", "two of one co-op");
  const named = [round, ...approvals.map(({ wid }) => wid)];
  const areRight = named.every((field) => (field !== undefined) === isByWriters);
  refuseUnless(areRight, "charter.approvals", "a round or a writer missing, or too much");
}

export const isAscending = (items) =>
  items.every((item, i) => i === 0 || Buffer.compare(items[i - 1], item) < 0);
const isSorted = (words) => words.every((word, i) => i === 0 || words[i - 1] < word);

// CHR-2, CHR-12 to CHR-17, CHR-23; `seats` are the members whose sponsor is looked at.
export function requireSound({ members, policy, treaties }, seats) {
  const areInOrder =
    isAscending(members.map(({ cid }) => cid)) && members.every(({ roles }) => isSorted(roles));
  refuseUnless(areInOrder, "charter.members", "members or roles out of order");
  const areSeats = members.every(
    ({ roles, sponsor }) => roles.includes("seat") === (sponsor !== undefined),
  );
  refuseUnless(areSeats, "charter.sponsor", "a seat without a sponsor, or the reverse");
  refuseUnless(members.some(isVoter), "charter.voters", "nobody has a vote");
  for (const { cid, sponsor } of seats.filter((member) => member.sponsor !== undefined)) {
    const signs = members.find((member) => member.cid.equals(sponsor));
    const isOther = signs !== undefined && isVoter(signs) && !sponsor.equals(cid);
    refuseUnless(isOther, "charter.sponsor", "a sponsor that has no vote");
  }
  const { modes, privacy } = policy;
  refuseUnless(isSorted(modes) && modes.includes(privacy), "charter.policy", `modes ${modes}`);
  const areTreaties =
    isAscending(treaties.map(({ body }) => hash("treaty", body))) &&
    treaties.every(({ level, per_day }) => (per_day !== undefined) === (level === "limit"));
  refuseUnless(areTreaties, "charter.treaties", "treaties out of order, or a rate");
}
