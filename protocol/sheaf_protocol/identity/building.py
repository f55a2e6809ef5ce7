"""Operations that continue a key log, not yet signed: sign them with `sign_op`.

Each is made on the end of one path; a frozen state has two, `KeyHistory.ends`, and takes none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import UNSET

from sheaf_protocol.digest import short
from sheaf_protocol.errors import LocalProtocolError
from sheaf_protocol.identity.authority import next_hash
from sheaf_protocol.identity.keylog import require_in_force
from sheaf_protocol.identity.operation import (
    Close,
    Delegate,
    EndedWriter,
    FederationCut,
    Recover,
    Revoke,
    Rotate,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sheaf_protocol.digest import Digest, FederationId
    from sheaf_protocol.identity.keys import PublicKey
    from sheaf_protocol.identity.state import Cut, KeyLog


def next_delegate(
    log: KeyLog, key: PublicKey, role: Literal["writer", "prekey"], expires_ms: int
) -> Delegate:
    """Return the delegation of a key, for the manager to sign."""
    require_in_force(log)
    return Delegate(
        cid=log.cid,
        expires_ms=expires_ms,
        key=key,
        op="delegate",
        prev=log.head,
        role=role,
        seq=log.size,
    )


def next_close(log: KeyLog, key: PublicKey, cuts: Mapping[FederationId, Cut]) -> Close:
    """Return the close of a writer at its cuts, for the manager to sign."""
    require_in_force(log)
    return Close(
        cid=log.cid,
        cuts=_listed(cuts),
        key=key,
        op="close",
        prev=log.head,
        seq=log.size,
    )


def ended_writers(
    cuts: Mapping[PublicKey, Mapping[FederationId, Cut]],
) -> list[EndedWriter]:
    """Return the keys that an operation ends, in order; a prekey is given no cuts."""
    return [EndedWriter(cuts=_listed(each), key=key) for key, each in sorted(cuts.items())]


def make_revoke(
    log: KeyLog,
    signers: Collection[PublicKey],
    *,
    manager: PublicKey | None = None,
    writers: Sequence[EndedWriter] = (),
) -> Revoke:
    """Return a revocation for these rotation keys to sign; the manager stays unless one is named.

    Raises LocalProtocolError `key.frozen`, `key.authority` for a signer that is no rotation key.
    """
    require_in_force(log)
    return Revoke(
        by=_indexes(log.rotation, signers),
        cid=log.cid,
        manager=log.manager if manager is None else manager,
        op="revoke",
        prev=log.head,
        seq=log.size,
        writers=list(writers),
    )


def make_rotate(
    log: KeyLog,
    signers: Collection[PublicKey],
    *,
    manager: PublicKey,
    next_: Sequence[Digest],
    rotation: Sequence[PublicKey],
    threshold: int,
    guardians: tuple[Sequence[PublicKey], int] | None = None,
    writers: Sequence[EndedWriter] = (),
) -> Rotate:
    """Return a rotation to keys promised in `next`, for these of them to sign.

    Let every new key sign that is at hand: between two rotations more signers weigh more.
    Raises LocalProtocolError `key.frozen`, `key.authority` for a signer that was not promised.
    """
    require_in_force(log)
    return Rotate(
        by=_indexes(log.next, [next_hash(key) for key in signers]),
        cid=log.cid,
        guardian_threshold=UNSET if guardians is None else guardians[1],
        guardians=UNSET if guardians is None else list(guardians[0]),
        manager=manager,
        next=list(next_),
        op="rotate",
        prev=log.head,
        rotation=list(rotation),
        seq=log.size,
        threshold=threshold,
        writers=list(writers),
    )


def make_recover(
    log: KeyLog,
    signers: Collection[PublicKey],
    *,
    manager: PublicKey,
    next_: Sequence[Digest],
    rotation: Sequence[PublicKey],
    threshold: int,
    writers: Sequence[EndedWriter] = (),
) -> Recover:
    """Return a recovery with new keys of every kind, for these guardians to sign.

    Raises LocalProtocolError `key.frozen`, `key.authority` for a signer that is no guardian.
    """
    require_in_force(log)
    return Recover(
        by=_indexes(log.guardians, signers),
        cid=log.cid,
        manager=manager,
        next=list(next_),
        op="recover",
        prev=log.head,
        rotation=list(rotation),
        seq=log.size,
        threshold=threshold,
        writers=list(writers),
    )


def _indexes(listed: Sequence[bytes], signers: Collection[bytes]) -> list[int]:
    for signer in signers:
        if signer not in listed:
            detail = f"expected keys of the log to sign, got {short(signer)}"
            raise LocalProtocolError("key.authority", detail)
    return sorted(listed.index(signer) for signer in signers)


def _listed(cuts: Mapping[FederationId, Cut]) -> list[FederationCut]:
    """Return cuts as they travel: by federation, those at nothing left out."""
    return [
        FederationCut(fid=fid, last_head=cut.head, last_seq=cut.seq)
        for fid, cut in sorted(cuts.items())
        if cut.seq > 0
    ]
