"""Statements of chapter 15 by seven co-ops, and the input of a vector that is made of them.

In the place of a certificate's id stands `H("federation", change)` of the value, so these vectors
need no charter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import charters
from entries import sorted_map
from kit import Key, array, blob, hashed, integer, mapping, text

if TYPE_CHECKING:
    from collections.abc import Sequence

PREV: Final = bytes(7) + b"\x08" + b"\x50" * 24
"""8 mod 7 = 1: the second co-op proposes in round 0."""
COOPS: Final = [bytes([n]) * 32 for n in range(1, 8)]
KEYS: Final = [Key.of(bytes([0x10 + n])) for n in range(1, 8)]
OTHER: Final = Key.of(b"\x70")
QUORUM: Final = 5


@dataclass(frozen=True)
class Said:
    """One statement: of co-op `by`, counted from 1 as in the chapter's example."""

    by: int
    kind: str
    body: bytes
    key: Key | None = None

    def encoded(self, number: int) -> bytes:
        """Return the entry with the id that stands for it."""
        key = self.key or KEYS[(self.by - 1) % 7]
        cid = bytes([self.by]) * 32
        id_ = bytes([0xE0, number]) + bytes(30)
        return array(blob(id_), blob(cid), blob(key.public), text(self.kind), blob(self.body))


def change(number: int) -> bytes:
    """Return the change that makes value `number`: a co-op leaves."""
    return mapping(action=text("leave"), cid=blob(bytes([number]) * 32))


def certificate(number: int) -> bytes:
    """Return what stands for the certificate of value `number`."""
    return hashed("federation", change(number))


def value(number: int, round_: int = 0, prev: bytes = PREV) -> bytes:
    """Return the body of a proposal."""
    return mapping(
        change=change(number),
        heads=array(),
        lines=array(),
        prev=blob(prev),
        round=integer(round_),
    )


def propose(by: int, number: int, round_: int = 0, prev: bytes = PREV) -> Said:
    """Return a proposal of value `number`."""
    return Said(by, "charter.propose", value(number, round_, prev))


def signature(by: int, purpose: str, number: int, round_: int) -> bytes:
    """Return the signature of an accept or approval."""
    return KEYS[by - 1].sign(purpose, certificate(number) + round_.to_bytes(8))


def signed(number: int, round_: int, sig: bytes) -> bytes:
    """Return the body of an accept or approval."""
    return mapping(
        certificate=blob(certificate(number)),
        prev=blob(PREV),
        round=integer(round_),
        signature=blob(sig),
    )


def accept(by: int, number: int, round_: int = 0) -> Said:
    """Return an accept of value `number`."""
    sig = signature(by, "accept", number, round_)
    return Said(by, "charter.accept", signed(number, round_, sig))


def approve(by: int, number: int, round_: int = 0) -> Said:
    """Return an approval of value `number`."""
    sig = signature(by, "certify", number, round_)
    return Said(by, "charter.approve", signed(number, round_, sig))


def lock(number: int, round_: int, by: Sequence[int], **changes: bytes) -> bytes:
    """Return a lock by the accepts of these co-ops, in the order given."""
    accepts = [
        mapping(
            cid=blob(COOPS[n - 1]),
            signature=blob(signature(n, "accept", number, round_)),
            wid=blob(KEYS[n - 1].public),
        )
        for n in by
    ]
    fields = {
        "accepts": array(*accepts),
        "certificate": blob(certificate(number)),
        "round": integer(round_),
    }
    return mapping(**{**fields, **changes})


def abandon(by: int, round_: int = 0, shown: bytes | None = None) -> Said:
    """Return an abandon, with a lock or without."""
    fields = {} if shown is None else {"lock": shown}
    body = mapping(**fields, prev=blob(PREV), round=integer(round_))
    return Said(by, "charter.abandon", body)


def many(make: object, by: Sequence[int], *arguments: object) -> list[Said]:
    """Return the same statement of several co-ops."""
    return [make(n, *arguments) for n in by]  # type: ignore[operator]  # one of the four above


@dataclass(frozen=True)
class Story:
    """A vector: what was heard, and what is asked of whom."""

    name: str
    clause: str
    comment: str
    said: list[Said]
    told: bytes | str
    """The output, or the code."""
    own: int = 1
    agreed: Sequence[int] = (1, 2, 3)
    value: int = 0
    is_late: bool = False
    changes: dict[str, bytes] = field(default_factory=dict)

    def input(self) -> bytes:
        """Return the input of the vector."""
        voters = [
            array(blob(cid), array(blob(key.public))) for cid, key in zip(COOPS, KEYS, strict=True)
        ]
        fields = {
            "agreed": array(*[blob(certificate(n)) for n in self.agreed]),
            "is_late": charters.TRUE if self.is_late else charters.FALSE,
            "own": blob(bytes([self.own]) * 32),
            "prev": blob(PREV),
            "quorum": integer(QUORUM),
            "said": array(*[one.encoded(n) for n, one in enumerate(self.said)]),
            "voters": array(*voters),
        }
        if self.value:
            fields["value"] = value(self.value)
        return sorted_map({**fields, **self.changes})


def told(step: str, number: int, round_: int) -> bytes:
    """Return the output of a step about value `number`."""
    return array(text(step), blob(certificate(number)), integer(round_))


def gives_up(round_: int, *shown: bytes) -> bytes:
    """Return the output of an abandon."""
    return array(text("abandon"), integer(round_), array(*shown))


def waits(round_: int) -> bytes:
    """Return the output of a node with nothing to say."""
    return array(text("wait"), integer(round_))


ALL: Final = range(1, 8)
FIVE: Final = range(1, 6)
OPENED: Final = many(abandon, FIVE)
"""Round 1, free: co-op 3 proposes."""
LOCK_0: Final = lock(1, 0, FIVE)
BOUND: Final = [*many(abandon, range(1, 5)), abandon(5, 0, LOCK_0)]
"""Round 1, bound to value 1 by those that co-op 5 knew of."""
LOCK_1: Final = lock(2, 1, FIVE)
SPLIT: Final = [
    propose(2, 1),
    propose(2, 2),
    *many(accept, range(1, 4), 1),
    *many(accept, range(4, 7), 2),
]
