"""The first digits of an id mean one thing, or nothing."""

from __future__ import annotations

import pytest

from sheaf_node.short_ids import TOLD, fitting, only
from sheaf_protocol.errors import Refusal

IDS = ("0a1b" * 16, "0a2c" * 16, "ffff" * 16)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0", IDS[:2]),
        ("0a1", IDS[:1]),
        ("0A1", IDS[:1]),
        (IDS[2], IDS[2:]),
        ("", ()),
        ("0a3", ()),
        (IDS[2] + "f", ()),
        (".*", ()),
        ("f\n", ()),
    ],
)
def test_an_id_is_found_by_its_first_digits(text: str, found: tuple[str, ...]) -> None:
    assert tuple(fitting(IDS, str, text)) == found


def test_where_it_matters_more_one_digit_is_too_few() -> None:
    assert fitting(IDS, str, "fff", 4) == []
    assert fitting(IDS, str, "ffff", 4) == [IDS[2]]


@pytest.mark.parametrize("found", [[], ["a", "b"]])
def test_what_is_none_or_several_is_refused_with_what_was_typed(found: list[str]) -> None:
    with pytest.raises(Refusal) as refused:
        only(found, "draft.unknown", "the start of one draft's id", "x" * 1_000)

    assert refused.value.code == "draft.unknown"
    expected = f"expected the start of one draft's id, got {'x' * TOLD!r}: {len(found)} fit"
    assert refused.value.detail == expected
