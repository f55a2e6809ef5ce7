"""Opening pools: one for every item on offer, at the supplier's list price as reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import UNSET

from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import PoolOpen, Price, Window
from sheaf_services.pooled_purchasing.evaluate import SINGLE_OFFER
from sheaf_services.pooled_purchasing.ration import PROPORTIONAL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_node.plugins import ServiceContext
    from sheaf_protocol.records import Offer
    from sheaf_services.pooled_purchasing.ledger import Ledger

DEFAULTS: Final[Mapping[str, str]] = {
    "closes_in_s": "604800",
    "fee_bps": "0",
    "k_min": "3",
    "may_close_early": "0",
    "zone": "ALL",
    "from_ms": "",
    "to_ms": "",
}
"""Options of `open_pools`: a week to join, no fee, three co-ops at least, one zone."""


def openings(ledger: Ledger, context: ServiceContext, options: Mapping[str, str]) -> list[PoolOpen]:
    """Return a pool for each item on offer that this writer has no open pool for.

    The reference price is the lowest first-tier price on offer. Raises Refusal `pool.option`.
    """
    unknown = sorted(set(options) - set(DEFAULTS))
    if unknown:
        raise Refusal("pool.option", f"expected options of {sorted(DEFAULTS)}, got {unknown[0]!r}")
    given = {**DEFAULTS, **options}
    now_ms = context.now_ms()
    running = {
        pool.opening.record.item.key
        for pool in ledger.pools.values()
        if pool.opening.wid == context.wid and pool.opening.record.closes_at_ms > now_ms
    }
    return [
        _opening(offer, context, given, now_ms)
        for key, offer in _cheapest_lists(ledger).items()
        if key not in running
    ]


def _cheapest_lists(ledger: Ledger) -> dict[tuple[str, str, int], Offer]:
    """Return for each item the offer with the lowest list price, in the order of item codes."""
    best: dict[tuple[str, str, int], Offer] = {}
    for offer in ledger.offers():
        known = best.get(offer.item.key)
        if known is None or _list_price(offer) < _list_price(known):
            best[offer.item.key] = offer
    return dict(sorted(best.items()))


def _list_price(offer: Offer) -> tuple[int, str]:
    """Return what orders offers: the price of the same quantity of both, then the reference."""
    return offer.tiers[0].amount * 10**9 // offer.base, offer.ref


def _opening(
    offer: Offer, context: ServiceContext, options: Mapping[str, str], now_ms: int
) -> PoolOpen:
    has_window = bool(options["from_ms"])
    window = Window(from_ms=_number(options, "from_ms"), to_ms=_number(options, "to_ms"))
    return PoolOpen(
        closes_at_ms=now_ms + 1000 * _number(options, "closes_in_s"),
        fee_bps=_number(options, "fee_bps"),
        item=offer.item,
        k_min=_number(options, "k_min"),
        may_close_early=options["may_close_early"] == "1",
        mode="open",
        objective=SINGLE_OFFER,
        owner=context.wid,
        ration=PROPORTIONAL,
        reference=Price(amount=offer.tiers[0].amount, base=offer.base, currency=offer.currency),
        title=offer.item.name,
        window=window if has_window else UNSET,
        zone=options["zone"],
    )


def _number(options: Mapping[str, str], name: str) -> int:
    text = options[name] or "0"
    if not text.isdecimal() or int(text) > 2**52:
        raise Refusal("pool.option", f"expected {name} as a whole number, got {text!r}")
    return int(text)
