"""Entries that cross, chapter 16: judged where they leave, and where they enter.

16-export: see `export_cases`.
16-import: the input is {charters, entry, key_logs, left?, level, treaty}, the output the
origin's id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import export_cases
from entries import without_payload
from export_cases import LATE, PLAIN, SHOWING, VIEW, WHOLE
from kit import ZERO, Case, array, blob, hashed, mapping, text
from story import Coop, plain
from treaties import (
    DAIRY,
    EAST,
    IDS,
    NORTH,
    OFFER,
    OFFER_ID,
    OFFER_WIRE,
    REACH,
    SOUTH,
    SPAN,
    bridged,
    direction,
    entry,
    export,
    id_of,
    parts,
    receipt,
    tail,
    treaty,
    viewed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS: Final = (
    (NORTH, DAIRY, ["offer.submit", "sealed", "x.note"]),
    (NORTH, SPAN, ["bridge.export"]),
    (NORTH, REACH, ["bridge.export"]),
)


def cases() -> Iterator[Case]:
    """Yield the vectors on entries that cross."""
    yield from export_cases.cases()
    yield from _entering()
    yield from _not_entering()
    yield from _brakes()


def _entering() -> Iterator[Case]:
    yield _came("whole", "TRT-45", "As its author signed it.", _import(PLAIN, bridged(PLAIN)))
    view = bridged(SHOWING, view=VIEW)
    yield _came("view", "TRT-46", "Without its carriage.", _import(SHOWING, view))
    note_id, note = entry(DAIRY, NORTH, "x.note", plain({}), 2, after=OFFER_ID)
    proven = bridged(PLAIN, proof=tail(note))
    comment = "Its own signature was left out; a later one proves it."
    yield _came("proven_by_tail", "TRT-47", comment, _import(PLAIN, proven))
    by_other = bridged(PLAIN, said={"author": REACH})
    comment = "One bridge exports, another that stands by imports."
    yield _came("by_two_bridges", "TRT-43", comment, _import(PLAIN, by_other))
    named = {
        **OFFER,
        "carriage": [{"amount": 5, "zone": "COLLINES"}],
        "item": {**OFFER["item"], "category": "laiterie", "code": "lait"},
    }
    renamed = treaty(direction(ids=IDS, categories=["dairy"]))
    comment = "Its categories are those of the federation left."
    given = _import(renamed, bridged(renamed, view=viewed(plain(named))))
    yield _came("renamed_and_limited", "TRT-46", comment, given)
    unknown = bridged(PLAIN, note)
    comment = "A kind that this version does not know."
    yield _came("unknown_kind", "TRT-48", comment, _import(PLAIN, unknown), note_id)
    far = entry(DAIRY, EAST, "offer.submit", plain(OFFER))
    rows = (*ROWS, (EAST, DAIRY, ["offer.submit"]))
    twice = bridged(PLAIN, far[1], via=[EAST, NORTH])
    comment = "East, North, and here: its author is judged in East."
    yield _came("two_hops", "TRT-42", comment, _import(PLAIN, twice, rows=rows), far[0])


def _came(name: str, clause: str, comment: str, given: bytes, id_: bytes = OFFER_ID) -> Case:
    return Case(
        id=f"16-import/{name}",
        clause=clause,
        expect="ok",
        comment=comment,
        input=given,
        output=id_,
    )


def _not_entering() -> Iterator[Case]:
    for name, clause, code, made, wrapping, why in (*_ways(), *_words(), *_bodies()):
        yield _refused(name, clause, code, _import(made, wrapping), why)
    sound = bridged(PLAIN)
    for name, clause, code, changes, why in _around():
        yield _refused(name, clause, code, _import(PLAIN, sound, **changes), why)


def _refused(name: str, clause: str, code: str, given: bytes, why: str) -> Case:
    return Case(id=f"16-import/{name}", clause=clause, expect=code, comment=why, input=given)


def _ways() -> Iterator[tuple[str, str, str, dict[str, Any], dict[str, Any], str]]:
    yield (
        *("back_home", "TRT-40", "bridge.loop", PLAIN, bridged(PLAIN, via=[SOUTH, NORTH])),
        "It has been here.",
    )
    yield (
        *("in_a_circle", "TRT-40", "bridge.loop", PLAIN, bridged(PLAIN, via=[NORTH, EAST, NORTH])),
        "It has been there.",
    )
    yield (
        *("way_from_elsewhere", "TRT-41", "bridge.origin", PLAIN),
        bridged(PLAIN, via=[EAST, NORTH]),
        "The header is of North.",
    )
    yield (
        *("way_from_a_third", "TRT-42", "bridge.treaty", PLAIN),
        bridged(PLAIN, via=[NORTH, EAST]),
        "The treaty is with North.",
    )
    short = treaty(direction(hops=1))
    far = entry(DAIRY, EAST, "offer.submit", plain(OFFER))[1]
    yield (
        *("too_long_a_way", "TRT-42", "bridge.hops", short),
        bridged(short, far, via=[EAST, NORTH]),
        "One hop was agreed to.",
    )
    strict = treaty(direction(kinds=["sealed"]))
    yield (
        *("kind_not_listed", "TRT-42", "bridge.kind", strict, bridged(strict)),
        "Offers stay at home.",
    )
    loose = treaty(direction(kinds=["demand.submit"]))
    wish = entry(DAIRY, NORTH, "demand.submit", plain({}))[1]
    yield (
        *("kind_at_home", "TRT-42", "bridge.kind", loose, bridged(loose, wish)),
        "A re-foundation may list a treaty with kinds that nobody may adopt.",
    )


def _words() -> Iterator[tuple[str, str, str, dict[str, Any], dict[str, Any], str]]:
    """Receipts that are none, or for something else."""
    word = export(PLAIN, WHOLE)[1]
    wrong = "bridge.receipt"
    forged = receipt(word, signature=DAIRY.writer.sign("entry-signature", parts(word)[0]))
    yield (
        *("receipt_by_another_key", "TRT-43", wrong, PLAIN, bridged(PLAIN, receipt=forged)),
        "Anybody could claim it.",
    )
    empty = receipt(without_payload(word), payload=b"")
    yield (
        *("receipt_without_payload", "TRT-43", wrong, PLAIN, bridged(PLAIN, receipt=empty)),
        "A header alone says nothing.",
    )
    other = receipt(word, payload=receipt(export(PLAIN, VIEW)[1])["payload"])
    yield (
        *("receipt_with_other_payload", "TRT-43", wrong, PLAIN, bridged(PLAIN, receipt=other)),
        "Not the one signed for.",
    )
    for name, said, why in (
        ("receipt_of_other_kind", {"kind": text("x.note")}, "No export."),
        ("receipt_from_elsewhere", {"fid": blob(SOUTH)}, "It left another federation."),
        ("receipt_into_elsewhere", {"into": EAST}, "It was to go to another federation."),
    ):
        yield (name, "TRT-43", wrong, PLAIN, bridged(PLAIN, said=said), why)
    yield (
        *("receipt_of_no_bridge", "TRT-9", "bridge.treaty", PLAIN),
        bridged(PLAIN, said={"author": DAIRY}),
        "A member, and no bridge of the treaty.",
    )
    yield (
        *("receipt_too_late", "TRT-10", "bridge.expired", PLAIN),
        bridged(PLAIN, said={"time_ms": LATE}),
        "It left after the end.",
    )
    yield (
        *("receipt_for_another", "TRT-44", "bridge.shown", PLAIN),
        bridged(PLAIN, said={"entry": ZERO}),
        "The bridge never said that it takes this one.",
    )
    yield (
        *("receipt_for_another_view", "TRT-44", "bridge.shown", SHOWING),
        bridged(SHOWING, view=VIEW, said={"shown": hashed("shown", WHOLE)}),
        "It says one thing there and shows another here.",
    )


def _bodies() -> Iterator[tuple[str, str, str, dict[str, Any], dict[str, Any], str]]:
    """Payloads that are not the author's, or not what the treaty lets be seen."""
    altered = WHOLE[:16] + plain({**OFFER, "ref": "o2"})
    lied = {"shown": hashed("shown", altered)}
    yield (
        *("altered", "TRT-45", "bridge.origin", PLAIN),
        bridged(PLAIN, payload=altered, said=lied),
        "Its bridge even signed for that; its author did not.",
    )
    wrong = "bridge.view"
    yield (
        *("removed_key_shown", "TRT-46", wrong, SHOWING, bridged(SHOWING)),
        "Whole, where the treaty lets a part be seen.",
    )
    yield (
        *(
            "removed_key_in_view",
            "TRT-46",
            wrong,
            SHOWING,
            bridged(SHOWING, view=viewed(plain(OFFER))),
        ),
        "As above, as a view.",
    )
    renamed = treaty(direction(ids=IDS))
    yield (
        *("id_not_renamed", "TRT-46", wrong, renamed, bridged(renamed, view=viewed(plain(OFFER)))),
        "Here the name means something else.",
    )
    limited = treaty(direction(categories=["grain"]))
    yield (
        *("category_not_listed", "TRT-30", "bridge.category", limited, bridged(limited)),
        "Dairy stays at home.",
    )
    box = entry(DAIRY, NORTH, "sealed", plain({}))[1]
    yield (
        *("sealed_view", "TRT-36", wrong, PLAIN, bridged(PLAIN, box, view=viewed(b"\x80"))),
        "A part of a box proves nothing.",
    )
    yield (
        *("view_no_record", "TRT-48", wrong, PLAIN, bridged(PLAIN, view=viewed(b"\x80"))),
        "No offer is left.",
    )
    yield (
        *("view_not_canonical", "TRT-48", wrong, PLAIN, bridged(PLAIN, view=viewed(b"\xc0"))),
        "Nor a value.",
    )
    bad = entry(DAIRY, NORTH, "offer.submit", plain({}))[1]
    yield (
        *("whole_no_record", "TRT-48", "schema.invalid", PLAIN, bridged(PLAIN, bad)),
        "Its author wrote that; the bridge is not to blame.",
    )
    yield (
        *("origin_unsigned", "TRT-47", "bridge.origin", PLAIN),
        bridged(PLAIN, proof=SPAN.writer.sign("entry-signature", parts(OFFER_WIRE)[0])),
        "A bridge that writes offers for others.",
    )
    stranger = entry(DAIRY, NORTH, "x.note", plain({}), 2)[1]
    yield (
        *("tail_of_another_log", "TRT-47", "bridge.origin", PLAIN),
        bridged(PLAIN, proof=tail(stranger)),
        "It does not follow on the origin.",
    )
    yield (
        *("header_of_no_entry", "TRT-47", "bridge.origin", PLAIN),
        bridged(PLAIN, header=b"\x80"),
        "Nobody's entry.",
    )


def _around() -> Iterator[tuple[str, str, str, dict[str, Any], str]]:
    """Sound wrappings that come at the wrong time, from the wrong hand, or too early to judge."""
    yield "paused", "TRT-11", "bridge.level", {"level": "pause"}, "Members here have decided."
    comment = "Members there have decided."
    yield "paused_there", "TRT-57", "bridge.level", {"left": "pause"}, comment
    comment = "One federation alone agreed that something may leave the other."
    yield "not_agreed_there", "TRT-57", "bridge.treaty", {"left": None}, comment
    late = {"time_ms": LATE}
    yield "expired", "TRT-10", "bridge.expired", late, "It left in time and came too late."
    yield "by_no_bridge", "TRT-9", "bridge.treaty", {"author": DAIRY}, "No bridge of the treaty."
    yield "into_no_party", "TRT-9", "bridge.treaty", {"fid": blob(EAST)}, "East has not agreed."
    other = {"agreed": treaty(title="Grain")}
    yield "other_treaty", "TRT-9", "bridge.treaty", other, "Not the one that the charter lists."
    mute = [(NORTH, DAIRY, ["offer.submit"]), (NORTH, SPAN, ["bridge.ask"])]
    comment = "A bridge here, and none where it left."
    yield "receipt_without_role", "TRT-43", "bridge.receipt", {"rows": mute}, comment
    buyer = [(NORTH, DAIRY, ["demand.submit"]), (NORTH, SPAN, ["bridge.export"])]
    comment = "At home it would have no effect."
    yield "origin_without_role", "TRT-47", "bridge.origin", {"rows": buyer}, comment
    comment = "A bridge may not bring what strangers write."
    yield "origin_no_member", "TRT-47", "bridge.origin", {"rows": ROWS[1:]}, comment
    rows = [(SOUTH, SPAN, ["bridge.import"])]
    comment = "The charters of North may still arrive."
    yield "charters_missing", "TRT-49", "bridge.unknown", {"rows": rows}, comment
    comment = "The dairy's key log may still arrive."
    yield "key_log_missing", "TRT-49", "bridge.unknown", {"coops": [SPAN]}, comment
    comment = "So may its delegation."
    short = {"coops": [SPAN], "logs": [array(DAIRY.key_log[0])]}
    yield "delegation_missing", "TRT-49", "bridge.unknown", short, comment


def _import(
    made: dict[str, Any],
    wrapping: dict[str, Any],
    *,
    agreed: dict[str, Any] | None = None,
    author: Coop = SPAN,
    coops: Any = (DAIRY, SPAN, REACH),
    left: str | None = "allow",
    level: str = "allow",
    logs: Any = (),
    rows: Any = ROWS,
    **changes: bytes,
) -> bytes:
    wire = entry(author, SOUTH, "bridge.import", plain(wrapping), **changes)[1]
    key_logs = [*(array(*coop.key_log) for coop in coops), *logs]
    there = {} if left is None else {"left": text(left)}
    return mapping(
        charters=plain([[fid, coop.cid, kinds] for fid, coop, kinds in rows]),
        entry=wire,
        key_logs=array(*key_logs),
        **there,
        level=text(level),
        treaty=blob(plain(agreed or made)),
    )


def _brakes() -> Iterator[Case]:
    brake = {"level": "pause", "reason": "Odd orders", "treaty": id_of(PLAIN)}
    rows = [
        ("brake_pause", "ok", brake, "All stops."),
        ("brake_limit", "ok", {**brake, "level": "limit", "per_day": 1}, "Less passes."),
        (
            "brake_limit_without_rate",
            "schema.invalid",
            {**brake, "level": "limit"},
            "How much is not said.",
        ),
        ("brake_pause_with_rate", "schema.invalid", {**brake, "per_day": 1}, "Nothing is none."),
        ("brake_end", "schema.invalid", {**brake, "level": "end"}, "That takes a vote."),
    ]
    for name, code, body, why in rows:
        given = plain({"body": plain(body), "kind": "treaty.brake"})
        yield Case(id=f"10-record/{name}", clause="TRT-12", expect=code, comment=why, input=given)
