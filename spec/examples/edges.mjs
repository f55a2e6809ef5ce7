// node edges.mjs FOLDER: strict-1 against the public edge vectors, which are not part of this
// repository: cctv_ed25519.json (C2SP/CCTV), ed25519_test.json (Wycheproof) and
// speccheck_ed25519.json (novifinancial/ed25519-speccheck). Prints what was accepted as JSON.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isValidKey, verifyUntagged } from "./strict1.mjs";

const folder = process.argv[2];
if (folder === undefined) {
  console.error("usage: node edges.mjs FOLDER");
  process.exit(2);
}

const read = (name) => JSON.parse(readFileSync(join(folder, name), "utf8"));
const hex = (text) => Buffer.from(text, "hex");

function cctv() {
  const cases = read("cctv_ed25519.json");
  const accepted = cases.filter((c) =>
    verifyUntagged(hex(c.key), Buffer.from(c.msg, "utf8"), hex(c.sig)),
  );
  const registered = accepted.filter((c) => isValidKey(hex(c.key))).map((c) => c.number);
  return { cases: cases.length, accepted: accepted.length, registered };
}

function wycheproof() {
  const cases = read("ed25519_test.json").testGroups.flatMap((group) =>
    group.tests.map((test) => ({ ...test, key: hex(group.publicKey.pk) })),
  );
  const wrong = cases.filter(
    (c) => verifyUntagged(c.key, hex(c.msg), hex(c.sig)) !== (c.result === "valid"),
  );
  return { cases: cases.length, disagree: wrong.map((c) => c.tcId) };
}

function speccheck() {
  const cases = read("speccheck_ed25519.json");
  const isAccepted = (c) => verifyUntagged(hex(c.pub_key), hex(c.message), hex(c.signature));
  const accepted = [...cases.keys()].filter((number) => isAccepted(cases[number]));
  const registered = accepted.filter((number) => isValidKey(hex(cases[number].pub_key)));
  return { cases: cases.length, accepted, registered };
}

console.log(JSON.stringify({ cctv: cctv(), wycheproof: wycheproof(), speccheck: speccheck() }));
