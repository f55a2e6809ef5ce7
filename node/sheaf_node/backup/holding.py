"""What a restored home may not do before a person says so, and what it never does again.

A backup is older than the home that it is of. It does not know which token was revoked since, which
service was removed, which webhook, which link of a seat was answered. And another node may still
run. So whatever gives somebody a right, or acts by itself, comes back held; a person who knows what
happened since lets it go on (docs/decisions/0028). What a home says in its log is not decided here:
a recovery sees to that (spec 18).
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sheaf_node.api.tokens import Tokens
from sheaf_node.backup.folder import reading
from sheaf_node.clock import SystemClock
from sheaf_node.drafts.ledger import FILE as DRAFTS
from sheaf_node.drafts.ledger import SCHEMA as DRAFT_SCHEMA
from sheaf_node.plugins.installed import Installed, has_code
from sheaf_node.plugins.storage import SCHEMA as STORAGE_SCHEMA
from sheaf_node.seats import SeatShelf
from sheaf_node.store.folder import FolderLock
from sheaf_node.store.schema import open_reader
from sheaf_node.webhooks import Ledger
from sheaf_node.webhooks.copied import hold_back
from sheaf_node.webhooks.ledger import FILE as WEBHOOKS
from sheaf_node.webhooks.ledger import SCHEMA as WEBHOOK_SCHEMA
from sheaf_node.webhooks.model import State
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from pathlib import Path


_ORDERS: Final = (
    "SELECT count(*) FROM sqlite_master"
    " WHERE type NOT IN ('table', 'index') OR sql LIKE 'CREATE VIRTUAL%'"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """What came back with a restore and waits for a person, by name."""

    tokens: list[str]
    services: list[str]
    webhooks: list[str]

    def __bool__(self) -> bool:
        return bool(self.tokens or self.services or self.webhooks)

    @property
    def named(self) -> list[str]:
        """All of it, as `sheaf backup allow` takes it."""
        return [
            *(f"token:{name}" for name in self.tokens),
            *(f"service:{name}" for name in self.services),
            *(f"webhook:{id_}" for id_ in self.webhooks),
        ]


def require_beside(folder: Path) -> None:
    """Return if what lies beside the logs in a folder that is to become a home is sound.

    Raises Refusal `backup.schema`, `backup.unsound`.
    """
    _require_database(folder / WEBHOOKS, WEBHOOK_SCHEMA)
    _require_database(folder / DRAFTS, DRAFT_SCHEMA)
    try:
        installed, _ = Installed(folder), SeatShelf(folder)
        for grant in installed:
            _require_database(installed.storage(grant.manifest.name), STORAGE_SCHEMA)
            code = installed.code(grant)
            if code.exists() and not has_code(code, grant):
                name = grant.manifest.name
                raise Refusal("backup.unsound", f"expected {name} in the files of its grant")
    except Refusal as refusal:
        if refusal.code.startswith("backup."):
            raise
        raise Refusal("backup.unsound", refusal.detail) from refusal


def hold_all(folder: Path) -> None:
    """Hold back whatever a home that is being restored could do by itself.

    Raises Refusal `token.file`, `service.file`, `seat.file`, `webhook.file`.
    """
    _tokens(folder).hold_back()
    Installed(folder).hold_back()
    SeatShelf(folder).end_links()
    hold_back(folder)


def held_in(home: Path) -> Held:
    """Return what waits for a person; the node may be running. Raises Refusal `backup.read`."""
    return Held(
        tokens=_tokens(home).held(),
        services=list(Installed(home).held()),
        webhooks=_held_webhooks(home / WEBHOOKS),
    )


def require_held(home: Path, item: str) -> tuple[str, str]:
    """Return of which sort something is, and its name. Raises Refusal `backup.held` for what does
    not wait for anybody.
    """
    if item not in held_in(home).named:
        detail = f"expected something that `sheaf backup held` shows, got {item[:80]!r}"
        raise Refusal("backup.held", detail)
    what, _, name = item.partition(":")
    return what, name


def allow(home: Path, item: str) -> None:
    """Let one of these go on, named as `Held.named` does; a webhook only while no node runs.

    Raises Refusal `backup.held`, `store.locked`, `token.*`, `service.*`, `webhook.*`; it is then
    held as before.
    """
    what, name = require_held(home, item)
    if what == "token":
        _tokens(home).allow(name)
    elif what == "service":
        Installed(home).allow(name)
    else:
        _resume(home, name)


def _resume(home: Path, id_: str) -> None:
    lock = FolderLock(home)
    try:
        with closing(Ledger(home)) as ledger:
            ledger.resume(id_)
    finally:
        lock.release()


def _tokens(home: Path) -> Tokens:
    return Tokens(home, clock=SystemClock(), random=bytes)


def _held_webhooks(path: Path) -> list[str]:
    if not path.exists():
        return []
    try:
        with closing(open_reader(path, sqlite3.connect)) as connection:
            sql = "SELECT id FROM webhooks WHERE state = ? ORDER BY created_ms, id"
            return [str(id_) for (id_,) in connection.execute(sql, (State.HELD.value,))]
    except sqlite3.Error as exc:
        raise Refusal("backup.read", f"expected webhooks at {path}, got: {exc}") from exc


def _require_database(path: Path, newest: int) -> None:
    if not path.exists():
        return
    try:
        with reading(path), closing(open_reader(path, sqlite3.connect)) as connection:
            [version] = connection.execute("PRAGMA user_version").fetchone()
            [found] = connection.execute("PRAGMA integrity_check(1)").fetchone()
            [orders] = connection.execute(_ORDERS).fetchone()
    except sqlite3.Error as exc:
        raise Refusal("backup.unsound", f"expected a database in {path.name}: {exc}") from exc
    if version > newest:
        detail = f"expected {path.name} of version {newest} or older, got {version}"
        raise Refusal("backup.schema", f"{detail}: take the version of sheaf that made it")
    if found != "ok":
        raise Refusal("backup.unsound", f"expected {path.name} whole, got: {found}")
    if orders:
        # Anybody can seal a file to our sheets. A trigger would undo what is held back here.
        raise Refusal("backup.unsound", f"expected tables in {path.name}, and nothing that acts")
