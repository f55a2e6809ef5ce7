// node continue.mjs [VECTOR]: takes the worked log of chapter 05 from a vector, verifies it, and
// continues it with one entry signed by the writer of chapter 02. Prints the entry as JSON.

import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { encode } from "./cmp1-encode.mjs";
import { entryId } from "./envelope.mjs";
import { hash } from "./hash.mjs";
import { readLog } from "./judges.mjs";
import { signingKey } from "./sign.mjs";

const WRITER = signingKey(Buffer.alloc(32, "w")); // Chapter 02: seeds of 32 equal letters.
const SALT_BYTES = 16;

const WORKED_LOG = new URL("../vectors/05-log/only_third_signed.json", import.meta.url);
const source = process.argv[2] ?? WORKED_LOG;
const { input } = JSON.parse(readFileSync(source, "utf8"));
const { entries, head } = readLog(Buffer.from(input, "hex"));

const { fid, cid, wid } = entries.at(-1).header;
const subject = entries[0].id;
const body = encode({ code: "ok", level: "totals", subject });
const payload = Buffer.concat([randomBytes(SALT_BYTES), body]);

const header = encode([
  1, fid, cid, wid,
  head.seq + 1, head.id,
  "verdict",
  head.time_ms + 1000, 0,
  hash("payload", payload), payload.length,
  [], 0,
]);
const signature = WRITER.sign("entry-signature", header);
const id = entryId(header);
const envelope = encode([header, signature, payload]);

const hex = (bytes) => bytes.toString("hex");
console.log(JSON.stringify({ seq: head.seq + 1, id: hex(id), envelope: hex(envelope) }));
