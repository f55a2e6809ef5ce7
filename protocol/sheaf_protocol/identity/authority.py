"""Who has to sign an operation, and whose word weighs more in a division (spec 02, section 3)."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import total_ordering
from itertools import pairwise
from typing import TYPE_CHECKING, Final, assert_never

from sheaf_protocol.digest import Digest, digest, short
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.identity.operation import Close, Delegate, Inception, Recover, Revoke, Rotate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_protocol.identity.keys import PublicKey
    from sheaf_protocol.identity.operation import Later, Operation
    from sheaf_protocol.identity.state import KeyLog


class Rank(enum.IntEnum):
    """Kinds of keys by the weight of their word. What is used most often weighs least."""

    MANAGER = 0
    GUARDIANS = 1
    ROTATION = 2
    NEXT = 3
    ANCHOR = 4
    """No key: a federation's certificate names the operation, so nothing beside it can win."""


@total_ordering
@dataclass(frozen=True, slots=True)
class Authority:
    """Who signed an operation: the kind of key, and which ones of their list by index.

    Ordered by weight. Of one rank the list with the smaller index at the first difference is the
    greater, and one that continues another is greater than it: more signers never weigh less.
    """

    rank: int
    by: tuple[int, ...] = ()

    def __lt__(self, other: Authority) -> bool:
        """Return whether the other's word weighs more."""
        return self._weight < other._weight

    @property
    def replaces_keys(self) -> bool:
        """Whether the operation names new rotation and next keys, so that all after it are its."""
        return self.rank in (Rank.GUARDIANS, Rank.NEXT)

    @property
    def _weight(self) -> tuple[int, tuple[int, ...]]:
        return self.rank, tuple(-index for index in self.by)


ANCHORED: Final = Authority(Rank.ANCHOR)
"""The weight of an operation that a federation's certificate names."""


def authority_of(operation: Operation) -> Authority:
    """Return whose word a valid operation is. The inception's is never compared with another."""
    match operation:
        case Inception():
            return Authority(Rank.ROTATION)
        case Delegate() | Close():
            return Authority(Rank.MANAGER)
        case Recover(by=by):
            return Authority(Rank.GUARDIANS, tuple(by))
        case Revoke(by=by):
            return Authority(Rank.ROTATION, tuple(by))
        case Rotate(by=by):
            return Authority(Rank.NEXT, tuple(by))
        case _:
            assert_never(operation)


def signers_of(state: KeyLog, operation: Later) -> list[PublicKey]:
    """Return the keys that have to sign an operation on a state, all of them and no other.

    Raises RemoteProtocolError `key.authority` where `by` names too few, keys that there are not,
    or in another order; `key.not_committed` for a rotation to keys that were not promised.
    """
    match operation:
        case Delegate() | Close():
            return [state.manager]
        case Recover(by=by):
            _require_by(by, len(state.guardians), state.guardian_threshold)
            return [state.guardians[index] for index in by]
        case Revoke(by=by):
            _require_by(by, len(state.rotation), state.threshold)
            return [state.rotation[index] for index in by]
        case Rotate(by=by):
            _require_by(by, len(state.next), state.threshold)
            shown = _shown(state.next, operation)
            return [_committed(shown, state.next, index) for index in by]
        case _:
            assert_never(operation)


def next_hash(key: bytes) -> Digest:
    """Return the promise of a key that is not shown yet: an item of `next`."""
    return digest("next", key)


def _require_by(by: Sequence[int], keys: int, threshold: int) -> None:
    if keys == 0:
        raise RemoteProtocolError("key.authority", "expected guardians, the log names none")
    # IDN-32: one set of signers, one spelling.
    if any(left >= right for left, right in pairwise(by)) or by[-1] >= keys:
        detail = f"expected ascending indexes below {keys}, got {list(by)}"
        raise RemoteProtocolError("key.authority", detail)
    if len(by) < threshold:
        raise RemoteProtocolError("key.authority", f"expected {threshold} signers, got {len(by)}")


def _shown(promised: Sequence[Digest], operation: Rotate) -> dict[Digest, PublicKey]:
    """Return a rotation's new keys by their hashes, each of which was promised."""
    shown = {next_hash(key): key for key in operation.rotation}
    for hashed, key in shown.items():
        # IDN-34: or who holds some of the next keys could seat others beside them.
        if hashed not in promised:
            detail = f"expected a key promised in `next`, got {short(key)}"
            raise RemoteProtocolError("key.not_committed", detail)
    return shown


def _committed(shown: dict[Digest, PublicKey], promised: Sequence[Digest], index: int) -> PublicKey:
    if promised[index] not in shown:
        detail = f"expected the key behind next {index} among the rotation keys"
        raise RemoteProtocolError("key.authority", detail)
    return shown[promised[index]]
