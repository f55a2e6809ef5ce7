"""Whether this node may sign, and what it waits for where it may not.

The one object through which ingest, the start of a node, the built-in service and the status look
at the home's marker. It reads the marker's file at each look, since the operator's command writes
to it while the node runs.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec.structs import replace

from sheaf_node.recovery.marker import (
    InUse,
    read_in_use,
    read_marker,
    remove_marker,
    write_in_use,
    write_marker,
)
from sheaf_node.recovery.progress import Progress
from sheaf_protocol.digest import WriterId, short
from sheaf_protocol.errors import LocalProtocolError, Refusal
from sheaf_protocol.records.recovery import WRITER_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from sheaf_node.ingest import Ingest
    from sheaf_node.recovery.marker import Marker
    from sheaf_protocol.charter import Federation
    from sheaf_protocol.digest import CoopId, EntryId, FederationId
    from sheaf_protocol.envelope import Header
    from sheaf_protocol.identity import KeyLog
    from sheaf_protocol.recovering import Lost


class Standing:
    """What is known of a home being restored or copied, whose co-op and writer these are."""

    def __init__(
        self, home: Path, *, cid: CoopId, own: WriterId, progress: Progress | None = None
    ) -> None:
        self._home, self._cid = home, cid
        self._progress = progress or Progress()
        self._ingest: Ingest | None = None
        self.own = own
        self.in_use: InUse | None = read_in_use(home)
        """What shows that another node signs with our keys; None where nothing does."""
        self.doubled_at: str | None = None
        """The url of a peer that keeps a link of another node with our keys, at the last look."""
        self.restart = asyncio.Event()
        """Set when the home has to be opened anew, for an operation on the key log."""
        self.waits_for: dict[FederationId, list[str]] = {}
        """By federation, in words what keeps the recovery waiting there."""
        self.peers_missing: list[str] = []
        """The peers that our key log is still to be compared with."""
        self.key_missing: str | None = None
        """In words what keeps this home from signing what is due on its key log; else None."""
        self._promised: dict[FederationId, frozenset[str]] = {}
        self._done: set[FederationId] = set()
        self._may_publish = asyncio.Event()
        self._may_publish.set()

    def use(self, ingest: Ingest) -> None:
        """Take it that this ingest says which federations there are."""
        self._ingest = ingest

    @property
    def federations(self) -> Mapping[FederationId, Federation]:
        """The federations that our co-op is a member of, by id."""
        held = {} if self._ingest is None else self._ingest.federations
        return {fid: each for fid, each in held.items() if each.is_member(self._cid)}

    def is_alone(self, marker: Marker) -> bool:
        """Return whether nobody could know more than this home, but for co-ops done without."""
        members = {cid for each in self.federations.values() for cid in each.members}
        return all(cid == self._cid or cid.hex() in marker.without for cid in members)

    @property
    def marker(self) -> Marker | None:
        """How far the recovery has come; None for a home that is not recovering."""
        return read_marker(self._home)

    @property
    def is_recovering(self) -> bool:
        """Whether the home was put back, and no new writer has taken over everywhere so far."""
        return self.marker is not None

    @property
    def is_compared(self) -> bool:
        """Whether our key log was compared with the peers since the node was started."""
        return self._progress.is_compared

    @property
    def closing(self) -> Sequence[str]:
        """The lost writers that may be closed, in hex."""
        return self._progress.closing or ()

    @property
    def is_unsettled(self) -> bool:
        """Whether what is looked at may change soon."""
        return self.doubled_at is not None or self.is_recovering

    @property
    def has_lost_writer(self) -> bool:
        """Whether the writer of our keys is one that is lost, so that nothing may be signed."""
        marker = self.marker
        return marker is not None and (marker.is_fresh or self.own.hex() in marker.lost)

    @property
    def may_change_keys(self) -> bool:
        """Whether a key log operation of this node could not collide with another one's."""
        return self.in_use is None and not self.is_recovering

    def begin(self, came_ms: Mapping[FederationId, int]) -> None:
        """Note what a home came with that is opened for the first time since it was put back."""
        marker = self.marker
        if marker is None or not marker.is_fresh:
            return
        lost = list(dict.fromkeys([*marker.lost, self.own.hex()]))
        times = {fid.hex(): time_ms for fid, time_ms in came_ms.items()}
        self._progress.is_compared, self._progress.closing = False, None
        write_marker(self._home, replace(marker, is_fresh=False, lost=lost, came_ms=times))

    def take_up(self, own: WriterId) -> None:
        """Go on with another writer, which the start of the node has delegated."""
        self.own = own

    def note_compared(self) -> None:
        """Note that our key log was compared with the peers; a new writer is due, or the next step.

        For a new writer the home is opened anew.
        """
        self._progress.is_compared = True
        if self.has_lost_writer:
            self.restart.set()
        else:
            self.step()

    def note_promised(self, fid: FederationId, lost: Iterable[WriterId]) -> None:
        """Note that all promises on these writers are here in a federation, and what they name.

        After the last federation the home is to be opened anew, to close them.
        """
        self._promised[fid] = frozenset(wid.hex() for wid in lost)
        self.step()

    def note_unpromised(self, fid: FederationId) -> None:
        """Note that something is missing in a federation."""
        self._promised.pop(fid, None)

    def note_done(self, fid: FederationId) -> None:
        """Note that our writer has taken over in a federation; after the last, the marker goes."""
        self._done.add(fid)
        self.step()

    def step(self) -> None:
        """Go on where all federations have come as far; where there are none, at once."""
        marker, progress = self.marker, self._progress
        if marker is None or self.has_lost_writer or self.restart.is_set():
            return
        if not progress.is_compared:
            return
        fids = self.federations.keys()
        # In no federation nothing but the missing key tells that a lost writer is still open.
        is_closed = bool(fids) or self.key_missing is None
        if progress.closing is not None and self._done.issuperset(fids) and is_closed:
            remove_marker(self._home)
        elif self._promised.keys() >= fids:
            promised = [self._promised[fid] for fid in sorted(fids)]
            closing = sorted(frozenset.intersection(*promised) if promised else marker.lost)
            # Where nothing is left to close it may go on at once.
            if closing and closing != progress.closing:
                self.restart.set()
            if closing or progress.closing is None:
                progress.closing = closing

    # What follows is what ingest asks: see `ingest.guard.Guard`.

    async def until_compared(self) -> None:
        """Return once what this home holds of its own log was compared with a peer."""
        await self._may_publish.wait()

    def hold(self) -> None:
        """Let publications wait until `release`."""
        self._may_publish.clear()

    def release(self) -> None:
        """Let publications through."""
        self._may_publish.set()

    def require_publishing(self, kinds: Iterable[str]) -> None:
        """Return if our writer may publish these kinds now.

        Raises LocalProtocolError `node.identity_in_use`, `node.doubled`, `node.recovering`.
        """
        if self.in_use is not None:
            raise LocalProtocolError("node.identity_in_use", self.sentence())
        if self.doubled_at is not None:
            raise LocalProtocolError("node.doubled", self.sentence())
        marker = self.marker
        if marker is None:
            return
        if self.has_lost_writer or not WRITER_KINDS.issuperset(kinds):
            raise LocalProtocolError("node.recovering", self.sentence())

    def note_foreign(self, header: Header, id_: EntryId) -> None:
        """Take note of an entry that a peer brought and this home did not hold.

        One of our own writer was signed elsewhere: this node signs nothing from here on.
        """
        if header.wid == self.own:
            self._halt(InUse(fid=header.fid.hex(), id=id_.hex(), seq=header.seq))

    def note_declared(self, fid: FederationId, lost: Lost) -> None:
        """Take note of another writer's word that ours is lost: our home was put back elsewhere."""
        self._halt(InUse(fid=fid.hex(), id=lost.id.hex(), seq=lost.record.seq, is_word=True))

    def note_keys(self, log: KeyLog) -> None:
        """Take note of our own key log: a writer that is ours and closed was closed elsewhere."""
        writer = log.writers.get(self.own)
        if writer is not None and writer.is_closed:
            self._halt(InUse(fid="", id=log.heads[-1].hex(), seq=log.size, is_close=True))

    def sentence(self) -> str:
        """Return in words why this node may not sign what it would like to."""
        if self.in_use is not None:
            got = f"its entry {self.in_use.seq}, {self.in_use.id[:8]}, which was not signed here"
            if self.in_use.is_word:
                got = f"entry {self.in_use.id[:8]} of this co-op, by which that writer is lost"
            elif self.in_use.is_close:
                got = f"its key log to {self.in_use.seq}, by which that writer was closed elsewhere"
            return (
                f"expected to be the only node of writer {short(self.own)}, got {got}: stop the"
                " other node, or this one for good; then `sheaf recovery begin`"
            )
        if self.doubled_at is not None:
            return (
                f"expected to be the only node of writer {short(self.own)}, but {self.doubled_at}"
                " keeps another link of it: stop the other node, or this one if it is the copy;"
                " what is left of a crashed link goes by itself"
            )
        if not self.is_compared:
            names = ", ".join(self.peers_missing) or "a peer"
            return f"expected to have compared this co-op's key log with its peers: not {names}"
        waits = [text for _, listed in sorted(self.waits_for.items()) for text in listed]
        if not waits and self.key_missing is not None:
            return self.key_missing
        return f"expected a writer that has taken over: {'; '.join(waits) or 'it is being made'}"

    def _halt(self, shown: InUse) -> None:
        """Sign nothing from here on, unless the writer that we have is known to be lost.

        Raises Refusal `recovery.file` where the home cannot be read or written; this process signs
        nothing any more all the same.
        """
        if self.in_use is not None:
            return
        try:
            is_known = self.has_lost_writer
        except Refusal:
            self.in_use = shown
            raise
        if not is_known:
            # First, so that a disk on which it cannot be written does not let this node sign.
            self.in_use = shown
            write_in_use(self._home, shown)
