"""Who may send what, and when, on a link: two tables (spec chapter 07, section 5).

The handshake is a phase of the whole link. After it each direction has a turn of its own, since
either side may be ahead of the other:

    GREETING --control_have--> CONTROL --scope--> DATA

Control comes before data because data is judged by it: an entry that arrives before the key log
or the charter it stands on cannot be told from a forged one. A side sends `scope` once it has what
it wanted of the other's control items; that is its word that it is ready for data.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

from sheaf_protocol.link.messages import (
    BlobEnd,
    BlobPiece,
    BlobWant,
    Bye,
    Compare,
    ControlHave,
    ControlItems,
    ControlWant,
    Credit,
    Entries,
    Have,
    Idle,
    Lagged,
    Message,
    Payloads,
    PayloadWant,
    Reject,
    Scope,
    Served,
    Subscribe,
    Tree,
    TreeWant,
    Want,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class Phase(enum.Enum):
    """How far the link is."""

    AWAIT_HELLO = "await_hello"
    AWAIT_REPLY = "await_reply"
    AWAIT_PROOF = "await_proof"
    OPEN = "open"
    CLOSED = "closed"


class Turn(enum.Enum):
    """How far one direction of an open link is."""

    GREETING = "greeting"
    CONTROL = "control"
    DATA = "data"


_CONTROL: Final[Mapping[type[Message], Turn]] = {
    ControlHave: Turn.CONTROL,
    ControlWant: Turn.CONTROL,
    ControlItems: Turn.CONTROL,
    Credit: Turn.CONTROL,
    Reject: Turn.CONTROL,
    Bye: Turn.CONTROL,
    Scope: Turn.DATA,
}
_DATA: Final = (
    *_CONTROL,
    Idle,
    Compare,
    Have,
    Tree,
    TreeWant,
    Want,
    Entries,
    Served,
    Lagged,
    Subscribe,
    PayloadWant,
    Payloads,
    BlobWant,
    BlobPiece,
    BlobEnd,
)

MAY_SEND: Final[Mapping[Turn, Mapping[type[Message], Turn]]] = {
    Turn.GREETING: {ControlHave: Turn.CONTROL, Bye: Turn.GREETING},
    Turn.CONTROL: _CONTROL,
    Turn.DATA: dict.fromkeys(_DATA, Turn.DATA),
}
"""{turn: {message: turn after it}}; what is not listed ends the link with `link.order`."""


def after(turn: Turn, message: Message) -> Turn | None:
    """Return a direction's turn after a message, or None where it may not be sent."""
    return MAY_SEND[turn].get(type(message))
