"""Whole federations, chapter 09: the input is [[key log...], certificate, [envelope...]].

The certificate founds the federation, the entries are appended to their logs in the order given,
and each is judged for its effect. The output is the id of the last entry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import story
from entries import elements, envelope
from kit import ZERO, Case, Key, array, blob, hashed, text

if TYPE_CHECKING:
    from collections.abc import Iterator

VERDICT: Final = {"code": "ok", "level": "own", "subject": ZERO}
OUTSIDER: Final = story.Coop("Outside", Key.of(b"e"), Key.of(b"g"), ["member"])


def entry(author: story.Coop, kind: str, body: bytes, **changes: bytes) -> bytes:
    """Return the first entry of an author's log; changes replace encoded elements."""
    payload = b"s" * 16 + body
    made = {"fid": story.FID, "cid": author.cid, "wid": author.writer.public}
    fields = {name: blob(value) for name, value in made.items()}
    header = array(*elements(payload, 1, ZERO, kind=text(kind), **{**fields, **changes}))
    return envelope(header, author.writer, payload)


def claim(*entries: bytes, coops: tuple[story.Coop, ...] = ()) -> bytes:
    """Return the input of a vector."""
    known = (story.HILL, story.TARSET, story.DALE, *coops)
    logs = array(*(array(*coop.key_log) for coop in known))
    return array(logs, story.CERTIFICATE, array(*entries))


OFFER: Final = story.plain(story.ENTRIES[0].body)
DEMAND: Final = story.plain(story.ENTRIES[1].body)
ORDER: Final = story.plain(story.ORDER)

# file name, clause, code, input, why it matters
BAD: Final[list[tuple[str, str, str, bytes, str]]] = [
    (
        "offer_by_buyer",
        "CHR-5",
        "policy.role",
        claim(entry(story.TARSET, "offer.submit", OFFER)),
        "Kept by all replicas, and counts for none.",
    ),
    (
        "pool_by_supplier",
        "CHR-5",
        "policy.role",
        claim(entry(story.DALE, "pool.open", story.plain(story.ENTRIES[3].body))),
        "As above.",
    ),
    (
        "order_unsealed",
        "ENV-7",
        "policy.unsealed",
        claim(entry(story.TARSET, "order.place", ORDER)),
        "A private kind that all could read.",
    ),
    (
        "body_of_another_kind",
        "REC-1",
        "schema.invalid",
        claim(entry(story.TARSET, "verdict", DEMAND)),
        "A demand under the name of a verdict.",
    ),
    (
        "sealed_that_is_none",
        "ENV-7",
        "schema.invalid",
        claim(entry(story.TARSET, "sealed", DEMAND)),
        "What every relay can see of a sealed body, it checks.",
    ),
    (
        "of_another_federation",
        "CHR-7",
        "charter.unknown_federation",
        claim(entry(story.TARSET, "demand.submit", DEMAND, fid=blob(b"f" * 32))),
        "Its certificate may still arrive.",
    ),
    (
        "by_outsider",
        "CHR-7",
        "charter.not_member",
        claim(entry(OUTSIDER, "demand.submit", DEMAND), coops=(OUTSIDER,)),
        "Its key log is known, and the charter does not name it.",
    ),
    (
        "by_outsider_with_body_of_another_kind",
        "ENV-19",
        "charter.not_member",
        claim(entry(OUTSIDER, "verdict", DEMAND), coops=(OUTSIDER,)),
        "Whether it counts is asked once it is a member's.",
    ),
    (
        "by_another_coops_writer",
        "LOG-1",
        "key.unknown",
        claim(entry(story.TARSET, "demand.submit", DEMAND, cid=blob(story.HILL.cid))),
        "A writer writes for the co-op that delegates it and for no other.",
    ),
]


def cases() -> Iterator[Case]:
    """Yield the vectors on whole federations."""
    wires = [each.wire for each in story.ENTRIES]
    yield _ok("story", "CHR-5", "The story of chapter 00.", claim(*wires), story.ENTRIES[-1].id)
    by_log = sorted(story.ENTRIES, key=lambda each: each.author.cid)
    yield _ok(
        "story_log_by_log",
        "LIF-4",
        "Another order of arrival, the same logs.",
        claim(*(each.wire for each in by_log)),
        by_log[-1].id,
    )
    extension = entry(story.DALE, "x.dale.harvest", story.plain({"bags": 900}))
    yield _ok(
        "kind_of_an_extension",
        "CHR-6",
        "No role lists it, so no role is asked for.",
        claim(extension),
        id_of(extension),
    )
    verdict = entry(story.DALE, "verdict", story.plain(VERDICT))
    yield _ok("verdict_by_supplier", "CHR-5", "Every member may.", claim(verdict), id_of(verdict))
    unknown = entry(story.DALE, "x.dale.list", array(story.plain(1)))
    yield _ok(
        "body_of_unknown_kind",
        "VER-2",
        "Its body is canonical; what it means is others' business.",
        claim(unknown),
        id_of(unknown),
    )
    for name, clause, code, data, comment in BAD:
        yield Case(
            id=f"09-federation/{name}", clause=clause, expect=code, comment=comment, input=data
        )


def id_of(wire: bytes) -> bytes:
    """Return the id of an entry from its envelope."""
    size = wire[2] if wire[1] == 0xC4 else int.from_bytes(wire[2:4])
    start = 3 if wire[1] == 0xC4 else 4
    return hashed("entry", wire[start : start + size])


def _ok(name: str, clause: str, comment: str, data: bytes, output: bytes) -> Case:
    return Case(
        id=f"09-federation/{name}",
        clause=clause,
        expect="ok",
        comment=comment,
        input=data,
        output=output,
    )
