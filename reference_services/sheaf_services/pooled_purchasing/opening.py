"""Opening pools: one for every item on offer, at the supplier's list price as reference."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import UNSET, UnsetType

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.errors import ProtocolError, Refusal
from sheaf_protocol.limits import MAX_INT
from sheaf_protocol.records import PoolOpen, Price, Window
from sheaf_services.pooled_purchasing.evaluate import SINGLE_OFFER
from sheaf_services.pooled_purchasing.landed import carriage_to
from sheaf_services.pooled_purchasing.ration import PROPORTIONAL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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

_LONGEST_S: Final = 10 * 366 * 86_400
"""Ten years to join are no plan but a slip of the keyboard."""

Market: TypeAlias = tuple[tuple[str, str, int], str]
"""An item and a currency: what one pool is about, in one zone."""


@dataclass(frozen=True, slots=True)
class Openings:
    """The pools to open, and why items that somebody offers or wants get none: (item, why)."""

    pools: list[PoolOpen]
    skipped: list[tuple[str, str]]


def openings(ledger: Ledger, context: ServiceContext, options: Mapping[str, str]) -> Openings:
    """Return a pool for each item on offer that this writer has none open for in the zone.

    The reference price is the lowest first-tier price on offer. Raises Refusal `pool.option`.
    """
    given = _options(options)
    closes_at_ms = context.now_ms() + 1000 * _number(given, "closes_in_s", _LONGEST_S)
    running = {
        (pool.opening.record.item.key, pool.opening.record.reference.currency)
        for pool in ledger.pools.values()
        if ledger.is_own(pool.opening)
        and pool.close is None
        and pool.opening.record.zone == given["zone"]
    }
    best = _cheapest_lists(ledger, given["zone"], closes_at_ms)
    return Openings(
        pools=[
            _opening(offer, context, given, closes_at_ms)
            for market, offer in best.items()
            if market not in running
        ],
        skipped=[
            *((market[0][0], "has a pool open already") for market in best if market in running),
            *sorted(set(_without_offer(ledger, best, given["zone"], closes_at_ms))),
        ],
    )


def _without_offer(
    ledger: Ledger, best: Mapping[Market, Offer], zone: str, closes_at_ms: int
) -> Iterator[tuple[str, str]]:
    """Yield the items that no offer could serve a pool for, and why."""
    offered = set()
    for offer in (seen.record for seen in ledger.offers()):
        offered.add(offer.item.key)
        if (offer.item.key, offer.currency) in best:
            continue
        is_late = offer.valid_until_ms < closes_at_ms
        why = (
            "its offer ends before the pool would close"
            if is_late
            else f"no offer goes to zone {zone}"
        )
        yield offer.item.code, why
    for code, unit, scale in ledger.wanted():
        if (code, unit, scale) not in offered:
            yield code, f"nobody offers it in the unit {unit}"


def _options(options: Mapping[str, str]) -> Mapping[str, str]:
    unknown = sorted(set(options) - set(DEFAULTS))
    if unknown:
        raise Refusal("pool.option", f"expected options of {sorted(DEFAULTS)}, got {unknown[0]!r}")
    given = {**DEFAULTS, **options}
    if given["may_close_early"] not in {"0", "1"}:
        got = given["may_close_early"]
        raise Refusal("pool.option", f"expected may_close_early as 0 or 1, got {got!r}")
    return given


def _cheapest_lists(ledger: Ledger, zone: str, closes_at_ms: int) -> dict[Market, Offer]:
    """Return for each market the offer with the lowest list price, in the order of item codes.

    Only offers that a pool closing then would count: an expired one would open a pool to lapse.
    """
    best: dict[Market, Offer] = {}
    for seen in ledger.offers():
        offer = seen.record
        if offer.valid_until_ms < closes_at_ms or carriage_to(offer, zone) is None:
            continue
        market = (offer.item.key, offer.currency)
        known = best.get(market)
        if known is None or _list_price(offer) < _list_price(known):
            best[market] = offer
    return dict(sorted(best.items()))


def _list_price(offer: Offer) -> tuple[Fraction, str]:
    """Return what orders offers: the exact price of one unit, then the reference."""
    return Fraction(offer.tiers[0].amount, offer.base), offer.ref


def _opening(
    offer: Offer, context: ServiceContext, options: Mapping[str, str], closes_at_ms: int
) -> PoolOpen:
    opening = PoolOpen(
        closes_at_ms=closes_at_ms,
        fee_bps=_number(options, "fee_bps", 10_000),
        item=offer.item,
        k_min=_number(options, "k_min", 1_000),
        may_close_early=options["may_close_early"] == "1",
        mode="open",
        objective=SINGLE_OFFER,
        owner=context.line,
        ration=PROPORTIONAL,
        reference=Price(amount=offer.tiers[0].amount, base=offer.base, currency=offer.currency),
        title=offer.item.name,
        window=_window(options),
        zone=options["zone"],
    )
    try:
        return decode(encode(opening), PoolOpen)
    except ProtocolError as exc:
        raise Refusal("pool.option", f"expected options that a pool can have: {exc}") from exc


def _window(options: Mapping[str, str]) -> Window | UnsetType:
    if not options["from_ms"] and not options["to_ms"]:
        return UNSET
    from_ms, to_ms = (_number(options, name, MAX_INT) for name in ("from_ms", "to_ms"))
    if from_ms > to_ms:
        raise Refusal("pool.option", f"expected from_ms up to to_ms, got {from_ms} and {to_ms}")
    return Window(from_ms=from_ms, to_ms=to_ms)


def _number(options: Mapping[str, str], name: str, most: int) -> int:
    text = options[name]
    if not text.isdecimal() or int(text) > most:
        raise Refusal("pool.option", f"expected {name} from 0 to {most}, got {text!r}")
    return int(text)
