"""The typed bodies of entries (spec chapter 10): one file per subject, one registry."""

from sheaf_protocol.records.address import AddressList
from sheaf_protocol.records.capacity import Capacity, Tariff, TravelTable
from sheaf_protocol.records.demand import Demand, Withdrawal
from sheaf_protocol.records.erasure import Erase, Restore
from sheaf_protocol.records.hold import (
    HoldConfirm,
    HoldConfirmed,
    HoldExpired,
    HoldGrant,
    HoldRefuse,
    HoldRelease,
    HoldRequest,
    HoldRevoke,
)
from sheaf_protocol.records.match import (
    Baseline,
    MatchAccept,
    MatchProposal,
    PlannedTrip,
    Share,
    ShipmentBooking,
)
from sheaf_protocol.records.offer import Carriage, Offer, OfferWithdrawal, Tier
from sheaf_protocol.records.order import DropLine, Order, OrderResponse
from sheaf_protocol.records.pool import (
    Allocation,
    Allotment,
    Award,
    AwardLine,
    Branch,
    LogCut,
    Part,
    PoolClose,
    PoolLapse,
    PoolOpen,
    RowPrice,
    TierBound,
)
from sheaf_protocol.records.recovery import (
    WriterLost,
    WriterOverride,
    WriterPromise,
    WriterSucceed,
)
from sheaf_protocol.records.registry import KINDS, PRIVATE, Record, decode_record, kind_of
from sheaf_protocol.records.seat import BY_LINK, BY_LIST, Seat
from sheaf_protocol.records.transport import TransportRequest, Visit
from sheaf_protocol.records.values import Item, Place, Price, Vector, Window, half_even, line_amount
from sheaf_protocol.records.verdict import OK, Verdict

__all__ = [
    "BY_LINK",
    "BY_LIST",
    "KINDS",
    "OK",
    "PRIVATE",
    "AddressList",
    "Allocation",
    "Allotment",
    "Award",
    "AwardLine",
    "Baseline",
    "Branch",
    "Capacity",
    "Carriage",
    "Demand",
    "DropLine",
    "Erase",
    "HoldConfirm",
    "HoldConfirmed",
    "HoldExpired",
    "HoldGrant",
    "HoldRefuse",
    "HoldRelease",
    "HoldRequest",
    "HoldRevoke",
    "Item",
    "LogCut",
    "MatchAccept",
    "MatchProposal",
    "Offer",
    "OfferWithdrawal",
    "Order",
    "OrderResponse",
    "Part",
    "Place",
    "PlannedTrip",
    "PoolClose",
    "PoolLapse",
    "PoolOpen",
    "Price",
    "Record",
    "Restore",
    "RowPrice",
    "Seat",
    "Share",
    "ShipmentBooking",
    "Tariff",
    "Tier",
    "TierBound",
    "TransportRequest",
    "TravelTable",
    "Vector",
    "Verdict",
    "Visit",
    "Window",
    "Withdrawal",
    "WriterLost",
    "WriterOverride",
    "WriterPromise",
    "WriterSucceed",
    "decode_record",
    "half_even",
    "kind_of",
    "line_amount",
]
