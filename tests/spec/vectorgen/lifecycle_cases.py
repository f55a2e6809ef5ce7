"""State machines, chapter 11: the input is [machine, [[event, party], ...]], the output the state.

The events are applied from the beginning; the output is the name of the last state in ASCII.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kit import Case, array, text

if TYPE_CHECKING:
    from collections.abc import Iterator

OPENED: Final = ("pool.open", "coordinator")
CLOSED: Final = ("pool.close", "coordinator")
AWARDED: Final = ("pool.award", "coordinator")
ASKED: Final = ("hold.request", "asker")
GRANTED: Final = ("hold.grant", "owner")
CONFIRM: Final = ("hold.confirm", "asker")
CONFIRMED: Final = ("hold.confirmed", "owner")
REQUESTED: Final = ("transport.request", "buyer")
ACCEPTED: Final = ("match.accept", "buyer")
HELD: Final = ("hold.grant", "carrier")

PLACED: Final = ("order.place", "buyer")
PROPOSED: Final = ("order.response CA", "supplier")
TAKEN: Final = ("order.response AP", "supplier")
SENT: Final = ("despatch.advice", "supplier")
COUNTED: Final = ("receipt.advice", "buyer")
BILLED: Final = ("invoice.issue", "supplier")
CHANGE: Final = ("order.change", "buyer")
CANCEL: Final = ("order.cancel", "buyer")
BACK: Final = ("return.request", "buyer")

Steps = tuple[tuple[str, str], ...]

# file name, machine, events, final state, why it matters
GOOD: Final[list[tuple[str, str, Steps, str, str]]] = [
    ("pool_awarded", "pool", (OPENED, CLOSED, AWARDED), "AWARDED", "The way of most pools."),
    (
        "pool_lapsed_open",
        "pool",
        (OPENED, ("pool.lapse", "coordinator")),
        "LAPSED",
        "A pool may lapse before it is closed.",
    ),
    ("hold_asked", "hold", (ASKED,), "REQUESTED", "Nothing is locked so far."),
    ("hold_confirm", "hold", (ASKED, GRANTED, CONFIRM), "HELD", "The asker's word is not enough."),
    (
        "hold_confirmed",
        "hold",
        (ASKED, GRANTED, CONFIRM, CONFIRMED),
        "CONFIRMED",
        "The owner had it before its deadline.",
    ),
    (
        "shipment_again_after_refusal",
        "shipment",
        (REQUESTED, ACCEPTED, ("hold.refuse", "carrier")),
        "REQUESTED",
        "A refusal is no end: another carrier may be found.",
    ),
    (
        "shipment_booked",
        "shipment",
        (REQUESTED, ACCEPTED, HELD, ("shipment.book", "matcher")),
        "BOOKED",
        "All trips are held.",
    ),
    ("order_accepted", "order", (PLACED, TAKEN), "ACCEPTED", "The way of most orders."),
    (
        "order_received_first",
        "order",
        (PLACED, ("order.response AB", "supplier"), TAKEN),
        "ACCEPTED",
        "A person decides later.",
    ),
    (
        "order_agreed_only",
        "order",
        (PLACED, PROPOSED, ("order.agree AP", "buyer")),
        "AGREED",
        "Whether in time is the supplier's to say.",
    ),
    (
        "order_agreed_in_time",
        "order",
        (PLACED, PROPOSED, ("order.agree AP", "buyer"), TAKEN),
        "ACCEPTED",
        "The supplier read it before its deadline.",
    ),
    (
        "order_agreed_too_late",
        "order",
        (PLACED, PROPOSED, ("order.agree AP", "buyer"), ("order.lapse", "supplier")),
        "LAPSED",
        "The supplier's clock decides.",
    ),
    (
        "order_cancelled_unaccepted",
        "order",
        (PLACED, CANCEL, ("order.cancel_response AP", "supplier")),
        "CANCELLED",
        "Final once the supplier has read it.",
    ),
    (
        "order_cancel_asked",
        "order",
        (PLACED, TAKEN, CANCEL),
        "ACCEPTED",
        "From acceptance on it is a question.",
    ),
    (
        "order_cancelled_by_consent",
        "order",
        (PLACED, TAKEN, CANCEL, ("order.cancel_response AP", "supplier")),
        "CANCELLED",
        "Nothing went off.",
    ),
    (
        "order_cancelled_under_way",
        "order",
        (PLACED, TAKEN, SENT, CANCEL, ("order.cancel_response AP", "supplier")),
        "IN_FULFILMENT",
        "What went off is still to be counted.",
    ),
    (
        "order_fulfilled",
        "order",
        (PLACED, TAKEN, SENT, COUNTED, ("sum.complete", "nobody")),
        "FULFILLED",
        "Nothing is outstanding.",
    ),
    (
        "amendment_replaced",
        "amendment",
        (CHANGE, CHANGE),
        "WITHDRAWN",
        "A newer one takes its place.",
    ),
    (
        "amendment_confirmed",
        "amendment",
        (CHANGE, ("order.change_response AP", "supplier")),
        "CONFIRMED",
        "In force from here on.",
    ),
    (
        "cancellation_refused",
        "cancellation",
        (CANCEL, ("order.cancel_response RE", "supplier")),
        "REFUSED",
        "The order stands.",
    ),
    ("delivery_deemed", "delivery", (SENT, ("receipt.deem", "supplier")), "DEEMED", "No word."),
    (
        "invoice_paid_at_once",
        "invoice",
        (BILLED, ("invoice.response PD", "buyer")),
        "PAID",
        "Any answer may be the first.",
    ),
    (
        "invoice_queried_twice",
        "invoice",
        (BILLED, ("invoice.response UQ", "buyer"), ("invoice.response UQ", "buyer")),
        "QUERIED",
        "One question is followed by another.",
    ),
    (
        "invoice_credited_after_payment",
        "invoice",
        (
            BILLED,
            ("invoice.response PD", "buyer"),
            ("credit_note.issue", "supplier"),
            ("sum.credited", "nobody"),
        ),
        "CREDITED",
        "Goods may go back after they were paid.",
    ),
    (
        "return_credited",
        "return",
        (BACK, ("return.response AP", "supplier"), ("credit_note.issue", "supplier")),
        "CREDITED",
        "The money follows the goods.",
    ),
]

# file name, clause, code, machine, events, why it matters
BAD: Final[list[tuple[str, str, str, str, Steps, str]]] = [
    ("pool_without_open", "LIF-1", "state.illegal", "pool", (CLOSED,), "Nothing to close."),
    ("pool_opened_twice", "LIF-1", "state.illegal", "pool", (OPENED, OPENED), "It is open."),
    ("pool_awarded_open", "LIF-1", "state.illegal", "pool", (OPENED, AWARDED), "Not closed."),
    (
        "pool_awarded_after_lapse",
        "LIF-1",
        "state.illegal",
        "pool",
        (OPENED, ("pool.lapse", "coordinator"), AWARDED),
        "Lapsed is final.",
    ),
    (
        "pool_unknown_event",
        "LIF-1",
        "state.illegal",
        "pool",
        (("verdict", "coordinator"),),
        "A kind that no row names.",
    ),
    (
        "hold_confirm_after_expiry",
        "LIF-1",
        "state.illegal",
        "hold",
        (ASKED, GRANTED, ("hold.expired", "owner"), CONFIRM),
        "The capacity may be another's by now.",
    ),
    (
        "hold_granted_twice",
        "LIF-1",
        "state.illegal",
        "hold",
        (ASKED, GRANTED, GRANTED),
        "One request locks once.",
    ),
    (
        "hold_confirmed_by_asker",
        "LIF-2",
        "state.wrong_sender",
        "hold",
        (ASKED, GRANTED, ("hold.confirmed", "asker")),
        "The owner's clock decides.",
    ),
    (
        "hold_granted_by_asker",
        "LIF-2",
        "state.wrong_sender",
        "hold",
        (ASKED, ("hold.grant", "asker")),
        "Nobody locks what is another's.",
    ),
    (
        "pool_opened_by_buyer",
        "LIF-2",
        "state.wrong_sender",
        "pool",
        (("pool.open", "buyer"),),
        "A pool is its coordinator's.",
    ),
    (
        "shipment_held_by_matcher",
        "LIF-2",
        "state.wrong_sender",
        "shipment",
        (REQUESTED, ACCEPTED, ("hold.grant", "matcher")),
        "A vehicle is its carrier's.",
    ),
    (
        "order_accepted_by_buyer",
        "LIF-2",
        "state.wrong_sender",
        "order",
        (PLACED, ("order.response AP", "buyer")),
        "Nobody accepts an order for its supplier.",
    ),
    (
        "order_accepted_twice",
        "LIF-1",
        "state.illegal",
        "order",
        (PLACED, TAKEN, TAKEN),
        "One contract.",
    ),
    (
        "order_rejected_after_acceptance",
        "LIF-1",
        "state.illegal",
        "order",
        (PLACED, TAKEN, ("order.response RE", "supplier")),
        "What it cannot deliver it despatches as never outstanding.",
    ),
    (
        "order_agreed_without_proposal",
        "LIF-1",
        "state.illegal",
        "order",
        (PLACED, ("order.agree AP", "buyer")),
        "Nothing to agree to.",
    ),
    (
        "order_cancelled_by_supplier",
        "LIF-2",
        "state.wrong_sender",
        "order",
        (PLACED, ("order.cancel", "supplier")),
        "It rejects.",
    ),
    (
        "order_unaccepted_cancellation_refused",
        "LIF-1",
        "state.illegal",
        "order",
        (PLACED, CANCEL, ("order.cancel_response RE", "supplier")),
        "Before acceptance the buyer alone decides.",
    ),
    (
        "order_despatched_unaccepted",
        "LIF-1",
        "state.illegal",
        "order",
        (PLACED, SENT),
        "Goods that nobody has bought.",
    ),
    (
        "order_received_by_supplier",
        "LIF-2",
        "state.wrong_sender",
        "order",
        (PLACED, TAKEN, SENT, ("receipt.advice", "supplier")),
        "The buyer counts; the supplier waits and deems.",
    ),
    (
        "delivery_counted_after_deemed",
        "LIF-1",
        "state.illegal",
        "delivery",
        (SENT, ("receipt.deem", "supplier"), COUNTED),
        "What is wrong then is for a return.",
    ),
    (
        "amendment_confirmed_by_buyer",
        "LIF-2",
        "state.wrong_sender",
        "amendment",
        (CHANGE, ("order.change_response AP", "buyer")),
        "Until then the version before it is in force.",
    ),
    (
        "invoice_answer_backward",
        "LIF-1",
        "state.illegal",
        "invoice",
        (BILLED, ("invoice.response AP", "buyer"), ("invoice.response UQ", "buyer")),
        "Answers go forward only.",
    ),
    (
        "invoice_paid_after_rejection",
        "LIF-1",
        "state.illegal",
        "invoice",
        (BILLED, ("invoice.response RE", "buyer"), ("invoice.response PD", "buyer")),
        "A new invoice takes its place.",
    ),
    (
        "invoice_approved_by_supplier",
        "LIF-2",
        "state.wrong_sender",
        "invoice",
        (BILLED, ("invoice.response AP", "supplier")),
        "The debtor says that it owes.",
    ),
    (
        "return_credited_unanswered",
        "LIF-1",
        "state.illegal",
        "return",
        (BACK, ("credit_note.issue", "supplier")),
        "The supplier says first that it takes them.",
    ),
]


def cases() -> Iterator[Case]:
    """Yield the vectors of chapter 11."""
    for name, machine, steps, state, comment in GOOD:
        yield _case(name, "LIF-1", "ok", comment, (machine, steps), out=state.encode())
    for name, clause, code, machine, steps, comment in BAD:
        yield _case(name, clause, code, comment, (machine, steps), out=None)


def _case(
    name: str,
    clause: str,
    expect: str,
    comment: str,
    given: tuple[str, Steps],
    *,
    out: bytes | None,
) -> Case:
    machine, steps = given
    events = [array(text(event), text(party)) for event, party in steps]
    return Case(
        id=f"11-lifecycle/{name}",
        clause=clause,
        expect=expect,
        comment=comment,
        input=array(text(machine), array(*events)),
        output=out,
    )
