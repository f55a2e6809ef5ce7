"""Which records have an effect by their author's standing (spec chapter 09, section 7)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from sheaf_protocol.charter import DEFAULT_POLICY, Member, Standing
from sheaf_protocol.charter.effect import barred_by, policy_fault
from sheaf_protocol.digest import CoopId, Digest, WriterId
from sheaf_protocol.records.curve import CurveOpen
from sheaf_protocol.records.governance import Leave
from sheaf_protocol.records.pool import PoolOpen
from sheaf_protocol.records.values import Item, Price

MEMBER = Member(
    cid=CoopId(bytes(32)), is_suspended=False, key_head=Digest(bytes(32)), roles=["supplier"]
)
POLICY = structs.replace(DEFAULT_POLICY, version=3, fee_bps=500, k_min=5, dominance_bps=7_000)
ITEM = Item(code="potato", name="Potatoes", scale=0, unit="KGM")
POOL = PoolOpen(
    closes_at_ms=1,
    fee_bps=500,
    item=ITEM,
    k_min=1,
    may_close_early=False,
    mode="open",
    objective="units/1",
    owner=WriterId(bytes(32)),
    ration="proportional/1",
    reference=Price(amount=1, base=1, currency="GBP"),
    title="Potatoes",
    zone="N",
)
CURVE = CurveOpen(
    base=1,
    cap=1,
    closes_at_ms=1,
    currency="GBP",
    dominance_bps=7_000,
    item=ITEM,
    k_min=5,
    levels=[1],
    owner=WriterId(bytes(32)),
    title="Potatoes",
    zone="N",
)


def standing(**fields: Any) -> Standing:
    return Standing(member=structs.replace(MEMBER, **fields), policy=POLICY)


@pytest.mark.parametrize(
    ("author", "kind", "code"),
    [
        (standing(), "offer.submit", None),
        (standing(), "x.extension", None),
        (standing(), "pool.open", "policy.role"),
        (standing(is_suspended=True), "offer.submit", "policy.suspended"),
        (standing(is_suspended=True), "member.leave", None),
        (Standing(member=None, policy=POLICY), "offer.submit", None),
    ],
)
def test_standing_decides_which_kinds_have_an_effect(
    author: Standing, kind: str, code: str | None
) -> None:
    fault = barred_by(author, kind)

    assert (fault and fault.code) == code


@pytest.mark.parametrize("record", [POOL, CURVE, Leave(text="")])
def test_record_within_the_policy_has_an_effect(record: Any) -> None:
    assert policy_fault(record, POLICY) is None


SEALED_ONLY = structs.replace(POLICY, modes=["sealed"])
OPEN_ONLY = structs.replace(POLICY, modes=["open"], privacy="open")


@pytest.mark.parametrize(
    ("record", "policy", "code", "expected"),
    [
        (
            structs.replace(POOL, fee_bps=600),
            POLICY,
            "policy.fee",
            "expected a fee of at most 500 basis points by policy version 3, got 600",
        ),
        (POOL, SEALED_ONLY, "policy.mode", "expected mode sealed by policy version 3, got open"),
        (CURVE, OPEN_ONLY, "policy.mode", "expected mode open by policy version 3, got sealed"),
        (
            structs.replace(CURVE, k_min=4),
            POLICY,
            "policy.k_min",
            "expected at least 5 co-ops behind a curve by policy version 3, got 4",
        ),
        (
            structs.replace(CURVE, dominance_bps=7_001),
            POLICY,
            "policy.dominance",
            "expected at most 7000 basis points of a level for one co-op by policy version 3,"
            " got 7001",
        ),
    ],
)
def test_record_beyond_the_policy_names_its_version(
    record: Any, policy: Any, code: str, expected: str
) -> None:
    assert policy_fault(record, policy) == (code, expected)
