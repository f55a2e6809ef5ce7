// Chapter 09, sections 6 and 7: by which epoch an entry is judged, and whether it counts.

import { touched } from "./change.mjs";
import { mayPublish } from "./effect.mjs";
import { readRecord } from "./record.mjs";
import { refuseUnless } from "./refusal.mjs";

const WRITER = ["writer.lost", "writer.override", "writer.promise", "writer.succeed"];
const WHILE_SUSPENDED = ["entry.erase", "entry.restore", "member.leave", ...WRITER]; // CHR-60

// What judges the entry at a place: the author as a member, if it is one, and the policy.
function standingOf(path, { cid, seq, wid }) {
  const isAuthor = (each) => each.cid.equals(cid);
  const isAbove = (logs) => logs.every((log) => !log.wid.equals(wid) || seq > log.seq);
  const spans = [];
  path.forEach(({ charter }, i) => {
    const { lines, members, policy } = charter;
    const before = path[i - 1]?.charter;
    const member = members.find(isAuthor);
    const wasMember = before?.members.some(isAuthor) ?? false;
    if (wasMember && touched(before, charter).some((each) => each.equals(cid))) {
      spans.push({ member, policy, logs: lines.find(isAuthor).logs });
    } else if (member && !wasMember) {
      spans.push({ member, policy, logs: spans.at(-1)?.logs ?? [] });
    }
  });
  refuseUnless(spans.length > 0, "charter.not_member", "never a member");
  const isGone = spans.at(-1).member === undefined && isAbove(spans.at(-1).logs);
  refuseUnless(!isGone, "charter.left", "above the line at which it left");
  return spans.findLast(({ logs }) => isAbove(logs));
}

// Returns the version of the policy that judges the entry; `body` is decoded.
export function judgeStanding(path, entry, body) {
  const { member, policy } = standingOf(path, entry);
  const { kind } = entry;
  const isHeld = member?.is_suspended && !WHILE_SUSPENDED.includes(kind);
  refuseUnless(!isHeld, "policy.suspended", `${kind} of a suspended member`);
  const isAllowed = member && (member.is_suspended || mayPublish(kind, member.roles));
  refuseUnless(isAllowed, "policy.role", `${kind} by ${member?.roles}`);
  const record = readRecord(kind, body);
  const rule = `by policy version ${policy.version}`; // CHR-65
  if (kind === "pool.open" || kind === "curve.open") {
    const mode = kind === "pool.open" ? record.mode : "sealed";
    refuseUnless(policy.modes.includes(mode), "policy.mode", `${mode} ${rule}`);
  }
  if (kind === "pool.open") {
    refuseUnless(record.fee_bps <= policy.fee_bps, "policy.fee", `${record.fee_bps} ${rule}`);
  }
  if (kind === "curve.open") {
    const { dominance_bps, k_min } = record;
    refuseUnless(k_min >= policy.k_min, "policy.k_min", `${k_min} ${rule}`);
    const isBelow = dominance_bps <= policy.dominance_bps;
    refuseUnless(isBelow, "policy.dominance", `${dominance_bps} ${rule}`);
  }
  return policy.version;
}
