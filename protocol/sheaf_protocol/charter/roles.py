"""What a role may publish, and which roles have a vote (spec chapter 09)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sheaf_protocol.records.recovery import WRITER_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sheaf_protocol.charter.model import Charter
    from sheaf_protocol.digest import CoopId
    from sheaf_protocol.records.governance import Role

EVERY_MEMBER: Final = WRITER_KINDS | {
    *("address.list", "bridge.ask", "entry.erase", "entry.restore", "verdict")
}
"""Kinds that every member may publish, whatever its roles."""
WHILE_SUSPENDED: Final = WRITER_KINDS | {"entry.erase", "entry.restore", "member.leave"}
"""Kinds that a suspended member may publish: what is its own it may take back, and go; and what
restores a writer, be it its own or another's."""
VOTING: Final[frozenset[Role]] = frozenset(
    {"carrier", "coordinator", "member", "steward", "supplier"}
)
"""Roles of co-ops that take part on their own account: one of them makes one vote."""
_VOTER: Final = frozenset(
    {"charter.abandon", "charter.accept", "charter.approve", "charter.propose"}
    | {"ballot.propose", "ballot.vote", "member.leave"}
)
MAY: Final[Mapping[Role, frozenset[str]]] = {
    "bridge": frozenset({"bridge.export", "bridge.import", "member.leave"}),
    "carrier": _VOTER
    | {"capacity.publish", "travel.table", "hold.grant", "hold.refuse", "hold.confirmed"}
    | {"hold.expired", "hold.revoke"},
    "coordinator": _VOTER
    | {"pool.open", "pool.close", "pool.award", "pool.lapse"}
    | {"curve.open", "curve.receipt", "curve.close", "curve.totals", "curve.withhold"},
    "member": _VOTER
    | {"demand.submit", "demand.withdraw", "order.place", "transport.request", "match.accept"}
    | {"order.agree", "order.change", "order.cancel", "receipt.advice", "return.request"}
    | {"invoice.response"}
    | {"curve.bid", "curve.claim", "curve.opening"},
    "observer": frozenset({"member.leave"}),
    "seat": frozenset({"member.leave"}),
    "service": frozenset(
        {"match.propose", "hold.request", "hold.confirm", "hold.release", "shipment.book"}
        | {"member.leave"}
    ),
    "steward": _VOTER | {"treaty.brake"},
    "supplier": _VOTER
    | {"offer.submit", "offer.withdraw", "order.response", "order.lapse", "order.change_response"}
    | {"order.cancel_response", "despatch.advice", "receipt.deem", "return.response"}
    | {"invoice.issue", "credit_note.issue"},
}
"""What each role may publish (CHR-5)."""
_GOVERNED: Final = frozenset[str]().union(*MAY.values())


def is_governed(kind: str) -> bool:
    """Return whether the charter's roles decide who may publish a kind."""
    return kind in _GOVERNED


def have_vote(roles: Iterable[Role]) -> bool:
    """Return whether a co-op in these roles has a vote."""
    return any(role in VOTING for role in roles)


def voters_of(charter: Charter) -> tuple[CoopId, ...]:
    """Return the members that have a vote in an epoch, in ascending order of ids."""
    return tuple(m.cid for m in charter.members if not m.is_suspended and have_vote(m.roles))
