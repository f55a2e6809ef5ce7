"""New keys before the old ones end, signed by the manager key.

A sealing key is renewed whenever less than a third of its time is left; the old secret stays for
sixty days more, for what was sealed to it and is read later. A writer is renewed in its last week,
and only while nothing can be appended: a new one is delegated and the old one closed at its heads.
One key cannot be delegated twice, and two open writers of one installation would be one too many to
steal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sheaf_node.keyring.draft import KeyDraft
from sheaf_node.keyring.files import prekey_of
from sheaf_node.keyring.loading import keyring_of
from sheaf_protocol.identity import Delegate, PublicKey, decode_op, next_close
from sheaf_protocol.limits import PREKEY_LIFETIME_MS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_node.clock import Randomness
    from sheaf_node.keyring.files import KeyFiles
    from sheaf_node.keyring.model import Keyring
    from sheaf_protocol.digest import FederationId, WriterId
    from sheaf_protocol.identity import Cut, KeyHistory, KeyLog, Prekey, SigningKey

DAY_MS: Final = 86_400_000
WRITER_RENEWED_MS: Final = 7 * DAY_MS
"""How long before its end a writer is replaced. Others read what the new one says only once they
have the whole log of the old one, so it is not done often. A week is as short as lets a node that
starts once a week renew in time."""
PREKEY_KEPT_MS: Final = 60 * DAY_MS
"""How long the secret of a sealing key outlives it: an entry may be that long on its way."""


def renew_all(
    files: KeyFiles,
    history: KeyHistory,
    *,
    cuts: Mapping[FederationId, Cut],
    is_forked: bool,
    random: Randomness,
    now_ms: int,
) -> Keyring:
    """Renew what is about to end, and return the keys as they are then; for a node that starts.

    `cuts` are where the writer's logs end now. Raises Refusal `key.write`, `key.*` of loading.
    """
    keyring, draft = keyring_of(files), _draft(files, history, random, now_ms)
    if _may_sign(keyring, history):
        manager = keyring.require_manager()
        _renew_prekey(draft, manager)
        if is_forked or writer_left_ms(draft.log, keyring.wid, now_ms) < WRITER_RENEWED_MS:
            _hand_over(draft, keyring.wid, cuts, manager)
    return _written(draft, files, keyring)


def renew_prekey(
    files: KeyFiles, history: KeyHistory, *, random: Randomness, now_ms: int
) -> Keyring:
    """Renew the sealing key if it is about to end; for a node that runs.

    Returns the keys as they are then. Raises Refusal `key.write`, `key.*` of loading.
    """
    keyring, draft = keyring_of(files), _draft(files, history, random, now_ms)
    if _may_sign(keyring, history):
        _renew_prekey(draft, keyring.require_manager())
    return _written(draft, files, keyring)


def writer_left_ms(log: KeyLog, wid: WriterId, now_ms: int) -> int:
    """Return how long a writer may still write; 0 for one that has ended."""
    writer = log.writers.get(wid)
    if writer is None or writer.is_closed or writer.expires_ms is None:
        return 0
    return max(0, writer.expires_ms - now_ms)


def prekey_left_ms(log: KeyLog, now_ms: int) -> int:
    """Return how long others may still seal to the newest sealing key."""
    newest = log.prekey_at(now_ms)
    return 0 if newest is None else newest.expires_ms - now_ms


def _draft(files: KeyFiles, history: KeyHistory, random: Randomness, now_ms: int) -> KeyDraft:
    return KeyDraft(history.path, lock=files.lock(), random=random, now_ms=now_ms)


def _may_sign(keyring: Keyring, history: KeyHistory) -> bool:
    """Return whether the manager key is here, and its word would count."""
    manager = keyring.manager
    return manager is not None and manager.public == history.state.manager and not history.rival


def lost_prekeys(keyring: Keyring, log: KeyLog) -> list[Prekey]:
    """Return the prekeys of our key log that this node should still open with, and cannot.

    Those that ended long before the newest began were deleted on purpose.
    """
    held = {public for public, _ in keyring.prekeys}
    newest_ms = max((prekey.expires_ms for prekey in log.prekeys), default=0)
    since_ms = newest_ms - PREKEY_LIFETIME_MS - PREKEY_KEPT_MS
    return [p for p in log.prekeys if p.expires_ms >= since_ms and bytes(p.key) not in held]


def _renew_prekey(draft: KeyDraft, manager: SigningKey) -> None:
    if prekey_left_ms(draft.log, draft.now_ms) < PREKEY_LIFETIME_MS // 3:
        draft.add_prekey(manager)


def _hand_over(
    draft: KeyDraft, wid: WriterId, cuts: Mapping[FederationId, Cut], manager: SigningKey
) -> None:
    draft.add_writer(manager)
    writer = draft.log.writers.get(wid)
    if writer is not None and not writer.is_closed:
        draft.append(next_close(draft.log, PublicKey(wid), cuts), [manager])


def _written(draft: KeyDraft, files: KeyFiles, keyring: Keyring) -> Keyring:
    """Return the keyring after the draft is in place and what ended long ago is gone."""
    ends = {
        bytes(operation.key): operation.expires_ms
        for operation in map(decode_op, draft.ops)
        if isinstance(operation, Delegate)
    }
    names = {prekey_of(files.secret(name)): name for name in files.prekeys}
    for public, _ in keyring.prekeys[:-1]:
        if ends.get(public, draft.now_ms) + PREKEY_KEPT_MS < draft.now_ms:
            draft.drop(names[public])
    return keyring if draft.is_empty else keyring_of(draft.replace(files))
