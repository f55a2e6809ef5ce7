"""The file of a home's webhooks: how far each has come, and what is to be tried again.

A database of its own beside the store: it holds secrets of ours and nothing that is signed, and the
store's one writer has no part in it. What is under way is noted without waiting for the disk: after
a power cut a delivery may come once more, under the id that it had.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import msgspec

from sheaf_node.store.transaction import transaction
from sheaf_node.webhooks.model import Backlog, Delivery, OldSecret, Stage, State, Webhook
from sheaf_protocol.digest import EntryId, FederationId
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

FILE: Final = "webhooks.db"
SCHEMA: Final = 3
MOST_OLD_SECRETS: Final = 2
"""Secrets of one webhook that still hold beside the newest; the oldest go first. Two, so that a
rotation whose answer was lost may be asked for again, and the receiver's own still holds."""
KEPT_DELIVERED: Final = 100
"""Deliveries that were taken are listed so far back, for each webhook."""
KEPT_DEAD: Final = 1_000
"""And so many that were given up; the oldest go first. The log has their entries."""
_TABLES: Final = (
    "CREATE TABLE about (store_id BLOB NOT NULL)",
    "CREATE TABLE webhooks (id TEXT PRIMARY KEY, url TEXT NOT NULL, secret TEXT NOT NULL,"
    " kinds TEXT NOT NULL, fid BLOB, allow_loopback INTEGER NOT NULL,"
    " created_ms INTEGER NOT NULL, cursor INTEGER NOT NULL, state TEXT NOT NULL,"
    " failing_since_ms INTEGER) WITHOUT ROWID",
    "CREATE TABLE deliveries (id TEXT PRIMARY KEY,"
    " webhook TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE, entry BLOB NOT NULL,"
    " arrival INTEGER NOT NULL, kind TEXT NOT NULL, next_ms INTEGER NOT NULL,"
    " stage TEXT NOT NULL, tries INTEGER NOT NULL, result TEXT NOT NULL) WITHOUT ROWID",
    "CREATE INDEX due ON deliveries (webhook, stage, next_ms, arrival)",
)
_STEPS: Final = (
    _TABLES,
    ("ALTER TABLE webhooks ADD COLUMN old_secrets TEXT NOT NULL DEFAULT '[]'",),
    ("ALTER TABLE deliveries ADD COLUMN made_ms INTEGER NOT NULL DEFAULT 0",),
)
"""What versions 1, 2 and 3 brought."""
_BACKLOG: Final = (
    "SELECT webhook, sum(stage = 'pending'), sum(stage = 'dead'),"
    " min(CASE WHEN stage = 'pending' AND made_ms > 0 THEN made_ms END)"
    " FROM deliveries GROUP BY webhook"
)
_WEBHOOK: Final = (
    "INSERT INTO webhooks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
    " cursor = excluded.cursor, state = excluded.state,"
    " failing_since_ms = excluded.failing_since_ms"
)
_DELIVERY: Final = (
    "INSERT INTO deliveries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
    " next_ms = excluded.next_ms, stage = excluded.stage, tries = excluded.tries,"
    " result = excluded.result"
)
_TRIM: Final = (
    "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE webhook = ?"
    " AND stage = ? ORDER BY next_ms DESC, arrival DESC LIMIT -1 OFFSET ?)"
)
_PENDING: Final = "webhook = ? AND stage = 'pending'"


class Ledger:
    """The database. Any thread may call. Raises Refusal `webhook.file` where it cannot read or
    write.
    """

    def __init__(self, home: Path) -> None:
        self._path, self._lock = home / FILE, threading.Lock()
        with self._told():
            self._path.touch(mode=0o600)
            self._connection = sqlite3.connect(
                self._path, isolation_level=None, check_same_thread=False
            )
            self._prepare()

    def begin(self, store_id: bytes, arrival: int) -> None:
        """Take up the store that is open.

        Arrival numbers are those of one store. In another one webhooks begin behind what is there.
        A file that names none was copied with the store beside it, by a restore or a way back
        (`copied`): its numbers count, as far as that store goes. What arrived later arrives again
        under another number, and is sent again under the id that it had.
        """
        with self._told(), transaction(self._connection):
            known = self._connection.execute("SELECT store_id FROM about").fetchone()
            if known == (store_id,):
                return
            self._connection.execute("DELETE FROM about")
            self._connection.execute("INSERT INTO about VALUES (?)", (store_id,))
            if known is None:
                later = "DELETE FROM deliveries WHERE stage = 'pending' AND arrival > ?"
                self._connection.execute(later, (arrival,))
                self._connection.execute("UPDATE webhooks SET cursor = min(cursor, ?)", (arrival,))
                return
            self._connection.execute("DELETE FROM deliveries")
            self._connection.execute("UPDATE webhooks SET cursor = ?", (arrival,))

    def webhooks(self) -> list[Webhook]:
        """Return all, oldest first."""
        with self._told():
            rows = self._connection.execute("SELECT * FROM webhooks ORDER BY created_ms, id")
            return [_webhook(row) for row in rows]

    def webhook(self, id_: str) -> Webhook | None:
        """Return one of them."""
        with self._told():
            return self._one(id_)

    def keep(self, webhook: Webhook) -> None:
        """Keep a webhook; durable on return."""
        with self._told():
            self._connection.execute("PRAGMA synchronous = FULL")
            with transaction(self._connection):
                self._connection.execute(_WEBHOOK, _webhook_row(webhook))

    def rotate(self, id_: str, secret: str, *, now_ms: int, until_ms: int) -> Webhook | None:
        """Put a secret in the place of a webhook's; durable on return.

        Those before hold until then at the longest, so none is left where that is now. Returns the
        webhook as it is then, or None where it was removed meanwhile.
        """
        with self._told():
            self._connection.execute("PRAGMA synchronous = FULL")
            with transaction(self._connection):
                kept = self._one(id_)
                if kept is None:
                    return None
                before = [OldSecret(secret=kept.secret, until_ms=until_ms), *kept.old_secrets]
                olds = [
                    OldSecret(secret=each.secret, until_ms=min(each.until_ms, until_ms))
                    for each in before
                ]
                self._keep_secrets(id_, secret, _valid(olds, now_ms)[:MOST_OLD_SECRETS])
                return self._one(id_)

    def forget_old_secrets(self, id_: str, now_ms: int) -> None:
        """Forget the secrets of a webhook that are over."""
        with self._told(), transaction(self._connection):
            kept = self._one(id_)
            if kept is not None:
                self._keep_secrets(id_, kept.secret, _valid(kept.old_secrets, now_ms))

    def remove(self, id_: str) -> None:
        """Forget a webhook and its deliveries; durable on return."""
        with self._told():
            self._connection.execute("PRAGMA synchronous = FULL")
            with transaction(self._connection):
                self._connection.execute("DELETE FROM webhooks WHERE id = ?", (id_,))

    def note(self, webhook: Webhook, deliveries: Iterable[Delivery]) -> None:
        """Note how far a webhook and some of its deliveries are, at once or not at all.

        One that was removed meanwhile stays removed.
        """
        with self._told():
            self._connection.execute("PRAGMA synchronous = NORMAL")
            with transaction(self._connection):
                sql = "UPDATE webhooks SET cursor = ?, state = ?, failing_since_ms = ? WHERE id = ?"
                how_far = (webhook.cursor, webhook.state.value, webhook.failing_since_ms)
                if not self._connection.execute(sql, (*how_far, webhook.id)).rowcount:
                    return
                self._connection.executemany(_DELIVERY, map(_delivery_row, deliveries))
                for stage, kept in ((Stage.DELIVERED, KEPT_DELIVERED), (Stage.DEAD, KEPT_DEAD)):
                    self._connection.execute(_TRIM, (webhook.id, stage.value, kept))

    def pending(self, id_: str) -> int:
        """Return how many deliveries of a webhook are to be tried."""
        sql = f"SELECT count(*) FROM deliveries WHERE {_PENDING}"  # noqa: S608 - our own words
        with self._told():
            return int(self._connection.execute(sql, (id_,)).fetchone()[0])

    def backlogs(self) -> dict[str, Backlog]:
        """Return what each webhook has not got rid of, by id; those without any are left out."""
        with self._told():
            rows = self._connection.execute(_BACKLOG).fetchall()
        return {
            id_: Backlog(waiting=waiting, dead=dead, oldest_ms=oldest)
            for id_, waiting, dead, oldest in rows
        }

    def next(self, id_: str) -> Delivery | None:
        """Return the delivery of a webhook that is tried next; its `next_ms` says when."""
        sql = f"SELECT * FROM deliveries WHERE {_PENDING}"  # noqa: S608 - our own words
        with self._told():
            order = " ORDER BY next_ms, arrival LIMIT 1"
            row = self._connection.execute(sql + order, (id_,)).fetchone()
        return None if row is None else _delivery(row)

    def deliveries(self, id_: str, most: int) -> list[Delivery]:
        """Return deliveries of a webhook, those of the newest entries first."""
        sql = "SELECT * FROM deliveries WHERE webhook = ? ORDER BY arrival DESC LIMIT ?"
        with self._told():
            return [_delivery(row) for row in self._connection.execute(sql, (id_, most))]

    def replay(self, id_: str, ids: Sequence[str] | None, now_ms: int) -> int:
        """Make deliveries pending, as if never tried: those named, or all that were given up.

        Returns how many; durable on return.
        """
        sql = "UPDATE deliveries SET stage = 'pending', tries = 0, next_ms = ? WHERE webhook = ?"
        with self._told():
            self._connection.execute("PRAGMA synchronous = FULL")
            with transaction(self._connection):
                if ids is None:
                    done = self._connection.execute(sql + " AND stage = 'dead'", (now_ms, id_))
                    return done.rowcount
                rows = [(now_ms, id_, each) for each in ids]
                return self._connection.executemany(sql + " AND id = ?", rows).rowcount

    def resume(self, id_: str) -> None:
        """Let a webhook that a restore holds back go on where it was; durable on return."""
        with self._told():
            self._connection.execute("PRAGMA synchronous = FULL")
            sql = "UPDATE webhooks SET state = 'active' WHERE id = ? AND state = 'held'"
            self._connection.execute(sql, (id_,))

    def close(self) -> None:
        """Close the file, once nobody is at it."""
        with self._lock:
            self._connection.close()

    def _one(self, id_: str) -> Webhook | None:
        row = self._connection.execute("SELECT * FROM webhooks WHERE id = ?", (id_,)).fetchone()
        return None if row is None else _webhook(row)

    def _keep_secrets(self, id_: str, secret: str, olds: Sequence[OldSecret]) -> None:
        sql = "UPDATE webhooks SET secret = ?, old_secrets = ? WHERE id = ?"
        self._connection.execute(sql, (secret, msgspec.json.encode(olds).decode(), id_))

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.execute("PRAGMA trusted_schema = OFF")
        self._connection.execute("PRAGMA secure_delete = ON")  # a secret that is over is gone
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA:
            detail = f"expected a file of version {SCHEMA} at most, got {version}"
            raise Refusal("webhook.file", f"{detail}, of a newer node: {self._path}")
        if version == SCHEMA:
            return
        with transaction(self._connection):
            for statement in chain.from_iterable(_STEPS[version:]):
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version = {SCHEMA}")

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        except (OSError, sqlite3.Error) as exc:
            detail = f"expected a file of webhooks at {self._path}, got: {exc}"
            raise Refusal("webhook.file", detail) from exc


def _valid(olds: Sequence[OldSecret], now_ms: int) -> list[OldSecret]:
    return [each for each in olds if now_ms < each.until_ms]


def _webhook_row(webhook: Webhook) -> tuple[Any, ...]:
    return (
        webhook.id,
        webhook.url,
        webhook.secret,
        msgspec.json.encode(webhook.kinds).decode(),
        webhook.fid,
        webhook.allow_loopback,
        webhook.created_ms,
        webhook.cursor,
        webhook.state.value,
        webhook.failing_since_ms,
        msgspec.json.encode(webhook.old_secrets).decode(),
    )


def _webhook(row: tuple[Any, ...]) -> Webhook:
    id_, url, secret, kinds, fid, allow_loopback, created_ms, cursor, state, *rest = row
    since_ms, old_secrets = rest
    return Webhook(
        id=id_,
        url=url,
        secret=secret,
        kinds=msgspec.json.decode(kinds, type=list[str]),
        fid=None if fid is None else FederationId(fid),
        allow_loopback=bool(allow_loopback),
        created_ms=created_ms,
        cursor=cursor,
        state=State(state),
        failing_since_ms=since_ms,
        old_secrets=msgspec.json.decode(old_secrets, type=list[OldSecret]),
    )


def _delivery_row(delivery: Delivery) -> tuple[Any, ...]:
    return (
        delivery.id,
        delivery.webhook,
        delivery.entry,
        delivery.arrival,
        delivery.kind,
        delivery.next_ms,
        delivery.stage.value,
        delivery.tries,
        delivery.result,
        delivery.made_ms,
    )


def _delivery(row: tuple[Any, ...]) -> Delivery:
    id_, webhook, entry, arrival, kind, next_ms, stage, tries, result, made_ms = row
    return Delivery(
        id=id_,
        webhook=webhook,
        entry=EntryId(entry),
        arrival=arrival,
        kind=kind,
        next_ms=next_ms,
        stage=Stage(stage),
        tries=tries,
        result=result,
        made_ms=made_ms,
    )
