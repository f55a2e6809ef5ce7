"""What an operation of a key log has to be by its own bytes, whatever it follows on (spec 02)."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from msgspec import UNSET

from sheaf_protocol.digest import ZERO, short
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.identity.keys import is_valid_key
from sheaf_protocol.identity.operation import (
    Close,
    Delegate,
    Inception,
    Recover,
    Revoke,
    Rotate,
)
from sheaf_protocol.identity.state import Cut

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sheaf_protocol.digest import FederationId
    from sheaf_protocol.identity.keys import PublicKey
    from sheaf_protocol.identity.operation import EndedWriter, FederationCut, Operation


def require_sound(operation: Operation) -> None:
    """Return if the keys and cuts that an operation names can be what they are for.

    Raises RemoteProtocolError `key.invalid`, `key.cuts`.
    """
    match operation:
        case Inception():
            if operation.prev != ZERO:
                detail = "expected no operation before the inception"
                raise RemoteProtocolError("key.invalid", detail)
            _require_sound_keys(operation)
        case Delegate():
            if operation.role == "writer":
                require_valid_key(operation.key)
        case Close():
            cuts_of(operation.cuts)
        case Revoke():
            require_valid_key(operation.manager)
            _require_sound_ends(operation.writers)
        case Recover() | Rotate():
            _require_sound_keys(operation)
            _require_sound_ends(operation.writers)
        case _:
            assert_never(operation)


def require_valid_key(key: bytes) -> None:
    """Return if a key may sign (IDN-6), else raise RemoteProtocolError `key.invalid`."""
    if not is_valid_key(key):
        raise RemoteProtocolError("key.invalid", f"{short(key)} is no key of prime order")


def cuts_of(listed: Sequence[FederationCut]) -> Mapping[FederationId, Cut]:
    """Return the cuts by federation; RemoteProtocolError `key.cuts` where they are out of order."""
    fids = [cut.fid for cut in listed]
    if fids != sorted(set(fids)):
        detail = "expected each federation once, in the order of their ids"
        raise RemoteProtocolError("key.cuts", detail)
    return {cut.fid: Cut(seq=cut.last_seq, head=cut.last_head) for cut in listed}


def _require_sound_ends(ended: Sequence[EndedWriter]) -> None:
    keys = [each.key for each in ended]
    if keys != sorted(set(keys)):
        raise RemoteProtocolError("key.cuts", "expected each writer once, in the order of keys")
    for each in ended:
        cuts_of(each.cuts)


def _require_sound_keys(op: Inception | Recover | Rotate) -> None:
    _require_key_list(op.rotation, op.threshold)
    if len(set(op.next)) != len(op.next) or len(op.next) < op.threshold:
        detail = f"expected {op.threshold} or more hashes in `next`, each once"
        raise RemoteProtocolError("key.invalid", detail)
    require_valid_key(op.manager)
    if not isinstance(op, Recover):
        _require_sound_guardians(op)


def _require_sound_guardians(op: Inception | Rotate) -> None:
    if op.guardians is not UNSET and op.guardian_threshold is not UNSET:
        _require_key_list(op.guardians, op.guardian_threshold)
    elif op.guardians is not UNSET or op.guardian_threshold is not UNSET:
        raise RemoteProtocolError("key.invalid", "expected guardians and their threshold, or none")


def _require_key_list(keys: Sequence[PublicKey], threshold: int) -> None:
    # A key named twice would sign for two.
    if len(set(keys)) != len(keys) or len(keys) < threshold:
        detail = f"expected {threshold} or more keys, each once, got {len(set(keys))}"
        raise RemoteProtocolError("key.invalid", detail)
    for key in keys:
        require_valid_key(key)
