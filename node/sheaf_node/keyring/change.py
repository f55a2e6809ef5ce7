"""New keys in the place of old ones: rotate, revoke, recover (spec 02, section 2).

Each is one signed operation, and delegations by the manager key that it names. They are written to
the home of a node that does not run; the node brings them to its peers when it starts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sheaf_node.keyring.draft import KeyDraft
from sheaf_node.keyring.files import MANAGER
from sheaf_node.keyring.guardian import GUARDIANS, PLANNED
from sheaf_node.keyring.loading import keyring_of
from sheaf_node.keyring.quorum import shown_keys
from sheaf_node.keyring.sheet import sheet_count
from sheaf_protocol.codec import encode
from sheaf_protocol.identity import (
    PublicKey,
    ended_writers,
    make_revoke,
    make_rotate,
    next_hash,
    signing_key,
)
from sheaf_protocol.limits import MAX_ENDED_WRITERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sheaf_node.clock import Randomness
    from sheaf_node.keyring.files import KeyFiles
    from sheaf_node.keyring.guardian import Guardians
    from sheaf_protocol.digest import FederationId, WriterId
    from sheaf_protocol.identity import Cut, KeyLog, KeyOp, SigningKey

    Ended = Mapping[PublicKey, Mapping[FederationId, Cut]]
    """The keys to end, and where each one's logs are cut."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """What a rotation changes beside the keys."""

    sheets: int
    """How many recovery sheets there are from here on, at most `MAX_SHEETS`."""
    needed: int
    """How many of them sign together."""
    guardians: Guardians | None = None
    """The guardians from here on; None leaves them as they are."""


def same_terms(log: KeyLog) -> Terms:
    """Return terms that change nothing."""
    return Terms(sheets=sheet_count(log), needed=log.threshold)


def rotate_keys(
    files: KeyFiles,
    ops: Sequence[KeyOp],
    seeds: Sequence[bytes],
    *,
    ended: Ended,
    random: Randomness,
    now_ms: int,
    terms: Terms | None = None,
) -> KeyFiles:
    """Put next keys in the place of the rotation keys, with new manager and next keys.

    `seeds` are those of as many next keys as sign together, or more. The writer goes on where it
    still may. Raises Refusal `key.sheet*` where the seeds are not those promised or too few,
    `key.write`; nothing has then changed.
    """
    wid = keyring_of(files).wid
    draft = KeyDraft(ops, lock=files.lock(), random=random, now_ms=now_ms)
    manager = _rotate(draft, seeds, ended, terms or same_terms(draft.log))
    if not _is_open(draft.log, wid):
        draft.add_writer(manager)
    return draft.replace(files)


def revoke_writers(
    files: KeyFiles,
    ops: Sequence[KeyOp],
    seeds: Sequence[bytes],
    *,
    ended: Ended,
    is_manager_new: bool,
    random: Randomness,
    now_ms: int,
) -> KeyFiles:
    """End writers by the rotation keys, and name another manager key where that is asked.

    `seeds` are those of as many rotation keys as sign together, or more. A node whose own writer
    ends gets a new one, if the manager key is here. Raises Refusal `key.sheet*` where the seeds are
    others or too few, `key.write`; nothing has then changed.
    """
    keyring = keyring_of(files)
    draft = KeyDraft(ops, lock=files.lock(), random=random, now_ms=now_ms)
    keys = shown_keys(ops, "rotation", seeds)
    manager = draft.new_key(MANAGER) if is_manager_new else keyring.manager
    operation = make_revoke(
        draft.log,
        [key.public for key in keys],
        manager=manager.public if is_manager_new and manager is not None else None,
        writers=ended_writers(ended),
    )
    draft.append(operation, keys)
    if is_manager_new and manager is not None:
        # The old manager key may have delegated sealing keys of a thief: the newest counts.
        draft.add_prekey(manager)
    if manager is None or manager.public != draft.log.manager:
        return draft.replace(files)  # the node writes again when the manager key comes back
    if not _is_open(draft.log, keyring.wid):
        draft.add_writer(manager)
    return draft.replace(files)


def recover_home(
    home: Path,
    ops: Sequence[KeyOp],
    seeds: Sequence[bytes],
    *,
    ended: Ended,
    random: Randomness,
    now_ms: int,
) -> None:
    """Make a new home's keys of next keys' seeds and a key log that others kept.

    Raises Refusal `key.exists`, `key.sheet*`, `key.write`; nothing is then written.
    """
    draft = KeyDraft(ops, lock=None, random=random, now_ms=now_ms)
    draft.add_writer(_rotate(draft, seeds, ended, same_terms(draft.log)))
    draft.make(home)


def open_keys(log: KeyLog, now_ms: int) -> list[PublicKey]:
    """Return the writers that are open and the sealing keys on offer, as many as one op ends."""
    writers = [writer.wid for writer in log.writers.values() if not writer.is_closed]
    prekeys = [prekey.key for prekey in log.prekeys if now_ms <= prekey.expires_ms]
    return [PublicKey(key) for key in (*writers, *prekeys)][:MAX_ENDED_WRITERS]


def _rotate(draft: KeyDraft, seeds: Sequence[bytes], ended: Ended, terms: Terms) -> SigningKey:
    """Add rotations and a sealing key to a draft; return the new manager key.

    One sheet in place of one: the key that was shown is the rotation key from here on. Else two
    operations: the first hands over to fresh keys, which the second makes the rotation keys.
    Nobody has to bring a sheet of those that are not needed then, and none of the old ones is worth
    anything at the end. One operation could name only the keys that were shown (IDN-34).
    """
    shown = shown_keys(draft.ops, "next", seeds)
    manager = draft.new_key(MANAGER)
    if len(shown) == terms.sheets == 1:
        rotation = list(seeds)
    else:
        rotation = draft.new_seeds(terms.sheets)
        between = Terms(
            sheets=terms.sheets,
            needed=min(len(shown), terms.needed),
            guardians=terms.guardians,
        )
        _add_rotate(draft, shown, rotation, manager=manager, ended=ended, terms=between)
        shown, ended = [signing_key(seed) for seed in rotation], {}
    following = draft.new_seeds(terms.sheets)
    _add_rotate(draft, shown, following, manager=manager, ended=ended, terms=terms)
    draft.put_sheets(rotation, following)
    if terms.guardians is not None:
        draft.put_public(GUARDIANS, encode(terms.guardians))
        draft.drop(PLANNED)
    draft.add_prekey(manager)
    return manager


def _add_rotate(
    draft: KeyDraft,
    shown: Sequence[SigningKey],
    following: Sequence[bytes],
    *,
    manager: SigningKey,
    ended: Ended,
    terms: Terms,
) -> None:
    named = terms.guardians
    operation = make_rotate(
        draft.log,
        [key.public for key in shown],
        manager=manager.public,
        next_=[next_hash(signing_key(seed).public) for seed in following],
        rotation=[key.public for key in shown],
        threshold=terms.needed,
        guardians=None if named is None else (named.keys, named.needed),
        writers=ended_writers(ended),
    )
    draft.append(operation, shown)


def _is_open(log: KeyLog, wid: WriterId) -> bool:
    writer = log.writers.get(wid)
    return writer is not None and not writer.is_closed
