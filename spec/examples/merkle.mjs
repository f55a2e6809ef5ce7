// Chapter 10, AWD-4 to AWD-6: whether a leaf stands under a root.

import { hash } from "./hash.mjs";
import { refuseUnless } from "./refusal.mjs";

export function verifyPath({ root, ...claim }) {
  const above = rootAbove(claim, "merkle.proof");
  refuseUnless(above.equals(root), "merkle.proof", "another root");
}

export function rootAbove({ index, leaf, path, size }, code) {
  refuseUnless(index < size, code, `leaf ${index} of ${size}`);
  const steps = [...path];
  let node = hash("leaf", leaf);
  for (let place = index, width = size; width > 1; place >>= 1, width = (width + 1) >> 1) {
    if (place === width - 1 && width % 2 === 1) continue; // The odd one is carried up as it is.
    refuseUnless(steps.length > 0, code, "a step is missing");
    const sibling = steps.shift();
    node = place % 2 === 0 ? hash("node", node, sibling) : hash("node", sibling, node);
  }
  refuseUnless(steps.length === 0, code, "steps left over");
  return node;
}
