"""Where a log stops counting, and why: the one place that says which entries are void."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sheaf_node.store.model import CLOSED, EXPIRED, FORKED, LEFT
from sheaf_protocol.digest import ZERO, EntryId
from sheaf_protocol.identity import Cut
from sheaf_protocol.limits import MAX_INT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.store.model import HeldLog
    from sheaf_protocol.charter import Federation
    from sheaf_protocol.identity import KeyLog

_NOTHING: Final = Cut(seq=0, head=EntryId(ZERO))
"""The cut of a writer that the key log in force does not know: it was delegated on a branch that
lost, and whoever overrode it adopted nothing. Also that of a co-op which the certificates in force
never made a member."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """The place of a log from which on nothing counts: by a fork, a cut of its writer, by its
    co-op's leaving, or its writer's expiry.

    Numbers and times only grow inside a log, so what is void is the end of it.
    """

    forked_at: int | None = None
    cut: Cut | None = None
    left: Cut | None = None
    """Where the log of a co-op ends that left the federation."""
    expires_ms: int | None = None

    @property
    def cuts(self) -> Sequence[Cut]:
        """Return the places beyond which the log ends, whatever it says there."""
        return [cut for cut in (self.cut, self.left) if cut is not None]

    def void_of(self, seq: int, id_: EntryId, time_ms: int) -> str | None:
        """Return why an entry is void, or None where it is not.

        A fork outweighs a cut and that the leaving, whichever came first, so that replicas agree on
        the reason.
        """
        if self.forked_at is not None and seq >= self.forked_at:
            return FORKED
        if self.cut is not None and self.cut.is_void(seq, id_):
            return CLOSED
        if self.left is not None and self.left.is_void(seq, id_):
            return LEFT
        # Nobody takes such an entry; but who took it while a branch in force let it in, holds it.
        return EXPIRED if self.expires_ms is not None and time_ms > self.expires_ms else None

    def moved_from(self, before: Line) -> int:
        """Return a number below which all entries count as they did under another line."""
        if self.expires_ms != before.expires_ms:
            return 0
        cuts = (cut.seq for line in (self, before) for cut in line.cuts)
        forks = (line.forked_at for line in (self, before) if line.forked_at is not None)
        return min((*cuts, *forks), default=MAX_INT)


def line_of(held: HeldLog, keys: KeyLog | None, federation: Federation | None) -> Line:
    """Return where a log stops counting under the key log and the certificates in force."""
    left = None if federation is None else left_at(held, federation)
    if keys is None:
        return Line(forked_at=held.forked_at, left=left)
    writer = keys.writers.get(held.wid)
    if writer is None:
        return Line(forked_at=held.forked_at, cut=_NOTHING, left=left)
    cut = writer.cut_in(held.fid)
    return Line(forked_at=held.forked_at, cut=cut, left=left, expires_ms=writer.expires_ms)


def left_at(held: HeldLog, federation: Federation) -> Cut | None:
    """Return where a log ends because its co-op left; None while its co-op is a member."""
    if not federation.was_member(held.cid):
        return _NOTHING  # it was one by a certificate that another one halted
    return federation.cut_of(held.cid, held.wid)
