"""A consistent copy of a home, taken beside a node that runs.

What lies beside the logs goes first, for it speaks of them (`beside`); then the database; the keys
go last: new keys are written to their folder before anything in the database names them, so the
copy has every key that its database speaks of. What is secret is kept in memory until it is known
where it may be written: a backup may go to a stick.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sheaf_node.backup.beside import read_beside
from sheaf_node.backup.folder import new_file, reading, writing
from sheaf_node.backup.manifest import FileOf, Manifest
from sheaf_node.backup.soundness import heads_of, readable, schema_of, state_of
from sheaf_node.blobs.folder import BLOBS
from sheaf_node.blobs.index import FILE as BLOB_INDEX
from sheaf_node.charter_file import FOLDER as FEDERATIONS
from sheaf_node.config import CONFIG_FILE
from sheaf_node.drafts.ledger import FILE as DRAFTS
from sheaf_node.keyring import KEYS, KeyFiles, read_files
from sheaf_node.keyring.files import WRITER
from sheaf_node.keyring.secret_file import is_sealed
from sheaf_node.store import DATABASE
from sheaf_node.store.loading import corrupt
from sheaf_node.store.schema import open_reader
from sheaf_protocol.digest import WriterId
from sheaf_protocol.errors import Refusal
from sheaf_protocol.identity import signing_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from sheaf_protocol.identity import KeyLog, KeyOp

_FULL: Final = ("SQLITE_FULL", "SQLITE_IOERR")
_UNREAD: Final = ("SQLITE_IOERR_READ", "SQLITE_IOERR_SHORT_READ", "SQLITE_IOERR_CORRUPTFS")
_BROKEN: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_BLOB: Final = re.compile(r"[0-9a-f]{64}")
_CHARTER: Final = re.compile(r"[0-9a-f]{64}\.(charter|seen)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Gathered:
    """A copy of a home: its large files in a folder, its small ones and all secrets in memory."""

    manifest: Manifest
    key_ops: Sequence[KeyOp]
    small: Mapping[str, bytes]


def snapshot(
    home: Path, into: Path, *, created_ms: int, software: str = "", blobs: bool = False
) -> Manifest:
    """Copy a home to the new folder `into` and return what was copied; raises as `gather` does."""
    gathered = gather(home, into, created_ms=created_ms, software=software, blobs=blobs)
    for name, data in gathered.small.items():
        with writing(into / name), new_file(into / name) as file:
            file.write(data)
    return gathered.manifest


def gather(
    home: Path, into: Path, *, created_ms: int, software: str = "", blobs: bool = False
) -> Gathered:
    """Copy the large files of a home to the new folder `into`, and read the small ones.

    `contents` says what goes along; blobs do where they are asked for. The node may be running.
    Raises Refusal: `config.missing`, `key.*`, `store.*`, `service.file`, `backup.read`,
    `backup.write`; `into` may then hold a part.
    """
    settings = _settings(home)
    beside = read_beside(home)
    with writing(into):
        into.mkdir(mode=0o700)
    if (home / DRAFTS).exists():
        copy_database(home / DRAFTS, into / DRAFTS)
    copy_database(home / DATABASE, into / DATABASE)
    if blobs and (home / BLOB_INDEX).exists():
        copy_database(home / BLOB_INDEX, into / BLOB_INDEX)
        _link_all(home / BLOBS, into / BLOBS, _BLOB)
    federations = _read_all(home / FEDERATIONS, _CHARTER)
    keys = read_files(home)
    ops, log = keys.key_log()
    secrets = {f"{KEYS}/{name}": data for name, data in keys.files.items()}
    small = {CONFIG_FILE: settings, **beside, **federations, **secrets}
    large = [_file_of(into, path) for path in into.rglob("*") if path.is_file()]
    files = [*large, *(_file_in_memory(name, data) for name, data in small.items())]
    manifest = Manifest(
        cid=log.cid,
        created_ms=created_ms,
        files=sorted(files, key=lambda file: file.name),
        heads=heads_of(state_of(readable(into / DATABASE, into.parent)), log.cid),
        schema=schema_of(into / DATABASE),
        software=software,
        v=1,
        wid=_writer(keys, log),
    )
    return Gathered(manifest=manifest, key_ops=ops, small=small)


def copy_database(source: Path, target: Path) -> None:
    """Copy what is committed in a database, in one transaction, whoever writes to it meanwhile.

    Raises Refusal `store.unreadable`, `store.corrupt`, `backup.write`.
    """
    with writing(target), new_file(target):
        pass  # SQLite takes an empty file, and would make one that others may read
    try:
        with closing(open_reader(source, sqlite3.connect)) as connection:
            # Not the stepped backup: each commit of the node would make it begin again.
            connection.execute("VACUUM INTO ?", (str(target),))
    except sqlite3.Error as exc:
        raise _uncopied(source, target, exc) from exc


def hash_of(path: Path) -> bytes:
    """Return the SHA-256 of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _uncopied(source: Path, target: Path, exc: sqlite3.Error) -> Refusal:
    """Return whose fault it is: of what is read, of the disk that is written to, or nobody's."""
    name = getattr(exc, "sqlite_errorname", "")
    if not source.exists():
        detail = f"expected a store at {source}; `sheaf serve` makes it"
        return Refusal("store.unreadable", detail)
    if name.startswith(_BROKEN):
        return corrupt(f"{source}: {exc}")
    if name.startswith(_FULL) and not name.startswith(_UNREAD):
        return Refusal("backup.write", f"expected to copy {source} to {target}, got: {exc}")
    return Refusal("store.unreadable", f"expected a store at {source}, got: {exc}")


def _settings(home: Path) -> bytes:
    path = home / CONFIG_FILE
    if not path.exists():
        raise Refusal("config.missing", f"expected a node at {home}: no settings at {path}")
    with reading(path):
        return path.read_bytes()


def _writer(files: KeyFiles, log: KeyLog) -> WriterId:
    """Return the home's writer; where its key is under a passphrase, the last that was delegated.

    Whatever adds a writer to the key log of a home puts its key there in the same step.
    """
    if not log.writers or WRITER not in files.files:
        raise Refusal("key.missing", f"expected a writer at {files.path(WRITER)}")
    if is_sealed(files.files[WRITER]):
        return list(log.writers)[-1]
    return WriterId(signing_key(files.secret(WRITER)).public)


def _read_all(folder: Path, name: re.Pattern[str]) -> Mapping[str, bytes]:
    with reading(folder):
        return {f"{folder.name}/{path.name}": path.read_bytes() for path in _named(folder, name)}


def _link_all(source: Path, target: Path, name: re.Pattern[str]) -> None:
    """Copy files that never change under one name, without their bytes where the disk can."""
    with writing(target):
        target.mkdir(mode=0o700)
        for path in _named(source, name):
            try:
                os.link(path, target / path.name)
            except FileNotFoundError:
                continue  # removed just now: the node asks for it again where it is wanted
            except OSError:  # another disk
                shutil.copyfile(path, target / path.name)


def _named(folder: Path, name: re.Pattern[str]) -> Iterable[Path]:
    return sorted(path for path in folder.glob("*") if name.fullmatch(path.name))


def _file_in_memory(name: str, data: bytes) -> FileOf:
    return FileOf(name=name, sha256=hashlib.sha256(data).digest(), size=len(data))


def _file_of(folder: Path, path: Path) -> FileOf:
    with reading(path):
        name = path.relative_to(folder).as_posix()
        return FileOf(name=name, sha256=hash_of(path), size=path.stat().st_size)
