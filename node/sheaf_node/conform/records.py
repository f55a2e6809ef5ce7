"""One small valid record for each event of a life cycle, naming the entries that went before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sheaf_protocol.digest import CoopId, Digest, EntryId, WriterId, digest
from sheaf_protocol.records import (
    KINDS,
    Baseline,
    Capacity,
    HoldConfirm,
    HoldConfirmed,
    HoldExpired,
    HoldGrant,
    HoldRefuse,
    HoldRelease,
    HoldRequest,
    HoldRevoke,
    MatchAccept,
    MatchProposal,
    PlannedTrip,
    Share,
    ShipmentBooking,
    Tariff,
    TransportRequest,
    Vector,
    Visit,
    Window,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sheaf_protocol.records import Record
    from sheaf_protocol.testing.author import LogAuthor

NOBODYS: Final = EntryId(digest("conform-entry", b"of nobody"))
"""Named in place of an entry that was never published."""
_HOUR_MS: Final = 3_600_000


class Clerk:
    """Writes the records of one hold or shipment, each on the newest ones it knows of."""

    def __init__(self, author: LogAuthor) -> None:
        self._now_ms = author.now_ms
        self._owner, self._buyer = WriterId(author.key.public), CoopId(author.cid)
        self._hold = Digest(digest("conform-hold", author.log))
        self._ids: dict[str, EntryId] = {}
        self._makers: Mapping[str, Callable[[], Record]] = {
            "capacity.publish": self._capacity,
            "hold.request": self._request,
            "hold.grant": self._grant,
            "hold.refuse": self._refuse,
            "hold.confirm": self._confirm,
            "hold.confirmed": self._confirmed,
            "hold.release": self._release,
            "hold.revoke": self._revoke,
            "hold.expired": self._expired,
            "transport.request": self._transport,
            "match.propose": self._proposal,
            "match.accept": self._accept,
            "shipment.book": self._book,
        }

    def note(self, kind: str, id_: EntryId) -> None:
        """Learn of an entry that was published."""
        self._ids[kind] = id_

    def record(self, kind: str) -> Record:
        """Return the record of a kind that has one. Raises KeyError for any other."""
        return self._makers[kind]()

    def of(self, kind: str) -> EntryId:
        """Return the newest entry of a kind, or one of nobody."""
        return self._ids.get(kind, NOBODYS)

    def _capacity(self) -> Capacity:
        return Capacity(
            depot=0,
            owner=self._owner,
            ref="conform",
            resource=Vector(vehicles=1),
            table=NOBODYS_HASH,
            table_ref="conform",
            tariff=Tariff(amount=1, base_s=60, currency="GBP", per_trip=0),
            vehicle=Vector(pallets=1),
            window=self._window(),
        )

    def _request(self) -> HoldRequest:
        return HoldRequest(
            capacity=self.of("capacity.publish"),
            group=self._hold,
            hold=self._hold,
            hold_for_ms=_HOUR_MS,
            max=Vector(vehicles=1),
            min=Vector(vehicles=1),
        )

    def _grant(self) -> HoldGrant:
        return HoldGrant(
            hold=self._hold,
            locked=Vector(vehicles=1),
            request=self.of("hold.request"),
            until_ms=self._now_ms + _HOUR_MS,
        )

    def _transport(self) -> TransportRequest:
        visit = Visit(place=1, service_s=0, window=self._window())
        load = Vector(pallets=1)
        return TransportRequest(
            delivery=visit, load=load, pickup=visit, ref="conform", table_ref="conform"
        )

    def _proposal(self) -> MatchProposal:
        trips = [PlannedTrip(cost=1, stops=[0, 1])]
        return MatchProposal(
            baseline="own_pooled",
            baselines=[Baseline(cid=self._buyer, trips=trips)],
            capacity=self.of("capacity.publish"),
            inputs=NOBODYS_HASH,
            requests=[self.of("transport.request")],
            shares=[Share(amount=1, cid=self._buyer)],
            split="proportional_to_baseline/1",
            trips=trips,
        )

    def _refuse(self) -> HoldRefuse:
        request = self.of("hold.request")
        return HoldRefuse(hold=self._hold, reason="hold.no_capacity", request=request)

    def _confirm(self) -> HoldConfirm:
        return HoldConfirm(grant=self.of("hold.grant"), hold=self._hold)

    def _confirmed(self) -> HoldConfirmed:
        return HoldConfirmed(confirm=self.of("hold.confirm"), hold=self._hold)

    def _release(self) -> HoldRelease:
        return HoldRelease(grant=self.of("hold.grant"), hold=self._hold)

    def _revoke(self) -> HoldRevoke:
        return HoldRevoke(grant=self.of("hold.grant"), hold=self._hold, reason="breakdown")

    def _expired(self) -> HoldExpired:
        return HoldExpired(grant=self.of("hold.grant"), hold=self._hold)

    def _accept(self) -> MatchAccept:
        return MatchAccept(proposal=self.of("match.propose"))

    def _book(self) -> ShipmentBooking:
        return ShipmentBooking(holds=[self._hold], proposal=self.of("match.propose"))

    def _window(self) -> Window:
        return Window(from_ms=self._now_ms, to_ms=self._now_ms + _HOUR_MS)


NOBODYS_HASH: Final = Digest(NOBODYS)


def has_record(kind: str) -> bool:
    """Return whether an event is a kind with a record in this version; most timers are not."""
    return kind in KINDS
