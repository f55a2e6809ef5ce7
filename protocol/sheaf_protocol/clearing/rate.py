"""What one unit costs, as an integer: millionths of a minor unit (spec 21, CLR-1).

Prices name an amount for a base quantity, and every offer has a base of its own. To compare and to
add them all are taken to one unit and to one fine integer, what is paid rounded up and what may be
paid rounded down: whoever can pay a rate can pay the price behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sheaf_protocol.records import Price

MILLION: Final = 1_000_000
_BPS: Final = 10_000


def rate_of(price: Price) -> int:
    """Return the rate of a reference or of a maximum, rounded down."""
    return price.amount * MILLION // price.base


def landed_rate(goods: int, carriage: int, base: int, fee_bps: int) -> int:
    """Return the rate of a price at the door, rounded up; `goods` and `carriage` are for `base`."""
    landed = goods * (_BPS + fee_bps) + carriage * _BPS
    return -(-landed * MILLION // (base * _BPS))
