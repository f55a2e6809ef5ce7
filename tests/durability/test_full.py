"""A full disk. A small file system needs user namespaces; a limit on files needs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.durability import full, full_home

if TYPE_CHECKING:
    from pathlib import Path


def test_a_store_whose_files_may_not_grow_stops_and_goes_on_when_they_may(tmp_path: Path) -> None:
    assert full.run_limited(tmp_path) == []


@pytest.mark.skipif(not full.has_namespaces(), reason=full.NO_NAMESPACES)
def test_a_full_file_system_loses_nothing_and_a_node_refuses_before_it_is_full() -> None:
    assert full.run() == []


@pytest.mark.skipif(not full.has_namespaces(), reason=full.NO_NAMESPACES)
def test_a_full_disk_refuses_a_backup_and_an_upgrade_and_harms_no_home() -> None:
    assert full_home.run() == []
