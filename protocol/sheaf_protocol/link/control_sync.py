"""Key logs, certificates and fork proofs: what to tell a peer of them, what to ask (spec 06).

They converge before data does, since data is judged by them. Pure decisions; the owner of the link
sends what they return and stores what comes.

Of a federation all certificates are told, each by its own id, behind those that it stands on. They
are asked for in that order and come in it, so a chain of any length is verified as it comes.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.link.messages import LIST, ControlHave, ControlWant, KeyLogItem, KeyLogWant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence, Sized

    from sheaf_protocol.digest import CoopId, Digest

MAX_CONTROL: Final = 4_096
"""Key logs, certificates or proofs that a node takes from one peer: four federations of the largest
size, or a thousand epochs of each. Without it a member could fill our disk with co-ops of its own
making."""

MAX_TOLD: Final = 3 * MAX_CONTROL
"""Items that one peer may tell of, all three kinds together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldKeyLog:
    """A co-op's key log in force, and every operation held of it."""

    size: int
    head: Digest
    branches: tuple[tuple[Digest, ...], ...]
    """The ids of the operations of its path, and of a rival path where the co-op is divided."""

    def knows(self, item: KeyLogItem) -> bool:
        """Return whether a peer that tells this holds nothing that we do not."""
        if (item.size, item.head) == (self.size, self.head):
            return True
        return any(
            0 < item.size <= len(ids) and ids[item.size - 1] == item.head for ids in self.branches
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ControlState:
    """The control items that a node holds, as far as one peer may know of them."""

    key_logs: Mapping[CoopId, HeldKeyLog] = field(default_factory=dict)
    certificates: Sequence[Digest] = ()
    """Their ids, each behind those of the certificates that it stands on."""
    proofs: frozenset[Digest] = frozenset()


class ControlSync:
    """The control items of one link: what was told in both directions, and asked."""

    def __init__(self) -> None:
        self.is_asking = False
        self._is_told = self._is_whole = False
        self._told: ControlState | None = None
        self._key_logs: dict[CoopId, KeyLogItem] = {}
        # In the order told, as a set would not keep it.
        self._certificates: dict[Digest, None] = {}
        self._proofs: set[Digest] = set()
        self._asked: set[tuple[bytes, ...]] = set()

    def tell(self, ours: ControlState) -> list[ControlHave]:
        """Return the messages that tell the peer what we hold: none if it was told already."""
        if ours is self._told or ours == self._told:
            return []
        self._told = ours
        # What a peer could not deliver may fit now: a charter, say, whose last key log has come.
        self._asked.clear()
        logs = [KeyLogItem(c, log.size, log.head) for c, log in sorted(ours.key_logs.items())]
        certificates, proofs = list(ours.certificates), sorted(ours.proofs)
        count = max(1, *(-(-len(one) // LIST) for one in (logs, certificates, proofs)))
        parts = [slice(i * LIST, (i + 1) * LIST) for i in range(count)]
        return [
            ControlHave(logs[part], certificates[part], proofs[part], part is parts[-1])
            for part in parts
        ]

    def hear(self, have: ControlHave) -> None:
        """Take what the peer says it holds; a new telling takes the place of the last.

        Raises RemoteProtocolError `link.control_size` where a telling does not end.
        """
        if self._is_whole:
            self._key_logs.clear()
            self._certificates.clear()
            self._proofs.clear()
        self._is_whole = have.is_last
        self._key_logs.update((item.cid, item) for item in have.key_logs)
        self._certificates.update(dict.fromkeys(have.certificates))
        self._proofs.update(have.proofs)
        told = {*self._key_logs, *self._certificates, *self._proofs}
        if len(told) > MAX_TOLD:
            detail = f"expected at most {MAX_TOLD} control items, got {len(told)}"
            raise RemoteProtocolError("link.control_size", detail)
        self._asked = {asked for asked in self._asked if asked[0] in told}
        self._is_told = self._is_told or have.is_last

    def ask(self, ours: ControlState) -> ControlWant | None:
        """Return what to ask for, or None: nothing is missing, or the last answer is due."""
        if self.is_asking or not self._is_told:
            return None
        logs = list(itertools.islice(self._logs_to_ask(ours), LIST))
        held = set(ours.certificates)
        certificates = [c for c in self._certificates if c not in held and (c,) not in self._asked]
        proofs = [p for p in self._proofs - ours.proofs if (p,) not in self._asked]
        want = ControlWant(
            [want for _, want in logs],
            certificates[: _room(ours.certificates)],
            proofs[: _room(ours.proofs)],
        )
        if not (want.key_logs or want.certificates or want.proofs):
            return None
        self._asked.update(key for key, _ in logs)
        self._asked.update((name,) for name in (*want.certificates, *want.proofs))
        self.is_asking = True
        return want

    def ask_again(self) -> None:
        """Ask once more for certificates that came and could not be taken: key logs have come."""
        self._asked = {asked for asked in self._asked if asked[0] not in self._certificates}

    def answered(self) -> None:
        """The last message of the answer came."""
        self.is_asking = False

    @property
    def is_settled(self) -> bool:
        """Whether the peer has told what it holds and owes no answer: data may follow."""
        return self._is_told and not self.is_asking

    def _logs_to_ask(self, ours: ControlState) -> Iterator[tuple[tuple[bytes, ...], KeyLogWant]]:
        """Yield what to ask of key logs whose head is not known here, and how to remember it."""
        room = _room(ours.key_logs)
        for item in self._key_logs.values():
            held = ours.key_logs.get(item.cid)
            if held is None and room == 0:
                continue
            room -= held is None
            for key, first in _ways(item, held):
                if key not in self._asked:
                    yield key, KeyLogWant(item.cid, first)
                    break


def _ways(item: KeyLogItem, held: HeldKeyLog | None) -> Iterator[tuple[tuple[bytes, ...], int]]:
    """Yield how to ask for a key log, each way once for each head.

    A longer one is asked for from where ours ends. Where that did not attach, the two divide below,
    and only the whole tells which side is stronger; a shorter one that we do not know divides too.
    """
    if held is not None and held.knows(item):
        return
    head = (item.cid, item.size.to_bytes(8, "big"), item.head)
    if held is not None and item.size > held.size:
        yield head, held.size
    yield (*head, b"whole"), 0


def _room(held: Sized) -> int:
    return max(0, min(LIST, MAX_CONTROL - len(held)))
