"""What tests of backups share: a home whose writer has a log, and its sheets' seeds."""

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from sheaf_node.backup import Manifest, create_backup, snapshot
from sheaf_node.backup.manifest import FileOf
from sheaf_node.backup.sealed_file import write_backup
from sheaf_node.backup.snapshot import hash_of
from sheaf_node.cli.init import write_settings
from sheaf_node.config import initial_config
from sheaf_node.keyring import create_keyring, load_key_ops, load_keyring, read_files
from sheaf_node.keyring.files import NEXT, ROTATION, seed_file
from sheaf_node.store import Change, Store
from sheaf_protocol.errors import Refusal
from sheaf_protocol.identity import begin_history, fold_key_log, signing_key
from sheaf_protocol.testing.author import START_MS, LogAuthor, TestCoop

from .storing import FID, new

SOFTWARE = "0.1.0"


@dataclass
class Backed:
    """A home, its co-op, and the log that its writer has so far."""

    home: Path
    coop: TestCoop
    author: LogAuthor

    @property
    def seeds(self) -> list[bytes]:
        """The rotation keys' seeds, as the sheets have them."""
        files = read_files(self.home)
        count = len(self.coop.keys.rotation)
        return [files.secret(seed_file(ROTATION, number)) for number in range(1, count + 1)]

    async def write(self, count: int, body: bytes = b"\x80") -> None:
        """Have the home's writer write entries, its own."""
        store = Store.open(self.home / "sheaf.db", random=os.urandom, own=self.coop.wid)
        envelopes = [self.author.append("x.note", body) for _ in range(count)]
        history = {self.coop.cid: begin_history(self.coop.key_ops)}
        await store.commit(Change(key_histories=history))
        for first in range(0, count, 256):
            batch = [new(envelope) for envelope in envelopes[first : first + 256]]
            await store.commit(Change(entries=batch))
        await store.close()

    def sql(self, statement: str, *values: object) -> None:
        """Change the database behind the store's back."""
        with closing(sqlite3.connect(self.home / "sheaf.db", isolation_level=None)) as connection:
            connection.execute(statement, values)

    def snapshot(self, into: Path, **options: bool) -> Manifest:
        return snapshot(self.home, into, created_ms=START_MS, software=SOFTWARE, **options)

    def sealed(self, folder: Path) -> Path:
        """Return a backup of the home, written by the format's parts."""
        manifest = self.snapshot(folder / "snapshot")
        write_backup(folder / "file", manifest, folder / "snapshot", load_key_ops(self.home))
        return folder / "file"


def make_backed(home: Path, *, sheets: int = 1, needed: int = 1, name: str = "Hill") -> Backed:
    """Return a home without a store so far."""
    create_keyring(
        home,
        name=name,
        country="GB",
        random=os.urandom,
        now_ms=START_MS,
        sheets=sheets,
        needed=needed,
    )
    write_settings(home, initial_config(name=name, peer_port=8440, local_port=8441))
    coop = coop_of(home)
    return Backed(home, coop, LogAuthor(coop, FID))


async def make_written(home: Path, count: int = 5, **options: int) -> Backed:
    """Return a home whose writer wrote entries."""
    backed = make_backed(home, **options)
    await backed.write(count)
    return backed


def heads(home: Path) -> Sequence[tuple[bytes, int, bytes]]:
    """Return writer, number and id of the last entry of each log in a database."""
    sql = (
        "SELECT wid, seq, id FROM entries JOIN logs ON log = number"
        " WHERE seq = (SELECT MAX(seq) FROM entries AS last WHERE last.log = number)"
    )
    with closing(sqlite3.connect(home / "sheaf.db")) as connection:
        return sorted(connection.execute(sql).fetchall())


def told(manifest: Manifest) -> Sequence[tuple[bytes, int, bytes]]:
    """Return the same as a manifest has it."""
    return sorted((last.wid, last.seq, last.head) for last in manifest.heads)


def code_of(call: Callable[[], object]) -> str:
    """Return the code that a call is refused with."""
    with pytest.raises(Refusal) as refusal:
        call()
    return refusal.value.code


def refused(call: Callable[[], object], code: str) -> str:
    with pytest.raises(Refusal) as refusal:
        call()
    assert refusal.value.code == code, refusal.value
    return refusal.value.detail


def listed_anew(manifest: Manifest, folder: Path) -> Manifest:
    """Return a manifest that says of a folder's files what they are by now."""
    files = [
        FileOf(name=each.name, sha256=hash_of(path), size=path.stat().st_size)
        for each in manifest.files
        if (path := folder / each.name).exists()
    ]
    return replace(manifest, files=files)


def change(database: Path, statement: str) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute(statement)


def create(backed: Backed, file: Path) -> Manifest:
    return create_backup(backed.home, file, created_ms=START_MS, software="0.1.0").manifest


def left_in(folder: Path) -> list[str]:
    """Return what stands in a folder, hidden files as well."""
    return sorted(path.name for path in folder.iterdir())


def coop_of(home: Path) -> TestCoop:
    keyring, files = load_keyring(home), read_files(home)
    assert keyring.manager is not None
    return TestCoop(
        name="Hill",
        manager=keyring.manager,
        rotation=signing_key(files.secret(ROTATION)),
        next=signing_key(files.secret(NEXT)),
        guardians=[],
        writer=keyring.writer,
        prekey=keyring.prekeys[0],
        key_ops=list(keyring.key_ops),
        keys=fold_key_log(keyring.key_ops),
    )
