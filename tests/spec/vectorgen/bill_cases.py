"""Bills, chapter 10: the input is what is billed, the output its figures.

`before` is what was billed or credited of each line already; the figures are the difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from kit import Case, array, integer, mapping, text

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_INT: Final = 2**53 - 1
Rate: TypeAlias = tuple[int, int]
BilledRow: TypeAlias = tuple[int, int, str, int]
"""Line, quantity, category, rate."""


def numbers(*values: int) -> bytes:
    """Return an array of integers."""
    return array(*map(integer, values))


def bill(
    rows: tuple[BilledRow, ...],
    *,
    price: Rate = (1_400, 1),
    carriage: Rate | None = None,
    fee_bps: int = 0,
    before: tuple[tuple[int, int], ...] = (),
) -> bytes:
    """Return the input."""
    return mapping(
        before=array(*(numbers(*each) for each in before)),
        carriage=array() if carriage is None else numbers(*carriage),
        fee_bps=integer(fee_bps),
        price=numbers(*price),
        rows=array(
            *(array(integer(n), integer(q), text(c), integer(bps)) for n, q, c, bps in rows)
        ),
    )


def figures(
    lines: tuple[tuple[int, ...], ...], taxes: tuple[tuple[str, int, int, int], ...]
) -> bytes:
    """Return the output: lines and taxes as given, then fee, net, tax and total by hand below."""
    fee = sum(line[4] for line in lines)
    net = sum(sum(line[2:]) for line in lines)
    tax = sum(each[3] for each in taxes)
    return array(
        array(*(numbers(*line) for line in lines)),
        array(*(array(text(c), integer(r), integer(b), integer(a)) for c, r, b, a in taxes)),
        numbers(fee, net, tax, net + tax),
    )


# file name, clause, input, (line, quantity, amount, carriage, fee)..., taxes, why it matters
GOOD: Final = [
    (
        "one_line",
        "REC-22",
        bill(((0, 60, "S", 2_000),), fee_bps=100),
        ((0, 60, 84_000, 0, 840),),
        (("S", 2_000, 84_840, 16_968),),
        "Goods, the fee apart, and tax on both.",
    ),
    (
        "parts_rounded_by_themselves",
        "REC-22",
        bill(((0, 1, "Z", 0),), price=(125, 10), carriage=(15, 10), fee_bps=5_000),
        ((0, 1, 12, 2, 6),),
        (("Z", 0, 20, 0),),
        "12.5 and 1.5 are half way: 12 and 2 are even; the fee is half of 12.",
    ),
    (
        "tax_once_per_category",
        "REC-23",
        bill(((0, 1, "S", 500), (1, 1, "S", 500)), price=(50, 1)),
        ((0, 1, 50, 0, 0), (1, 1, 50, 0, 0)),
        (("S", 500, 100, 5),),
        "By line it would be 2.5 each, rounded to 2 and 2.",
    ),
    (
        "tax_half_to_even",
        "REC-23",
        bill(((0, 1, "S", 500),), price=(50, 1)),
        ((0, 1, 50, 0, 0),),
        (("S", 500, 50, 2),),
        "2.5 is half way, and 2 is even.",
    ),
    (
        "two_rates_of_one_category",
        "REC-23",
        bill(((0, 1, "S", 2_000), (1, 1, "S", 700), (2, 1, "E", 0)), price=(100, 1)),
        ((0, 1, 100, 0, 0), (1, 1, 100, 0, 0), (2, 1, 100, 0, 0)),
        (("E", 0, 100, 0), ("S", 700, 100, 7), ("S", 2_000, 100, 20)),
        "By category, then rate.",
    ),
    (
        "free",
        "REC-22",
        bill(((0, 3, "Z", 0),), price=(0, 1), fee_bps=100),
        ((0, 3, 0, 0, 0),),
        (("Z", 0, 0, 0),),
        "A sample.",
    ),
    (
        "credit_of_the_first_half",
        "REC-26",
        bill(((0, 1, "S", 2_000),), price=(125, 10)),
        ((0, 1, 12, 0, 0),),
        (("S", 2_000, 12, 2),),
        "12.5 is rounded to 12, its tax 2.4 to 2.",
    ),
    (
        "credit_of_the_second_half",
        "REC-26",
        bill(((0, 2, "S", 2_000),), price=(125, 10), before=((0, 1),)),
        ((0, 1, 13, 0, 0),),
        (("S", 2_000, 13, 3),),
        "25 less 12, and 5 less 2: both halves together are the invoice.",
    ),
    (
        "credit_of_another_line",
        "REC-26",
        bill(((0, 1, "S", 2_000), (1, 1, "Z", 0)), before=((0, 1),)),
        ((1, 1, 1_400, 0, 0),),
        (("Z", 0, 1_400, 0),),
        "A line that was credited before has no figures.",
    ),
]

# file name, clause, code, input, why it matters
BAD: Final = [
    (
        "exempt_at_a_rate",
        "REC-23",
        "invoice.tax",
        bill(((0, 1, "E", 2_000),)),
        "What is exempt has no tax.",
    ),
    (
        "reverse_charge_at_a_rate",
        "REC-23",
        "invoice.tax",
        bill(((0, 1, "AE", 1),)),
        "The buyer reckons it.",
    ),
    (
        "more_credited_than_billed",
        "REC-26",
        "credit.quantity",
        bill(((0, 1, "S", 2_000),), before=((0, 2),)),
        "Money would flow for goods that were never billed.",
    ),
    (
        "credit_of_a_line_not_billed",
        "REC-26",
        "credit.quantity",
        bill(((0, 1, "S", 2_000),), before=((1, 1),)),
        "Nothing of it was billed.",
    ),
    (
        "above_the_largest_integer",
        "VAL-7",
        "enc.int_range",
        bill(((0, 2, "Z", 0),), price=(MAX_INT, 1)),
        "No integer of CMP-1 holds it.",
    ),
]


def cases() -> Iterator[Case]:
    """Yield the vectors on bills."""
    for name, clause, given, lines, taxes, comment in GOOD:
        yield Case(
            id=f"10-bill/{name}",
            clause=clause,
            expect="ok",
            comment=comment,
            input=given,
            output=figures(lines, taxes),
        )
    for name, clause, code, given, comment in BAD:
        yield Case(id=f"10-bill/{name}", clause=clause, expect=code, comment=comment, input=given)
