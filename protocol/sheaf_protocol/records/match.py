"""Trips proposed for several members' requests, with the split of their cost (spec 10, section 10).

A proposal carries all that a node needs to check it by plain arithmetic: the trips, each party's
share, and the named baseline, which is what each party would pay in pooled trips of its own.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sheaf_protocol.limits import MAX_ITEMS
from sheaf_protocol.records.values import Amount, CoopRef, EntryRef, Hash, RuleId


class PlannedTrip(msgspec.Struct, frozen=True, kw_only=True):
    """One vehicle's stops in order.

    A stop is twice the request's index in the proposal, plus one where it is the delivery.
    """

    cost: Amount
    stops: Annotated[
        list[Annotated[int, Meta(ge=0, le=2_047)]], Meta(min_length=2, max_length=MAX_ITEMS)
    ]


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """The trips a party would need for its own requests alone."""

    cid: CoopRef
    trips: Annotated[list[PlannedTrip], Meta(min_length=1, max_length=MAX_ITEMS)]


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What a party pays of the trips proposed."""

    amount: Amount
    cid: CoopRef


class MatchProposal(msgspec.Struct, frozen=True, kw_only=True):
    """A plan for requests on one capacity. `inputs` hashes requests, capacity and travel table."""

    baseline: Literal["own_pooled"]
    baselines: Annotated[list[Baseline], Meta(min_length=1, max_length=MAX_ITEMS)]
    capacity: EntryRef
    inputs: Hash
    requests: Annotated[list[EntryRef], Meta(min_length=1, max_length=MAX_ITEMS)]
    shares: Annotated[list[Share], Meta(min_length=1, max_length=MAX_ITEMS)]
    split: RuleId
    trips: Annotated[list[PlannedTrip], Meta(min_length=1, max_length=MAX_ITEMS)]


class MatchAccept(msgspec.Struct, frozen=True, kw_only=True):
    """A party agrees to its share of a proposal."""

    proposal: EntryRef


class ShipmentBooking(msgspec.Struct, frozen=True, kw_only=True):
    """Every trip of a proposal is confirmed by the carrier; the shipments are booked."""

    holds: Annotated[list[Hash], Meta(min_length=1, max_length=MAX_ITEMS)]
    proposal: EntryRef
