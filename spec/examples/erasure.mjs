// Chapter 04, section 6: which entries are erased.

import { chapter } from "./chapter.mjs";
import { openEnvelope, readBody } from "./envelope.mjs";
import { list, tuple } from "./shape.mjs";

const ERASE_AFTER_MS = limit("ERASE_AFTER_MS");
const WRITER = ["writer.lost", "writer.override", "writer.promise", "writer.succeed"];
const LASTING = ["entry.erase", "entry.restore", ...WRITER]; // ENV-37
const QUESTION = tuple(openEnvelope, list(openEnvelope, 0, 1024));

function limit(name) {
  const [, value] = chapter("03-encoding").match(new RegExp(`^\\| \`${name}\` \\| ([0-9,]+) `, "m"));
  return Number(value.replaceAll(",", ""));
}

// Whether an entry is erased, once all the others have effect, in whatever order they came.
export function isErased(target, others) {
  if (isLasting(target)) return false;
  const own = others.filter(({ header }) => isOfSameCoop(header, target.header));
  const erases = marks(own, "entry.erase").filter((mark) => names(mark, "entry", target));
  const restores = marks(own, "entry.restore");
  return erases.some((erase) => !restores.some((restore) => takesBack(restore, erase)));
}

// ENV-33
function takesBack(restore, erase) {
  const isInTime = restore.header.time_ms <= erase.header.time_ms + ERASE_AFTER_MS;
  return isInTime && names(restore, "erase", erase);
}

const isLasting = ({ header }) => LASTING.includes(header.kind);
const isOfSameCoop = (one, other) => one.fid.equals(other.fid) && one.cid.equals(other.cid);
const marks = (entries, kind) => entries.filter(({ header }) => header.kind === kind);
const names = (mark, key, { id }) => readBody(mark.payload).get(key).equals(id);

export function judgeErasure(input) {
  return Buffer.from([isErased(...QUESTION(input)) ? 0xc3 : 0xc2]);
}
