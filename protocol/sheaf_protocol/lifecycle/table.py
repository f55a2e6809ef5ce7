"""State machines as tables, and the one function that applies them (spec 11, section 1).

A machine is two tables: `{state: {event: state}}`, and who may send each event. Validator, spec and
tests read the same tables. An event is the kind of a record, with the code in it where that decides
(`order.response AP`); `timer.<deadline>` where a deadline passes without a record of its own; or
`sum.<what>` where records before it come to something. None stands for "not begun".

What a table cannot say is left to the caller: conditions over several records ("all legs are
held"), and whose clock a deadline is read on. That is always the owning writer's, which is why
most deadlines here are records that the owner signs and not timers.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from sheaf_protocol.errors import Fault, RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

S = TypeVar("S", bound=enum.Enum)


class Party(enum.Enum):
    """The part that the sender of an event plays in one machine."""

    ASKER = "asker"
    """Whoever asked for the hold."""
    BUYER = "buyer"
    CARRIER = "carrier"
    COORDINATOR = "coordinator"
    """The writer that owns the pool."""
    MATCHER = "matcher"
    NOBODY = "nobody"
    """What follows from records that were sent before."""
    OWNER = "owner"
    """The writer that owns the capacity."""
    SUPPLIER = "supplier"
    TIMER = "timer"
    """Nobody: a deadline passed on the owning writer's clock."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine(Generic[S]):
    """One life cycle: `moves` says what follows on what, `senders` who may send each event."""

    name: str
    moves: Mapping[S | None, Mapping[str, S]]
    senders: Mapping[str, frozenset[Party]]


def advance(machine: Machine[S], state: S | None, event: str, by: Party) -> S:
    """Return the state after an event.

    Raises RemoteProtocolError as the author's fault: `state.illegal` where the table lists no such
    move (LIF-1), `state.wrong_sender` where it does and another party has to make it (LIF-2).
    """
    after = machine.moves.get(state, {}).get(event)
    if after is None:
        detail = f"expected a move of {machine.name} from {_name(state)}, got {event}"
        raise RemoteProtocolError("state.illegal", detail, Fault.AUTHOR)
    allowed = machine.senders[event]
    if by not in allowed:
        detail = f"expected {event} by {_parties(allowed)}, got {by.value}"
        raise RemoteProtocolError("state.wrong_sender", detail, Fault.AUTHOR)
    return after


def kind_of(event: str) -> str | None:
    """Return the kind of the record that an event stands for, or None where there is none."""
    return None if event.startswith(("sum.", "timer.")) else event.partition(" ")[0]


def is_final(machine: Machine[S], state: S) -> bool:
    """Return whether nothing follows on a state."""
    return not machine.moves.get(state)


def to_markdown(machine: Machine[S]) -> str:
    """Return the machine as the Markdown table that spec chapter 11 shows."""
    rows = [("from", "event", "by", "to"), ("---",) * 4, *_rows(machine)]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def _rows(machine: Machine[S]) -> Iterator[tuple[str, ...]]:
    for state, moves in machine.moves.items():
        for event, after in moves.items():
            yield (_name(state), f"`{event}`", _parties(machine.senders[event]), _name(after))


def _name(state: enum.Enum | None) -> str:
    return "-" if state is None else state.name


def _parties(parties: frozenset[Party]) -> str:
    return ", ".join(sorted(party.value for party in parties))
