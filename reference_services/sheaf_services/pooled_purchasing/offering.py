"""A supplier's own offers: which stand, what they won, and taking one back."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import OfferWithdrawal
from sheaf_services.pooled_purchasing.lists.measure import minor_digits
from sheaf_services.pooled_purchasing.role import require_role

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sheaf_node.plugins import Call, Json, ServiceContext
    from sheaf_protocol.digest import EntryId
    from sheaf_protocol.records import AwardLine, Offer
    from sheaf_services.pooled_purchasing.inputs import Seen
    from sheaf_services.pooled_purchasing.ledger import Ledger


class Offering:
    """What a supplier's people ask of their offers."""

    def __init__(self, context: ServiceContext, ledger: Ledger) -> None:
        self._context = context
        self._ledger = ledger

    def withdraw(self, call: Call) -> Json:
        """Take back the own offer whose reference is given as `ref`."""
        require_role(self._context, "supplier")
        ref = call.options.get("ref", "")
        offer = self._ledger.own_prices().get(ref)
        if offer is None:
            raise Refusal("offer.unknown", f"expected the reference of an own offer, got {ref!r}")
        if not self._ledger.is_withdrawn(offer):
            self._context.publish(OfferWithdrawal(offer=offer.id), refs=[offer.id])
        return {"withdrawn": ref}

    def show(self, call: Call) -> Json:
        """Show the own offers, each with its prices, whether it stands, and what it won."""
        self._ledger.note_heads(self._context.heads())
        won = self._won()
        offers = self._ledger.own_prices().values()
        return {"offers": [self._told(seen, won.get(seen.id, [])) for seen in offers]}

    def _won(self) -> Mapping[EntryId, list[AwardLine]]:
        """Return the lines of awards found right, by offer."""
        found: defaultdict[EntryId, list[AwardLine]] = defaultdict(list)
        for _, award, _ in self._ledger.awarded():
            for line in award.record.lines:
                found[line.offer].append(line)
        return found

    def _told(self, seen: Seen[Offer], won: list[AwardLine]) -> dict[str, Any]:
        offer = seen.record
        return {
            "ref": offer.ref,
            "item": offer.item.code,
            "name": offer.item.name,
            "unit": offer.item.unit,
            "scale": offer.item.scale,
            "currency": offer.currency,
            "minor_digits": minor_digits(offer.currency),
            "state": self._state(seen),
            "valid_until_ms": offer.valid_until_ms,
            "tiers": [
                {
                    "from_quantity": tier.from_quantity,
                    "price": {"amount": tier.amount, "base": offer.base},
                }
                for tier in offer.tiers
            ],
            **dict(_terms(offer)),
            "awards": len(won),
            "sold": sum(line.quantity for line in won),
            "goods_minor": sum(line.amount for line in won),
        }

    def _state(self, seen: Seen[Offer]) -> str:
        if self._ledger.is_withdrawn(seen):
            return "withdrawn"
        return "stands" if self._context.now_ms() <= seen.record.valid_until_ms else "ended"


def _terms(offer: Offer) -> Iterator[tuple[str, int | None]]:
    for name in ("max_quantity", "min_quantity", "pack", "lead_days"):
        value = getattr(offer, name)
        yield name, None if value is UNSET else value
