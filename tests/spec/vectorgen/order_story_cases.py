"""Whole stories of orders, chapters 10 and 11: records of two lines, and what came of them.

The order has two lines, of 40 and of 20, at 1.25 for 10. What is said is written `name: kind`, with
its body and time; a supplier's may name what it had read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from kit import Case, array, blob, hashed, integer, mapping, text
from order_record_cases import COUNTED, DAY, changed, promised, sent
from record_values import ITEM, ordered

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW: Final = 1_000 * DAY
Fields: TypeAlias = "dict[str, bytes]"


def entry(name: str) -> bytes:
    """Return an id."""
    return hashed("test", name.encode())


def ref(name: str) -> bytes:
    """Return an id as it stands in a body."""
    return blob(entry(name))


PRICE: Final = mapping(amount=integer(125), base=integer(10), currency=text("GBP"))
TAX: Final = mapping(category=text("S"), rate_bps=integer(2_000))
ORDER: Final = mapping(
    award=ref("award"),
    item=mapping(**ITEM),
    lines=array(
        *(
            mapping(amount=integer(0), demand=ref(f"demand {n}"), quantity=integer(quantity))
            for n, quantity in enumerate((40, 20))
        )
    ),
    offer=ref("offer"),
    price=PRICE,
    supplier=ref("mill"),
)


@dataclass
class Story:
    """What both sides say, in the order of each line."""

    buyer: list[bytes] = field(default_factory=list)
    supplier: list[bytes] = field(default_factory=list)
    time_ms: int = NOW

    def buys(self, name: str, kind: str, **fields: bytes) -> Story:
        """Let the buyer say something."""
        self.buyer.append(self._said(name, kind, fields))
        return self

    def sells(self, name: str, kind: str, after: str = "", **fields: bytes) -> Story:
        """Let the supplier say something, having read so far."""
        read = {"after": ref(after)} if after else {}
        self.supplier.append(self._said(name, kind, {**read, **fields}))
        return self

    def at(self, time_ms: int) -> Story:
        """Let time pass."""
        self.time_ms = time_ms
        return self

    def _said(self, name: str, kind: str, fields: Fields) -> bytes:
        body = ordered({"order": ref("order")}, fields)
        return array(ref(name), integer(self.time_ms), text(kind), blob(body))

    def accepted(self, after: str = "", **fields: bytes) -> Story:
        """Let the supplier accept."""
        return self.sells("accept", "order.response", after, code=text("AP"), **fields)

    def despatch(self, *lines: bytes, **fields: bytes) -> Story:
        """Let goods go off."""
        given = {
            "arrives_ms": integer(self.time_ms),
            "inspect_until_ms": integer(self.time_ms + 3 * DAY),
            "lines": array(*lines),
            "ref": text("DN-1"),
        }
        return self.sells("despatch", "despatch.advice", **{**given, **fields})

    def receive(self, *lines: bytes) -> Story:
        """Let the buyer count them."""
        fields = {"despatch": ref("despatch"), "lines": array(*lines)}
        return self.buys("receipt", "receipt.advice", **fields)

    def delivered(self) -> Story:
        """Let all go off and come."""
        return self.accepted().despatch(sent(0, 40, 0), sent(1, 20, 0)).receive()

    def bill(self, **fields: bytes) -> Story:
        """Let the supplier bill it: 500 and 250, a fee of 5 and 2.5, which is 2, 20 % of tax."""
        given = {
            "currency": text("GBP"),
            "due_ms": integer(NOW + 30 * DAY),
            "fee_bps": integer(100),
            "lines": array(billed(0, 40, 500, 5), billed(1, 20, 250, 2)),
            "number": text("I-1"),
            "receipts": array(ref("receipt")),
            **sums(fee=7, net=757, tax=151),
        }
        return self.sells("invoice", "invoice.issue", "receipt", **{**given, **fields})

    def credit(self, quantity: int, amount: int, fee: int, tax: int, **fields: bytes) -> Story:
        """Let the supplier take back a part of the second line."""
        given = {
            "invoice": ref("invoice"),
            "lines": array(billed(1, quantity, amount, fee)),
            "number": text("C-1"),
            "reason": text("QUA"),
            **sums(fee=fee, net=amount + fee, tax=tax),
        }
        return self.sells("credit", "credit_note.issue", **{**given, **fields})

    def input(self) -> bytes:
        """Return the input of the vector."""
        return mapping(
            buyer=array(*self.buyer),
            order=array(ref("order"), integer(NOW), blob(ORDER)),
            supplier=array(*self.supplier),
        )


def billed(line: int, quantity: int, amount: int, fee: int) -> bytes:
    """Return a line of an invoice or a credit note."""
    return mapping(
        amount=integer(amount),
        carriage=integer(0),
        fee=integer(fee),
        line=integer(line),
        quantity=integer(quantity),
        tax=TAX,
    )


def sums(*, fee: int, net: int, tax: int) -> Fields:
    """Return the totals of one rate of tax."""
    return {
        "fee": integer(fee),
        "net": integer(net),
        "tax": integer(tax),
        "taxes": array(mapping(amount=integer(tax), base=integer(net), tax=TAX)),
        "total": integer(net + tax),
    }


TRACKS: Final = ("amendment", "cancellation", "delivery", "invoice", "return", "refused")
WHOLE: Final = ((40, 40, 0, 0), (20, 20, 0, 0))
SENT: Final = ((40, 0, 40, 40), (20, 0, 20, 20))


def told(
    state: str,
    lines: tuple[tuple[int, ...], ...] = WHOLE,
    *,
    numbers: tuple[int, int, int] = (0, 0, 0),
    **tracks: dict[str, str],
) -> bytes:
    """Return the output: the state, the lines, each track, then fee, unread and waiting."""
    rows = []
    for track in TRACKS:
        found = sorted((entry(name), word) for name, word in tracks.get(track, {}).items())
        rows.append(array(*(array(blob(id_), text(word)) for id_, word in found)))
    shown = array(*(array(*map(integer, line)) for line in lines))
    return array(text(state), shown, *rows, array(*map(integer, numbers)))


def proposed() -> Story:
    """Return a story that begins with a proposal: 15 and 20 of the first line, at 1.20 for 10."""
    price = mapping(amount=integer(120), base=integer(10), currency=text("GBP"))
    return Story().sells(
        "propose",
        "order.response",
        agree_by_ms=integer(NOW + DAY),
        code=text("CA"),
        lines=array(promised(0, (1_001, 15), (1_008, 20), price=price)),
    )


def agreed() -> Story:
    """Return one in which the buyer agrees."""
    return proposed().buys("agree", "order.agree", code=text("AP"), response=ref("propose"))


def cancelled() -> Story:
    """Return one that begins with a cancellation."""
    return Story().buys("cancel", "order.cancel")


def counting(**counts: int) -> bytes:
    """Return a receipt's count of the first line."""
    return ordered(COUNTED, {name: integer(count) for name, count in counts.items()})


def back(quantity: int) -> Fields:
    """Return a request for so much of the second line."""
    line = mapping(line=integer(1), quantity=integer(quantity), reason=text("quality"))
    return {"despatch": ref("despatch"), "lines": array(line), "ref": text("R-1")}


def stories() -> Iterator[tuple[str, str, Story, bytes, str]]:
    """Yield file name, clause, what is said, what comes of it, and why it matters."""
    yield ("accepted", "LIF-8", Story().accepted(), told("ACCEPTED"), "The way of most orders.")
    yield (
        "cancelled_too_late",
        "LIF-8",
        cancelled().accepted(),
        told("ACCEPTED", cancellation={"cancel": "REQUESTED"}, numbers=(0, 1, 0)),
        "The supplier had accepted before it read it; from then on it is asked.",
    )
    yield (
        "accepted_what_was_cancelled",
        "LIF-8",
        cancelled().accepted("cancel"),
        told(
            "CANCELLING", cancellation={"cancel": "REQUESTED"}, refused={"accept": "state.illegal"}
        ),
        "It says itself that it had read it.",
    )
    yield (
        "answer_to_what_is_not_here",
        "LIF-8",
        Story().accepted("elsewhere"),
        told("PLACED", numbers=(0, 0, 1)),
        "It waits for a record of the buyer.",
    )
    yield (
        "accepted_by_its_buyer",
        "LIF-7",
        Story().buys("accept", "order.response", code=text("AP")),
        told("PLACED", refused={"accept": "state.wrong_sender"}, numbers=(0, 1, 0)),
        "Nobody accepts an order for its supplier.",
    )
    yield (
        "agreed_and_confirmed",
        "LIF-8",
        agreed().accepted("agree"),
        told("ACCEPTED", ((35, 35, 0, 0), (20, 20, 0, 0))),
        "What was proposed is in force.",
    )
    yield (
        "lapsed_before_its_time",
        "LIF-10",
        agreed().at(NOW + DAY).sells("lapse", "order.lapse", "agree", response=ref("propose")),
        told("AGREED", refused={"lapse": "order.early"}),
        "The deadline itself is still in time.",
    )
    yield (
        "lapsed",
        "LIF-10",
        agreed().at(NOW + DAY + 1).sells("lapse", "order.lapse", response=ref("propose")),
        told("LAPSED", refused={"agree": "state.illegal"}, numbers=(0, 1, 0)),
        "The supplier's clock decides.",
    )
    for name, clause, lines, code, comment in [
        ("proposed_more", "REC-14", promised(0, (1, 41)), "order.quantity", "40 were ordered."),
        ("proposed_nothing", "REC-14", (promised(0), promised(1)), "order.quantity", "RE says so."),
        ("proposed_third_line", "REC-12", promised(2, (1, 1)), "order.line", "There are two."),
        (
            "proposed_dearer",
            "REC-13",
            promised(
                0,
                (1, 1),
                price=mapping(amount=integer(126), base=integer(10), currency=text("GBP")),
            ),
            "order.price",
            "A price only ever falls.",
        ),
        (
            "proposed_for_another_base",
            "REC-13",
            promised(
                0,
                (1, 1),
                price=mapping(amount=integer(12), base=integer(1), currency=text("GBP")),
            ),
            "order.price",
            "Cheaper, and not to be compared without rounding.",
        ),
    ]:
        made = array(*lines) if isinstance(lines, tuple) else array(lines)
        more = {"agree_by_ms": integer(NOW + DAY), "lines": made}
        story = Story().sells("propose", "order.response", code=text("CA"), **more)
        yield name, clause, story, told("PLACED", refused={"propose": code}), comment
    yield (
        "change_confirmed",
        "LIF-11",
        Story()
        .accepted()
        .buys("change", "order.change", lines=array(changed(0, 50), changed(1, 0)))
        .sells("answer", "order.change_response", "change", change=ref("change"), code=text("AP")),
        told("ACCEPTED", ((50, 50, 0, 0), (0, 0, 0, 0)), amendment={"change": "CONFIRMED"}),
        "In force from here on.",
    )
    yield (
        "change_below_what_went_off",
        "LIF-11",
        Story()
        .accepted()
        .despatch(sent(0, 30, 10))
        .buys("change", "order.change", lines=array(changed(0, 20)))
        .sells("answer", "order.change_response", "change", change=ref("change"), code=text("AP")),
        told(
            "IN_FULFILMENT",
            ((40, 10, 30, 0), (20, 20, 0, 0)),
            amendment={"change": "REQUESTED"},
            delivery={"despatch": "DESPATCHED"},
            refused={"answer": "order.quantity"},
        ),
        "A record has its effect whole or none: the change still waits.",
    )
    yield (
        "change_replaced",
        "LIF-11",
        Story()
        .accepted()
        .buys("change", "order.change", lines=array(changed(0, 50)))
        .buys("newer", "order.change", lines=array(changed(0, 60)))
        .sells("answer", "order.change_response", "newer", change=ref("change"), code=text("AP")),
        told(
            "ACCEPTED",
            amendment={"change": "WITHDRAWN", "newer": "REQUESTED"},
            refused={"answer": "state.illegal"},
        ),
        "Only the newest can be confirmed.",
    )
    for name, fee, made in [
        (
            "cancelled_for_the_fee_named",
            75,
            told(
                "CANCELLED",
                ((40, 0, 0, 0), (20, 0, 0, 0)),
                cancellation={"cancel": "CONFIRMED"},
                numbers=(75, 0, 0),
            ),
        ),
        (
            "cancelled_for_more",
            76,
            told(
                "ACCEPTED",
                cancellation={"cancel": "REQUESTED"},
                refused={"answer": "order.fee"},
            ),
        ),
    ]:
        story = Story().accepted(cancel_fee_bps=integer(1_000)).buys("cancel", "order.cancel")
        given = {"cancel": ref("cancel"), "code": text("AP"), "fee": integer(fee)}
        story.sells("answer", "order.cancel_response", "cancel", **given)
        yield name, "REC-15", story, made, "A tenth of 500 and 250."
    yield (
        "delivered_in_part",
        "REC-17",
        Story()
        .accepted()
        .despatch(sent(0, 40, 0), sent(1, 15, 5))
        .receive(counting(accepted=38, short=2)),
        told(
            "IN_FULFILMENT",
            ((40, 0, 40, 38), (20, 5, 15, 15)),
            delivery={"despatch": "RECEIVED"},
            numbers=(0, 1, 0),
        ),
        "A line that is not counted came as advised.",
    )
    yield (
        "counted_wrongly",
        "REC-17",
        Story().accepted().despatch(sent(0, 40, 0)).receive(counting(accepted=39)),
        told(
            "IN_FULFILMENT",
            ((40, 0, 40, 0), (20, 20, 0, 0)),
            delivery={"despatch": "DESPATCHED"},
            refused={"receipt": "receipt.sum"},
            numbers=(0, 1, 0),
        ),
        "One of 40 is neither here nor there.",
    )
    yield (
        "despatched_more",
        "REC-14",
        Story().accepted().despatch(sent(0, 30, 11)),
        told("ACCEPTED", refused={"despatch": "order.quantity"}),
        "With what follows it would be 41.",
    )
    yield (
        "despatched_nothing_for_good",
        "REC-14",
        Story().accepted().despatch(sent(0, 0, 0), sent(1, 0, 0)),
        told("FULFILLED", ((40, 0, 0, 0), (20, 0, 0, 0)), delivery={"despatch": "DESPATCHED"}),
        "What is neither delivered nor outstanding never comes.",
    )
    yield (
        "inspected_too_soon",
        "REC-16",
        Story().accepted().despatch(sent(0, 1, 0), inspect_until_ms=integer(NOW + 3 * DAY - 1)),
        told("ACCEPTED", refused={"despatch": "order.inspection"}),
        "A millisecond less than three days.",
    )
    deemed = Story().accepted().despatch(sent(0, 40, 0), sent(1, 20, 0)).at(NOW + 3 * DAY)
    deemed.sells("early", "receipt.deem", despatch=ref("despatch")).at(NOW + 3 * DAY + 1)
    yield (
        "deemed_accepted",
        "LIF-10",
        deemed.sells("deem", "receipt.deem", despatch=ref("despatch")),
        told("FULFILLED", SENT, delivery={"despatch": "DEEMED"}, refused={"early": "order.early"}),
        "Not at the deadline, but after it.",
    )
    received = {"delivery": {"despatch": "RECEIVED"}}
    yield (
        "billed_and_paid",
        "REC-24",
        Story()
        .delivered()
        .bill()
        .buys("answer", "invoice.response", code=text("AP"), invoice=ref("invoice"))
        .buys("paid", "invoice.response", code=text("PD"), invoice=ref("invoice")),
        told("FULFILLED", SENT, **received, invoice={"invoice": "PAID"}, numbers=(0, 2, 0)),
        "757 and a tax of 151.4.",
    )
    for name, clause, fields, code, comment in [
        (
            "billed_more",
            "REC-21",
            {"lines": array(billed(0, 41, 512, 5), billed(1, 20, 250, 2))},
            "invoice.lines",
            "40 were accepted.",
        ),
        (
            "billed_dearer",
            "REC-22",
            {"lines": array(billed(0, 40, 501, 5), billed(1, 20, 250, 2))},
            "invoice.amount",
            "40 at 12.5 are 500.",
        ),
        (
            "billed_half_rounded_up",
            "REC-22",
            {"lines": array(billed(0, 40, 500, 5), billed(1, 20, 250, 3))},
            "invoice.fee",
            "2.5 is half way, and 2 is even.",
        ),
        ("billed_tax_rounded_up", "REC-23", sums(fee=7, net=757, tax=152), "invoice.tax", "151.4."),
        ("billed_sum_wrong", "REC-24", {"total": integer(909)}, "invoice.total", "757 and 151."),
        ("billed_fee_wrong", "REC-24", {"fee": integer(8)}, "invoice.total", "5 and 2."),
        (
            "billed_in_euro",
            "REC-24",
            {"currency": text("EUR")},
            "invoice.currency",
            "Ordered in GBP.",
        ),
        (
            "billed_without_receipt",
            "REC-20",
            {"receipts": array(ref("none"))},
            "invoice.receipt",
            "There is no such receipt.",
        ),
    ]:
        story = Story().delivered().bill(**fields)
        yield (
            name,
            clause,
            story,
            told("FULFILLED", SENT, **received, refused={"invoice": code}),
            comment,
        )
    again = Story().delivered().bill()
    again.sells(
        "second",
        "invoice.issue",
        currency=text("GBP"),
        due_ms=integer(NOW),
        fee_bps=integer(100),
        lines=array(billed(0, 40, 500, 5), billed(1, 20, 250, 2)),
        number=text("I-2"),
        receipts=array(ref("receipt")),
        **sums(fee=7, net=757, tax=151),
    )
    yield (
        "billed_twice",
        "REC-20",
        again,
        told(
            "FULFILLED",
            SENT,
            **received,
            invoice={"invoice": "ISSUED"},
            refused={"second": "invoice.receipt"},
        ),
        "Another number does not make it another delivery.",
    )
    returned = Story().delivered().bill().buys("return", "return.request", **back(5))
    returned.sells("take", "return.response", "return", code=text("AP"), request=ref("return"))
    yield (
        "returned_and_credited",
        "REC-27",
        returned.credit(5, 62, 1, 13, request=ref("return")),
        told(
            "FULFILLED",
            SENT,
            **received,
            invoice={"invoice": "ISSUED"},
            **{"return": {"return": "CREDITED"}},
        ),
        "5 at 12.5 are 62.5, half way; the fee is 0.62, the tax 12.6.",
    )
    other = Story().delivered().bill().buys("return", "return.request", **back(5))
    other.sells("take", "return.response", "return", code=text("AP"), request=ref("return"))
    yield (
        "credited_other_than_returned",
        "REC-27",
        other.credit(4, 50, 0, 10, request=ref("return")),
        told(
            "FULFILLED",
            SENT,
            **received,
            invoice={"invoice": "ISSUED"},
            refused={"credit": "credit.quantity"},
            **{"return": {"return": "AGREED"}},
        ),
        "Five went back.",
    )
    yield (
        "credited_more_than_billed",
        "REC-26",
        Story().delivered().bill().credit(21, 262, 3, 53),
        told(
            "FULFILLED",
            SENT,
            **received,
            invoice={"invoice": "ISSUED"},
            refused={"credit": "credit.quantity"},
        ),
        "20 were billed.",
    )
    yield (
        "returned_more",
        "REC-18",
        Story().delivered().buys("return", "return.request", **back(21)),
        told(
            "FULFILLED", SENT, **received, refused={"return": "return.quantity"}, numbers=(0, 2, 0)
        ),
        "20 were accepted.",
    )
    twice = Story().accepted().despatch(sent(0, 10, 30))
    twice.sells(
        "again",
        "despatch.advice",
        arrives_ms=integer(NOW),
        inspect_until_ms=integer(NOW + 3 * DAY),
        lines=array(sent(0, 10, 20)),
        ref=text("DN-1"),
    )
    yield (
        "despatched_twice",
        "REC-19",
        twice,
        told(
            "IN_FULFILMENT",
            ((40, 30, 10, 0), (20, 20, 0, 0)),
            delivery={"despatch": "DESPATCHED"},
            refused={"again": "despatch.twice"},
        ),
        "One number is one delivery.",
    )


def cases() -> Iterator[Case]:
    """Yield the vectors of stories."""
    for name, clause, story, made, comment in stories():
        yield Case(
            id=f"11-story/{name}",
            clause=clause,
            expect="ok",
            comment=comment,
            input=story.input(),
            output=made,
        )
