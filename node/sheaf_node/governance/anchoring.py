"""Which operations of members' key logs the next certificate anchors.

What is anchored no later theft undoes, so a change of keys is anchored only after its co-op had
time to notice it and to object (`anchor_ms` of the policy); a new writer or sealing key at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sheaf_protocol.identity import Recover, Rotate, decode_op
from sheaf_protocol.records.governance import KeyHead

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from sheaf_node.governance.sighting import Sightings
    from sheaf_protocol.charter import Charter, Member
    from sheaf_protocol.digest import CoopId, Digest, WriterId
    from sheaf_protocol.identity import KeyHistory

MOST_HEADS: Final = 128
"""10 KB of a proposal, which also has the votes; the rest moves with the next certificate."""


class Anchoring:
    """What is to be anchored on a charter, at one moment of our clock."""

    def __init__(
        self,
        charter: Charter,
        histories: Mapping[CoopId, KeyHistory],
        sightings: Sightings,
        now_ms: int,
    ) -> None:
        self._histories, self._sightings, self._now_ms = histories, sightings, now_ms
        self._wait_ms = charter.policy.anchor_ms
        # Of a thousand members a few have anything that is not anchored.
        aheads = {member.cid: self._beyond(member) for member in charter.members}
        self._ahead = {cid: heads for cid, heads in aheads.items() if heads}

    def heads(
        self, besides: Container[CoopId] = (), first: Container[CoopId] = ()
    ) -> list[KeyHead]:
        """Return the heads that move, of all members but those named, in ascending order of ids.

        Where there are too many for one proposal, those `first` come before changes of keys, and
        these before others.
        """
        moved = []
        for cid, ahead in self._ahead.items():
            ripe = self._ripe(ahead, cid)
            if ripe and cid not in besides:
                moved.append(KeyHead(cid=cid, key_head=ripe[-1]))
        moved.sort(key=lambda h: (h.cid not in first, not self.has_change_of_keys([h])))
        return sorted(moved[:MOST_HEADS], key=lambda head: head.cid)

    def agrees(self, heads: Iterable[KeyHead]) -> bool:
        """Return whether all of these heads are in force here, and known for long enough."""
        return all(
            each.key_head in self._ripe(self._ahead.get(each.cid, ()), each.cid) for each in heads
        )

    def first_open(self, cid: CoopId, wid: WriterId) -> Digest | None:
        """Return the first head that may be anchored where a writer is open.

        None where there is none, and where it is open at the head that is anchored.
        """
        ripe, history = self._ripe(self._ahead.get(cid, ()), cid), self._histories.get(cid)
        if history is None or not ripe:
            return None
        heads = history.state.heads
        if history.state.has_writer_at(heads[heads.index(ripe[0]) - 1], wid):
            return None
        return next((head for head in ripe if history.state.has_writer_at(head, wid)), None)

    def reaches(self, cid: CoopId, anchored: Digest, head: Digest) -> bool:
        """Return whether an anchor is at a head or beyond it; true of a head that is void."""
        ahead = self._ahead.get(cid, ())
        return head not in ahead or anchored in ahead[ahead.index(head) :]

    def has_change_of_keys(self, heads: Iterable[KeyHead]) -> bool:
        """Return whether one of these heads anchors a rotate or recover."""
        for each in heads:
            ahead = self._ahead.get(each.cid, ())
            upto = ahead[: ahead.index(each.key_head) + 1] if each.key_head in ahead else ()
            if any(self._replaces_keys(each.cid, head) for head in upto):
                return True
        return False

    def due_ms(self) -> int | None:
        """Return when the next change of keys may be anchored; None where none waits."""
        due = (self._ripe_ms(head) for head in self._waiting())
        return min((at for at in due if at > self._now_ms), default=None)

    def tidy(self) -> None:
        """Forget when anchored operations were seen."""
        self._sightings.keep(self._waiting())

    def _waiting(self) -> frozenset[Digest]:
        """Return the changes of keys that are not anchored."""
        return frozenset(
            head
            for cid, ahead in self._ahead.items()
            for head in ahead
            if self._replaces_keys(cid, head)
        )

    def _beyond(self, member: Member) -> Sequence[Digest]:
        """Return the operations in force beyond the one that is anchored."""
        history = self._histories.get(member.cid)
        heads = () if history is None else history.state.heads
        return heads[heads.index(member.key_head) + 1 :] if member.key_head in heads else ()

    def _ripe(self, ahead: Sequence[Digest], cid: CoopId) -> Sequence[Digest]:
        """Return those before the first change of keys that is not known for long enough."""
        for place, head in enumerate(ahead):
            if self._replaces_keys(cid, head) and self._now_ms < self._ripe_ms(head):
                return ahead[:place]
        return ahead

    def _ripe_ms(self, head: Digest) -> int:
        return self._sightings.first_ms(head, self._now_ms) + self._wait_ms

    def _replaces_keys(self, cid: CoopId, head: Digest) -> bool:
        history = self._histories[cid]
        operation = decode_op(history.path[history.state.heads.index(head)])
        return isinstance(operation, Recover | Rotate)
