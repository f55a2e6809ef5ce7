"""State machines, chapter 11: the input is [machine, [[event, party], ...]], the output the state.

The events are applied from the beginning; the output is the name of the last state in ASCII.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kit import Case, array, text

if TYPE_CHECKING:
    from collections.abc import Iterator

OPENED: Final = ("pool.open", "coordinator")
CLOSED: Final = ("pool.close", "coordinator")
AWARDED: Final = ("pool.award", "coordinator")
ASKED: Final = ("hold.request", "asker")
GRANTED: Final = ("hold.grant", "owner")
CONFIRM: Final = ("hold.confirm", "asker")
CONFIRMED: Final = ("hold.confirmed", "owner")
REQUESTED: Final = ("transport.request", "buyer")
ACCEPTED: Final = ("match.accept", "buyer")
HELD: Final = ("hold.grant", "carrier")

Steps = tuple[tuple[str, str], ...]

# file name, machine, events, final state, why it matters
GOOD: Final[list[tuple[str, str, Steps, str, str]]] = [
    ("pool_awarded", "pool", (OPENED, CLOSED, AWARDED), "AWARDED", "The way of most pools."),
    (
        "pool_lapsed_open",
        "pool",
        (OPENED, ("pool.lapse", "coordinator")),
        "LAPSED",
        "A pool may lapse before it is closed.",
    ),
    ("hold_asked", "hold", (ASKED,), "REQUESTED", "Nothing is locked so far."),
    ("hold_confirm", "hold", (ASKED, GRANTED, CONFIRM), "HELD", "The asker's word is not enough."),
    (
        "hold_confirmed",
        "hold",
        (ASKED, GRANTED, CONFIRM, CONFIRMED),
        "CONFIRMED",
        "The owner had it before its deadline.",
    ),
    (
        "shipment_again_after_refusal",
        "shipment",
        (REQUESTED, ACCEPTED, ("hold.refuse", "carrier")),
        "REQUESTED",
        "A refusal is no end: another carrier may be found.",
    ),
    (
        "shipment_booked",
        "shipment",
        (REQUESTED, ACCEPTED, HELD, ("shipment.book", "matcher")),
        "BOOKED",
        "All trips are held.",
    ),
]

# file name, clause, code, machine, events, why it matters
BAD: Final[list[tuple[str, str, str, str, Steps, str]]] = [
    ("pool_without_open", "LIF-1", "state.illegal", "pool", (CLOSED,), "Nothing to close."),
    ("pool_opened_twice", "LIF-1", "state.illegal", "pool", (OPENED, OPENED), "It is open."),
    ("pool_awarded_open", "LIF-1", "state.illegal", "pool", (OPENED, AWARDED), "Not closed."),
    (
        "pool_awarded_after_lapse",
        "LIF-1",
        "state.illegal",
        "pool",
        (OPENED, ("pool.lapse", "coordinator"), AWARDED),
        "Lapsed is final.",
    ),
    (
        "pool_unknown_event",
        "LIF-1",
        "state.illegal",
        "pool",
        (("verdict", "coordinator"),),
        "A kind that no row names.",
    ),
    (
        "hold_confirm_after_expiry",
        "LIF-1",
        "state.illegal",
        "hold",
        (ASKED, GRANTED, ("hold.expired", "owner"), CONFIRM),
        "The capacity may be another's by now.",
    ),
    (
        "hold_granted_twice",
        "LIF-1",
        "state.illegal",
        "hold",
        (ASKED, GRANTED, GRANTED),
        "One request locks once.",
    ),
    (
        "hold_confirmed_by_asker",
        "LIF-2",
        "state.wrong_sender",
        "hold",
        (ASKED, GRANTED, ("hold.confirmed", "asker")),
        "The owner's clock decides.",
    ),
    (
        "hold_granted_by_asker",
        "LIF-2",
        "state.wrong_sender",
        "hold",
        (ASKED, ("hold.grant", "asker")),
        "Nobody locks what is another's.",
    ),
    (
        "pool_opened_by_buyer",
        "LIF-2",
        "state.wrong_sender",
        "pool",
        (("pool.open", "buyer"),),
        "A pool is its coordinator's.",
    ),
    (
        "shipment_held_by_matcher",
        "LIF-2",
        "state.wrong_sender",
        "shipment",
        (REQUESTED, ACCEPTED, ("hold.grant", "matcher")),
        "A vehicle is its carrier's.",
    ),
]


def cases() -> Iterator[Case]:
    """Yield the vectors of chapter 11."""
    for name, machine, steps, state, comment in GOOD:
        yield _case(name, "LIF-1", "ok", comment, (machine, steps), out=state.encode())
    for name, clause, code, machine, steps, comment in BAD:
        yield _case(name, clause, code, comment, (machine, steps), out=None)


def _case(
    name: str,
    clause: str,
    expect: str,
    comment: str,
    given: tuple[str, Steps],
    *,
    out: bytes | None,
) -> Case:
    machine, steps = given
    events = [array(text(event), text(party)) for event, party in steps]
    return Case(
        id=f"11-lifecycle/{name}",
        clause=clause,
        expect=expect,
        comment=comment,
        input=array(text(machine), array(*events)),
        output=out,
    )
