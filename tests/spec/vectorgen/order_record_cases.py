"""Bodies about an order, chapter 10: the least that each record may say, and what it may not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kit import Case, array, blob, hashed, integer, mapping, text
from record_values import PRICE, WINDOW, item, ordered

if TYPE_CHECKING:
    from collections.abc import Iterator

ORDER_ID: Final = blob(hashed("test", b"order"))
OTHER_ID: Final = blob(hashed("test", b"other"))
DAY: Final = 86_400_000
TAX: Final = mapping(category=text("S"), rate_bps=integer(2_000))
BILLED: Final = {
    "amount": integer(1_400),
    "carriage": integer(0),
    "fee": integer(14),
    "line": integer(0),
    "quantity": integer(1),
    "tax": TAX,
}
TAXED: Final = mapping(amount=integer(283), base=integer(1_414), tax=TAX)
SUMS: Final = {
    "fee": integer(14),
    "lines": array(mapping(**BILLED)),
    "net": integer(1_414),
    "number": text("2027-001"),
    "order": ORDER_ID,
    "tax": integer(283),
    "taxes": array(TAXED),
    "total": integer(1_697),
}
COUNTED: Final = {
    "accepted": integer(1),
    "damaged": integer(0),
    "line": integer(0),
    "over": integer(0),
    "refused": integer(0),
    "short": integer(0),
}


def promised(line: int, *deliveries: tuple[int, int], **more: bytes) -> bytes:
    """Return a line of a proposal, with days and quantities."""
    made = [mapping(by_ms=integer(day * DAY), quantity=integer(n)) for day, n in deliveries]
    return ordered({"deliveries": array(*made), "line": integer(line)}, more)


def changed(line: int, quantity: int) -> bytes:
    """Return a line of a change."""
    return mapping(line=integer(line), quantity=integer(quantity))


def sent(line: int, delivered: int, outstanding: int) -> bytes:
    """Return a line of a despatch."""
    return mapping(
        delivered=integer(delivered), line=integer(line), outstanding=integer(outstanding)
    )


RESPONSE: Final = {"code": text("AB"), "order": ORDER_ID}
PROPOSAL: Final = {
    "agree_by_ms": integer(DAY),
    "code": text("CA"),
    "lines": array(promised(0, (1, 20), (8, 20))),
    "order": ORDER_ID,
}
DESPATCH: Final = {
    "arrives_ms": integer(DAY),
    "inspect_until_ms": integer(4 * DAY),
    "lines": array(sent(0, 20, 20)),
    "order": ORDER_ID,
    "ref": text("DN-1"),
}
RECEIPT: Final = {"despatch": OTHER_ID, "lines": array(), "order": ORDER_ID}
CHANGE: Final = {"lines": array(changed(0, 0)), "order": ORDER_ID}
INVOICE: Final = {
    **SUMS,
    "currency": text("GBP"),
    "due_ms": integer(30 * DAY),
    "fee_bps": integer(100),
    "receipts": array(OTHER_ID),
}
CREDIT: Final = {**SUMS, "invoice": OTHER_ID, "reason": text("QUA")}
RETURN: Final = {
    "despatch": OTHER_ID,
    "lines": array(
        mapping(line=integer(0), quantity=integer(1), reason=text("quality")),
    ),
    "order": ORDER_ID,
    "ref": text("R-1"),
}
ANSWER: Final = {"code": text("AP"), "invoice": OTHER_ID, "order": ORDER_ID}
UNORDERED: Final = mapping(**item(), quantity=integer(3), reason=text("wrong_item"))

# file name, clause, kind, body, why it matters
GOOD: Final[list[tuple[str, str, str, bytes, str]]] = [
    ("order_received", "REC-11", "order.response", ordered(RESPONSE, {}), "AB says no more."),
    (
        "order_changes_proposed",
        "REC-11",
        "order.response",
        ordered(PROPOSAL, {"after": ORDER_ID, "cancel_fee_bps": integer(500)}),
        "Two deliveries of one line.",
    ),
    (
        "order_cheaper_in_part",
        "REC-11",
        "order.response",
        ordered(
            PROPOSAL,
            {"lines": array(promised(0), promised(1023, (1, 1), price=mapping(**PRICE)))},
        ),
        "A line that will not come, and one at another price.",
    ),
    (
        "order_agreed",
        "REC-1",
        "order.agree",
        mapping(code=text("AP"), order=ORDER_ID, response=OTHER_ID),
        "The buyer takes it.",
    ),
    (
        "order_lapsed",
        "REC-1",
        "order.lapse",
        mapping(after=ORDER_ID, order=ORDER_ID, response=OTHER_ID),
        "The supplier's clock.",
    ),
    (
        "order_change",
        "REC-10",
        "order.change",
        ordered(CHANGE, {"window": mapping(**WINDOW)}),
        "A line taken back.",
    ),
    (
        "order_change_confirmed",
        "REC-1",
        "order.change_response",
        mapping(change=OTHER_ID, code=text("AP"), order=ORDER_ID),
        "In force from here on.",
    ),
    ("order_cancel", "REC-1", "order.cancel", mapping(order=ORDER_ID), "No reason is owed."),
    (
        "order_cancelled_for_a_fee",
        "REC-1",
        "order.cancel_response",
        mapping(cancel=OTHER_ID, code=text("AP"), fee=integer(700), order=ORDER_ID),
        "The fee is named in the answer.",
    ),
    (
        "despatch",
        "REC-10",
        "despatch.advice",
        ordered(DESPATCH, {"packages": integer(2)}),
        "Half of it now.",
    ),
    (
        "despatch_by_batch",
        "REC-1",
        "despatch.advice",
        ordered(
            DESPATCH,
            {
                "lines": array(
                    mapping(
                        batches=array(
                            mapping(
                                code=text("L42"), expires_ms=integer(9 * DAY), quantity=integer(20)
                            )
                        ),
                        delivered=integer(20),
                        line=integer(0),
                        outstanding=integer(0),
                    )
                )
            },
        ),
        "A batch and the day that it keeps until.",
    ),
    ("receipt", "REC-10", "receipt.advice", ordered(RECEIPT, {}), "All as it was advised."),
    (
        "receipt_of_four_cases",
        "REC-1",
        "receipt.advice",
        ordered(
            RECEIPT,
            {
                "lines": array(
                    ordered(COUNTED, {"over": integer(1)}),
                    ordered(COUNTED, {"line": integer(1), "short": integer(1)}),
                    ordered(
                        COUNTED,
                        {
                            "accepted": integer(0),
                            "line": integer(2),
                            "reason": text("late"),
                            "short": integer(2),
                        },
                    ),
                ),
                "unordered": array(UNORDERED),
            },
        ),
        "Too much, too little, none, and what nobody ordered.",
    ),
    (
        "receipt_deemed",
        "REC-1",
        "receipt.deem",
        mapping(despatch=OTHER_ID, order=ORDER_ID),
        "Nobody said anything in time.",
    ),
    ("return_request", "REC-10", "return.request", ordered(RETURN, {}), "Goods go back."),
    (
        "return_refused",
        "REC-1",
        "return.response",
        mapping(code=text("RE"), order=ORDER_ID, reason=text("late"), request=OTHER_ID),
        "The supplier does not take them.",
    ),
    (
        "invoice",
        "REC-10",
        "invoice.issue",
        ordered(INVOICE, {"carriage": mapping(**PRICE)}),
        "All figures are integers.",
    ),
    ("invoice_approved", "REC-28", "invoice.response", ordered(ANSWER, {}), "AP needs no reason."),
    (
        "invoice_queried",
        "REC-28",
        "invoice.response",
        ordered(
            ANSWER,
            {
                "actions": array(text("PIN")),
                "code": text("UQ"),
                "reasons": array(text("PRI"), text("QTY")),
            },
        ),
        "Reasons, and what is to be done.",
    ),
    (
        "credit_note",
        "REC-10",
        "credit_note.issue",
        ordered(CREDIT, {"request": OTHER_ID}),
        "For a return.",
    ),
]

# file name, clause, kind, body, why it matters
BAD: Final[list[tuple[str, str, str, bytes, str]]] = [
    (
        "order_received_with_a_deadline",
        "REC-11",
        "order.response",
        ordered(RESPONSE, {"agree_by_ms": integer(DAY)}),
        "There is nothing to agree to.",
    ),
    (
        "order_accepted_with_other_lines",
        "REC-11",
        "order.response",
        ordered(RESPONSE, {"code": text("AP"), "lines": array(promised(0, (1, 1)))}),
        "AP accepts what was ordered.",
    ),
    (
        "order_changes_without_a_deadline",
        "REC-11",
        "order.response",
        ordered(RESPONSE, {"code": text("CA"), "lines": array(promised(0, (1, 1)))}),
        "The buyer would be asked for ever.",
    ),
    (
        "order_changes_of_nothing",
        "REC-11",
        "order.response",
        ordered(RESPONSE, {"agree_by_ms": integer(DAY), "code": text("CA")}),
        "Then it is AP.",
    ),
    (
        "order_line_promised_twice",
        "REC-10",
        "order.response",
        ordered(PROPOSAL, {"lines": array(promised(0, (1, 1)), promised(0, (2, 1)))}),
        "Several deliveries stand in one line.",
    ),
    (
        "order_code_unknown",
        "REC-1",
        "order.response",
        ordered(RESPONSE, {"code": text("PD")}),
        "An answer to invoices.",
    ),
    (
        "order_promised_nothing_by_quantity",
        "REC-1",
        "order.response",
        ordered(PROPOSAL, {"lines": array(promised(0, (1, 0)))}),
        "A delivery of none is left out.",
    ),
    (
        "order_cancel_fee_of_more_than_all",
        "REC-1",
        "order.response",
        ordered(RESPONSE, {"cancel_fee_bps": integer(10_001)}),
        "More than 100 percent.",
    ),
    (
        "order_line_1024",
        "REC-1",
        "order.change",
        ordered(CHANGE, {"lines": array(changed(1_024, 0))}),
        "An order has 1,024 lines at most.",
    ),
    (
        "order_lines_descend",
        "REC-10",
        "order.change",
        ordered(CHANGE, {"lines": array(changed(1, 0), changed(0, 0))}),
        "One list has one spelling.",
    ),
    (
        "order_change_of_no_line",
        "REC-1",
        "order.change",
        ordered(CHANGE, {"lines": array()}),
        "Nothing is asked for.",
    ),
    (
        "despatch_inspected_before_it_arrives",
        "REC-16",
        "despatch.advice",
        ordered(DESPATCH, {"inspect_until_ms": integer(DAY - 1)}),
        "Nobody can count what has not come.",
    ),
    (
        "despatch_line_twice",
        "REC-10",
        "despatch.advice",
        ordered(DESPATCH, {"lines": array(sent(0, 1, 1), sent(0, 1, 0))}),
        "Batches stand in one line.",
    ),
    (
        "receipt_reason_unknown",
        "REC-1",
        "receipt.advice",
        ordered(RECEIPT, {"lines": array(ordered(COUNTED, {"reason": text("ugly")}))}),
        "Not one of the words.",
    ),
    (
        "receipt_negative",
        "REC-1",
        "receipt.advice",
        ordered(RECEIPT, {"lines": array(ordered(COUNTED, {"short": b"\xff"}))}),
        "Too much is `over`.",
    ),
    (
        "invoice_of_no_receipt",
        "REC-1",
        "invoice.issue",
        ordered(INVOICE, {"receipts": array()}),
        "It follows from receipts.",
    ),
    (
        "invoice_tax_category_unknown",
        "REC-1",
        "invoice.issue",
        ordered(
            INVOICE,
            {
                "lines": array(
                    ordered(BILLED, {"tax": mapping(category=text("VAT"), rate_bps=integer(2_000))})
                )
            },
        ),
        "UNCL5305 has letters.",
    ),
    (
        "invoice_line_of_nothing",
        "REC-1",
        "invoice.issue",
        ordered(INVOICE, {"lines": array(ordered(BILLED, {"quantity": integer(0)}))}),
        "Leave it out.",
    ),
    (
        "invoice_rejected_without_reason",
        "REC-28",
        "invoice.response",
        ordered(ANSWER, {"code": text("RE")}),
        "Its supplier could not mend it.",
    ),
    (
        "credit_note_without_reason",
        "REC-1",
        "credit_note.issue",
        mapping(**dict(sorted((SUMS | {"invoice": OTHER_ID}).items()))),
        "A required key.",
    ),
]


def cases() -> Iterator[Case]:
    """Yield the vectors on bodies."""
    for expect, rows in (("ok", GOOD), ("schema.invalid", BAD)):
        for name, clause, kind, body, comment in rows:
            data = mapping(body=blob(body), kind=text(kind))
            yield Case(
                id=f"10-record/{name}", clause=clause, expect=expect, comment=comment, input=data
            )
