"""A co-op's own lists: what it needs and what it sells, checked, published and taken back."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from sheaf_protocol.digest import short
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import Withdrawal
from sheaf_services.pooled_purchasing.lists.checking import checked
from sheaf_services.pooled_purchasing.lists.item_choice import choices_of
from sheaf_services.pooled_purchasing.lists.known_item import catalogue_of
from sheaf_services.pooled_purchasing.lists.list_file import kept_text, read_table
from sheaf_services.pooled_purchasing.lists.price_list import LAYOUT as PRICES
from sheaf_services.pooled_purchasing.lists.price_list import offers_of
from sheaf_services.pooled_purchasing.lists.purchase_list import LAYOUT as PURCHASES
from sheaf_services.pooled_purchasing.lists.purchase_list import demands_of
from sheaf_services.pooled_purchasing.opening import DEFAULTS
from sheaf_services.pooled_purchasing.role import require_role
from sheaf_services.pooled_purchasing.seating import for_seat, seat_of

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from sheaf_node.plugins import Call, Json, ServiceContext
    from sheaf_protocol.records import Demand, Offer
    from sheaf_services.pooled_purchasing.inputs import Seen
    from sheaf_services.pooled_purchasing.ledger import Ledger
    from sheaf_services.pooled_purchasing.lists.item_choice import Choices
    from sheaf_services.pooled_purchasing.lists.table import Table


class Lists:
    """The commands on the lists of this node's co-op.

    Each raises Refusal with the code of what is wrong; nothing is then asked to be published.
    """

    def __init__(self, context: ServiceContext, ledger: Ledger) -> None:
        self._context, self._ledger = context, ledger

    def import_purchases(self, call: Call) -> Json:
        """Publish the lines of a purchase list that are not published yet."""
        require_role(self._context, "member")
        table = read_table(call.body, PURCHASES, call.options)
        lines, elsewhere = self._purchases(table, call, self._choices(call))
        own = [line for line in lines if line.ref not in elsewhere]
        counts = self._publish_lines(call, own, self._ledger.own_lines())
        return {"lines": len(lines), **counts, "notes": _notes(table)}

    def import_prices(self, call: Call) -> Json:
        """Publish the offers of a price list that are not published yet."""
        require_role(self._context, "supplier")
        table = read_table(call.body, PRICES, call.options)
        offers = self._prices(table, call)
        counts = self._publish_lines(call, offers, self._ledger.own_prices())
        told = {"lines": len(table.lines), "offers": len(offers)}
        return {**told, **counts, "notes": _notes(table)}

    def check_purchases(self, call: Call) -> Json:
        """Tell what a purchase list would be published as, and all that is wrong with it."""
        require_role(self._context, "member")
        choices = self._choices(call)
        told = checked(
            call.body,
            PURCHASES,
            call.options,
            lambda table: self._purchases(table, call, choices)[0],
        )
        return {**told, "matches": [asdict(match) for match in choices.asked]}

    def check_prices(self, call: Call) -> Json:
        """Tell what a price list would be published as, and all that is wrong with it."""
        require_role(self._context, "supplier")
        return checked(call.body, PRICES, call.options, lambda table: self._prices(table, call))

    def read_purchases(self, call: Call) -> Json:
        """Return the text of a purchase list as it may be kept: without what is of persons."""
        return asdict(kept_text(call.body, PURCHASES, call.options))

    def read_prices(self, call: Call) -> Json:
        """Return the text of a price list as it may be kept: without what is of persons."""
        return asdict(kept_text(call.body, PRICES, call.options))

    def demands(self, call: Call) -> tuple[Table, list[Demand]]:
        """Return the lines of a purchase list, to be published later. Raises Refusal `import.*`."""
        table = read_table(call.body, PURCHASES, call.options)
        now_ms, choices = self._context.now_ms(), self._choices(call)
        return table, demands_of(table, choices, zone=DEFAULTS["zone"], today_ms=now_ms)

    def _choices(self, call: Call) -> Choices:
        """Return what is known of items, and what was said of those of the list."""
        return choices_of(call.options, catalogue_of(self._ledger))

    def _purchases(
        self, table: Table, call: Call, choices: Choices
    ) -> tuple[list[Demand], Container[str]]:
        """Return the lines of a list, and the references that stand under another writer."""
        now_ms = self._context.now_ms()
        seat = seat_of(call.options, self._context.federation, self._context.cid)
        parsed = demands_of(table, choices, zone=DEFAULTS["zone"], today_ms=now_ms)
        lines = for_seat(parsed, seat)
        elsewhere = self._ledger.lines_elsewhere(now_ms)
        for line in lines:
            _require_not_elsewhere(line, elsewhere.get(line.ref))
        return lines, elsewhere

    def _prices(self, table: Table, call: Call) -> list[Offer]:
        """Return the offers of a list."""
        seat = seat_of(call.options, self._context.federation, self._context.cid)
        return for_seat(offers_of(table).offers, seat)

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


def _notes(table: Table) -> list[dict[str, str]]:
    return [asdict(note) for note in table.notes]


def _require_not_elsewhere(line: Demand, other: Seen[Demand] | None) -> None:
    """Return if a line is new, or stands as it is under another writer of this co-op."""
    if other is not None and other.record != line:
        detail = f"expected line {line.ref!r} unchanged: it stands under writer {short(other.wid)}"
        raise Refusal(
            "demand.elsewhere", f"{detail} of this co-op, where its pool may still buy it"
        )
