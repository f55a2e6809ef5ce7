"""The life of an invoice and of a return (spec 11, section 6).

An answer to an invoice goes forward only: received, in process, under query, accepted on a
condition, rejected, approved, paid. Any of them may be the first, and none comes back.
"""

from __future__ import annotations

import enum
from typing import Final

from sheaf_protocol.lifecycle.table import Machine, Party


class Invoice(enum.Enum):
    """Where an invoice stands."""

    ISSUED = "issued"
    RECEIVED = "received"
    IN_PROCESS = "in_process"
    QUERIED = "queried"
    CONDITIONAL = "conditional"
    APPROVED = "approved"
    PAID = "paid"
    REJECTED = "rejected"
    CREDITED = "credited"
    """All of it was taken back."""


class Return(enum.Enum):
    """Where goods stand that their buyer wants to give back."""

    REQUESTED = "requested"
    AGREED = "agreed"
    REFUSED = "refused"
    CREDITED = "credited"


_BUYER: Final = frozenset({Party.BUYER})
_SUPPLIER: Final = frozenset({Party.SUPPLIER})
_ANSWERS: Final = {
    "invoice.response AB": Invoice.RECEIVED,
    "invoice.response IP": Invoice.IN_PROCESS,
    "invoice.response UQ": Invoice.QUERIED,
    "invoice.response CA": Invoice.CONDITIONAL,
    "invoice.response RE": Invoice.REJECTED,
    "invoice.response AP": Invoice.APPROVED,
    "invoice.response PD": Invoice.PAID,
}
"""In the order in which they may follow on one another."""


def _after(state: Invoice, *answers: str) -> dict[str, Invoice]:
    """Return the rows of a state: the answers that may follow, and credit notes."""
    events = [f"invoice.response {code}" for code in answers]
    credited = {"credit_note.issue": state, "sum.credited": Invoice.CREDITED}
    return {event: _ANSWERS[event] for event in events} | credited


INVOICE: Final = Machine(
    name="invoice",
    moves={
        None: {"invoice.issue": Invoice.ISSUED},
        Invoice.ISSUED: _after(Invoice.ISSUED, "AB", "IP", "UQ", "CA", "RE", "AP", "PD"),
        Invoice.RECEIVED: _after(Invoice.RECEIVED, "IP", "UQ", "CA", "RE", "AP", "PD"),
        Invoice.IN_PROCESS: _after(Invoice.IN_PROCESS, "UQ", "CA", "RE", "AP", "PD"),
        # A query may be followed by another one.
        Invoice.QUERIED: _after(Invoice.QUERIED, "UQ", "CA", "RE", "AP", "PD"),
        Invoice.CONDITIONAL: _after(Invoice.CONDITIONAL, "RE", "AP", "PD"),
        Invoice.APPROVED: _after(Invoice.APPROVED, "PD"),
        Invoice.PAID: _after(Invoice.PAID),
        Invoice.REJECTED: _after(Invoice.REJECTED),
    },
    senders={
        "invoice.issue": _SUPPLIER,
        **dict.fromkeys(_ANSWERS, _BUYER),
        "credit_note.issue": _SUPPLIER,
        "sum.credited": frozenset({Party.NOBODY}),
    },
)

RETURN: Final = Machine(
    name="return",
    moves={
        None: {"return.request": Return.REQUESTED},
        Return.REQUESTED: {
            "return.response AP": Return.AGREED,
            "return.response RE": Return.REFUSED,
        },
        Return.AGREED: {"credit_note.issue": Return.CREDITED},
    },
    senders={
        "return.request": _BUYER,
        "return.response AP": _SUPPLIER,
        "return.response RE": _SUPPLIER,
        "credit_note.issue": _SUPPLIER,
    },
)
