// node vectors.mjs [--json] [--vectors=DIR] [folder...]: judges each vector of the folders (of all
// that are known here) and compares with the code that it expects. Exit 1 on a failure.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { JUDGES, verdict } from "./judges.mjs";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    vectors: { type: "string", default: fileURLToPath(new URL("../vectors", import.meta.url)) },
  },
});

function failure(folder, vector) {
  const { code, output, why } = verdict(folder, vector.input);
  if (code !== vector.expect) return { id: vector.id, expect: vector.expect, got: code, why };
  if (vector.output === undefined || output === vector.output) return undefined;
  return { id: vector.id, expect: vector.output, got: output };
}

function run(folder) {
  const path = join(options.vectors, folder);
  const files = readdirSync(path).filter((name) => name.endsWith(".json"));
  const vectors = files.map((name) => JSON.parse(readFileSync(join(path, name), "utf8")));
  const failures = vectors.map((vector) => failure(folder, vector)).filter(Boolean);
  return { folder, passed: vectors.length - failures.length, failures };
}

const unknown = positionals.filter(
  (folder) => !(folder in JUDGES && existsSync(join(options.vectors, folder))),
);
if (unknown.length > 0) {
  console.error(`no such folder, or none that is judged here: ${unknown.join(", ")}`);
  process.exit(2);
}

const present = readdirSync(options.vectors, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)
  .sort();
const folders = positionals.length > 0 ? positionals : present.filter((name) => name in JUDGES);
const results = folders.map(run);
const notJudged = present.filter((name) => !(name in JUDGES));

if (options.json) {
  console.log(JSON.stringify({ results, not_judged: notJudged }));
} else {
  for (const { folder, passed, failures } of results) {
    console.log(`${folder}: ${passed} passed, ${failures.length} failed`);
    for (const { id, expect, got, why } of failures) {
      console.log(`  ${id}: expected ${expect}, got ${got}${why ? ` (${why})` : ""}`);
    }
  }
  if (notJudged.length > 0) console.log(`not judged here: ${notJudged.join(", ")}`);
}
const hasFailed = results.some(({ passed, failures }) => failures.length > 0 || passed === 0);
process.exitCode = hasFailed ? 1 : 0;
