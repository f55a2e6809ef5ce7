"""Which entries of a batch are proven, and by what (spec 05, LOG-6 to LOG-8).

A header is proven by its own valid signature; by that of a later entry of the same log that is
reached from it by `prev`, since whoever signs an entry vouches for all before it; or by a control
item that names it: its writer's cut, or the two sides of a fork that follow it. Checking one
signature in 64 makes catching up nearly three times as cheap. A signature that is present is always
checked: an unverified one would be stored and served as if it were good.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.store.state import header_of
from sheaf_protocol.envelope import verify_signature
from sheaf_protocol.errors import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sheaf_node.ingest.model import Opened
    from sheaf_node.store import State
    from sheaf_protocol.digest import EntryId


class Proofs:
    """The signatures of one batch. Each is checked at most once, and only when asked for."""

    def __init__(self, batch: Iterable[Opened], state: State) -> None:
        self._state = state
        self._next = {(item.log, item.header.prev): item for item in batch}
        self._faults: dict[EntryId, RemoteProtocolError | None] = {}
        self._proven_by: dict[EntryId, int | None] = {}

    def prove(self, item: Opened) -> int | None:
        """Return None for a valid signature, else the number of the entry that proves this one.

        Raises RemoteProtocolError `env.signature` where nothing does.
        """
        if not item.envelope.signature:
            return self._later(item)
        fault = self._fault(item)
        if fault is not None:
            raise fault
        return None

    def _later(self, item: Opened) -> int:
        """Return the number of what proves an unsigned entry."""
        if item.id not in self._proven_by:
            self._walk(item)
        proven_by = self._proven_by[item.id]
        if proven_by is None:
            detail = f"expected a signature on entry {item.header.seq} or on one after it"
            raise RemoteProtocolError("env.signature", detail)
        return proven_by

    def _walk(self, item: Opened) -> None:
        """Find what proves an unsigned entry, for it and for all that are passed on the way."""
        run: list[Opened] = []
        at: Opened | None = item
        proven_by: int | None = None
        while at is not None:
            run.append(at)
            if self._is_anchored(at) or (at.envelope.signature and self._fault(at) is None):
                proven_by = at.header.seq
                break
            at = self._following(at)
        self._proven_by.update((passed.id, proven_by) for passed in run)

    def _following(self, item: Opened) -> Opened | None:
        # Keyed by the log too: another's signature over our `prev` proves nothing here.
        after = self._next.get((item.log, item.id))
        return after if after is not None and after.header.seq == item.header.seq + 1 else None

    def _is_anchored(self, item: Opened) -> bool:
        """Return whether a cut names this entry, or both sides of its log's fork follow it."""
        keys = self._state.key_logs.get(item.header.cid)
        writer = None if keys is None else keys.writers.get(item.header.wid)
        cut = None if writer is None else writer.cut_in(item.header.fid)
        if cut is not None and cut.head == item.id:
            return True
        fork = self._state.proof_of.get(item.log)
        if fork is None:
            return False
        return item.id in {header_of(side.header).prev for side in (fork.first, fork.second)}

    def _fault(self, item: Opened) -> RemoteProtocolError | None:
        """Return what is wrong with an entry's own signature."""
        if item.id not in self._faults:
            self._faults[item.id] = _signature_fault(item)
        return self._faults[item.id]


def _signature_fault(item: Opened) -> RemoteProtocolError | None:
    # The one place where entries' signatures are checked: half of all CPU time of catching up, and
    # libsodium lets go of the interpreter meanwhile, should it move to a thread.
    try:
        verify_signature(item.envelope, item.header)
    except RemoteProtocolError as exc:
        return exc
    return None
