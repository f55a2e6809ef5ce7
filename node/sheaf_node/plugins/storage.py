"""What a service keeps beside the log: JSON values by key, in a file of its own and within a quota.

It is for what cannot be folded, such as an operator's settings, and for what is dear to fold again.
A change is whole or not at all; the last ones before a power cut may be gone, for nothing that
anybody was promised stands here.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from sheaf_node.store.transaction import transaction
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

Json: TypeAlias = Any
MAX_KEY: Final = 200
"""Characters of a key."""
MAX_VALUE: Final = 262_144
"""256 KiB of JSON: a value is read and written whole."""
ROW_BYTES: Final = 64
"""What each value counts beside its key and itself, so that empty ones are not free."""
MOST_KEYS: Final = 1_000
"""Keys that are told at once."""
SCHEMA: Final = 1
_FILE_FACTOR: Final = 4
"""How many times its quota the file may take, with its index and pages half full."""
_PAGE: Final = 4_096
_PAGE_BYTES: Final = 1_048_576


class Storage(Protocol):
    """What a service sees of its storage, in whatever process it runs."""

    def get(self, key: str) -> Json:
        """Return a value, or None."""
        ...

    def keys(self, after: str = "") -> Sequence[str]:
        """Return the next keys in order, at most a thousand."""
        ...

    def write(self, put: Mapping[str, Json], delete: Sequence[str] = ()) -> None:
        """Put and delete values, all or none. Raises Refusal `service.quota`."""
        ...


def size_of(key: str, text: str) -> int:
    """Return what a value counts against the quota, in bytes."""
    return ROW_BYTES + len(key.encode()) + len(text.encode())


def value_text(key: str, value: Json) -> str:
    """Return a value as it is kept. Raises Refusal `service.storage` for what is no value."""
    if not 1 <= len(key) <= MAX_KEY or not key.isprintable():
        detail = f"expected a key of 1 to {MAX_KEY} printable characters, got {key[:40]!r}"
        raise Refusal("service.storage", detail)
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError) as exc:
        raise Refusal("service.storage", f"expected JSON under {key!r}: {exc}") from exc
    if size > MAX_VALUE:
        detail = f"expected at most {MAX_VALUE} bytes under {key!r}, got {size}"
        raise Refusal("service.storage", detail)
    return text


def no_storage(service: str) -> Refusal:
    """Return the refusal to keep anything for a service that was granted no room."""
    return Refusal("service.storage", f"expected {service} to ask for storage_bytes, got none")


class FileStorage:
    """The storage of one service, in a file. Raises Refusal `service.storage` where it cannot be
    read or written."""

    def __init__(self, path: Path, *, most_bytes: int) -> None:
        self._most = most_bytes
        with _told(path):
            path.touch(mode=0o600)
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._prepare()
        self._path = path

    @property
    def most_bytes(self) -> int:
        """The quota."""
        return self._most

    @property
    def used_bytes(self) -> int:
        """What all values count."""
        return int(self._one("SELECT coalesce(sum(size), 0) FROM kept"))

    @property
    def schema_version(self) -> int:
        """The version of the values; 0 where nothing was ever kept."""
        return int(self._one("SELECT version FROM state"))

    def get(self, key: str) -> Json:
        """Return a value, or None."""
        found = self._rows("SELECT value FROM kept WHERE key = ?", key)
        return json.loads(found[0][0]) if found else None

    def page(self, after: str = "") -> tuple[dict[str, Json], str | None]:
        """Return the next values in the order of keys, some 1 MiB, and the key to go on after."""
        values: dict[str, Json] = {}
        size = 0
        for key in (keys := self.keys(after)):
            if size >= _PAGE_BYTES:
                return values, next(reversed(values))
            values[key] = self.get(key)
            size += size_of(key, json.dumps(values[key]))
        return values, keys[-1] if len(keys) == MOST_KEYS else None

    def keys(self, after: str = "") -> Sequence[str]:
        """Return the next keys in order, at most a thousand."""
        order = "SELECT key FROM kept WHERE key > ? ORDER BY key LIMIT ?"
        return [key for (key,) in self._rows(order, after, MOST_KEYS)]

    def write(
        self,
        put: Mapping[str, Json],
        delete: Sequence[str] = (),
        *,
        schema_version: int | None = None,
        replaces_all: bool = False,
    ) -> None:
        """Put and delete values, all or none; with another version as well, where one is given.

        Raises Refusal `service.quota`, `service.storage`.
        """
        rows = [(key, value_text(key, value)) for key, value in put.items()]
        with _told(self._path), transaction(self._connection) as connection:
            if replaces_all:
                connection.execute("DELETE FROM kept")
            connection.executemany("DELETE FROM kept WHERE key = ?", [(key,) for key in delete])
            connection.executemany(
                "INSERT OR REPLACE INTO kept VALUES (?, ?, ?)",
                [(key, text, size_of(key, text)) for key, text in rows],
            )
            if schema_version is not None:
                connection.execute("UPDATE state SET version = ?", (schema_version,))
            used = self.used_bytes
            if rows and used > self._most:
                detail = f"expected at most {self._most} bytes of storage, got {used}"
                raise Refusal("service.quota", detail)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _prepare(self) -> None:
        connection = self._connection
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA trusted_schema = OFF")
        most_pages = 64 + _FILE_FACTOR * self._most // _PAGE
        connection.execute(f"PRAGMA max_page_count = {most_pages}")
        with transaction(self._connection):
            [(version,)] = connection.execute("PRAGMA user_version").fetchall()
            if version > SCHEMA:
                detail = f"expected a storage of schema {SCHEMA}, got {version} of a later Sheaf"
                raise Refusal("service.storage", detail)
            if version == 0:
                connection.execute(
                    "CREATE TABLE kept (key TEXT PRIMARY KEY, value TEXT NOT NULL,"
                    " size INTEGER NOT NULL) WITHOUT ROWID"
                )
                connection.execute("CREATE TABLE state (version INTEGER NOT NULL)")
                connection.execute("INSERT INTO state VALUES (0)")
                connection.execute(f"PRAGMA user_version = {SCHEMA}")

    def _one(self, order: str) -> Any:
        return self._rows(order)[0][0]

    def _rows(self, order: str, *values: object) -> list[Any]:
        with _told(self._path):
            return self._connection.execute(order, values).fetchall()


Change: TypeAlias = "Callable[[dict[str, Json], int], Mapping[str, Json]]"
"""Gets all values and their version, and returns all values as they are to be."""


def migrate(storage: FileStorage, wanted: int, change: Change | None) -> None:
    """Bring what is kept to a version, in one transaction.

    Raises Refusal `service.schema` for values of a later version, `service.quota`, and what
    `change` raises; nothing is changed then.
    """
    before = storage.schema_version
    if not require_version(before, wanted):
        return
    values: dict[str, Json] = {}
    after: str | None = "" if before else None
    while after is not None:
        page, after = storage.page(after)
        values |= page
    storage.write(migrated(values, before, change), schema_version=wanted, replaces_all=True)


RESTORED: Final = "restored"
"""The key under which a service of a package finds that what it kept came back with a backup."""


def mark_restored(path: Path) -> None:
    """Note in a storage that it is of a backup. Raises Refusal `service.storage`."""
    storage = FileStorage(path, most_bytes=2**40)
    try:
        storage.write({RESTORED: True})
    finally:
        storage.close()


def require_version(before: int, wanted: int) -> bool:
    """Return whether values of a version are to be brought to another. Raises `service.schema`."""
    if before > wanted:
        detail = f"expected values of version {wanted} or earlier, got {before}: a later service's"
        raise Refusal("service.schema", detail)
    return before != wanted


def migrated(values: dict[str, Json], before: int, change: Change | None) -> Mapping[str, Json]:
    """Return the values as they are to be; without a `change` they go, to be folded again."""
    return {} if change is None or not before else change(values, before)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as exc:
        raise Refusal("service.storage", f"expected to use {path}, got: {exc}") from exc
