"""The key log of a home that recovers: what is signed of it, while nothing else runs.

A recovery makes two operations, or three: a new writer (and a sealing key, where the newest is not
here), and the close of each lost one. Both are made when the home is opened, on the newest key log
that the store has, and before anything can arrive. So a node that was killed at any instant finds
its marker, its keys and its store in an order that tells what comes next.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sheaf_node.identity import held_cuts, own_history, renewed_keyring
from sheaf_node.keyring import keyring_of
from sheaf_node.keyring.draft import KeyDraft
from sheaf_protocol.identity import PublicKey, next_close

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.clock import Randomness
    from sheaf_node.keyring import KeyFiles, Keyring
    from sheaf_node.recovery.standing import Standing
    from sheaf_node.store import Store
    from sheaf_protocol.digest import CoopId, FederationId, WriterId
    from sheaf_protocol.identity import KeyHistory, SigningKey

_LOG = logging.getLogger("sheaf.recovery")


def opened_keyring(
    files: KeyFiles, store: Store, standing: Standing, *, random: Randomness, now_ms: int
) -> Keyring:
    """Return the keys of a node that starts, renewed where they are about to end.

    Of one that recovers, with the writer that it has come to. Nothing may be appended to the store
    before. Raises Refusal `key.*`, `recovery.file`.
    """
    keyring = keyring_of(files)
    history = own_history(keyring.key_ops, store)
    standing.note_keys(history.state)
    if standing.may_change_keys:
        keyring = renewed_keyring(files, history, store, random=random, now_ms=now_ms)
        standing.take_up(keyring.wid)
        return keyring
    standing.begin(_newest_ms(store, keyring.cid))
    manager = keyring.manager
    if not standing.is_recovering:
        return keyring
    if manager is None or not _counts(manager, history):
        if standing.has_lost_writer or _has_others(history, keyring.wid):
            standing.key_missing = _missing(manager, history)
            _LOG.warning("this home cannot recover: %s", standing.key_missing)
        return keyring
    draft = KeyDraft(history.path, lock=files.lock(), random=random, now_ms=now_ms)
    if standing.has_lost_writer and standing.is_compared:
        _delegate(draft, keyring, manager)
    elif not standing.has_lost_writer:
        _close(draft, keyring, manager, store, standing.closing)
    if len(draft.ops) == len(history.path):
        return keyring
    keyring = keyring_of(draft.replace(files))
    standing.take_up(keyring.wid)
    return keyring


def _counts(manager: SigningKey, history: KeyHistory) -> bool:
    """Return whether the word of this manager key counts on the newest key log."""
    return manager.public == history.state.manager and not history.rival


def _has_others(history: KeyHistory, own: WriterId) -> bool:
    """Return whether a writer of our co-op is open that is not ours, and so to be closed."""
    return any(not each.is_closed and each.wid != own for each in history.state.writers.values())


def _missing(manager: SigningKey | None, history: KeyHistory) -> str:
    """Return in words why the key log of a home cannot go on, and what its operator can do."""
    if history.rival:
        return (
            "expected a key log that goes on, got one that two operations of one strength froze:"
            " stop the node, `sheaf identity rotate` with the recovery sheets, start it again"
        )
    got = "none" if manager is None else "one that another took the place of"
    return (
        f"expected the manager key of this co-op in keys/manager.key, got {got}: stop the node,"
        " bring the key back, start it again; where it is lost, once no peer is missing, `sheaf"
        " identity revoke --new-manager` makes another with the recovery sheets"
    )


def _delegate(draft: KeyDraft, keyring: Keyring, manager: SigningKey) -> None:
    """Make a new writer; and a sealing key, where the newest one was made after the copy."""
    draft.add_writer(manager)
    newest = draft.log.prekey_at(draft.now_ms)
    if newest is None or bytes(newest.key) not in {public for public, _ in keyring.prekeys}:
        draft.add_prekey(manager)


def _close(
    draft: KeyDraft, keyring: Keyring, manager: SigningKey, store: Store, lost: Sequence[str]
) -> None:
    """End lost writers where their logs end in the store, which has all that was promised."""
    for writer in list(draft.log.writers.values()):
        if not writer.is_closed and writer.wid != keyring.wid and writer.wid.hex() in lost:
            cuts = held_cuts(store, keyring.cid, writer.wid)
            draft.append(next_close(draft.log, PublicKey(writer.wid), cuts), [manager])


def _newest_ms(store: Store, cid: CoopId) -> dict[FederationId, int]:
    """Return by federation the time of the newest entry held of a co-op."""
    newest: dict[FederationId, int] = {}
    for held in store.logs.values():
        if held.cid == cid:
            newest[held.fid] = max(newest.get(held.fid, 0), held.head.time_ms)
    return newest
