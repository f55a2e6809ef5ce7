// sheaf conform bytes -- node conform.mjs: judges vectors for the conformance kit. A line of JSON on
// standard input asks, a line on standard output answers (docs/conformance.md).

import { createInterface } from "node:readline";
import { JUDGES, verdict } from "./judges.mjs";

function answer({ folder, input }) {
  if (!(folder in JUDGES)) return { skip: `no reading of ${folder}` };
  const { code, output, why } = verdict(folder, input);
  return { expect: code, output, why };
}

for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line);
  console.log(JSON.stringify({ id: question.id, ...answer(question) }));
}
