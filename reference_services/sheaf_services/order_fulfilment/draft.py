"""What this co-op would say next about an order, tried on the state that it would change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sheaf_protocol.codec import encode
from sheaf_protocol.digest import Digest, EntryId
from sheaf_protocol.errors import Refusal
from sheaf_protocol.lifecycle.order_state import About, Said
from sheaf_protocol.records import decode_record, kind_of

if TYPE_CHECKING:
    from sheaf_node.plugins import ServiceContext
    from sheaf_protocol.digest import CoopId
    from sheaf_protocol.lifecycle.bill import Bill
    from sheaf_protocol.lifecycle.order_state import OrderState
    from sheaf_services.order_fulfilment.ledger import Known, Ledger

DAY_MS: Final = 86_400_000
_UNPUBLISHED: Final = EntryId(Digest(bytes(32)))
"""The id of a record that has none yet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A record to be published about an order, and for whom."""

    known: Known
    record: About
    to: CoopId


def as_buyer(known: Known, record: About) -> Draft:
    """Return what the buyer of an order says to its supplier."""
    return Draft(known=known, record=record, to=known.supplier_cid)


def as_supplier(known: Known, record: About) -> Draft:
    """Return what the supplier of an order says to its buyer."""
    return Draft(known=known, record=record, to=known.buyer_cid)


def read_by(state: OrderState) -> dict[str, Any]:
    """Return the key by which a supplier says how far it has read the buyer (LIF-12)."""
    return {} if state.read is None else {"after": state.read}


def figures(bill: Bill) -> dict[str, Any]:
    """Return a bill as the keys of an invoice or a credit note."""
    return {
        "fee": bill.fee,
        "lines": list(bill.lines),
        "net": bill.net,
        "tax": bill.tax,
        "taxes": list(bill.taxes),
        "total": bill.total,
    }


def require_effect(ledger: Ledger, draft: Draft, now_ms: int) -> None:
    """Return if a record would have its effect. Raises Refusal with the code of why not."""
    # Made of what a person asked for, it may have more lines than a record holds.
    decode_record(kind_of(draft.record), encode(draft.record))
    said = Said(id=_UNPUBLISHED, time_ms=now_ms, record=draft.record)
    code = ledger.refusal(draft.known.placed.id, said, ledger.own)
    if code is not None:
        raise Refusal(code, f"expected a record that has effect, got one against {code}")


def publish(context: ServiceContext, ledger: Ledger, draft: Draft) -> bool:
    """Ask for a record to be published, sealed to the other side; return whether that can be.

    Raises Refusal where it would have no effect.
    """
    require_effect(ledger, draft, context.now_ms())
    if not (context.can_seal_to(draft.to) and context.can_seal_to(context.cid)):
        return False
    context.publish(draft.record, refs=[draft.known.placed.id], to=[draft.to])
    return True
