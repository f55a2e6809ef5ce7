"""The epochs of a chain, as far as decisions look back on them. Each charter is read once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import UNSET

from sheaf_protocol.charter import read_charter, voters_of
from sheaf_protocol.digest import EntryId

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sheaf_protocol.charter import Chain, Charter
    from sheaf_protocol.digest import CoopId, Digest
    from sheaf_protocol.records.governance import Change, CoopLines


@dataclass(frozen=True, kw_only=True, slots=True)
class Epoch:
    """One certificate in force."""

    id: Digest
    number: int
    prev: Digest
    voters: tuple[CoopId, ...]
    change: Change | None
    """What it changed; None for the genesis and a re-foundation."""
    proposal: EntryId | None
    """The proposal that members passed, if they voted."""
    lines: Sequence[CoopLines]


class Epochs:
    """The certificates in force, read once each."""

    def __init__(self) -> None:
        self._read: dict[Digest, Epoch] = {}

    def in_force(self, chain: Chain) -> Mapping[Digest, Epoch]:
        """Return the epochs from the genesis to the newest, by id."""
        path: list[Epoch] = []
        id_ = chain.federation.id
        while id_ in chain.links:
            if id_ not in self._read:
                self._read[id_] = _epoch(id_, read_charter(chain.links[id_].certificate))
            path.append(self._read[id_])
            id_ = path[-1].prev
        return {epoch.id: epoch for epoch in reversed(path)}


def enacted(epochs: Mapping[Digest, Epoch]) -> Mapping[EntryId, Epoch]:
    """Return which proposals led to a certificate, and to which."""
    return {epoch.proposal: epoch for epoch in epochs.values() if epoch.proposal is not None}


def has_gone_since(epochs: Mapping[Digest, Epoch], cid: CoopId, wid: bytes, seq: int) -> bool:
    """Return whether a co-op left or was expelled after this place of its log.

    One that was admitted again is not to leave for what it said before.
    """
    return any(
        log.wid == wid and seq <= log.seq
        for epoch in epochs.values()
        if epoch.change is not None and epoch.change.action in {"expel", "leave"}
        for each in epoch.lines
        if each.cid == cid
        for log in each.logs
    )


def _epoch(id_: Digest, charter: Charter) -> Epoch:
    return Epoch(
        id=id_,
        number=charter.epoch,
        prev=charter.prev,
        voters=voters_of(charter),
        change=None if charter.change is UNSET else charter.change,
        proposal=None if charter.ballot is UNSET else EntryId(charter.ballot.proposal),
        lines=charter.lines,
    )
