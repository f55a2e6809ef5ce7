// Chapter 09: a federation is the hash of a charter that every founder approved.

import { decode } from "./cmp1.mjs";
import { hash, ZERO } from "./hash.mjs";
import { refuseUnless } from "./refusal.mjs";
import { bytes, digest, integer, list, map, text } from "./shape.mjs";
import { verify } from "./strict1.mjs";

const MAX_CERTIFICATE = 524_288;
const MAX_MEMBERS = 1024;

const APPROVAL = map({ cid: digest, signature: bytes(64) });
export const CERTIFICATE = map({
  approvals: list(APPROVAL, 0, MAX_MEMBERS),
  body: bytes(0, MAX_CERTIFICATE),
});

const ROLE = text(/^(buyer|supplier|carrier|coordinator|matcher)$/);
const BODY = map({
  epoch: integer(0),
  members: list(map({ cid: digest, key_head: digest, roles: list(ROLE, 1, 5) }), 1, MAX_MEMBERS),
  name: text(/^[^\u0000-\u001f]{1,120}$/u),
  nonce: bytes(16),
  prev: digest,
  v: integer(1, 1),
});

// `keyLogs` are the key logs known, folded. Returns the id of the federation and its members.
export function foundFederation(value, keyLogs) {
  const { approvals, body } = CERTIFICATE(value);
  const { epoch, members, prev } = BODY(decode(body, MAX_CERTIFICATE));
  refuseUnless(epoch === 0 && prev.equals(ZERO), "charter.genesis", `epoch ${epoch}`);
  const isAscending = members.every(
    ({ cid }, i) => i === 0 || Buffer.compare(members[i - 1].cid, cid) < 0,
  );
  refuseUnless(isAscending, "charter.members", "members out of order");
  const areSorted = members.every(({ roles }) =>
    roles.every((role, i) => i === 0 || roles[i - 1] < role),
  );
  refuseUnless(areSorted, "charter.members", "roles out of order");
  const approvers = new Set(approvals.map(({ cid }) => cid.toString("hex")));
  refuseUnless(approvers.size === approvals.length, "charter.approvals", "two of one co-op");
  for (const member of members) {
    const keyLog = keyLogs.find(({ cid }) => cid.equals(member.cid));
    refuseUnless(keyLog, "charter.unknown_member", "a founder whose key log is missing");
    const at = keyLog.ids.findIndex((id) => id.equals(member.key_head));
    refuseUnless(at >= 0, "charter.key_head", "a founder whose key log is shorter, or another");
    const approval = approvals.find(({ cid }) => cid.equals(member.cid));
    const isApproved =
      approval && verify(keyLog.managers[at], "certificate", body, approval.signature);
    refuseUnless(isApproved, "charter.signature", "a founder has not approved");
  }
  return { fid: hash("federation", body), members };
}
