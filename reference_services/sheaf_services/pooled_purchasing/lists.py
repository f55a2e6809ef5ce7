"""A co-op's own lists: what it needs and what it sells, checked, published and taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_protocol.digest import short
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import Withdrawal
from sheaf_services.pooled_purchasing.checking import checked
from sheaf_services.pooled_purchasing.opening import DEFAULTS
from sheaf_services.pooled_purchasing.price_list import LAYOUT as PRICES
from sheaf_services.pooled_purchasing.price_list import parse_price_list
from sheaf_services.pooled_purchasing.purchase_list import LAYOUT as PURCHASES
from sheaf_services.pooled_purchasing.purchase_list import parse_purchase_list
from sheaf_services.pooled_purchasing.role import require_role
from sheaf_services.pooled_purchasing.seating import for_seat, seat_of

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from sheaf_node.plugins import Call, Json, ServiceContext
    from sheaf_protocol.records import Demand, Offer
    from sheaf_services.pooled_purchasing.inputs import Seen
    from sheaf_services.pooled_purchasing.ledger import Ledger


class Lists:
    """The commands on the lists of this node's co-op.

    Each raises Refusal with the code of what is wrong; nothing is then asked to be published.
    """

    def __init__(self, context: ServiceContext, ledger: Ledger) -> None:
        self._context, self._ledger = context, ledger

    def import_purchases(self, call: Call) -> Json:
        """Publish the lines of a purchase list (CSV) that are not published yet."""
        lines, elsewhere = self._purchases(call)
        own = [line for line in lines if line.ref not in elsewhere]
        counts = self._publish_lines(call, own, self._ledger.own_lines())
        return {"lines": len(lines), **counts}

    def import_prices(self, call: Call) -> Json:
        """Publish the offers of a price list (CSV) that are not published yet."""
        offers, lines = self._prices(call)
        counts = self._publish_lines(call, offers, self._ledger.own_prices())
        return {"lines": lines, "offers": len(offers), **counts}

    def check_purchases(self, call: Call) -> Json:
        """Tell what a purchase list would be published as, and all that is wrong with it."""
        return checked(call.body, PURCHASES, lambda: self._purchases(call)[0])

    def check_prices(self, call: Call) -> Json:
        """Tell what a price list would be published as, and all that is wrong with it."""
        return checked(call.body, PRICES, lambda: self._prices(call)[0])

    def _purchases(self, call: Call) -> tuple[list[Demand], Container[str]]:
        """Return the lines of a list, and the references that stand under another writer."""
        require_role(self._context, "member")
        now_ms = self._context.now_ms()
        seat = seat_of(call.options, self._context.federation, self._context.cid)
        parsed = parse_purchase_list(call.body, zone=DEFAULTS["zone"], today_ms=now_ms)
        lines = for_seat(parsed, seat)
        elsewhere = self._ledger.lines_elsewhere(now_ms)
        for line in lines:
            _require_not_elsewhere(line, elsewhere.get(line.ref))
        return lines, elsewhere

    def _prices(self, call: Call) -> tuple[list[Offer], int]:
        """Return the offers of a list, and how many lines they were made of."""
        require_role(self._context, "supplier")
        seat = seat_of(call.options, self._context.federation, self._context.cid)
        prices = parse_price_list(call.body)
        return for_seat(prices.offers, seat), prices.lines

    def _publish_lines(
        self,
        call: Call,
        lines: Sequence[Demand] | Sequence[Offer],
        known: Mapping[str, Seen[Demand]] | Mapping[str, Seen[Offer]],
    ) -> dict[str, int]:
        """Publish lines whose reference is new, or whose content changed under an old one.

        A line that was withdrawn stays so until it is changed: the list may be sent again after a
        lost answer, and must not bring it back.
        """
        same = [known[n.ref] for n in lines if n.ref in known and known[n.ref].record == n]
        passed = {seen.record.ref for seen in same}
        new = [line for line in lines if line.ref not in passed]
        if "dry_run" not in call.options:
            for line in new:
                self._context.publish(line)
        withdrawn = sum(self._ledger.is_withdrawn(seen) for seen in same)
        return {"published": len(new), "withdrawn": withdrawn}

    def withdraw(self, call: Call) -> Json:
        """Take back the own demand whose reference is given as `ref`."""
        ref = call.options.get("ref", "")
        line = self._ledger.own_lines().get(ref)
        if line is None:
            raise Refusal("demand.unknown", f"expected the reference of an own line, got {ref!r}")
        if not self._ledger.is_withdrawn(line):
            self._context.publish(Withdrawal(demand=line.id), refs=[line.id])
        return {"withdrawn": ref}


def _require_not_elsewhere(line: Demand, other: Seen[Demand] | None) -> None:
    """Return if a line is new, or stands as it is under another writer of this co-op."""
    if other is not None and other.record != line:
        detail = f"expected line {line.ref!r} unchanged: it stands under writer {short(other.wid)}"
        raise Refusal(
            "demand.elsewhere", f"{detail} of this co-op, where its pool may still buy it"
        )
