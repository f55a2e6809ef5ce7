"""Flipped bits in a closed database. The long run: `python -m tests.durability flips`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.durability import flips

from sheaf_node.verifying import verify_store

if TYPE_CHECKING:
    from pathlib import Path

SEED = 11
FLIPS = 60


async def test_a_flipped_bit_is_found_or_is_nowhere_in_use() -> None:
    tally = await flips.run(FLIPS, SEED)

    assert tally.missed == []
    assert tally.found_by_verify > 0


async def test_a_sound_store_is_verified(tmp_path: Path) -> None:
    await flips.fill(tmp_path / "sheaf.db")

    assert verify_store(tmp_path / "sheaf.db") == []
