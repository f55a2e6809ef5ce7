// Some tables of the chapters are data, so they are read where they stand.

import { readFileSync } from "node:fs";

export const chapter = (name) => readFileSync(new URL(`../${name}.md`, import.meta.url), "utf8");

// The rows of the table between the marks of a name, as lists of cells.
export function table(text, name) {
  const block = text.split(`<!-- begin: ${name} -->`)[1].split("<!-- end -->")[0];
  const rows = block.split("\n").filter((line) => line.startsWith("| ")).slice(2);
  return rows.map((row) => row.slice(1, -1).split("|").map((cell) => cell.trim()));
}

// The words that stand in a cell as code.
export const codes = (cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code);
