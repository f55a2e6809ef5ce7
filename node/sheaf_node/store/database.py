"""The files of a store: opened in order, watched while they are open, let go of in order."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from sheaf_node.store.audit import verify_own_logs
from sheaf_node.store.folder import FolderLock, OpenFiles, make_file
from sheaf_node.store.loading import load_state
from sheaf_node.store.reader import Reader
from sheaf_node.store.schema import Connect, open_database, open_reader, whole_file

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from sheaf_node.clock import Randomness
    from sheaf_node.store.state import State
    from sheaf_protocol.digest import WriterId


def open_store(
    path: Path, connect: Connect, random: Randomness, own: WriterId | None
) -> tuple[Database, State]:
    """Return the files of the store at `path`, made or migrated where needed, and what they hold.

    Raises Refusal `store.locked`, `store.schema_newer`, `store.unreadable`, `store.corrupt`;
    nothing is then open.
    """
    with ExitStack() as undo, whole_file(path):
        make_file(path)
        lock = FolderLock(path.parent)
        undo.callback(lock.release)
        connection = open_database(path, connect, random)
        undo.callback(connection.close)
        reading = open_reader(path, connect)
        undo.callback(reading.close)
        reader = Reader(reading)
        state = load_state(reading)
        if own is not None:
            verify_own_logs(reader, state, own)
        undo.pop_all()
    return Database(connection, reader, lock, OpenFiles(path)), state


class Database:
    """The open files of one store: a connection that writes, one that reads, and the lock."""

    def __init__(
        self, connection: sqlite3.Connection, reader: Reader, lock: FolderLock, files: OpenFiles
    ) -> None:
        self.connection, self.reader = connection, reader
        self._lock, self._files = lock, files
        self._is_to_copy = False  # a file was taken away: closing saves what it held

    def loss(self) -> OSError | None:
        """Return a fault where a file is gone or another by now, else None.

        What was written to it is lost with the process.
        """
        missing = self._files.missing()
        if missing is None:
            return None
        self._is_to_copy = True
        return OSError(f"expected {missing} as it was opened; it was deleted")

    def close(self, *, has_failed: bool) -> None:
        """Close both connections; the order decides whether the WAL is copied into the file.

        The last to close does that, if it can write. After a failure nothing may be written any
        more, so the read-only one goes last.
        """
        if has_failed and not self._is_to_copy:
            self.connection.close()
            self.reader.close()
        else:
            self.reader.close()
            self.connection.close()
        self._lock.release()
