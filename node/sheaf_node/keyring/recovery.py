"""A recovery by guardians, for a co-op that lost its computers and its sheets (spec 02, 3.2).

A recover operation names its signers in its body, and nobody knows beforehand which guardians will
answer. So a draft holds the operation once for each choice of signers, all else in it equal; each
guardian signs those that name it, and the first that all its signers signed is the one.

The new home keeps its keys in `recovering/` until then. What guardians sign names these keys, so
the draft there is made once; it is written out again as often as it is asked for.
"""

from __future__ import annotations

import shutil
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from sheaf_node.keyring.draft import KeyDraft
from sheaf_node.keyring.files import MANAGER, NEXT, ROTATION, KeyFiles, read_files, seed_file
from sheaf_node.keyring.folder import has_folder, make_home
from sheaf_protocol.codec import decode, encode
from sheaf_protocol.errors import ProtocolError, Refusal
from sheaf_protocol.identity import (
    KeyOp,
    Recover,
    Signature,
    decode_op,
    ended_writers,
    fold_key_log,
    make_recover,
    next_hash,
    sign_op,
    signing_key,
    verify,
)
from sheaf_protocol.identity.operation import SIGNED_AS
from sheaf_protocol.limits import MAX_KEY_LOG, MAX_KEY_OP, MAX_SIGNERS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sheaf_node.clock import Randomness
    from sheaf_node.keyring.change import Ended, Terms
    from sheaf_protocol.identity import KeyLog, PublicKey, SigningKey

RECOVERING: Final = "recovering"
"""The folder of a new home that waits for its guardians; it is a home of its own."""
MAX_CHOICES: Final = 64
"""Choices of signers that one draft holds; four of seven make 35."""
MAX_DRAFT: Final = 16 * 1024 * 1024
"""16 MiB: the largest key log and all choices, signed."""
_DRAFT: Final = "draft"


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The recovery as some of the guardians sign it, with the signatures so far."""

    body: Annotated[bytes, Meta(max_length=MAX_KEY_OP)]
    signatures: Annotated[list[Signature], Meta(max_length=MAX_SIGNERS)]

    @property
    def operation(self) -> Recover:
        """What the body says. Raises Refusal `key.draft`."""
        unsigned = KeyOp(body=self.body, signatures=[])
        operation = decode_op(unsigned)
        if not isinstance(operation, Recover):
            raise Refusal("key.draft", f"expected a recovery, got {operation.op}")
        return operation


class RecoveryDraft(msgspec.Struct, frozen=True, kw_only=True):
    """What goes from guardian to guardian. Nothing in it is secret."""

    choices: Annotated[list[Choice], Meta(min_length=1, max_length=MAX_CHOICES)]
    key_log: Annotated[list[KeyOp], Meta(min_length=1, max_length=MAX_KEY_LOG)]
    """The key log up to the recovery."""

    @property
    def log(self) -> KeyLog:
        """The state that the recovery follows on."""
        return fold_key_log(self.key_log)

    @property
    def operation(self) -> Recover:
        """The recovery, as the first of the choices has it."""
        return self.choices[0].operation

    @property
    def id(self) -> bytes:
        """What the words of a draft stand for: all choices say the same but for their signers."""
        return bytes(KeyOp(body=self.choices[0].body, signatures=[]).id)

    @property
    def signers(self) -> set[bytes]:
        """The guardians that have signed."""
        return {bytes(each.key) for choice in self.choices for each in choice.signatures}


def draft_recovery(
    home: Path,
    ops: Sequence[KeyOp],
    *,
    ended: Ended,
    terms: Terms,
    random: Randomness,
    now_ms: int,
) -> RecoveryDraft:
    """Make the keys of a new home and the recovery that names them, not yet signed.

    Raises Refusal `key.exists` where the home has keys, `key.guardian` where the co-op has no
    guardians, `key.write`; nothing is then written.
    """
    if has_folder(home):
        raise Refusal("key.exists", f"expected no keys in {home}; they are never overwritten")
    log = fold_key_log(ops)
    if not 0 < comb(len(log.guardians), log.guardian_threshold) <= MAX_CHOICES or not log.guardians:
        detail = f"expected a co-op that named 1 to 7 guardians, got {len(log.guardians)}"
        raise Refusal("key.guardian", f"{detail}: its sheets alone recover it")
    keys = KeyDraft(ops, lock=None, random=random, now_ms=now_ms)
    manager = keys.new_key(MANAGER)
    rotation, next_ = keys.new_seeds(terms.sheets), keys.new_seeds(terms.sheets)
    keys.put_sheets(rotation, next_)
    choices = [
        make_recover(
            log,
            signers,
            manager=manager.public,
            next_=[next_hash(signing_key(seed).public) for seed in next_],
            rotation=[signing_key(seed).public for seed in rotation],
            threshold=terms.needed,
            writers=ended_writers(ended),
        )
        for signers in combinations(log.guardians, log.guardian_threshold)
    ]
    unsigned = [Choice(body=encode(choice), signatures=[]) for choice in choices]
    draft = RecoveryDraft(choices=unsigned, key_log=list(ops))
    keys.put_public(_DRAFT, encode(draft))
    make_home(home)
    keys.make(home / RECOVERING)
    return draft


def is_recovering(home: Path) -> bool:
    """Return whether a home waits for its guardians."""
    return has_folder(home / RECOVERING)


def own_draft(home: Path) -> RecoveryDraft:
    """Return the draft of a home that waits, as it was made. Raises Refusal `key.draft`."""
    return read_draft(_waiting(home).files.get(_DRAFT, b""))


def read_draft(data: bytes) -> RecoveryDraft:
    """Return a draft that was received, checked. Raises Refusal `key.draft`."""
    try:
        draft = decode(data, RecoveryDraft, limit=MAX_DRAFT)
        _require_sound(draft)
    except ProtocolError as exc:
        detail = f"expected what `sheaf identity recover --draft` writes: {exc.detail}"
        raise Refusal("key.draft", detail) from exc
    return draft


def countersign(draft: RecoveryDraft, key: SigningKey) -> RecoveryDraft:
    """Return a draft with a guardian's signatures on it. Raises Refusal `key.guardian`."""
    log = draft.log
    if key.public not in log.guardians:
        detail = f"expected a guardian of {log.name}: it named other keys than this co-op's"
        raise Refusal("key.guardian", detail)
    index = list(log.guardians).index(key.public)
    signature = [
        sign_op(choice.operation, [key]).signatures if index in choice.operation.by else []
        for choice in draft.choices
    ]
    return _with_signatures(draft, signature)


def finish_recovery(
    home: Path, drafts: Sequence[RecoveryDraft], *, random: Randomness, now_ms: int
) -> None:
    """Make the keys of a home that waited, of drafts that enough guardians signed.

    A home that was interrupted after that keeps them. Raises Refusal `key.draft` for the draft of
    another home, `key.draft_few`, `key.write`; nothing is then written.
    """
    waiting = _waiting(home)
    own = read_draft(waiting.files.get(_DRAFT, b""))
    for draft in drafts:
        if [c.body for c in draft.choices] != [c.body for c in own.choices]:
            detail = "expected the draft that this home wrote, got one of other keys"
            raise Refusal("key.draft", detail)
        own = _with_signatures(own, [choice.signatures for choice in draft.choices])
    signed = _signed(own)
    if has_folder(home):
        if signed.id not in read_files(home).key_log()[1].heads:
            raise Refusal("key.exists", f"expected no other keys in {home}")
        return
    keys = KeyDraft(own.key_log, lock=None, random=random, now_ms=now_ms)
    manager = signing_key(waiting.secret(MANAGER))
    keys.append_signed(signed)
    keys.put(MANAGER, waiting.secret(MANAGER))
    count = len(own.operation.next)
    keys.put_sheets(_seeds(waiting, ROTATION, count), _seeds(waiting, NEXT, count))
    keys.add_writer(manager)
    keys.add_prekey(manager)
    keys.make(home)


def end_recovery(home: Path) -> None:
    """Remove what a home kept while it waited. Raises Refusal `key.write`."""
    try:
        shutil.rmtree(home / RECOVERING)
    except OSError as exc:
        detail = f"expected to remove {home / RECOVERING}, got {exc.strerror}"
        raise Refusal("key.write", detail) from exc


def _waiting(home: Path) -> KeyFiles:
    if not is_recovering(home):
        detail = f"expected a home that waits for guardians at {home}"
        raise Refusal("key.draft", f"{detail}: `sheaf identity recover --draft` begins there")
    return read_files(home / RECOVERING)


def _seeds(files: KeyFiles, name: str, count: int) -> list[bytes]:
    return [files.secret(seed_file(name, number)) for number in range(1, count + 1)]


def _signed(draft: RecoveryDraft) -> KeyOp:
    """Return the operation that all its signers signed; of several the strongest.

    Raises Refusal `key.draft_few`.
    """
    needed = draft.log.guardian_threshold
    complete = [choice for choice in draft.choices if len(choice.signatures) == needed]
    if not complete:
        detail = f"expected the signatures of {needed} guardians, got {len(draft.signers)}"
        raise Refusal("key.draft_few", detail)
    # Section 3.3: the smaller index where two first differ is the greater authority.
    strongest = min(complete, key=lambda choice: choice.operation.by)
    return KeyOp(body=strongest.body, signatures=strongest.signatures)


def _with_signatures(draft: RecoveryDraft, added: Sequence[Sequence[Signature]]) -> RecoveryDraft:
    choices = []
    for choice, more in zip(draft.choices, added, strict=True):
        held = {each.key: each for each in (*choice.signatures, *more)}
        signatures = [held[key] for key in sorted(held)]
        choices.append(Choice(body=choice.body, signatures=signatures))
    return RecoveryDraft(choices=choices, key_log=draft.key_log)


def _require_sound(draft: RecoveryDraft) -> None:
    """Refuse a draft whose choices differ in more than their signers, or are signed by others."""
    log, first = draft.log, draft.operation
    if (first.cid, first.prev, first.seq) != (log.cid, log.head, log.size):
        raise Refusal("key.draft", "expected a recovery that follows on its key log")
    choices = list(combinations(range(len(log.guardians)), log.guardian_threshold))
    if [tuple(choice.operation.by) for choice in draft.choices] != choices:
        raise Refusal("key.draft", "expected a draft for each choice of the guardians")
    for by, choice in zip(choices, draft.choices, strict=True):
        if msgspec.structs.replace(choice.operation, by=first.by) != first:
            raise Refusal("key.draft", "expected one recovery, got choices that differ")
        _require_sound_signatures(choice, [log.guardians[index] for index in by])


def _require_sound_signatures(choice: Choice, signers: Sequence[PublicKey]) -> None:
    keys = [each.key for each in choice.signatures]
    if keys != sorted(set(keys)) or not set(keys) <= set(signers):
        raise Refusal("key.draft", "expected signatures of its guardians alone, each once")
    for each in choice.signatures:
        if not verify(each.key, SIGNED_AS, choice.body, each.signature):
            raise Refusal("key.draft", "expected valid signatures on it")
