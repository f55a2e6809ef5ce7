"""Which kind carries which record (spec 14, section 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from sheaf_protocol.codec import decode
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.records import (
    address,
    bridge,
    capacity,
    curve,
    delivery,
    demand,
    erasure,
    governance,
    hold,
    invoice,
    match,
    offer,
    order,
    pool,
    recovery,
)
from sheaf_protocol.records.transport import TransportRequest
from sheaf_protocol.records.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

Record: TypeAlias = (
    address.AddressList
    | demand.Demand
    | demand.Withdrawal
    | offer.Offer
    | offer.OfferWithdrawal
    | pool.PoolOpen
    | pool.PoolClose
    | pool.PoolLapse
    | pool.Award
    | Verdict
    | order.Order
    | order.OrderResponse
    | order.OrderAgreement
    | order.OrderLapse
    | order.OrderChange
    | order.ChangeResponse
    | order.OrderCancel
    | order.CancelResponse
    | delivery.Despatch
    | delivery.Receipt
    | delivery.DeemedReceipt
    | delivery.ReturnRequest
    | delivery.ReturnResponse
    | invoice.Invoice
    | invoice.InvoiceResponse
    | invoice.CreditNote
    | capacity.Capacity
    | capacity.TravelTable
    | TransportRequest
    | match.MatchProposal
    | match.MatchAccept
    | match.ShipmentBooking
    | hold.HoldRequest
    | hold.HoldGrant
    | hold.HoldRefuse
    | hold.HoldConfirm
    | hold.HoldConfirmed
    | hold.HoldRelease
    | hold.HoldRevoke
    | hold.HoldExpired
    | erasure.Erase
    | erasure.Restore
    | governance.Proposal
    | governance.Vote
    | governance.Leave
    | governance.CertificateProposal
    | governance.CertificateAccept
    | governance.CertificateApprove
    | governance.CertificateAbandon
    | curve.CurveOpen
    | curve.CurveBid
    | curve.CurveOpening
    | curve.CurveReceipt
    | curve.CurveClose
    | curve.CurveTotals
    | curve.CurveWithhold
    | curve.CurveClaim
    | bridge.BridgeAsk
    | bridge.BridgeExport
    | bridge.Bridged
    | bridge.TreatyBrake
    | recovery.WriterLost
    | recovery.WriterOverride
    | recovery.WriterPromise
    | recovery.WriterSucceed
)

KINDS: Final[Mapping[str, type[Record]]] = {
    "address.list": address.AddressList,
    "ballot.propose": governance.Proposal,
    "ballot.vote": governance.Vote,
    "bridge.ask": bridge.BridgeAsk,
    "bridge.export": bridge.BridgeExport,
    "bridge.import": bridge.Bridged,
    "capacity.publish": capacity.Capacity,
    "charter.abandon": governance.CertificateAbandon,
    "charter.accept": governance.CertificateAccept,
    "charter.approve": governance.CertificateApprove,
    "charter.propose": governance.CertificateProposal,
    "credit_note.issue": invoice.CreditNote,
    "curve.bid": curve.CurveBid,
    "curve.claim": curve.CurveClaim,
    "curve.close": curve.CurveClose,
    "curve.open": curve.CurveOpen,
    "curve.opening": curve.CurveOpening,
    "curve.receipt": curve.CurveReceipt,
    "curve.totals": curve.CurveTotals,
    "curve.withhold": curve.CurveWithhold,
    "demand.submit": demand.Demand,
    "demand.withdraw": demand.Withdrawal,
    "despatch.advice": delivery.Despatch,
    "entry.erase": erasure.Erase,
    "entry.restore": erasure.Restore,
    "hold.confirm": hold.HoldConfirm,
    "hold.confirmed": hold.HoldConfirmed,
    "hold.expired": hold.HoldExpired,
    "hold.grant": hold.HoldGrant,
    "hold.refuse": hold.HoldRefuse,
    "hold.release": hold.HoldRelease,
    "hold.request": hold.HoldRequest,
    "hold.revoke": hold.HoldRevoke,
    "invoice.issue": invoice.Invoice,
    "invoice.response": invoice.InvoiceResponse,
    "match.accept": match.MatchAccept,
    "match.propose": match.MatchProposal,
    "member.leave": governance.Leave,
    "offer.submit": offer.Offer,
    "offer.withdraw": offer.OfferWithdrawal,
    "order.agree": order.OrderAgreement,
    "order.cancel": order.OrderCancel,
    "order.cancel_response": order.CancelResponse,
    "order.change": order.OrderChange,
    "order.change_response": order.ChangeResponse,
    "order.lapse": order.OrderLapse,
    "order.place": order.Order,
    "order.response": order.OrderResponse,
    "pool.award": pool.Award,
    "pool.close": pool.PoolClose,
    "pool.lapse": pool.PoolLapse,
    "pool.open": pool.PoolOpen,
    "receipt.advice": delivery.Receipt,
    "receipt.deem": delivery.DeemedReceipt,
    "return.request": delivery.ReturnRequest,
    "return.response": delivery.ReturnResponse,
    "shipment.book": match.ShipmentBooking,
    "transport.request": TransportRequest,
    "travel.table": capacity.TravelTable,
    "treaty.brake": bridge.TreatyBrake,
    "verdict": Verdict,
    "writer.lost": recovery.WriterLost,
    "writer.override": recovery.WriterOverride,
    "writer.promise": recovery.WriterPromise,
    "writer.succeed": recovery.WriterSucceed,
}

PRIVATE: Final = frozenset(
    {"curve.opening", "order.place", "order.response", "order.agree", "order.lapse"}
    | {"order.change", "order.change_response", "order.cancel", "order.cancel_response"}
    | {"despatch.advice", "receipt.advice", "receipt.deem", "return.request", "return.response"}
    | {"invoice.issue", "invoice.response", "credit_note.issue"}
)
"""Kinds that travel sealed, whatever their author would prefer."""

_KIND_OF: Final[Mapping[type[Record], str]] = {type_: kind for kind, type_ in KINDS.items()}


def kind_of(record: Record) -> str:
    """Return the kind under which a record is published."""
    return _KIND_OF[type(record)]


def decode_record(kind: str, body: bytes) -> Record | None:
    """Return the record of a canonical body, or None for a kind this version does not know.

    Raises RemoteProtocolError `schema.invalid` as the author's fault, and `enc.*` as the sender's.
    """
    type_ = KINDS.get(kind)
    if type_ is None:
        return None
    try:
        return decode(body, type_)
    except RemoteProtocolError as exc:
        if exc.code == "schema.invalid":
            raise RemoteProtocolError(exc.code, exc.detail, Fault.AUTHOR) from exc
        raise
