"""What a store holds, in words that every schema has: to compare it before and after a migration.

A migration may move columns and add some. What it may not do is lose or change an entry, a key
operation, a certificate or a log, so these are counted and hashed. The queries have held since the
first schema; a migration that breaks one has to bring another that reads both sides alike.
"""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

import msgspec

from sheaf_node.store.loading import corrupt
from sheaf_node.store.schema import UNREADABLE, open_reader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_HELD: Final = {
    "entries": "SELECT id, header, payload FROM entries ORDER BY arrival",
    "logs": "SELECT fid, cid, wid, forked_at FROM logs ORDER BY number",
    "key operations": "SELECT data FROM key_ops ORDER BY data",
    "certificates": "SELECT data FROM certificates ORDER BY data",
    # How a proof is written has changed; how many there are has not.
    "fork proofs": "SELECT log FROM fork_proofs ORDER BY log",
}
_HEADS: Final = (
    "SELECT HEX(wid), HEX(fid), MAX(seq), HEX(id) FROM entries JOIN logs ON log = number"
    " WHERE cid = ? GROUP BY number ORDER BY wid, fid"
)


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """How many there are of one sort, and the SHA-256 over all, in hex."""

    count: int
    sha256: str


class LogEnd(msgspec.Struct, frozen=True, kw_only=True):
    """The last entry of one log of our own; ids in hex."""

    wid: str
    fid: str
    seq: int
    id: str


def take_census(database: Path) -> dict[str, Counted]:
    """Return what a store of any schema holds, by sort. Raises Refusal `store.corrupt`."""
    with _reading(database) as connection:
        return {sort: _counted(connection.execute(sql)) for sort, sql in _HELD.items()}


def own_ends(database: Path, cid: bytes) -> list[LogEnd]:
    """Return where a co-op's logs end in a store of any schema. Raises Refusal `store.corrupt`."""
    with _reading(database) as connection:
        rows = connection.execute(_HEADS, (cid,)).fetchall()
    return [LogEnd(wid=wid, fid=fid, seq=seq, id=id_) for wid, fid, seq, id_ in rows]


@contextmanager
def _reading(database: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(open_reader(database, sqlite3.connect)) as connection:
            yield connection
    except UNREADABLE as exc:
        raise corrupt(f"expected a store in {database}, got: {exc}") from exc


def _counted(rows: Iterable[tuple[object, ...]]) -> Counted:
    count, digest = 0, hashlib.sha256()
    for count, row in enumerate(rows, start=1):  # noqa: B007 - the last number is the count
        for value in row:
            data = value if isinstance(value, bytes) else repr(value).encode()
            # With its length and sort, so that no two rows run into one another.
            digest.update(b"%s%d:" % (type(value).__name__.encode(), len(data)))
            digest.update(data)
    return Counted(count=count, sha256=digest.hexdigest())
