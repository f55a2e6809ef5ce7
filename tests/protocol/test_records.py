from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from msgspec import inspect

from sheaf_protocol.charter import EVERY_MEMBER, MAY, is_governed
from sheaf_protocol.codec import check, decode, encode
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.limits import MAX_DEPTH
from sheaf_protocol.records import (
    KINDS,
    PRIVATE,
    Carriage,
    Item,
    Offer,
    Price,
    Tier,
    Vector,
    Verdict,
    decode_record,
    kind_of,
    line_amount,
)
from sheaf_protocol.records.recovery import WRITER_KINDS

Shape = inspect.Type
ITEM = Item(code="X-1", name="Feed", scale=0, unit="H87")


# Two windows at random have an end before their beginning three times in four.
FEW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
"""Examples per kind: there are 25 kinds, and drawing from patterns is slow."""


def values(shape: Shape) -> st.SearchStrategy[Any]:
    """Return a strategy for plain values that fit a field's type and bounds."""
    match shape:
        case inspect.StructType():
            return struct_values(shape)
        case inspect.BoolType():
            return st.booleans()
        case inspect.LiteralType(values=choices):
            return st.sampled_from(choices)
    return bounded_values(shape)


def bounded_values(shape: Shape) -> st.SearchStrategy[Any]:
    match shape:
        case inspect.ListType(item_type=item, min_length=low, max_length=high):
            most = min(high or 3, (low or 0) + 2)
            return st.lists(values(item), min_size=low or 0, max_size=most)
        case inspect.IntType(ge=low, le=high):
            return st.integers(low, high)
        case inspect.BytesType(min_length=low, max_length=high):
            return st.binary(min_size=low or 0, max_size=min(high or 0, (low or 0) + 40))
        case inspect.StrType(pattern=str(pattern)):
            most = shape.max_length or 64
            return st.from_regex(pattern).filter(lambda text: len(text) <= most)
    raise AssertionError(f"no strategy for {shape}")


def struct_values(shape: inspect.StructType) -> st.SearchStrategy[Any]:
    fields = {f.encode_name: values(f.type) for f in shape.fields}
    required = {f.encode_name for f in shape.fields if f.required}
    return st.fixed_dictionaries(
        {name: s for name, s in fields.items() if name in required},
        optional={name: s for name, s in fields.items() if name not in required},
    )


def bodies(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    made = struct_values(inspect.type_info(KINDS[kind]))  # type: ignore[arg-type]  # all are structs
    if kind == "travel.table":  # the rows' bytes depend on the counts beside them
        made = made.map(lambda v: {**v, "first_row": 0, "rows": 2, "size": 3, "seconds": bytes(24)})
    return made


def read(kind: str, raw: bytes) -> Any:
    """Return the record, or the refusal."""
    try:
        return decode_record(kind, raw)
    except RemoteProtocolError as exc:
        return exc


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth, inner), default=0) if isinstance(value, dict | list) else 0


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_kind_is_lower_case_ascii_of_at_most_24_bytes(kind: str) -> None:
    assert check(encode(kind)) == kind
    assert 1 <= len(kind) <= 24
    assert set(kind) <= set("abcdefghijklmnopqrstuvwxyz0123456789_.")


def test_every_record_has_one_kind() -> None:
    assert len(set(KINDS.values())) == len(KINDS)


def test_private_kinds_are_known() -> None:
    assert set(KINDS) >= PRIVATE


def test_roles_govern_every_known_kind_but_those_of_every_member() -> None:
    ungoverned = {kind for kind in KINDS if not is_governed(kind)}

    everybodys = {"address.list", "bridge.ask", "entry.erase", "entry.restore", "verdict"}
    assert ungoverned == everybodys | WRITER_KINDS == EVERY_MEMBER


def test_roles_govern_no_kind_without_a_record() -> None:
    named = {kind for kinds in MAY.values() for kind in kinds} | EVERY_MEMBER

    assert named == set(KINDS)


@pytest.mark.parametrize("kind", sorted(KINDS))
@FEW
@given(data=st.data())
def test_record_survives_a_round_trip(kind: str, data: st.DataObject) -> None:
    raw = encode(data.draw(bodies(kind)))
    record = read(kind, raw)
    assume(not isinstance(record, RemoteProtocolError))  # a rule across fields was broken

    assert encode(record) == raw
    assert kind_of(record) == kind


@pytest.mark.parametrize("kind", sorted(KINDS))
@FEW
@given(data=st.data())
def test_flipped_byte_is_refused_or_canonical(kind: str, data: st.DataObject) -> None:
    raw = bytearray(encode(data.draw(bodies(kind))))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))

    record = read(kind, bytes(raw))

    if not isinstance(record, RemoteProtocolError):
        assert encode(check(bytes(raw))) == bytes(raw)
    else:
        is_authors = record.code == "schema.invalid"
        assert record.fault is (Fault.AUTHOR if is_authors else Fault.SENDER)


@pytest.mark.parametrize("kind", sorted(KINDS))
@FEW
@given(data=st.data())
def test_keys_of_a_later_version_are_ignored(kind: str, data: st.DataObject) -> None:
    body = data.draw(bodies(kind))
    record = read(kind, encode(body))
    assume(not isinstance(record, RemoteProtocolError))

    assert decode_record(kind, encode({**body, "zz_later": [1]})) == record


def test_deepest_record_uses_six_levels() -> None:
    trip = {"cost": 1, "stops": [0, 1]}
    body = {"baselines": [{"cid": bytes(32), "trips": [trip]}], "trips": [trip]}

    assert depth(body) == 6 < MAX_DEPTH


def test_unknown_kind_has_no_record() -> None:
    assert decode_record("x.extension", b"\x80") is None


def test_body_that_does_not_fit_is_the_authors_fault() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_record("demand.submit", b"\x80")

    assert (caught.value.code, caught.value.fault) == ("schema.invalid", Fault.AUTHOR)


def test_body_that_is_not_canonical_is_the_senders_fault() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_record("demand.submit", b"\xc0")

    assert (caught.value.code, caught.value.fault) == ("enc.nil", Fault.SENDER)


def offer(tiers: list[Tier], **more: Any) -> Offer:
    return Offer(
        base=1,
        currency="GBP",
        item=ITEM,
        ref="o",
        tier_basis="all_units",
        tiers=tiers,
        valid_until_ms=1,
        **more,
    )


@pytest.mark.parametrize(
    ("tiers", "reason"),
    [
        ([(1, 10), (1, 9)], "one start twice"),
        ([(5, 10), (1, 9)], "starts descend"),
        ([(1, 10), (5, 10)], "the price does not fall"),
        ([(1, 10), (5, 11)], "the price rises"),
    ],
)
def test_tiers_that_do_not_reward_volume_are_refused(
    tiers: list[tuple[int, int]], reason: str
) -> None:
    listed = [Tier(amount=amount, from_quantity=start) for start, amount in tiers]
    with pytest.raises(ValueError, match="ascending by quantity"):
        offer(listed)


def test_price_of_a_tier_has_the_offers_base_and_currency() -> None:
    tiers = [Tier(amount=10, from_quantity=1), Tier(amount=9, from_quantity=5)]

    assert offer(tiers).price(1) == Price(amount=9, base=1, currency="GBP")


def test_offer_may_name_carriage_by_zone() -> None:
    made = offer([Tier(amount=1, from_quantity=1)], carriage=[Carriage(amount=2, zone="N")])

    assert decode(encode(made), Offer) == made


def refused(kind: str, body: dict[str, Any]) -> str:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_record(kind, encode(body))
    return caught.value.detail


def test_demand_for_less_than_its_minimum_is_refused() -> None:
    body = {
        "is_firm": True,
        "item": {"code": "x", "name": "X", "scale": 0, "unit": "H87"},
        "max_price": {"amount": 1, "base": 1, "currency": "GBP"},
        "min_quantity": 6,
        "quantity": 5,
        "ref": "r",
        "zone": "N",
    }

    assert "min_quantity <= quantity" in refused("demand.submit", body)


def test_window_that_ends_before_it_begins_is_refused() -> None:
    visit = {"place": 0, "service_s": 0, "window": {"from_ms": 2, "to_ms": 1}}
    body = {"delivery": visit, "load": {}, "pickup": visit, "ref": "r", "table_ref": "t"}

    assert "from_ms <= to_ms" in refused("transport.request", body)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"seconds": bytes(8)}, "1 x 3 numbers"),
        ({"first_row": 3}, "rows up to 3"),
    ],
)
def test_part_of_a_travel_table_that_does_not_fit_is_refused(
    changes: dict[str, Any], sentence: str
) -> None:
    body = {
        "first_row": 0,
        "provider": "osm",
        "ref": "t",
        "rows": 1,
        "seconds": bytes(12),
        "size": 3,
    }

    assert sentence in refused("travel.table", {**body, **changes})


def test_item_is_the_same_under_another_name() -> None:
    assert msgspec.structs.replace(ITEM, name="Futter").key == ITEM.key
    assert msgspec.structs.replace(ITEM, scale=1).key != ITEM.key


def test_vector_names_only_what_it_holds() -> None:
    assert Vector(load=3, weight_g=0).amounts() == {"load": 3, "weight_g": 0}


@pytest.mark.parametrize(
    ("amount", "base", "quantity", "expected", "reason"),
    [
        (125, 10, 1, 12, "12.5 to the even 12"),
        (135, 10, 1, 14, "13.5 to the even 14"),
        (125, 10, 3, 38, "37.5 to the even 38"),
        (124, 10, 1, 12, "below a half: down"),
        (126, 10, 1, 13, "above a half: up"),
        (7, 1, 3, 21, "nothing to round"),
        (2**53 - 1, 10**9, 10**12, 9007199254740991000, "no float in between"),
    ],
)
def test_line_amount_rounds_half_to_even_once(
    amount: int, base: int, quantity: int, expected: int, reason: str
) -> None:
    assert line_amount(Price(amount=amount, base=base, currency="GBP"), quantity) == expected


def test_verdict_names_a_code() -> None:
    verdict = Verdict(code="award.total", level="totals", subject=bytes(32))  # type: ignore[arg-type]  # an id

    assert decode_record("verdict", encode(verdict)) == verdict
