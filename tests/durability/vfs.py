"""SQLite on a modelled disk: an apsw VFS whose files are `disk.File`s, and whose power can be cut.

Write-ahead logging in a VFS without shared memory needs exclusive locking, and then nobody else can
open the file. So the two connections of a store are one here, behind `Connection`, which speaks as
much of `sqlite3.Connection` as the store and its migrations use. The reader waits while the writer
is inside a transaction, so that it sees what was committed, as in production.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import apsw

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.durability.disk import Disk

OPEN = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
Trouble = Callable[[str], int | None]
"""Given each operation that changes the disk (`write sheaf.db-wal`; also `truncate`, `sync`,
`remove`), returns the SQLite error that it ends in, or None."""


def no_trouble(_: str) -> None:
    return None


class DiskVFS(apsw.VFS):
    """One disk under a name of its own; of a path the last part counts. Close it when done."""

    def __init__(self, name: str, disk: Disk, trouble: Trouble = no_trouble) -> None:
        self.name, self.disk, self.trouble = name, disk, trouble
        super().__init__(name=name, base="")

    def xOpen(self, name: Any, flags: list[int]) -> DiskFile:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        flags[1] = flags[0]
        return DiskFile(self, path.rpartition("/")[2])

    def xAccess(self, path: str, flags: int) -> bool:
        return path.rpartition("/")[2] in self.disk

    def xDelete(self, path: str, sync: bool) -> None:
        name = path.rpartition("/")[2]
        self.require(f"remove {name}")
        self.disk.remove(name)
        if sync:
            self.disk.sync_names()

    def xFullPathname(self, path: str) -> str:
        return path

    def require(self, operation: str) -> None:
        """Raise the error that an operation ends in, if it does."""
        code = self.trouble(operation)
        if code is not None:
            error = apsw.exception_for(code)
            error.extendedresult = code
            raise error


class DiskFile:
    """An open file; there is one connection, so locks are always free."""

    def __init__(self, vfs: DiskVFS, name: str) -> None:
        self._vfs, self._file, self._name = vfs, vfs.disk.open(name), name
        self._is_journal = name.endswith(("-journal", "-wal"))

    def xRead(self, amount: int, offset: int) -> bytes:
        return bytes(self._file.seen[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:
        self._vfs.require(f"write {self._name}")
        self._file.write(offset, bytes(data))

    def xTruncate(self, size: int) -> None:
        self._vfs.require(f"truncate {self._name}")
        self._file.truncate(size)

    def xSync(self, flags: int) -> None:
        self._vfs.require(f"sync {self._name}")
        self._file.sync()
        if self._is_journal:  # the unix VFS syncs the folder at the first sync of a new journal
            self._vfs.disk.sync_names()

    def xFileSize(self) -> int:
        return len(self._file.seen)

    def xClose(self) -> None:
        pass

    def xLock(self, level: int) -> None:
        pass

    def xUnlock(self, level: int) -> None:
        pass

    def xCheckReservedLock(self) -> bool:
        return False

    def xFileControl(self, op: int, pointer: int) -> bool:
        return False

    def xSectorSize(self) -> int:
        return 512

    def xDeviceCharacteristics(self) -> int:
        return 0


class Connection:
    """What the store uses of `sqlite3.Connection`, over one apsw connection on a `DiskVFS`.

    `pragmas` takes the place of what the store sets, by the pragma's name, and errors of statements
    that begin with `passes_over` are not told: so a test plants a fault.
    """

    def __init__(
        self, vfs: DiskVFS, path: Path, pragmas: Mapping[str, str], passes_over: str | None
    ) -> None:
        self._connection = apsw.Connection(str(path), flags=OPEN, vfs=vfs.name)
        self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        self._connection.exec_trace = self._note_description
        self._description: Any = None
        self._pragmas, self._passes_over = pragmas, passes_over
        self._turn = threading.RLock()
        self._is_inside = False
        self._users = 1
        self.isolation_level = None
        self.row_factory = None
        self.execute("PRAGMA locking_mode = EXCLUSIVE")

    def shared(self) -> Connection:
        """Return the connection for one more user, who closes it too."""
        self._users += 1
        return self

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def execute(self, sql: str, bindings: Any = ()) -> Cursor:
        with self._as_sqlite3(sql):
            cursor = self._connection.execute(self._replaced(sql), bindings)
            return Cursor(cursor, self._description)
        return Cursor(None, None)  # an error was passed over

    def executemany(self, sql: str, rows: Any) -> None:
        with self._as_sqlite3(sql):
            self._connection.executemany(sql, rows)

    def cursor(self) -> Connection:
        return self

    def close(self) -> None:
        self._users -= 1
        if not self._users:
            with suppress(apsw.Error):
                self._connection.close()

    def _replaced(self, sql: str) -> str:
        name = sql.removeprefix("PRAGMA ").partition(" = ")[0]
        is_set = sql.startswith("PRAGMA ") and name in self._pragmas
        return f"PRAGMA {name} = {self._pragmas[name]}" if is_set else sql

    def _note_description(self, cursor: apsw.Cursor, *_: Any) -> bool:
        """Keep the names of the columns: apsw tells them only while there are rows."""
        self._description = cursor.get_description() or None
        return True

    @contextmanager
    def _as_sqlite3(self, sql: str) -> Iterator[None]:
        """Let one thread at a time in, for all of a transaction; raise errors as sqlite3 has them.

        After an error the store writes nothing more, so its transaction is over.
        """
        with self._turn:
            try:
                yield
            except apsw.Error as exc:
                self._end()
                if self._passes_over and sql.startswith(self._passes_over):
                    return
                raise sqlite3.OperationalError(str(exc)) from exc
            if sql.startswith("BEGIN"):
                self._is_inside = self._turn.acquire()
            elif sql.startswith(("COMMIT", "ROLLBACK")):
                self._end()

    def _end(self) -> None:
        if self._is_inside:
            self._is_inside = False
            self._turn.release()


class Cursor:
    """The rows of a statement, all of them read, as no statement may be open at a commit."""

    def __init__(self, cursor: apsw.Cursor | None, description: Any) -> None:
        self.description = description
        self._rows = iter([] if cursor is None else cursor.fetchall())
        self.lastrowid = None
        self.rowcount = -1

    def __iter__(self) -> Iterator[Any]:
        return self._rows

    def fetchone(self) -> Any:
        return next(self._rows, None)

    def fetchall(self) -> list[Any]:
        return list(self._rows)


def connecting(
    vfs: DiskVFS, pragmas: Mapping[str, str] | None = None, passes_over: str | None = None
) -> Callable[..., Any]:
    """Return what takes the place of `sqlite3.connect`: the first call opens, the others share."""
    made: list[Connection] = []

    def connect(path: Any, **_: Any) -> Connection:
        if not made:
            made.append(Connection(vfs, path, pragmas or {}, passes_over))
            return made[0]
        return made[0].shared()

    return connect
