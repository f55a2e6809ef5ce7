"""Saved peers: addresses at which fellow members proved themselves, over restarts.

A file of JSON in the home. It is a hint and no more: a file that cannot be read is begun anew, and
what it says is dialled like any other address that nobody vouches for.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from sheaf_node.durable import replace_file
from sheaf_node.peering.hints import MOST, MOST_OF_COOP, Hint, Source
from sheaf_node.peering.reach import may_be_outside
from sheaf_protocol.digest import CoopId

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

SAVED_FILE: Final = "saved_peers.json"
_DAY_MS: Final = 86_400_000
_MOST_BYTES: Final = 1 << 17
_LOG = logging.getLogger("sheaf.peering")


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    cid: Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    url: Annotated[str, Meta(pattern=r"\A(ws|wss)://[!-~]{1,500}\Z")]
    day: int
    """The day on which it was last of use: a number that changes rarely, so that the file does."""


class Saved:
    """The saved peers of one home."""

    def __init__(self, home: Path) -> None:
        self._path = home / SAVED_FILE
        self._rows: dict[tuple[str, str], _Row] = {(row.cid, row.url): row for row in self._read()}

    def hints(self) -> list[Hint]:
        """Return the addresses, the latest of use first."""
        rows = sorted(self._rows.values(), key=lambda row: -row.day)
        return [
            Hint(url=row.url, source=Source.SAVED, cid=CoopId(bytes.fromhex(row.cid)))
            for row in rows
        ]

    async def told(self) -> list[Hint]:
        """Return the same to whoever asks all sources alike."""
        return self.hints()

    def note(self, met: Iterable[tuple[CoopId, str]], now_ms: int) -> None:
        """Keep the addresses of dialled links to fellow members; those inside of networks aside.

        Writes where something changed, in the course of a day once for each.
        """
        day = now_ms // _DAY_MS
        new = {
            (cid.hex(), url): _Row(cid=cid.hex(), url=url, day=day)
            for cid, url in met
            if may_be_outside(url)
        }
        if all(self._rows.get(key) == row for key, row in new.items()):
            return
        self._rows.update(new)
        self._keep_few()
        self._write()

    def _keep_few(self) -> None:
        rows = sorted(self._rows.values(), key=lambda row: -row.day)
        kept, kept_of = list[_Row](), Counter[str]()
        for row in rows:
            if kept_of[row.cid] < MOST_OF_COOP:
                kept.append(row)
                kept_of[row.cid] += 1
        self._rows = {(row.cid, row.url): row for row in kept[:MOST]}

    def _read(self) -> Sequence[_Row]:
        try:
            with self._path.open("rb") as file:
                return msgspec.json.decode(file.read(_MOST_BYTES), type=list[_Row])[:MOST]
        except FileNotFoundError:
            return ()
        except (OSError, msgspec.DecodeError) as exc:
            _LOG.warning("%s is begun anew: %s", self._path.name, type(exc).__name__)
            return ()

    def _write(self) -> None:
        try:
            self._path.touch(mode=0o600)
            replace_file(self._path, msgspec.json.encode(list(self._rows.values())))
            self._path.chmod(0o600)
        except OSError as exc:
            _LOG.warning("%s is not written: %s", self._path.name, exc.strerror)
