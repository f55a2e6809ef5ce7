"""The letter about one line and its award, as a page of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from sheaf_node.cli.amounts import money, quantity, unit_price
from sheaf_node.cli.output import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_WIDTH: Final = 46
_MILLION: Final = 10**6
_REASONS: Final[Mapping[str, str]] = {
    "whole": "That is all you wanted.",
    "shared": "Members wanted {able} at prices that they can pay, and there were {sold}. All got a "
    "part in\nproportion to what they wanted, whatever their maximum.",
    "too_dear": "The cheapest price that the pool came to is above your maximum.",
    "left_out": "Your part would have been less than your minimum, or by rounding above your "
    "maximum, so you\nare not bound; it went to the others.",
}


def print_letters(letters: list[Any]) -> None:
    """Print each letter, a blank line between two."""
    for number, letter in enumerate(letters):
        if number:
            click.echo()
        for line in _page(letter):
            click.echo(line)


def _page(letter: Any) -> Iterator[str]:
    wanted, got = (quantity(letter[name], letter) for name in ("wanted", "got"))
    yield f"{printable(letter['name'])}: your line {printable(letter['ref'])}"
    yield f"Bought together by {letter['coops']} co-ops; run by {printable(letter['coordinator'])}."
    yield ""
    yield f"You wanted {wanted} and got {got}."
    able, sold = (quantity(letter[name], letter) for name in ("able", "sold"))
    yield _REASONS[letter["why"]].format(able=able, sold=sold)
    if letter["parts"]:
        yield ""
        yield from _sums(letter)
    yield ""
    yield from _check(letter)


def _sums(letter: Any) -> Iterator[str]:
    for part in letter["parts"]:
        units = f"{quantity(part['units'], letter)} of {printable(part['supplier'])}"
        yield _row(f"{units} at {unit_price(part['price'], letter)}", part["goods_minor"], letter)
    yield _row("Coordinator's fee", letter["fee_minor"], letter)
    yield _row("Carriage", letter["carriage_minor"], letter)
    yield _row("You pay, without VAT", letter["paid_minor"], letter)
    if letter["alone_minor"] is None:
        yield _row("Alone nobody sells it within your maximum; list", letter["list_minor"], letter)
    else:
        yield _row("Alone the same would cost", letter["alone_minor"], letter)
    yield _row("You save", letter["saving_minor"], letter)


def _check(letter: Any) -> Iterator[str]:
    check, gap = letter["check"], letter["gap_millionths"]
    yield "How to check it"
    yield "  Your own node has counted everything again and found the award right."
    if gap:
        most = money(-(-gap // _MILLION), letter)
        yield f"  Another award might have saved all members together up to {most} more."
    else:
        yield "  No other award could have saved the members more: the proof is part of it."
    yield f"  Award {check['award']}"
    yield f"  Root  {check['root']}"
    if check["index"] is not None:
        place = f"leaf {check['index'] + 1} of {check['leaves']}"
        yield f"  Your line is {place} under it; --json has the leaf and its path for others."


def _row(name: str, minor: int, letter: Any) -> str:
    return f"  {name:<{_WIDTH}}  {money(minor, letter):>16}"
