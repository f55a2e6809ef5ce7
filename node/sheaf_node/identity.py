"""This co-op's own key log, which is in the keys' folder and in the store, and its renewal.

The folder has what was signed here, the store what peers brought as well, signed elsewhere with the
same keys; the path in force is found from both. New operations go to the folder first: what the
store lacks after a crash it gets at the next start.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from sheaf_node.keyring import keyring_of, read_files, renew_all, renew_prekey
from sheaf_node.keyring.renewal import DAY_MS
from sheaf_node.store.loading import load_state
from sheaf_node.store.schema import open_reader
from sheaf_protocol.errors import Refusal
from sheaf_protocol.identity import Cut, begin_history, merge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sheaf_node.clock import Clock, Randomness
    from sheaf_node.ingest import Ingest
    from sheaf_node.keyring import KeyFiles, Keyring, Passphrase
    from sheaf_node.store import State, Store
    from sheaf_protocol.digest import CoopId, FederationId, WriterId
    from sheaf_protocol.identity import KeyHistory, KeyOp

logger = logging.getLogger(__name__)


def own_history(ops: Sequence[KeyOp], store: Store) -> KeyHistory:
    """Return the history that the operations of the folder and those of the store make."""
    history = begin_history(ops)
    cid = history.state.cid
    held = store.key_histories.get(cid)
    if held is None:
        return history
    anchors = store.anchors_of(cid)
    for path in (held.path, held.rival):
        history = merge(history, path, anchors)
    return history


def held_cuts(store: Store, cid: CoopId, wid: WriterId) -> dict[FederationId, Cut]:
    """Return where a writer's logs end in a store; a forked one ends before the fork."""
    cuts = {}
    for log, held in store.logs.items():
        if (held.cid, held.wid) != (cid, wid):
            continue
        seq, head = held.head.seq, held.head.id
        if held.forked_at is not None and held.forked_at <= seq:
            seq = held.forked_at - 1
            head = store.planned_id(log, seq) or head
        if seq > 0:
            cuts[held.fid] = Cut(seq=seq, head=head)
    return cuts


def least_kept(history: KeyHistory, store: Store) -> int:
    """Return how many operations of the path nothing can void: charters name the last of them."""
    anchors = store.anchors_of(history.state.cid)
    named = [place for place, head in enumerate(history.ends[0].heads, start=1) if head in anchors]
    return max(named, default=1)


def is_forked(store: Store, cid: CoopId, wid: WriterId) -> bool:
    """Return whether a writer is proven to have signed two entries for one place."""
    return any(
        held.forked_at is not None
        for held in store.logs.values()
        if (held.cid, held.wid) == (cid, wid)
    )


def held_state(path: Path) -> State:
    """Return what a store holds, without its lock, so that a node may be running on it.

    Raises Refusal `store.unreadable`, `store.corrupt`.
    """
    try:
        with closing(open_reader(path, sqlite3.connect)) as connection:
            return load_state(connection)
    except sqlite3.Error as exc:
        raise Refusal("store.unreadable", f"expected a store at {path}, got: {exc}") from exc


def renewed_keyring(
    files: KeyFiles, history: KeyHistory, store: Store, *, random: Randomness, now_ms: int
) -> Keyring:
    """Return the keys of a node that starts, renewed where they are about to end.

    Nothing may be appended to the store before. Raises Refusal `key.*`.
    """
    keyring = keyring_of(files)
    return renew_all(
        files,
        history,
        cuts=held_cuts(store, keyring.cid, keyring.wid),
        is_forked=is_forked(store, keyring.cid, keyring.wid),
        random=random,
        now_ms=now_ms,
    )


class DailyRenewal:
    """Renews the sealing key of a node that runs; its writer is renewed when it starts."""

    def __init__(
        self,
        home: Path,
        passphrase: Passphrase | None,
        *,
        keyring: Keyring,
        store: Store,
        ingest: Ingest,
        clock: Clock,
        random: Randomness,
        may_change_keys: Callable[[], bool] = lambda: True,
    ) -> None:
        self._home, self._passphrase, self._keyring = home, passphrase, keyring
        self._may_change_keys = may_change_keys
        self._store, self._ingest = store, ingest
        self._clock, self._random = clock, random

    async def run(self) -> None:
        """Look once a day, for ever. What fails is told and tried again the next day."""
        while True:
            await self._clock.sleep_ms(DAY_MS)
            try:
                await self.renew()
            except Refusal as refusal:
                logger.warning("the sealing key was not renewed: %s", refusal)

    async def renew(self) -> None:
        """Renew the sealing key if it is about to end, and bring the operation to the peers.

        Not while this home is restored, or another node has its keys: an operation of both at one
        place would freeze the key log. Raises Refusal `key.*`, `store.*`.
        """
        if not self._may_change_keys():
            return
        files = read_files(self._home, self._passphrase)
        history = own_history(files.key_log()[0], self._store)
        now_ms = self._clock.now_ms()
        # The disk, and perhaps a key derived of the passphrase, take longer than links should wait.
        renewed = await asyncio.to_thread(
            renew_prekey, files, history, random=self._random, now_ms=now_ms
        )
        self._keyring.prekeys[:] = renewed.prekeys
        await self._ingest.receive_key_ops(renewed.cid, renewed.key_ops)
