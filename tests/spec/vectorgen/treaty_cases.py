"""Treaties, chapter 16: which a federation may adopt, and what one lets be seen.

16-treaty: the input is {body, bridges, fid}, the output the treaty's id.
16-projection: the input is {direction, is_view, kind, payload}, the output the payload shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kit import Case, hashed
from story import plain
from treaties import (
    EAST,
    IDS,
    MILK,
    NORTH,
    OFFER,
    REACH,
    SALT,
    SOUTH,
    SPAN,
    direction,
    id_of,
    inverse,
    treaty,
    viewed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

AT_HOME: Final = {
    "ballot": "ballot.vote",
    "import": "bridge.import",
    "certificate": "charter.accept",
    "erase": "entry.erase",
    "leave": "member.leave",
    "brake": "treaty.brake",
    "demand": "demand.submit",
    "withdrawal": "demand.withdraw",
    "bid": "curve.bid",
    "opening": "curve.opening",
    "order": "order.place",
    "response": "order.response",
}
CREAM: Final = {"field": "item", "ours": "cream", "theirs": "lait"}

# file name, clause, code, treaty, why it matters
BAD: Final[list[tuple[str, str, str, dict[str, Any], str]]] = [
    (
        "same_party_twice",
        "TRT-2",
        "treaty.parties",
        treaty(parties=[NORTH, NORTH]),
        "With oneself.",
    ),
    (
        "parties_descending",
        "TRT-2",
        "treaty.parties",
        treaty(parties=[SOUTH, NORTH]),
        "One treaty, one id, on both sides.",
    ),
    (
        "between_others",
        "TRT-2",
        "treaty.parties",
        treaty(parties=sorted([SOUTH, EAST])),
        "Nobody agrees for others.",
    ),
    ("bridge_twice", "TRT-3", "treaty.bridges", treaty(bridges=[SPAN.cid] * 2), "Once is enough."),
    (
        "bridge_unknown",
        "TRT-3",
        "treaty.bridges",
        treaty(bridges=[hashed("coop", b"x")]),
        "No member in that role.",
    ),
    (
        "kinds_unordered",
        "TRT-4",
        "treaty.order",
        treaty(direction(kinds=["sealed", "offer.submit"])),
        "One spelling.",
    ),
    (
        "category_twice",
        "TRT-4",
        "treaty.order",
        treaty(direction(categories=["dairy", "dairy"])),
        "One spelling.",
    ),
    (
        "id_with_two_names",
        "TRT-4",
        "treaty.order",
        treaty(direction(ids=[IDS[1], {**IDS[1], "theirs": "leche"}])),
        "Which of them it would be is not said.",
    ),
    (
        "two_ids_one_name",
        "TRT-4",
        "treaty.order",
        treaty(direction(ids=[CREAM, IDS[1]])),
        "Ours are in order; theirs are one, so the way back has it twice.",
    ),
    (
        "category_removed",
        "TRT-6",
        "treaty.removed",
        treaty(direction(categories=["dairy"], removed=["category"])),
        "Beyond, nobody could check what may cross.",
    ),
    (
        "zone_removed",
        "TRT-6",
        "treaty.removed",
        treaty(direction(regions=["HILLS"], removed=["zone"])),
        "As above.",
    ),
    (
        "ids_one_way",
        "TRT-7",
        "treaty.ids",
        treaty(directions=[direction(ids=IDS), direction()]),
        "What went out as another would come back as a third.",
    ),
    ("no_bridge", "TRT-1", "schema.invalid", treaty(bridges=[]), "Nobody to act."),
    ("four_hops", "TRT-1", "schema.invalid", treaty(direction(hops=4)), "Three at most."),
    (
        "too_large",
        "TRT-1",
        "enc.size",
        treaty(direction(categories=[f"{n:064}" for n in range(64)])),
        "Each charter of both federations carries it.",
    ),
]


def cases() -> Iterator[Case]:
    """Yield the vectors on treaties by themselves."""
    yield from _agreements()
    yield from _shown()
    yield from _kept_back()


def _agreements() -> Iterator[Case]:
    full = treaty(
        direction(ids=IDS, categories=["dairy"], regions=["HILLS"], removed=["lead_days"])
    )
    for name, fid in (("first_party", NORTH), ("second_party", SOUTH)):
        comment = "Both adopt the same body."
        yield Case(
            id=f"16-treaty/{name}",
            clause="TRT-2",
            expect="ok",
            comment=comment,
            input=_agreeing(full, fid),
            output=id_of(full),
        )
    swapped = [{**IDS[1], "ours": a, "theirs": b} for a, b in (("ale", "beer"), ("beer", "ale"))]
    made = treaty(direction(ids=swapped))
    yield Case(
        id="16-treaty/names_swapped",
        clause="TRT-7",
        expect="ok",
        comment="Each still stands for one other.",
        input=_agreeing(made),
        output=id_of(made),
    )
    for name, clause, code, given, why in BAD:
        yield Case(
            id=f"16-treaty/{name}",
            clause=clause,
            expect=code,
            comment=why,
            input=_agreeing(given),
        )
    for name, kind in AT_HOME.items():
        yield Case(
            id=f"16-treaty/{name}_stays_at_home",
            clause="TRT-5",
            expect="treaty.kinds",
            comment="No vote sends it abroad.",
            input=_agreeing(treaty(direction(kinds=[kind]))),
        )


def _agreeing(made: dict[str, Any], fid: bytes = NORTH) -> bytes:
    return plain({"body": plain(made), "bridges": [SPAN.cid, REACH.cid], "fid": fid})


def _shown() -> Iterator[Case]:
    whole = SALT + plain(OFFER)
    bare = {key: value for key, value in OFFER.items() if key != "carriage"}
    yield _ok("whole", "TRT-35", "Nothing changes, so the salt stays.", direction(), whole, whole)
    removed = direction(removed=["carriage", "window"])
    yield _ok(
        "key_removed",
        "TRT-32",
        "A view, under a salt of its own.",
        removed,
        whole,
        viewed(plain(bare)),
    )
    item = {key: value for key, value in MILK.items() if key != "category"}
    in_item = direction(removed=["category"])
    view = viewed(plain({**OFFER, "item": item}))
    yield _ok("key_of_item_removed", "TRT-32", "Inside the item as well.", in_item, whole, view)
    named = {**MILK, "category": "laiterie", "code": "lait"}
    there = {**OFFER, "carriage": [{"amount": 5, "zone": "COLLINES"}], "item": named}
    ids = direction(ids=IDS)
    yield _ok(
        "ids_renamed", "TRT-33", "In the list of zones, too.", ids, whole, viewed(plain(there))
    )
    back = direction(ids=inverse(IDS))
    comment = "The same names again, and a view still."
    once = viewed(plain(there))
    twice = viewed(plain(OFFER), once[:16])
    yield _ok("ids_back", "TRT-33", comment, back, once, twice, is_view=True)
    other = SALT + plain({"category": "dairy", "code": "milk", "zone": 7})
    yield _ok("no_ids", "TRT-33", "No item, no text.", ids, other, other, kind="x.note")
    again = direction(removed=["lead_days"])
    comment = "What was taken out is not missed."
    kept = viewed(plain(bare))
    yield _ok("view_as_it_is", "TRT-35", comment, again, kept, kept, is_view=True)
    box = SALT + plain({"item": {"category": "grain"}, "zone": "WOLDS"})
    strict = direction(categories=["dairy"], regions=["HILLS"], removed=["zone"], ids=IDS)
    yield _ok("sealed", "TRT-36", "Nobody looks into it.", strict, box, box, kind="sealed")
    limited = direction(categories=["dairy"], regions=["HILLS"])
    total = SALT + plain({"pool": b"p" * 32})
    yield _ok(
        "by_kind_alone", "TRT-30", "Neither item nor zone.", limited, total, total, kind="x.note"
    )
    listed = SALT + plain(["milk"])
    yield _ok("no_map", "TRT-32", "Nothing to take out.", strict, listed, listed, kind="x.note")


def _kept_back() -> Iterator[Case]:
    dairy, hills, ids = (
        direction(categories=["dairy"]),
        direction(regions=["HILLS"]),
        direction(ids=IDS),
    )
    grain = {"item": {"category": "grain"}, "zone": "WOLDS"}
    rows: list[tuple[str, str, str, dict[str, Any], Any, str]] = [
        ("other_category", "TRT-30", "bridge.category", dairy, grain, "Not what was agreed to."),
        (
            "no_category",
            "TRT-30",
            "bridge.category",
            dairy,
            {"item": {"code": "milk"}},
            "An author that says nothing gets nothing across.",
        ),
        ("item_a_text", "TRT-30", "bridge.category", dairy, {"item": "milk"}, "No category in it."),
        ("other_zone", "TRT-31", "bridge.region", hills, grain, "Not what was agreed to."),
        ("zone_a_number", "TRT-31", "bridge.region", hills, {"zone": 7}, "None of the list."),
        (
            "id_taken_there",
            "TRT-34",
            "bridge.ids",
            ids,
            {"item": {"code": "lait"}},
            "Beyond, milk is called so.",
        ),
        (
            "zone_taken_there",
            "TRT-34",
            "bridge.ids",
            ids,
            {"lines": [{"zone": "COLLINES"}]},
            "However deep.",
        ),
    ]
    for name, clause, code, through, body, why in rows:
        yield Case(
            id=f"16-projection/{name}",
            clause=clause,
            expect=code,
            comment=why,
            input=_projecting(through, SALT + plain(body), kind="x.note"),
        )
    yield Case(
        id="16-projection/view_of_sealed",
        clause="TRT-36",
        expect="bridge.view",
        comment="A part of a box proves nothing.",
        input=_projecting(
            direction(), viewed(plain({"box": b"b" * 16})), kind="sealed", is_view=True
        ),
    )


def _ok(
    name: str,
    clause: str,
    comment: str,
    through: dict[str, Any],
    *payloads: bytes,
    **given: Any,
) -> Case:
    """Return a case of two payloads: that projected, and that shown."""
    source, shown = payloads
    data = _projecting(through, source, **given)
    return Case(
        id=f"16-projection/{name}",
        clause=clause,
        expect="ok",
        comment=comment,
        input=data,
        output=shown,
    )


def _projecting(
    through: dict[str, Any], payload: bytes, *, kind: str = "offer.submit", is_view: bool = False
) -> bytes:
    return plain({"direction": through, "is_view": is_view, "kind": kind, "payload": payload})
