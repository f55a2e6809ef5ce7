"""A writer in the hands of a test: what waits for the disk goes there when the test says so."""

import sqlite3
from collections.abc import Callable
from typing import Any

from sheaf_node.store.writer import Finished, Job, Transactions


class HeldWriter:
    """Stands in for the writer thread. Where it `died`, nothing more is committed or told."""

    def __init__(self, connection: sqlite3.Connection, finished: Finished) -> None:
        self._transactions, self._finished = Transactions(connection), finished
        self.waiting: list[Job] = []
        self.untold: list[Job] = []
        self.has_died = False

    def put(self, job: Job) -> None:
        self.waiting.append(job)

    def abandoned(self) -> list[Job]:
        return []

    def stop(self) -> None:
        if not self.has_died:
            self.commit()
            self.tell()

    def commit(self) -> None:
        """Make durable what waits; its store has not heard of it."""
        group, self.waiting = self.waiting, []
        if group:
            self._transactions.commit(group)
        self.untold += group

    def tell(self) -> None:
        group, self.untold = self.untold, []
        if group:
            self._finished(group, None)

    def die(self) -> None:
        self.has_died = True


def failing(nth: int) -> tuple[Callable[..., sqlite3.Connection], list[str]]:
    """Return connections whose `nth` statement from when the list is cleared fails, and the list.

    The list holds what was run since; it begins as that of a store being opened, which works.
    """
    ran: list[str] = ["open"]

    class Failing(sqlite3.Connection):
        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
            self._note(sql)
            return super().execute(sql, *args)

        def executemany(self, sql: str, *args: Any) -> sqlite3.Cursor:
            self._note(sql)
            return super().executemany(sql, *args)

        def _note(self, sql: str) -> None:
            if ran[:1] != ["open"] and not sql.startswith("SELECT"):
                ran.append(sql)
                if len(ran) == nth:
                    raise sqlite3.OperationalError("disk I/O error")

    return lambda *args, **options: sqlite3.connect(*args, factory=Failing, **options), ran
