// Chapter 05, section 5: two branches that part at one number, each signed by the writer.

import { BRANCH, isSameLog, isSigned, readBranch, verifyChain } from "./proof.mjs";
import { refuseUnless } from "./refusal.mjs";
import { tuple } from "./shape.mjs";

export const PROOF = tuple(BRANCH, BRANCH);
const readProof = tuple(readBranch, readBranch);

// Returns the writer that the proof freezes.
export function verifyForkProof(value) {
  const [one, other] = readProof(value).map(firstOf);
  const isOnePlace = isSameLog(one.header, other.header) && one.header.seq === other.header.seq;
  refuseUnless(isOnePlace, "fork.other_place", "entries of two places");
  const isAscending = Buffer.compare(one.id, other.id) < 0;
  refuseUnless(isAscending, "fork.same_entry", "expected two ids, ascending");
  return one.header.wid;
}

function firstOf({ headers, last }) {
  verifyChain(headers);
  refuseUnless(isSigned(last), "env.signature", "the last header of a branch");
  return headers[0];
}
