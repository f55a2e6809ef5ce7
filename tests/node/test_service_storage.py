"""What a service keeps: all or none, within its quota, and brought to later versions whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sheaf_node.plugins.storage import MAX_VALUE, FileStorage, migrate, size_of
from sheaf_node.remote.kept import KeptValues
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sheaf_node.plugins.storage import Storage

MOST = 1_000


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[FileStorage]:
    storage = FileStorage(tmp_path / "storage.db", most_bytes=MOST)
    yield storage
    storage.close()


@pytest.fixture(params=["here", "apart"])
def storage(request: pytest.FixtureRequest, kept: FileStorage) -> Storage:
    return kept if request.param == "here" else KeptValues({}, most_bytes=MOST)


def test_values_are_what_was_written_until_they_are_deleted(storage: Storage) -> None:
    storage.write({"b": [1, None], "a": {"x": "é"}})
    storage.write({"c": 1}, ["b"])

    assert (storage.get("a"), storage.get("b"), storage.get("c")) == ({"x": "é"}, None, 1)
    assert list(storage.keys()) == ["a", "c"]
    assert list(storage.keys("a")) == ["c"]


def test_a_value_that_is_changed_outside_is_kept_as_it_was(storage: Storage) -> None:
    value = [1]
    storage.write({"a": value})

    value.append(2)
    storage.get("a").append(3)

    assert storage.get("a") == [1]


def test_both_count_alike(kept: FileStorage) -> None:
    apart = KeptValues({}, most_bytes=MOST)
    room = MOST - size_of("a", '""') - size_of("é", "1")

    for each in (kept, apart):
        each.write({"a": "x" * room, "é": 1})
        with pytest.raises(Refusal, match=r"^service\.quota"):
            each.write({"a": "x" * room, "é": 10})

    assert (kept.get("é"), apart.get("é")) == (1, 1)


def test_what_is_too_much_changes_nothing_and_deleting_makes_room(storage: Storage) -> None:
    storage.write({"a": "x" * 800})

    with pytest.raises(Refusal, match=r"^service\.quota"):
        storage.write({"b": "y" * 200, "c": 1}, ["nothing"])
    storage.write({"b": "y" * 200}, ["a"])

    assert list(storage.keys()) == ["b"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("", 1),
        ("a" * 201, 1),
        ("a\n", 1),
        ("a", {1, 2}),
        ("a", float("nan")),
        ("a", b"x"),
        ("a", "\ud800"),
        ("a", "x" * MAX_VALUE),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_is_no_value_is_refused(storage: Storage, key: str, value: Any) -> None:
    with pytest.raises(Refusal, match=r"^service\.storage"):
        storage.write({key: value})

    assert list(storage.keys()) == []


def test_values_stay_when_the_file_is_closed(tmp_path: Path) -> None:
    first = FileStorage(tmp_path / "s.db", most_bytes=MOST)
    first.write({"a": 1}, schema_version=4)
    first.close()

    again = FileStorage(tmp_path / "s.db", most_bytes=MOST)

    assert (again.get("a"), again.schema_version) == (1, 4)
    assert (tmp_path / "s.db").stat().st_mode & 0o077 == 0
    again.close()


def test_a_migration_gets_all_and_gives_all(kept: FileStorage) -> None:
    kept.write({"a": 1, "b": 2}, schema_version=1)

    migrate(kept, 3, lambda values, before: {"sum": sum(values.values()), "was": before})

    assert (kept.get("sum"), kept.get("was"), kept.get("a")) == (3, 1, None)
    assert kept.schema_version == 3


def test_a_migration_that_fails_changes_nothing(kept: FileStorage) -> None:
    kept.write({"a": 1}, schema_version=1)

    with pytest.raises(ZeroDivisionError):
        migrate(kept, 2, lambda values, before: {"a": before // 0})
    with pytest.raises(Refusal, match=r"^service\.quota"):
        migrate(kept, 2, lambda values, before: {"a": "x" * 2_000})

    assert (kept.get("a"), kept.schema_version) == (1, 1)


def test_without_a_migration_old_values_go_and_later_ones_are_left_alone(
    kept: FileStorage,
) -> None:
    kept.write({"a": 1}, schema_version=2)

    with pytest.raises(Refusal, match=r"^service\.schema"):
        migrate(kept, 1, None)
    before = kept.get("a")
    migrate(kept, 3, None)

    assert (before, kept.get("a"), kept.schema_version) == (1, None, 3)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.db").write_bytes(b"no database" * 500)

    with pytest.raises(Refusal, match=r"^service\.storage"):
        FileStorage(tmp_path / "s.db", most_bytes=MOST)
