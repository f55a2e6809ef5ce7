"""Opening pools: one for every item on offer, at the supplier's list price as reference."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import UNSET, UnsetType

from sheaf_protocol.clearing import MIX, SEVERAL_OFFERS
from sheaf_protocol.codec import decode, encode
from sheaf_protocol.errors import ProtocolError, Refusal
from sheaf_protocol.limits import MAX_INT
from sheaf_protocol.records import PoolOpen, Price, Window
from sheaf_services.pooled_purchasing.evaluate import SINGLE_OFFER
from sheaf_services.pooled_purchasing.inputs import has_terms
from sheaf_services.pooled_purchasing.landed import carriage_to
from sheaf_services.pooled_purchasing.ration import PROPORTIONAL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sheaf_node.plugins import ServiceContext
    from sheaf_protocol.records import Item, Offer
    from sheaf_services.pooled_purchasing.ledger import Ledger

DEFAULTS: Final[Mapping[str, str]] = {
    "closes_in_s": "604800",
    "fee_bps": "0",
    "k_min": "3",
    "may_close_early": "0",
    "offers": "one",
    "zone": "ALL",
    "from_ms": "",
    "to_ms": "",
}
"""Options of `open_pools`: a week to join, no fee, three co-ops at least, one zone, one winner."""

_RULES: Final[Mapping[str, tuple[str, str]]] = {
    "one": (SINGLE_OFFER, PROPORTIONAL),
    "several": (SEVERAL_OFFERS, MIX),
}
"""By how many offers may win: the objective, and how is shared out."""

_LONGEST_S: Final = 10 * 366 * 86_400
"""Ten years to join are no plan but a slip of the keyboard."""

MOST_TIMES: Final = 2
"""A list price above this many times the lowest is no reference."""

Market: TypeAlias = tuple[tuple[str, str, int], str]
"""An item and a currency: what one pool is about, in one zone."""


@dataclass(frozen=True, slots=True)
class Openings:
    """The pools to open, and why items that somebody offers or wants get none: (item, why)."""

    pools: list[PoolOpen]
    skipped: list[tuple[str, str]]


def openings(ledger: Ledger, context: ServiceContext, options: Mapping[str, str]) -> Openings:
    """Return a pool for each item on offer that this writer has none open for in the zone.

    The reference is the lowest list price on offer where one offer is to win. Where several may,
    it is the highest at the door of the zone, so that the dearer have a part as well. Raises
    Refusal `pool.option`.
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
    best = _references(ledger, given, closes_at_ms)
    return Openings(
        pools=[
            _opening(reference, context, given, closes_at_ms)
            for market, reference in best.items()
            if market not in running
        ],
        skipped=[
            *((market[0][0], "has a pool open already") for market in best if market in running),
            *sorted(set(_without_offer(ledger, best, given["zone"], closes_at_ms))),
        ],
    )


def _without_offer(
    ledger: Ledger, best: Mapping[Market, _Reference], zone: str, closes_at_ms: int
) -> Iterator[tuple[str, str]]:
    """Yield the items that no offer could serve a pool for, and why."""
    offered = set()
    for offer in (seen.record for seen in ledger.offers()):
        offered.add(offer.item.key)
        if (offer.item.key, offer.currency) in best:
            continue
        if offer.valid_until_ms < closes_at_ms:
            yield offer.item.code, "its offer ends before the pool would close"
        elif carriage_to(offer, zone) is None:
            yield offer.item.code, f"no offer goes to zone {zone}"
        else:
            yield offer.item.code, "its offers have packs or minimums: open it for several offers"
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
    if given["offers"] not in _RULES:
        got = given["offers"]
        raise Refusal("pool.option", f"expected offers as {' or '.join(_RULES)}, got {got!r}")
    return given


@dataclass(frozen=True, slots=True)
class _Reference:
    """An item as its cheapest offer names it, and the price that savings are reckoned from."""

    item: Item
    price: Price


def _references(
    ledger: Ledger, options: Mapping[str, str], closes_at_ms: int
) -> dict[Market, _Reference]:
    """Return for each market what a pool for it refers to, in the order of item codes.

    Only offers that a pool closing then would count: an expired one would open a pool to lapse.
    """
    by_market: defaultdict[Market, list[Offer]] = defaultdict(list)
    for seen in ledger.offers():
        offer = seen.record
        if offer.valid_until_ms < closes_at_ms or carriage_to(offer, options["zone"]) is None:
            continue
        if options["offers"] == "several" or not has_terms(offer):
            by_market[offer.item.key, offer.currency].append(offer)
    return {
        market: _reference(sorted(offers, key=_list_price), options)
        for market, offers in sorted(by_market.items())
    }


def _reference(offers: Sequence[Offer], options: Mapping[str, str]) -> _Reference:
    """Return the reference of offers, the cheapest first."""
    first = offers[0]
    if options["offers"] == "one":
        return _Reference(first.item, first.price(0))
    # One that asks for a fortune would make every saving look like one: it has no part.
    most = MOST_TIMES * Fraction(first.tiers[0].amount, first.base)
    last = [offer for offer in offers if Fraction(offer.tiers[0].amount, offer.base) <= most][-1]
    goods, base = last.tiers[0].amount, last.base
    carriage = carriage_to(last, options["zone"])
    landed = goods * (10_000 + _number(options, "fee_bps", 10_000))
    landed += 0 if carriage is None else carriage.amount * 10_000
    price = Price(amount=min(-(-landed // 10_000), MAX_INT), base=base, currency=last.currency)
    return _Reference(first.item, price)


def _list_price(offer: Offer) -> tuple[Fraction, str]:
    """Return what orders offers: the exact price of one unit, then the reference."""
    return Fraction(offer.tiers[0].amount, offer.base), offer.ref


def _opening(
    reference: _Reference, context: ServiceContext, options: Mapping[str, str], closes_at_ms: int
) -> PoolOpen:
    objective, ration = _RULES[options["offers"]]
    opening = PoolOpen(
        closes_at_ms=closes_at_ms,
        fee_bps=_number(options, "fee_bps", 10_000),
        item=reference.item,
        k_min=_number(options, "k_min", 1_000),
        may_close_early=options["may_close_early"] == "1",
        mode="open",
        objective=objective,
        owner=context.line,
        ration=ration,
        reference=reference.price,
        title=reference.item.name,
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
