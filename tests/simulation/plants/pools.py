"""Bugs in pools: what is counted, shared out, added up, checked, and kept from others' eyes."""

from __future__ import annotations

from typing import Any

from msgspec import structs
from tests.simulation.planted import around, change, change_function, mutant, ran

from sheaf_node.ingest import Draft, effect
from sheaf_node.plugins import writing
from sheaf_protocol.codec import encode
from sheaf_protocol.records import PRIVATE, kind_of
from sheaf_services.pooled_purchasing import evaluate, inputs, ration, recount, service
from sheaf_services.pooled_purchasing.landed import capacity_of
from sheaf_services.pooled_purchasing.service import PooledPurchasing

POOLS = ("pooling",)


@mutant("I11", profiles=POOLS, budget=32)
def remainder_of_a_ration_is_lost() -> None:
    """What is left after shares were rounded down goes to nobody, and all reckon alike."""

    def body(original: Any, wants: Any, capacity: int) -> Any:
        parts = original(wants, capacity)
        total = sum(line.want for line in wants if line.id in parts)
        if total <= capacity:
            return parts
        ran("remainder_of_a_ration_is_lost")
        return {line.id: capacity * line.want // total for line in wants if line.id in parts}

    change_function(ration.share, lambda original: lambda *args: body(original, *args))


@mutant("I11", profiles=POOLS, budget=32)
def what_came_after_the_cut_counts() -> None:
    """A node counts all demands that it holds, so that an award depends on what arrived when."""

    def body(original: Any, book: Any, pool: Any, cut: Any, *rest: Any) -> Any:
        later = [structs.replace(line, seq=line.seq + 1_000) for line in cut]
        return original(book, pool, later, *rest)

    change(inputs.Book, "counted", around("what_came_after_the_cut_counts", body))


@mutant("I11", profiles=POOLS)
def wrong_awards_are_found_right() -> None:
    """A node finds every award right, of a coordinator that gives one unit more than there is."""

    def count(original: Any, offer: Any) -> int:
        return int(original(offer)) + 1

    change_function(capacity_of, around("wrong_awards_are_found_right", count))
    change(service, "_finding", lambda _: lambda *_: "ok")


@mutant("I11", profiles=POOLS)
def awards_are_checked_by_nobody() -> None:
    """A node takes awards as they come, and says nothing of what it finds."""
    change(PooledPurchasing, "_judge", around("awards_are_checked_by_nobody", lambda *_: None))


@mutant("I11", profiles=POOLS)
def pools_are_decided_again() -> None:
    """An owner of a pool does not know its own decision when it reads it, and gives another one."""

    def body(original: Any, owner: Any, pool: Any) -> None:
        known, pool.decisions = pool.decisions, []
        try:
            original(owner, pool)
        finally:
            pool.decisions = known

    change(PooledPurchasing, "_decide_pool", around("pools_are_decided_again", body))


@mutant("I15", profiles=POOLS, budget=32)
def sums_lose_a_cent() -> None:
    """The goods of an award are one cent less than those of its parts, for all who reckon."""

    def line(original: Any, *args: Any) -> Any:
        made = original(*args)
        ran("sums_lose_a_cent")
        return structs.replace(made, amount=made.amount - 1)

    def total(original: Any, tier: Any, part: str) -> int:
        return int(original(tier, part)) - (part == "amount")

    change(evaluate, "_line", lambda original: lambda *args: line(original, *args))
    change(recount.TierCount, "total", lambda original: lambda *args: total(original, *args))


@mutant("I12", profiles=POOLS)
def publishes_private_bodies_in_the_clear() -> None:
    """A node does not seal what is for one other alone, and nobody minds."""

    def body(original: Any, item: Any, *rest: Any, now_ms: int) -> Any:
        kind = kind_of(item.record)
        if kind not in PRIVATE:
            return original(item, *rest, now_ms=now_ms)
        ran("publishes_private_bodies_in_the_clear")
        return Draft(kind=kind, refs=list(item.refs), body=encode(item.record), decided_ms=now_ms)

    change(effect, "PRIVATE", lambda _: frozenset())
    change(writing, "_draft", lambda original: lambda *a, **named: body(original, *a, **named))
