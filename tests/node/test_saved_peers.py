"""Addresses at which fellow members proved themselves, kept over restarts, and never trusted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from sheaf_node.peering.hints import MOST, MOST_OF_COOP, Source
from sheaf_node.peering.saved import SAVED_FILE, Saved
from sheaf_protocol.digest import CoopId

if TYPE_CHECKING:
    from pathlib import Path

DAY_MS = 86_400_000
MILL, DALE = CoopId(b"m" * 32), CoopId(b"d" * 32)
AT_MILL = "wss://mill.example/sheaf/1/link"


def test_an_address_is_known_after_a_restart(tmp_path: Path) -> None:
    Saved(tmp_path).note([(MILL, AT_MILL)], DAY_MS)

    [hint] = Saved(tmp_path).hints()

    assert (hint.cid, hint.url, hint.source) == (MILL, AT_MILL, Source.SAVED)
    assert (tmp_path / SAVED_FILE).stat().st_mode & 0o777 == 0o600


def test_the_file_is_written_once_a_day_for_one_address(tmp_path: Path) -> None:
    saved = Saved(tmp_path)
    saved.note([(MILL, AT_MILL)], DAY_MS)
    (tmp_path / SAVED_FILE).unlink()

    saved.note([(MILL, AT_MILL)], DAY_MS + 1_000)
    same_day = (tmp_path / SAVED_FILE).exists()
    saved.note([(MILL, AT_MILL)], 2 * DAY_MS)

    assert (same_day, (tmp_path / SAVED_FILE).exists()) == (False, True)


@pytest.mark.parametrize(
    "url", ["ws://192.168.1.5:8440", "ws://127.0.0.1:8440", "ws://localhost:8440", "ws://[fd00::1]"]
)
def test_an_address_inside_a_network_is_not_kept(tmp_path: Path, url: str) -> None:
    saved = Saved(tmp_path)

    saved.note([(MILL, url)], DAY_MS)

    assert saved.hints() == []


def test_what_is_kept_is_bounded_and_the_latest_stays(tmp_path: Path) -> None:
    saved = Saved(tmp_path)
    for day in range(3 * MOST):
        cid = CoopId(day.to_bytes(32, "big"))
        saved.note([(cid, f"wss://n{day}.example")], day * DAY_MS)
    for place in range(3 * MOST_OF_COOP):
        saved.note([(DALE, f"wss://dale.example/{place}")], (1_000 + place) * DAY_MS)

    hints = Saved(tmp_path).hints()

    assert len(hints) == MOST
    assert sum(hint.cid == DALE for hint in hints) == MOST_OF_COOP
    assert hints[0].url == f"wss://dale.example/{3 * MOST_OF_COOP - 1}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1]",
        '[{"cid": "00", "url": "wss://a", "day": 1}]',
        "[" * 100_000,
        "\x00" * 200_000,
    ],
)
def test_a_file_that_cannot_be_read_is_begun_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / SAVED_FILE).write_text(text)

    saved = Saved(tmp_path)
    saved.note([(MILL, AT_MILL)], DAY_MS)

    assert len(json.loads((tmp_path / SAVED_FILE).read_text())) == 1


def test_a_folder_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    saved = Saved(tmp_path / "gone")

    saved.note([(MILL, AT_MILL)], DAY_MS)

    assert len(saved.hints()) == 1
