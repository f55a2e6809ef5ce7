// Chapters 09 and 14: whether an entry that is stored has an effect, by its bytes and the charter.

import { chapter, codes, table } from "./chapter.mjs";
import { readBody } from "./envelope.mjs";
import { readRecord } from "./record.mjs";
import { refuseUnless } from "./refusal.mjs";
import { readSealed } from "./sealed.mjs";

const ROLES = table(chapter("09-charter"), "roles").map(([role, , kinds]) => [role, codes(kinds)]);
const KINDS = table(chapter("14-versioning-and-kinds"), "kinds");
const PRIVATE = KINDS.flatMap(([kind, , travels]) => (travels === "sealed" ? codes(kind) : []));

// CHR-5, CHR-6
export function mayPublish(kind, roles) {
  const allowed = ROLES.filter(([, kinds]) => kinds.includes(kind)).map(([role]) => role);
  const mayAll = allowed.length === 0 || allowed.includes("every member");
  return mayAll || allowed.some((role) => roles.includes(role));
}

// `roles` are those of the author in the charter.
export function judgeEffect({ header: { kind }, payload }, roles) {
  refuseUnless(!PRIVATE.includes(kind), "policy.unsealed", `${kind} in the open`); // ENV-7
  refuseUnless(mayPublish(kind, roles), "policy.role", `${kind} by ${roles}`);
  const body = readBody(payload);
  if (kind === "sealed") readSealed(body);
  else readRecord(kind, body);
}
