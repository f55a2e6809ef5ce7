"""The list of what a home may hold is the manual's, and that of a home which holds everything."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sheaf_node.backup.contents import CONTENTS, Carried, is_carried, part_of, private_paths
from sheaf_node.blobs import Blobs
from sheaf_node.keyring import KEYS
from sheaf_node.recovery import mark
from sheaf_node.upgrading import apply
from sheaf_protocol.testing.author import START_MS

from .aged import OldStore
from .backing import Backed, create, make_backed, make_written
from .lively import EXAMPLE, enliven, files_in
from .storing import FID
from .test_cli_identity import done, found, make_home, publish, serving
from .test_kinds import PRICE

if TYPE_CHECKING:
    from collections.abc import Iterator

MANUAL = Path(__file__).parents[2] / "docs" / "operating.md"
ROW = re.compile(
    r"^\| (?P<paths>`[^|]+) \| (?P<what>[^|]+) \| (?P<backup>[^|]+) \| (?P<private>[^|]*) \|"
    r" (?P<snapshot>[^|]*) \| [^|]* \|$",
    re.MULTILINE,
)
RARE = {"keys.new/", "recovering/", ".*"}
"""What stands in a home for a moment, or while its co-op waits for others."""


@pytest.fixture
async def full(tmp_path: Path) -> Path:
    """A home that holds something of each sort but what is rare."""
    hill = await make_written(tmp_path / "hill")
    made = enliven(hill.home, tmp_path, [hill.author.head.id] * 3)
    blobs = Blobs(hill.home)
    await blobs.add(b"map", FID, START_MS)
    await blobs.close()
    (made.home / "federations").mkdir()
    (made.home / "federations" / f"{'ab' * 32}.charter").write_bytes(b"charter")
    create(hill, tmp_path / "file")
    mark(made.home, now_ms=START_MS)
    for name in ("api.token", "metrics.token"):
        (made.home / name).touch(mode=0o600)
    _upgrade(made.home, hill)
    return made.home


def _upgrade(home: Path, hill: Backed) -> None:
    """Have the home keep a copy of before an upgrade, from a store of the first schema."""
    (home / "sheaf.db").unlink()
    (home / "sheaf.db").touch(mode=0o600)
    OldStore(home / "sheaf.db", hill.coop)
    apply(home, software="0.2.0", now_ms=START_MS)


def test_the_manual_has_the_same_list() -> None:
    section = MANUAL.read_text().split("## The home folder\n", 1)[1].split("\n## ", 1)[0]

    told = {row["paths"]: row.groupdict() for row in ROW.finditer(section)}

    assert set(told) == {f"`{part.path}`" for part in CONTENTS}
    for part in CONTENTS:
        row = told[f"`{part.path}`"]
        assert row["what"] == part.what
        assert row["backup"] == part.in_backup.value, part.path
        assert row["private"] == ("yes" if part.is_private else "no"), part.path
        assert row["snapshot"] == ("yes" if part.in_snapshot else "no"), part.path


def test_every_file_of_a_home_is_in_the_list_and_the_list_has_no_other(full: Path) -> None:
    known = {name: part_of(name) for name in files_in(full)}

    assert [name for name, part in known.items() if part is None] == []
    assert {part.path for part in known.values() if part} == {p.path for p in CONTENTS} - RARE


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("keys.new/writer.key", "keys.new/"),
        ("keys.old/writer.key", "keys.new/"),
        ("recovering/keys/writer.key", "recovering/"),
        (".sheaf.toml.new", ".*"),
        ("federations/.x.seen.new", ".*"),
        (".sheaf-backup-a1/home/sheaf.db", ".*"),
    ],
)
def test_what_stands_there_for_a_moment_is_in_the_list(name: str, path: str) -> None:
    part = part_of(name)

    assert part is not None
    assert part.path == path


def test_what_a_backup_holds_follows_from_the_list(full: Path, tmp_path: Path) -> None:
    hill = Backed(full, None, None)  # type: ignore[arg-type]

    manifest = hill.snapshot(tmp_path / "copy", blobs=True)

    wanted = {name for name in files_in(full) if is_carried(name)}
    assert manifest.names == wanted
    held = {part.path for name in manifest.names if (part := part_of(name))}
    assert held == {part.path for part in CONTENTS if part.in_backup is not Carried.NO}
    assert all(bool(part.carried) == (part.in_backup is not Carried.NO) for part in CONTENTS)


def test_what_is_private_is_for_its_owner_alone(full: Path) -> None:
    guarded = {path for path in private_paths(full) if path.name != "key_log"}

    assert {path for path in guarded if path.stat().st_mode & 0o077} == set()
    private = [name for name in files_in(full) if (part := part_of(name)) and part.is_private]
    for name in private:
        path = full / name
        above = {path, *path.parents}
        assert above & guarded or re.search(r"(-wal|-shm|key_log)$", name), name


def test_the_databases_of_a_home_go_into_the_copy_of_before_an_upgrade(full: Path) -> None:
    copied = {name for name in files_in(full / "upgrade") if name.endswith(".db")}

    wanted = {
        name
        for name in files_in(full)
        if name.endswith(".db")
        and not name.startswith("upgrade/")
        and (part := part_of(name))
        and part.in_snapshot
    }
    assert copied == wanted


def test_a_home_that_was_served_holds_nothing_but_what_is_listed(served: Path) -> None:
    assert [name for name in files_in(served) if part_of(name) is None] == ["list.csv"]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Path]:
    """The home of a node that runs and was given something of each sort by its commands."""
    hill, kind = make_home(tmp_path / "hill", "Hill"), tmp_path / "price.json"
    found(tmp_path, hill)
    kind.write_text(json.dumps(PRICE))
    with serving(hill):
        publish(hill, ["r1"])
        done("seat", "add", "Croft", "--keys", tmp_path / "croft", "--home", hill)
        done("kind", "add", kind, "--home", hill)
        done("token", "create", "ci", "--scope", "read", "--home", hill)
        done("webhook", "add", "https://erp.example/in", "--kinds", "*", "--home", hill)
        done("invite", "create", "--home", hill)
        token = ("--token-file", tmp_path / "token")
        done("service", "add", EXAMPLE, "--yes", *token, "--home", hill)
        done("backup", "create", "--out", tmp_path / "file", "--home", hill)
        yield hill


def test_a_home_without_a_node_holds_nothing_but_what_is_listed(tmp_path: Path) -> None:
    fresh = make_backed(tmp_path / "hill").home

    assert [name for name in files_in(fresh) if part_of(name) is None] == []
    assert any(name.startswith(KEYS) for name in files_in(fresh))
