"""Files put in place whole, or not at all."""

from pathlib import Path

import pytest

from sheaf_node.charter_file import write_file
from sheaf_node.durable import replace_file
from sheaf_protocol.errors import Refusal


def test_a_file_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"longer than what follows")

    replace_file(tmp_path / "file", b"new")

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"new"}


def test_what_cannot_take_its_place_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "file" / "within").mkdir(parents=True)

    with pytest.raises(IsADirectoryError):
        replace_file(tmp_path / "file", b"new")

    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_below_what_is_no_folder_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(Refusal) as refusal:
        write_file(tmp_path / "file" / "card", b"new")

    assert refusal.value.code == "charter.file"
