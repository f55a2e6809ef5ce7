// Chapter 06, SYN-43 and SYN-44: whether bytes are a piece of a blob, to whoever knows its id.

import { hash } from "./hash.mjs";
import { rootAbove } from "./merkle.mjs";
import { refuseUnless } from "./refusal.mjs";
import { bytes, digest, integer, list, tuple } from "./shape.mjs";

const PIECE = 65_536;
const MOST = 16_777_216;

export const readPiece = tuple(
  digest,
  integer(1, MOST),
  integer(0, MOST / PIECE - 1),
  list(digest, 0, 8),
  bytes(1, PIECE),
);

export function verifyPiece([id, size, index, path, data]) {
  const count = Math.ceil(size / PIECE);
  const room = index < count - 1 ? PIECE : size - (count - 1) * PIECE;
  refuseUnless(data.length === room, "blob.piece", `${data.length} bytes in place of ${room}`);
  const eight = Buffer.alloc(8);
  eight.writeBigUInt64BE(BigInt(size));
  const root = rootAbove({ index, leaf: data, path, size: count }, "blob.piece");
  refuseUnless(hash("blob", eight, root).equals(id), "blob.piece", "another blob");
}
