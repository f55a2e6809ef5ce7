"""Small markets for the tests of clearing, and every award that is possible on them."""

from __future__ import annotations

from itertools import product

from hypothesis import strategies as st

from sheaf_protocol.clearing import MIX, SEVERAL_OFFERS, market_of
from sheaf_protocol.digest import EntryId, WriterId, digest
from sheaf_protocol.records import Item, Offer, PoolOpen, Price, Tier
from sheaf_protocol.records.offer import Carriage

ITEM = Item(code="feed", name="Feed", scale=0, unit="KGM")


def pool(**terms):
    given = {"closes_at_ms": 1, "fee_bps": 0, "item": ITEM, "k_min": 1, "may_close_early": True}
    given |= {"mode": "open", "objective": SEVERAL_OFFERS, "ration": MIX, "title": "Feed"}
    given |= {"owner": WriterId(bytes(32)), "reference": price(1_000), "zone": "N"}
    return PoolOpen(**(given | terms))


def price(amount, base=1):
    return Price(amount=amount, base=base, currency="GBP")


def offer(*tiers, carriage=None, **terms):
    given = {"base": 1, "currency": "GBP", "item": ITEM, "ref": "offer", "valid_until_ms": 1}
    given |= {"tier_basis": "all_units"}
    given["tiers"] = [Tier(amount=amount, from_quantity=start) for start, amount in tiers]
    if carriage is not None:
        given["carriage"] = [Carriage(amount=carriage, zone="N")]
    return Offer(**(given | terms))


def entry(name):
    return EntryId(digest("test-entry", str(name).encode()))


def possible(market):
    """Yield every award of a small market: quantities that break no rule of CLR-3 to CLR-5."""
    ways = [
        [None, *((o, q) for o in options for q in range(o.low, o.high + 1) if q % o.pack == 0)]
        for options in market.offers
    ]
    for way in product(*ways):
        sold = [one for one in way if one is not None]
        units = sum(quantity for _, quantity in sold)
        fits = all(
            sum(q for o, q in sold if o.rate >= rate) <= demand
            for rate, demand in zip(market.rows, market.demand, strict=True)
        )
        if fits and sold and units >= market.least:
            yield sold


@st.composite
def offers(draw):
    """One offer of up to three tiers that fall in price."""
    count = draw(st.integers(1, 3))
    starts = sorted(draw(st.sets(st.integers(1, 9), min_size=count, max_size=count)))
    amounts = draw(st.sets(st.integers(940, 1_005), min_size=count, max_size=count))
    terms = {"max_quantity": draw(st.integers(1, 9))}
    if draw(st.booleans()):
        terms["min_quantity"] = draw(st.integers(1, 5))
    if draw(st.booleans()):
        terms["pack"] = draw(st.integers(1, 3))
    return offer(*zip(starts, sorted(amounts, reverse=True), strict=True), **terms)


@st.composite
def markets(draw):
    """A market of up to three offers and a handful of units."""
    wanted = st.tuples(st.integers(930 * 10**6, 1_010 * 10**6), st.integers(1, 6))
    terms = {"min_quantity": draw(st.integers(1, 6))} if draw(st.booleans()) else {}
    found = draw(st.lists(offers(), min_size=1, max_size=3))
    return market_of(pool(**terms), found, draw(st.lists(wanted, min_size=1, max_size=4)))
