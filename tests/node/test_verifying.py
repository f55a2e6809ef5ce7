"""`sheaf verify`: every kind of damage to a store is told, and a sound one is called sound."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from tests.durability.flips import fill

from sheaf_node.cli.main import sheaf
from sheaf_node.store import DATABASE
from sheaf_node.verifying import verify_store
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from pathlib import Path

SIGNATURE = (
    "UPDATE certificates"
    " SET data = cast(substr(data, 1, 99) || x'0000' || substr(data, 102) AS BLOB)"
)
"""Of the first approval, which comes first in a certificate."""
PROOF = "UPDATE fork_proofs SET data = cast(substr(data, 1, length(data) - 2) || x'0000' AS BLOB)"


async def damaged(folder: Path, sql: str) -> Path:
    """Return a store with every kind of row, of which some were changed behind its back."""
    await fill(folder / DATABASE)
    connection = sqlite3.connect(folder / DATABASE)
    with connection:
        connection.execute(sql)
    connection.close()
    return folder / DATABASE


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("UPDATE entries SET kind = 'x.other' WHERE seq = 3", "entry 3 of log"),
        ("UPDATE entries SET fault = 'policy.fee' WHERE seq = 3", "author's fault"),
        ("UPDATE entries SET void = 'key.closed' WHERE seq = 3 AND void IS NULL", "to be void for"),
        ("UPDATE logs SET forked_at = 4 WHERE forked_at IS NULL", "fork proof"),
        ("UPDATE refs SET target = zeroblob(32) WHERE arrival = 4", "references of entry"),
        ("INSERT INTO refs VALUES (zeroblob(32), 4)", "references of entries"),
        ("UPDATE marks SET target = zeroblob(32)", "mark of entry"),
        ("UPDATE key_ops SET data = x'80'", "key log"),
        ("UPDATE key_ops SET branch = 7", "key logs and heads"),
        ("UPDATE key_ops SET data = 7", "key log"),
        ("UPDATE key_ops SET cid = zeroblob(32) WHERE cid = (SELECT MIN(cid) FROM key_ops)", "own"),
        (SIGNATURE, "certificates of"),
        ("UPDATE certificates SET fid = zeroblob(32)", "genesis of"),
        ("UPDATE certificates SET epoch = 3", "by its id and epoch"),
        (PROOF, "fork proof"),
        ("DROP INDEX marks_by_target", "tables of schema"),
        ("ALTER TABLE entries RENAME COLUMN payload TO other", "tables of schema"),
    ],
)
async def test_damage_is_told(tmp_path: Path, sql: str, told: str) -> None:
    path = await damaged(tmp_path, sql)

    found = verify_store(path)

    assert found
    assert told in found[0]


async def test_a_file_cut_short_is_told(tmp_path: Path) -> None:
    await fill(tmp_path / DATABASE)
    data = (tmp_path / DATABASE).read_bytes()
    (tmp_path / DATABASE).write_bytes(data[: len(data) // 2])

    assert verify_store(tmp_path / DATABASE)


def test_a_folder_without_a_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as refusal:
        verify_store(tmp_path / DATABASE)

    assert refusal.value.code == "store.unreadable"


async def test_a_store_of_an_older_schema_is_refused(tmp_path: Path) -> None:
    path = await damaged(tmp_path, "DELETE FROM _sqlite_migrations WHERE id > 3")

    with pytest.raises(Refusal) as refusal:
        verify_store(path)

    assert refusal.value.code == "store.unreadable"


async def test_the_command_ends_with_one_where_anything_is_damaged(tmp_path: Path) -> None:
    await damaged(tmp_path, "UPDATE entries SET kind = 'x.other' WHERE seq = 3")
    command = ["verify", "--home", str(tmp_path)]

    said, as_json = (CliRunner().invoke(sheaf, [*command, *more]) for more in ([], ["--json"]))

    assert (said.exit_code, as_json.exit_code) == (1, 1)
    assert "entry 3 of log" in said.stdout
    assert len(json.loads(as_json.stdout)["damaged"]) > 1
    assert "store.corrupt" in said.stderr


async def test_the_command_says_that_a_sound_store_is_sound(tmp_path: Path) -> None:
    await fill(tmp_path / DATABASE)
    command = ["verify", "--home", str(tmp_path)]

    said, as_json = (CliRunner().invoke(sheaf, [*command, *more]) for more in ([], ["--json"]))

    assert (said.exit_code, as_json.exit_code) == (0, 0)
    assert "what was written" in said.stdout
    assert json.loads(as_json.stdout) == {"damaged": []}
