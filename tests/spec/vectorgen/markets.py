"""Pools with several offers for the vectors of chapter 21, spelled with the kit.

Who gets how much is written by hand in each case. From that this program makes the money of each
part, the sums of the lines, the leaves and their root, with fractions and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING, Any, Final

from kit import array, blob, hashed, integer, mapping, text
from record_values import ITEM, OFFER, PRICE, demand, ordered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MILLION: Final = 1_000_000
MIX: Final = "proportional_mix/1"
PRIORITY: Final = "priority_mix/1"
POOL_ID: Final = b"P" * 32
OPEN: Final = {
    "closes_at_ms": integer(1),
    "item": mapping(**ITEM),
    "may_close_early": b"\xc2",
    "mode": text("open"),
    "owner": blob(b"w" * 32),
    "title": text("Flour"),
    "zone": text("ALL"),
}


def id_of(letter: str) -> bytes:
    """Return the id of a demand, an offer or a co-op: its letter 32 times."""
    return letter.encode() * 32


@dataclass(frozen=True)
class Selling:
    """An offer: tiers of quantity and amount, and what else limits it."""

    tiers: Sequence[tuple[int, int]]
    base: int = 1
    carriage: int = 0
    terms: Mapping[str, int] = field(default_factory=dict)
    """Any of `max_quantity`, `min_quantity`, `pack`."""

    def body(self) -> bytes:
        """Return the offer's record."""
        tiers = [mapping(amount=integer(a), from_quantity=integer(q)) for q, a in self.tiers]
        rate = mapping(amount=integer(self.carriage), zone=text("ALL"))
        own = {"base": integer(self.base), "tiers": array(*tiers)}
        if self.carriage:
            own["carriage"] = array(rate)
        return ordered(OFFER, own | {name: integer(value) for name, value in self.terms.items()})


@dataclass(frozen=True)
class Wish:
    """A demand: what is wanted, at least how much of it, and at what price."""

    quantity: int
    amount: int = 1_000
    base: int = 1
    minimum: int = 1
    coop: str = ""
    """A letter; by default the capital of its own, so that each is of another co-op."""

    def body(self) -> bytes:
        """Return the demand's record."""
        price = {"amount": integer(self.amount), "base": integer(self.base)}
        return demand(
            max_price=ordered(PRICE, price),
            min_quantity=integer(self.minimum),
            quantity=integer(self.quantity),
        )


@dataclass(frozen=True, kw_only=True)
class Pool:
    """A pool with what counts at its close, offers and demands by letter."""

    offers: Mapping[str, Selling]
    demands: Mapping[str, Wish]
    fee_bps: int = 0
    reference: tuple[int, int] = (1_000, 1)
    k_min: int = 1
    ration: str = MIX
    objective: str = "several_offers/1"
    more: Mapping[str, bytes] = field(default_factory=dict)

    def body(self) -> bytes:
        """Return the pool's opening."""
        amount, base = self.reference
        own = {
            "fee_bps": integer(self.fee_bps),
            "k_min": integer(self.k_min),
            "objective": text(self.objective),
            "ration": text(self.ration),
            "reference": ordered(PRICE, {"amount": integer(amount), "base": integer(base)}),
        }
        return ordered(OPEN, own | dict(self.more))

    def gain(self, offer: str, tier: int) -> int:
        """Return what a unit gains (CLR-1, CLR-2)."""
        selling = self.offers[offer]
        amount = selling.tiers[tier][1]
        landed = amount * Fraction(10_000 + self.fee_bps, 10_000) + selling.carriage
        rate = ceil(landed * MILLION / selling.base)
        return 1 + floor(Fraction(self.reference[0] * MILLION, self.reference[1])) - rate

    def money(self, part: Part) -> dict[str, int]:
        """Return goods, fee and carriage of a part, each rounded half to even (AWD-8)."""
        selling = self.offers[part.offer]
        goods = round(Fraction(selling.tiers[part.tier][1] * part.units, selling.base))
        return {
            "amount": goods,
            "carriage": round(Fraction(selling.carriage * part.units, selling.base)),
            "fee": round(Fraction(goods * self.fee_bps, 10_000)),
        }

    def inputs(self) -> bytes:
        """Return the commitment to what counts (AWD-2)."""
        listed = {
            "demands": array(*(blob(id_of(each)) for each in sorted(self.demands))),
            "offers": array(*(blob(id_of(each)) for each in sorted(self.offers))),
            "pool": blob(POOL_ID),
        }
        return hashed("award-inputs", mapping(**listed))


@dataclass(frozen=True)
class Part:
    """Units of one tier for one demand; `off` is added to what is told of its money."""

    offer: str
    tier: int
    units: int
    off: Mapping[str, int] = field(default_factory=dict)


Shares = dict[str, list[Part]]
"""What each demand gets, parts by ascending rate."""


def salt(demand_: str) -> bytes:
    """Return the salt of a leaf (AWD-10)."""
    return hashed("open-salt", POOL_ID, id_of(demand_))[:16]


def leaf(pool: Pool, name: str, parts: Sequence[Part], *, salted: bytes | None = None) -> bytes:
    """Return the leaf of a demand."""
    made = []
    for part in parts:
        money = {
            key: integer(value + part.off.get(key, 0)) for key, value in pool.money(part).items()
        }
        more = {"quantity": integer(part.units), "tier": integer(part.tier)}
        made.append(mapping(**money, offer=blob(id_of(part.offer)), **more))
    own = salt(name) if salted is None else salted
    return mapping(demand=blob(id_of(name)), parts=array(*made), salt=blob(own))


def leaves(pool: Pool, shares: Shares) -> list[bytes]:
    """Return the leaves by ascending demand."""
    return [leaf(pool, name, shares[name]) for name in sorted(shares)]


def root(listed: Sequence[bytes]) -> bytes:
    """Return the root over leaves (AWD-4)."""
    level = [hashed("leaf", each) for each in listed]
    while len(level) > 1:
        pairs = [level[at : at + 2] for at in range(0, len(level), 2)]
        level = [hashed("node", *pair) if len(pair) == 2 else pair[0] for pair in pairs]
    return level[0]


def sums(pool: Pool, offer: str, tier: int, shares: Shares) -> dict[str, int]:
    """Return what the line of an offer tells of its parts together."""
    every = (part for got in shares.values() for part in got)
    parts = [part for part in every if (part.offer, part.tier) == (offer, tier)]
    money = [pool.money(part) for part in parts]
    told = {name: sum(each[name] for each in money) for name in ("amount", "carriage", "fee")}
    return {**told, "lines": len(parts), "quantity": sum(part.units for part in parts)}


def line(pool: Pool, offer: str, tier: int, shares: Shares, **changes: Any) -> bytes:
    """Return the line of an offer with the sums of its parts, but for changes."""
    zone = changes.pop("zone", "ALL")
    told = sums(pool, offer, tier, shares) | {"tier": tier} | changes
    fields = {name: integer(value) for name, value in told.items()}
    return ordered(fields, {"offer": blob(id_of(offer)), "zone": text(zone)})


def leaf_of_tree(prices: Mapping[int, int]) -> bytes:
    """Return a leaf of a certificate: a price for each row."""
    rows = [mapping(amount=integer(amount), row=integer(row)) for row, amount in prices.items()]
    return mapping(prices=array(*rows))


def split(offer: int, upto: int) -> bytes:
    """Return a branch of a certificate."""
    return mapping(offer=integer(offer), upto=integer(upto))


@dataclass(frozen=True, kw_only=True)
class Awarded:
    """An award in parts: the shares, and the certificate with the gap that it leaves."""

    pool: Pool
    shares: Shares
    branches: Sequence[bytes]
    gap: int

    def sold(self) -> dict[tuple[str, int], int]:
        """Return the units of each tier that sells, by ascending offer."""
        units: dict[tuple[str, int], int] = {}
        for part in (each for got in self.shares.values() for each in got):
            key = (part.offer, part.tier)
            units[key] = units.get(key, 0) + part.units
        return dict(sorted(units.items()))

    def root(self) -> bytes:
        """Return the root over the leaves."""
        return root(leaves(self.pool, self.shares))

    def award(self, *, without: Sequence[str] = (), **changes: bytes) -> bytes:
        """Return the award's record but for some keys; changes replace encoded values."""
        sold = self.sold()
        objective = sum(self.pool.gain(*key) * units for key, units in sold.items())
        own = {
            "branches": array(*self.branches),
            "close": blob(b"C" * 32),
            "gap": integer(self.gap),
            "inputs": blob(self.pool.inputs()),
            "leaves": integer(len(self.shares)),
            "lines": array(*(line(self.pool, *key, self.shares) for key in sold)),
            "objective": text(self.pool.objective),
            "pool": blob(POOL_ID),
            "quantity": integer(sum(sold.values())),
            "ration": text(self.pool.ration),
            "root": blob(self.root()),
            "value": integer(objective // MILLION),
        }
        return ordered({key: own[key] for key in own if key not in without}, changes)

    def judged(self, award: bytes | None = None, **changes: bytes) -> bytes:
        """Return the input of `21-award`: the award with all that it is judged by."""
        demands = [
            array(blob(id_of(name)), blob(id_of(wish.coop or name.upper())), blob(wish.body()))
            for name, wish in sorted(self.pool.demands.items())
        ]
        offers = offers_of(self.pool)
        return mapping(
            award=blob(self.award(**changes) if award is None else award),
            demands=array(*demands),
            id=blob(POOL_ID),
            offers=offers,
            pool=blob(self.pool.body()),
        )


def offers_of(pool: Pool) -> bytes:
    """Return the offers of a pool as the inputs of both folders have them."""
    pairs = [array(blob(id_of(n)), blob(each.body())) for n, each in sorted(pool.offers.items())]
    return array(*pairs)


def other(awarded: Awarded, **changes: Any) -> Awarded:
    """Return an award with other parts; those of its pool by `pool_` and their name."""
    of_pool = {n.removeprefix("pool_"): v for n, v in changes.items() if n.startswith("pool_")}
    own = {name: value for name, value in changes.items() if not name.startswith("pool_")}
    return replace(awarded, pool=replace(own.pop("pool", awarded.pool), **of_pool), **own)
