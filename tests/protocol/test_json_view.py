import json
from typing import Any

import pytest
from msgspec import UNSET

from sheaf_protocol.errors import LocalProtocolError
from sheaf_protocol.json_view import from_json, to_json
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
