"""The worked examples of chapters 06 and 07: a digest tree, an idle round, a question answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from blocks_examples import dump, view
from entries import CID, FID, WRITER, entry, split, without_signature
from kit import array, blob, hashed, integer, mapping, text
from nacl import bindings
from trees import Log, node_digests, part_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SCOPE: Final = b"s" * 16
LOG_ID: Final = hashed("log", FID, CID, WRITER.public)
TWENTY: Final = [Log(hashed("log", bytes([n]) * 32), 1, bytes([n]) * 32) for n in range(20)]


def tree() -> str:
    """Return the top node over twenty logs, and one part of it."""
    digests = node_digests("", TWENTY)
    digit = next(d for d in range(16) if sum(log.id.hex()[0] == f"{d:x}" for log in TWENTY) == 2)
    leaves = [log for log in sorted(TWENTY) if log.id.hex()[0] == f"{digit:x}"]
    parts = {f"leaf_{at}_of_part_{digit:x}": log.leaf for at, log in enumerate(leaves, 1)}
    node = array(text(""), array(*map(blob, digests)))
    message = array(text("tree"), blob(SCOPE), array(node))
    fields = ["tree", SCOPE.hex(), [["", [digest.hex() for digest in digests]]]]
    return (
        dump(**parts, **{f"part_{digit:x}": digests[digit]}, root=part_digest("", TWENTY))
        + "\nThe first message of a walk down, of the scope 16 bytes `s`:\n\n"
        + view("A tree", fields)
        + dump(plaintext=message)
    )


def idle() -> str:
    """Return an idle message and its frame, the first under a known key."""
    digest = hashed("idle", b"a" * 32, b"b" * 32)[:16]
    plain = array(text("idle"), blob(digest))
    frame = bindings.crypto_aead_chacha20poly1305_ietf_encrypt(
        plain, b"sheaf/1/link-frame\x00", bytes(12), b"k" * 32
    )
    return view("An idle", ["idle", digest.hex()]) + dump(plaintext=plain, frame=frame)


def want() -> str:
    """Return a question about one entry, and the batch that answers it with a tail."""
    id_1, wire_1 = entry()
    _, wire_2 = entry(2, id_1)
    header_2, rest = split(wire_2)
    question = array(text("want"), blob(SCOPE), array(array(blob(LOG_ID), integer(1), integer(1))))
    tail = array(array(header_2), rest[:66])
    answer = array(
        text("entries"),
        blob(SCOPE),
        b"\xc2",
        array(without_signature(wire_1)),
        array(tail),
    )
    return view("A want", ["want", SCOPE.hex(), [[LOG_ID.hex(), 1, 1]]]) + dump(
        want=question, entries=answer
    )


def subscription() -> str:
    """Return a filter, and a batch of which it leaves one payload out."""
    wanted = {"kinds": ["verdict"]}
    id_1, wire_1 = entry()
    _, wire_2 = entry(2, id_1, body=mapping(text=text("Gate 4")), kind=text("x.note"))
    header_2, rest = split(wire_2)
    told = array(text("subscribe"), blob(SCOPE), mapping(kinds=array(text("verdict"))))
    bare = array(header_2, rest[:66], blob(b""))
    answer = array(
        text("entries"), blob(SCOPE), b"\xc2", array(without_signature(wire_1), bare), array()
    )
    return view("A subscription", ["subscribe", SCOPE.hex(), wanted]) + dump(
        subscribe=told, payload_left_out=rest[68:], entries=answer
    )


EXAMPLES: Final[Mapping[str, Callable[[], str]]] = {
    "example_tree": tree,
    "example_idle": idle,
    "example_want": want,
    "example_subscription": subscription,
}
