"""Pieces of blobs, chapter 06: the input is [id, size, index, path, data]."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kit import Case, array, blob, hashed, integer

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE = 65_536
MOST = 16_777_216
FULL, REST = bytes(PIECE), b"sheaf"
ZEROS, LAST = hashed("leaf", FULL), hashed("leaf", REST)
BOTH, PAIR = hashed("node", ZEROS, LAST), hashed("node", ZEROS, ZEROS)
THREE, DOUBLED = hashed("node", PAIR, LAST), hashed("node", PAIR, hashed("node", LAST, LAST))
TWO_SIZE, THREE_SIZE = PIECE + 5, 2 * PIECE + 5


def blob_id(size: int, root: bytes) -> bytes:
    """Return the id of a blob."""
    return hashed("blob", size.to_bytes(8, "big"), root)


def tall() -> tuple[bytes, list[bytes]]:
    """Return the root over 256 pieces of zeros, and the path from any of them."""
    node, path = ZEROS, []
    for _ in range(8):
        path.append(node)
        node = hashed("node", node, node)
    return node, path


def wide(data: bytes) -> bytes:
    """Return bytes of any length: 65,536 need a length of four bytes."""
    return blob(data) if len(data) < PIECE else b"\xc6" + len(data).to_bytes(4) + data


def piece(id_: bytes, size: int, index: int, path: list[bytes], data: bytes) -> bytes:
    """Return the claim that bytes are a piece of a blob."""
    steps = array(*map(blob, path))
    return array(blob(id_), integer(size), integer(index), steps, wide(data))


ONE = blob_id(5, LAST)
TWO = blob_id(TWO_SIZE, BOTH)
EDGE = blob_id(2 * PIECE, PAIR)
TRIPLE = blob_id(THREE_SIZE, THREE)
TALL_ROOT, TALL_PATH = tall()
TALL = blob_id(MOST, TALL_ROOT)
BARE = hashed("blob", BOTH)
LITTLE = hashed("blob", TWO_SIZE.to_bytes(8, "little"), BOTH)
SHORT = hashed("blob", TWO_SIZE.to_bytes(4, "big"), BOTH)
WHOLE = hashed("leaf", FULL + REST)
SECOND = [ZEROS]
BAD = "blob.piece"
NONE = "schema.invalid"

# file name, clause, expect, bytes, why it matters
ROWS = [
    ("only_piece", "SYN-43", "ok", piece(ONE, 5, 0, [], REST), "Its hash is the root."),
    ("first_of_two", "SYN-43", "ok", piece(TWO, TWO_SIZE, 0, [LAST], FULL), "A full piece."),
    ("last_of_two", "SYN-43", "ok", piece(TWO, TWO_SIZE, 1, SECOND, REST), "What is left over."),
    (
        "last_of_three",
        "SYN-43",
        "ok",
        piece(TRIPLE, THREE_SIZE, 2, [PAIR], REST),
        "The odd piece is carried up.",
    ),
    (
        "last_of_the_largest",
        "SYN-44",
        "ok",
        piece(TALL, MOST, 255, TALL_PATH, FULL),
        "Its last piece is full, and its path has eight steps.",
    ),
    (
        "other_bytes",
        "SYN-43",
        BAD,
        piece(TWO, TWO_SIZE, 1, SECOND, b"shear"),
        "A liar costs one piece and not the whole blob.",
    ),
    ("byte_missing", "SYN-43", BAD, piece(TWO, TWO_SIZE, 1, SECOND, b"shea"), "Cut off."),
    ("byte_too_many", "SYN-43", BAD, piece(TWO, TWO_SIZE, 1, SECOND, b"sheafs"), "Padded."),
    (
        "last_piece_in_the_first_place",
        "SYN-43",
        BAD,
        piece(TWO, TWO_SIZE, 0, SECOND, REST),
        "All but the last are full.",
    ),
    ("other_place", "SYN-43", BAD, piece(TRIPLE, THREE_SIZE, 1, [PAIR], REST), "Of three."),
    ("beyond_the_last", "SYN-43", BAD, piece(TWO, TWO_SIZE, 2, SECOND, REST), "No third piece."),
    (
        "size_smaller",
        "SYN-43",
        BAD,
        piece(TWO, TWO_SIZE - 1, 1, SECOND, REST[:-1]),
        "A blob cut short has another id.",
    ),
    (
        "size_of_more_pieces",
        "SYN-43",
        BAD,
        piece(TWO, 2 * PIECE, 1, SECOND, FULL),
        "The size decides how long the last piece is.",
    ),
    (
        "size_beside_the_right_root",
        "SYN-43",
        BAD,
        piece(EDGE, 4 * PIECE, 1, SECOND, FULL),
        "The root is right for two pieces; the path is none of four.",
    ),
    (
        "size_of_another_blob_of_one_root",
        "SYN-43",
        BAD,
        piece(blob_id(6, LAST), 5, 0, [], REST),
        "The id commits to the size, so that nobody can claim another.",
    ),
    ("path_too_short", "SYN-43", BAD, piece(TWO, TWO_SIZE, 1, [], REST), "A step missing."),
    (
        "path_too_long",
        "SYN-43",
        BAD,
        piece(TWO, TWO_SIZE, 1, [ZEROS, ZEROS], REST),
        "A step left over.",
    ),
    ("path_of_another", "SYN-43", BAD, piece(TWO, TWO_SIZE, 1, [LAST], REST), "Another sibling."),
    (
        "carried_piece_doubled",
        "SYN-43",
        BAD,
        piece(blob_id(THREE_SIZE, DOUBLED), THREE_SIZE, 2, [LAST, PAIR], REST),
        "Doubling would give two blobs one root.",
    ),
    ("id_is_the_root", "SYN-43", BAD, piece(BOTH, TWO_SIZE, 1, SECOND, REST), "Without size."),
    ("id_without_size", "SYN-43", BAD, piece(BARE, TWO_SIZE, 1, SECOND, REST), "Hashed alone."),
    (
        "id_over_a_little_endian_size",
        "SYN-43",
        BAD,
        piece(LITTLE, TWO_SIZE, 1, SECOND, REST),
        "The size goes in as 8 bytes, big endian.",
    ),
    (
        "id_over_a_size_of_four_bytes",
        "SYN-43",
        BAD,
        piece(SHORT, TWO_SIZE, 1, SECOND, REST),
        "As 8 bytes, not 4.",
    ),
    (
        "node_as_piece",
        "SYN-43",
        BAD,
        piece(blob_id(64, BOTH), 64, 0, [], ZEROS + LAST),
        "Without tags the hashes of two pieces would pass as a piece.",
    ),
    (
        "whole_content_hashed_as_one",
        "SYN-43",
        BAD,
        piece(blob_id(TWO_SIZE, WHOLE), TWO_SIZE, 1, SECOND, REST),
        "A hash over all bytes proves no piece of them.",
    ),
    ("no_bytes", "SYN-44", NONE, piece(ONE, 5, 0, [], b""), "No piece is empty."),
    ("no_size", "SYN-44", NONE, piece(blob_id(0, bytes(32)), 0, 0, [], REST), "Nor any blob."),
    (
        "size_beyond_the_largest",
        "SYN-44",
        NONE,
        piece(blob_id(MOST + 5, LAST), MOST + 5, 255, SECOND, REST),
        "Nobody is made to make room for it.",
    ),
    (
        "place_beyond_the_largest",
        "SYN-44",
        NONE,
        piece(TWO, TWO_SIZE, 256, SECOND, REST),
        "Of 256.",
    ),
    (
        "path_longer_than_any",
        "SYN-43",
        NONE,
        piece(TWO, TWO_SIZE, 1, [ZEROS] * 9, REST),
        "256 pieces have paths of eight steps.",
    ),
    (
        "piece_longer_than_any",
        "SYN-43",
        NONE,
        piece(blob_id(PIECE + 1, LAST), PIECE + 1, 0, [], bytes(PIECE + 1)),
        "A piece fits in what one message carries.",
    ),
]


def cases() -> Iterator[Case]:
    """Yield the vectors on pieces."""
    for name, clause, expect, data, comment in ROWS:
        yield Case(id=f"06-blob/{name}", clause=clause, expect=expect, comment=comment, input=data)
