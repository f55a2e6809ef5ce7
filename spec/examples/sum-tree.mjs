// Chapter 17, section 6: the sums at the root that a line is part of.

import { hash } from "./hash.mjs";
import { checkLine, eightBytes } from "./private-demand.mjs";
import { refuseUnless } from "./refusal.mjs";

export function sumsAbove({ index, line, path, root, salt, ...bounds }) {
  checkLine(line, bounds);
  let node = { hash: hash("sum-leaf", salt, packed(line)), sums: line }; // PRV-40
  let place = BigInt(index);
  for (const [siblingHash, sums] of path) {
    checkLine(sums, bounds);
    const sibling = { hash: siblingHash, sums };
    node = place & 1n ? above(sibling, node) : above(node, sibling);
    checkLine(node.sums, bounds);
    place >>= 1n;
  }
  refuseUnless(place === 0n && node.hash.equals(root), "curve.sum_tree", "no way to the root");
  return node.sums;
}

// PRV-41
function above(left, right) {
  const parts = [left.hash, packed(left.sums), right.hash, packed(right.sums)];
  const sums = left.sums.map((sum, level) => sum + right.sums[level]);
  return { hash: hash("sum-node", ...parts), sums };
}

function packed(sums) {
  return Buffer.concat(sums.map(eightBytes));
}
