// Chapter 09, section 4: the charter that a change makes of the one before.

import { isAscending, requireSound } from "./charter.mjs";
import { encode } from "./cmp1-encode.mjs";
import { decode } from "./cmp1.mjs";
import { hash } from "./hash.mjs";
import { shapeNamed } from "./record.mjs";
import { refuseUnless } from "./refusal.mjs";

// CHR-20: what an action needs, and what it may have.
const FIELDS = {
  admit: [["cid", "key_head", "roles"], ["sponsor"]],
  anchor: [[], ["cid", "key_head"]],
  expel: [["cid"], []],
  leave: [["cid"], []],
  policy: [["policy"], []],
  restore: [["cid"], []],
  roles: [["cid", "roles"], ["sponsor"]],
  suspend: [["cid"], []],
  treaty: [["treaty"], []],
  treaty_level: [["level", "treaty_id"], ["per_day"]],
};
const MAX_TREATY = 4_096;
const TREATY = shapeNamed("Treaty");
const UNDER_POLICY = ["carrier", "coordinator", "service"];

const isSame = (one, other) => encode(one).equals(encode(other));
const refuse = (why) => refuseUnless(false, "charter.change", why);

// The charter that `claimed` has to be: of its own it brings ballot, change, lines and key heads.
export function nextCharter(before, beforeId, fid, claimed) {
  const { ballot, change, lines } = claimed;
  refuseUnless(change, "charter.change", "no change");
  const after = apply(before, change);
  requireLines(lines, touched(before, after));
  const members = after.members.map((member) => withHead(member, claimed, change));
  if (change.action === "anchor" && isSame(members, before.members)) refuse("no key head moves");
  const made = {
    ...(ballot && { ballot }),
    change,
    epoch: before.epoch + 1,
    fid,
    lines,
    members,
    name: before.name,
    nonce: before.nonce,
    policy: after.policy,
    prev: beforeId,
    treaties: after.treaties,
    v: 1,
  };
  requireSound(made, members.filter(({ cid }) => change.cid?.equals(cid)));
  return made;
}

function withHead(member, claimed, change) {
  const named = claimed.members.find(({ cid }) => cid.equals(member.cid));
  const isOfChange = change.key_head !== undefined && change.cid.equals(member.cid);
  return named && !isOfChange ? { ...member, key_head: named.key_head } : member;
}

function apply(before, change) {
  const [needed, allowed] = FIELDS[change.action];
  const given = Object.keys(change).filter((key) => key !== "action");
  const areRight =
    needed.every((key) => given.includes(key)) &&
    given.every((key) => needed.includes(key) || allowed.includes(key));
  refuseUnless(areRight, "charter.change", `${change.action} with ${given}`);
  switch (change.action) {
    case "policy": return { ...before, policy: nextPolicy(before.policy, change.policy) };
    case "treaty": return { ...before, treaties: withTreaty(before.treaties, change.treaty) };
    case "treaty_level": return { ...before, treaties: atLevel(before.treaties, change) };
    default: return { ...before, members: otherMembers(before.members, change) };
  }
}

function otherMembers(members, { action, cid, key_head, roles, sponsor }) {
  if (action === "admit") {
    const member = { cid, is_suspended: false, key_head, roles, ...(sponsor && { sponsor }) };
    return [...members, member].sort((one, other) => Buffer.compare(one.cid, other.cid));
  }
  if (action === "anchor" && cid === undefined && key_head === undefined) return members;
  const member = cid && members.find((each) => each.cid.equals(cid));
  refuseUnless(member, "charter.change", "no member");
  if (action === "expel" || action === "leave") return members.filter((each) => each !== member);
  const { sponsor: _, ...rest } = member;
  const altered = {
    anchor: () => ({ ...member, key_head: key_head ?? refuse("without key head") }),
    restore: () => ({ ...member, is_suspended: false }),
    roles: () => ({ ...rest, roles, ...(sponsor && { sponsor }) }),
    suspend: () => ({ ...member, is_suspended: true }),
  }[action]();
  if (isSame(altered, member)) refuse("nothing changes");
  return members.map((each) => (each === member ? altered : each));
}

// CHR-22
function nextPolicy(before, policy) {
  const { version } = before;
  refuseUnless(policy.version === version + 1, "charter.policy", `version ${policy.version}`);
  if (isSame({ ...policy, version }, before)) refuse("only the version changes");
  return policy;
}

const treatyId = ({ body }) => hash("treaty", body);

function withTreaty(treaties, body) {
  TREATY(decode(body, MAX_TREATY));
  const listed = [...treaties, { body, level: "allow" }];
  return listed.sort((one, other) => Buffer.compare(treatyId(one), treatyId(other)));
}

function atLevel(treaties, { level, per_day, treaty_id }) {
  const treaty = treaties.find((each) => treatyId(each).equals(treaty_id));
  refuseUnless(treaty, "charter.change", "no treaty of ours");
  const { body } = treaty;
  const altered = { body, level, ...(per_day !== undefined && { per_day }) };
  if (isSame(altered, treaty)) refuse("nothing changes");
  if (level === "end" && per_day !== undefined) refuse("a rate of what ends");
  const listed = treaties.map((each) => (each === treaty ? altered : each));
  return listed.filter((each) => each.level !== "end");
}

// CHR-25: the co-ops of an epoch that the next one treats otherwise.
export function touched(before, after) {
  const hasPolicy = !isSame(before.policy, after.policy);
  const hasTreaties = !isSame(before.treaties, after.treaties);
  return before.members.flatMap((member) => {
    const kept = after.members.find(({ cid }) => cid.equals(member.cid));
    const isTouched =
      kept === undefined ||
      !isSame({ ...kept, key_head: 0 }, { ...member, key_head: 0 }) ||
      (hasPolicy && member.roles.some((role) => UNDER_POLICY.includes(role))) ||
      (hasTreaties && member.roles.includes("bridge"));
    return isTouched ? [member.cid] : [];
  });
}

export function requireLines(lines, cids) {
  const areOfThese =
    lines.length === cids.length && lines.every(({ cid }, i) => cid.equals(cids[i]));
  const areSorted = lines.every(({ logs }) => isAscending(logs.map(({ wid }) => wid)));
  refuseUnless(areOfThese && areSorted, "charter.lines", "lines of others, or out of order");
}
