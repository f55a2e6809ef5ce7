import json
from typing import Any

import pytest
from msgspec import UNSET

from sheaf_protocol.envelope import Envelope
from sheaf_protocol.errors import LocalProtocolError
from sheaf_protocol.json_view import from_json, read_json, to_json
from sheaf_protocol.records import Demand, Item, Order, PoolClose, Price, Verdict, Window

DEMAND = Demand(
    is_firm=True,
    item=Item(code="X-1", name="Feed", scale=0, unit="H87"),
    max_price=Price(amount=10, base=1, currency="GBP"),
    min_quantity=1,
    quantity=5,
    ref="r",
    window=Window(from_ms=1, to_ms=2),
    zone="N",
)
VERDICT = Verdict(code="ok", level="totals", subject=bytes(range(32)))  # type: ignore[arg-type]  # an id


@pytest.mark.parametrize("record", [DEMAND, VERDICT])
def test_record_survives_the_view(record: Any) -> None:
    text = json.dumps(to_json(record))

    assert from_json(json.loads(text), type(record)) == record


def test_bytes_are_lower_case_hex_and_absent_keys_stay_absent() -> None:
    assert to_json(VERDICT)["subject"] == bytes(range(32)).hex()
    assert DEMAND.decide_by_ms is UNSET
    assert "decide_by_ms" not in to_json(DEMAND)


def test_ids_in_lists_are_read_from_hex() -> None:
    cut = {"cid": "00" * 32, "head": "11" * 32, "seq": 1, "wid": "22" * 32}
    view = {"cut": [cut], "demands": ["33" * 32], "offers": [], "pool": "44" * 32}

    close = from_json(view, PoolClose)

    assert (close.demands, close.cut[0].head) == ([b"\x33" * 32], b"\x11" * 32)
    assert to_json(close) == view


@pytest.mark.parametrize(
    ("view", "type_", "reason"),
    [
        ({**to_json(VERDICT), "subject": "zz" * 32}, Verdict, "no hex"),
        ({**to_json(VERDICT), "subject": "00"}, Verdict, "too short"),
        ({**to_json(VERDICT), "subject": 3}, Verdict, "a number for bytes"),
        ({**to_json(DEMAND), "quantity": 0}, Demand, "below the bound"),
        ({**to_json(DEMAND), "quantity": 1.5}, Demand, "no integer"),
        ({**to_json(DEMAND), "min_quantity": 6}, Demand, "above the quantity"),
        ({"code": "ok"}, Verdict, "keys missing"),
        ([], Order, "no map"),
        (None, Order, "nothing"),
    ],
)
def test_view_of_no_record_is_our_callers_fault(view: Any, type_: type, reason: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        from_json(view, type_)

    assert caught.value.code == "schema.invalid"


def test_key_of_a_later_version_is_ignored() -> None:
    assert from_json({**to_json(VERDICT), "later": {"x": [1]}}, Verdict) == VERDICT


def test_what_travels_as_an_array_is_an_array_in_the_view() -> None:
    envelope = Envelope(b"\x01", b"", b"\x02\x03")

    view = to_json(envelope)

    assert view == ["01", "", "0203"]
    assert from_json(view, Envelope) == envelope


@pytest.mark.parametrize(
    ("view", "reason"),
    [
        (["01", "", "02", "03"], "an element too many"),
        (["01", ""], "an element missing"),
        (["01", "", "0"], "half a byte"),
        (["01", "", "AB"], "capitals"),
        (["01", "", "0 1"], "a space"),
        (["01", "", "01\n"], "a line end"),
    ],
)
def test_array_that_is_no_envelope_is_refused(view: list[str], reason: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        from_json(view, Envelope)

    assert caught.value.code == "schema.invalid"


def test_text_of_a_view_is_read_as_plain_values() -> None:
    assert read_json(b'{"a": [0, -1, "x", true]}') == {"a": [0, -1, "x", True]}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"a": 1, "a": 1}', "a key twice"),
        (b'{"a": {"b": 1, "b": 2}}', "a key twice, further in"),
        (b"-0", "zero has no sign"),
        (b"1.0", "a fraction"),
        (b"1e3", "an exponent"),
        (b"NaN", "no number"),
        (b"[1,]", "no JSON"),
        (b'"\xff"', "no UTF-8"),
        ("\ufeff1".encode(), "a byte order mark"),
    ],
)
def test_text_that_is_no_view_is_refused(text: bytes, reason: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        read_json(text)

    assert caught.value.code == "schema.invalid", reason
