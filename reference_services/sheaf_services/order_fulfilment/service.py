"""Order fulfilment on one node: what becomes of the orders that its co-op placed or was sent.

Which orders there are and whether they are what was awarded is the purchasing service's to say;
this one goes on from there. It keeps nothing beside the log: each state is folded from what both
sides said, and what it says unasked follows from that state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sheaf_protocol.errors import Refusal
from sheaf_protocol.lifecycle import Order
from sheaf_protocol.lifecycle.order_fold import most_fee
from sheaf_protocol.records import kind_of
from sheaf_services.order_fulfilment import buying, selling
from sheaf_services.order_fulfilment.asking import find, pick
from sheaf_services.order_fulfilment.automatic import due, wake_ms
from sheaf_services.order_fulfilment.draft import publish
from sheaf_services.order_fulfilment.ledger import Ledger
from sheaf_services.order_fulfilment.report import (
    invoice_json,
    invoice_row,
    order_json,
    order_row,
)
from sheaf_services.order_fulfilment.settings import read_settings
from sheaf_services.order_fulfilment.statement import statement

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sheaf_node.plugins import Call, Json, SeenRecord, ServiceContext
    from sheaf_protocol.digest import EntryId
    from sheaf_protocol.lifecycle.order_state import OrderState
    from sheaf_services.order_fulfilment.draft import Draft
    from sheaf_services.order_fulfilment.ledger import Known

    Making = Callable[[Known, OrderState, Call], Draft]


class OrderFulfilment:
    """The service `order_fulfilment`."""

    follows: ClassVar[frozenset[str]] = frozenset(
        {
            "credit_note.issue",
            "despatch.advice",
            "invoice.issue",
            "invoice.response",
            "offer.submit",
            "order.agree",
            "order.cancel",
            "order.cancel_response",
            "order.change",
            "order.change_response",
            "order.lapse",
            "order.place",
            "order.response",
            "pool.award",
            "pool.open",
            "receipt.advice",
            "receipt.deem",
            "return.request",
            "return.response",
        }
    )

    def __init__(self, context: ServiceContext, settings: Mapping[str, Any]) -> None:
        self._context = context
        self._settings = read_settings(settings)
        self._ledger = Ledger(context.cid, context.line)

    @property
    def commands(self) -> Mapping[str, Callable[[Call], Json]]:
        """What may be asked of the service."""
        now, settings, ledger = self._context.now_ms, self._settings, self._ledger
        by_supplier: Mapping[str, Making] = {
            "respond": lambda known, state, call: selling.respond(
                known, state, settings, call, now()
            ),
            "answer_change": selling.answer_change,
            "answer_cancel": selling.answer_cancel,
            "despatch": lambda known, state, call: selling.despatch(
                known, state, settings, call, now()
            ),
            "answer_return": selling.answer_return,
            "issue": lambda known, state, call: selling.issue(
                ledger, known, state, settings, call, now_ms=now()
            ),
            "credit": selling.credit,
        }
        by_buyer: Mapping[str, Making] = {
            "agree": buying.agree,
            "change": lambda known, _, call: buying.change(known, call),
            "receive": buying.receive,
            "ask_return": buying.ask_return,
            "answer_invoice": buying.answer_invoice,
        }
        return {
            **{name: self._command("supplier", make) for name, make in by_supplier.items()},
            **{name: self._command("buyer", make) for name, make in by_buyer.items()},
            "cancel": self._cancel,
        }

    @property
    def views(self) -> Mapping[str, Callable[[Call], Json]]:
        """What the service shows."""
        return {
            "orders": self._orders,
            "order": self._order,
            "invoices": self._invoices,
            "invoice": self._invoice,
            "statement": self._statement,
        }

    @property
    def counts(self) -> Mapping[str, int]:
        """How many orders are going on, and of how many goods are outstanding."""
        states = [self._ledger.state(known.placed.id) for known in self._ledger.orders()]
        going = [each for each in states if each.state in {Order.ACCEPTED, Order.IN_FULFILMENT}]
        return {
            "orders": len(states),
            "outstanding_orders": sum(any(line.due for line in each.lines) for each in going),
        }

    def fold(self, seen: SeenRecord) -> None:
        """Learn one record."""
        self._ledger.fold(seen)

    def keeps(self, id_: EntryId) -> bool:
        """Return whether an order rests on an open entry: its offer, award or pool."""
        return self._ledger.keeps(id_)

    def finish(self, key: str, result: object) -> None:
        """Take nothing: no computation here is long."""

    def decide(self) -> None:
        """Say what is due, and ask to be woken for the next deadline."""
        now_ms = self._context.now_ms()
        for draft in due(self._ledger, self._settings, now_ms):
            if not self._context.federation.may(self._context.cid, kind_of(draft.record)):
                continue
            try:
                publish(self._context, self._ledger, draft)
            except Refusal:
                continue  # it would have no effect: the other side's word came first
        deadline_ms = wake_ms(self._ledger, self._settings, now_ms)
        if deadline_ms is not None:
            self._context.wake_at(deadline_ms)

    # --- commands ---------------------------------------------------------------------------

    def _command(self, side: str, make: Making) -> Callable[[Call], Json]:
        def command(call: Call) -> Json:
            known = self._find(call)
            self._require_side(known, side)
            return self._say(make(known, self._ledger.state(known.placed.id), call))

        return command

    def _cancel(self, call: Call) -> Json:
        """Take an order back, or ask to cancel it; with `dry_run` tell what that may cost."""
        known = self._find(call)
        self._require_side(known, "buyer")
        state = self._ledger.state(known.placed.id)
        if "dry_run" in call.options:
            unaccepted = {Order.PLACED, Order.RECEIVED, Order.CHANGE_PROPOSED}
            return {
                "order": known.placed.id.hex(),
                "needs_consent": state.state not in unaccepted,
                "fee_most_minor": most_fee(state),
            }
        return self._say(buying.cancel(known))

    def _say(self, draft: Draft) -> Json:
        if not publish(self._context, self._ledger, draft):
            raise Refusal("seal.recipient", "expected a prekey of the other side that is valid")
        return {"order": draft.known.placed.id.hex(), "published": True}

    def _find(self, call: Call) -> Known:
        """Return the order of a call: by itself, or by the invoice that the call names."""
        orders = {known.placed.id: known for known in self._ledger.orders()}
        if "order" not in call.options and call.options.get("invoice"):
            return self._of_invoice(call)[0]
        return find(call, "order", orders)[1]

    def _of_invoice(self, call: Call) -> tuple[Known, EntryId]:
        found = {
            id_: known
            for known in self._ledger.orders()
            for id_ in self._ledger.state(known.placed.id).invoices
        }
        id_, known = pick(call.options.get("invoice", ""), "invoice", found)
        return known, id_

    def _require_side(self, known: Known, side: str) -> None:
        lines = {"buyer": known.buyer, "supplier": known.supplier}
        if lines[side] != self._ledger.own:
            raise Refusal("state.wrong_sender", f"expected an order whose {side} this node is")

    # --- views ------------------------------------------------------------------------------

    def _orders(self, call: Call) -> Json:
        """Show each order in short."""
        known = self._ledger.orders()
        return {"orders": [order_row(self._ledger, each, self._context) for each in known]}

    def _order(self, call: Call) -> Json:
        """Show one order with its lines, deliveries, returns and invoices."""
        return order_json(self._ledger, self._find(call), self._context)

    def _invoices(self, call: Call) -> Json:
        """Show each invoice in short, and what of each receipt waits to be billed."""
        rows = [
            invoice_row(self._ledger, known, id_, self._context)
            for known in self._ledger.orders()
            for id_ in self._ledger.state(known.placed.id).invoices
        ]
        return {"invoices": rows}

    def _invoice(self, call: Call) -> Json:
        """Show one invoice with its lines, taxes, answer and credit notes."""
        known, id_ = self._of_invoice(call)
        return invoice_json(self._ledger, known, id_, self._context)

    def _statement(self, call: Call) -> Json:
        """Show what was billed, credited, paid and is open, by co-op."""
        return statement(self._ledger, self._context, call)
