"""Our own entries before they take the road of everybody's: numbered, dated and signed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.ingest.model import Opened, Unreadable, open_envelope
from sheaf_node.store.model import FORKED
from sheaf_protocol.digest import log_id, short
from sheaf_protocol.envelope import Header, make_payload, payload_hash, seal
from sheaf_protocol.errors import LocalProtocolError
from sheaf_protocol.limits import SALT_BYTES
from sheaf_protocol.log import EMPTY, Head

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.clock import Clock, Randomness
    from sheaf_node.ingest.model import Draft
    from sheaf_node.keyring import Keyring
    from sheaf_node.store import State
    from sheaf_protocol.digest import FederationId


class Signer:
    """Signs drafts as the next entries of our writer's logs."""

    def __init__(self, keyring: Keyring, clock: Clock, random: Randomness) -> None:
        self._keyring, self._clock, self._random = keyring, clock, random

    def sign(self, state: State, fid: FederationId, drafts: Sequence[Draft]) -> list[Opened]:
        """Return drafts as entries that follow on our log in a federation.

        Raises LocalProtocolError `charter.forked` while two certificates of one epoch contradict
        each other, `log.forked` where our writer is proven to have forked its log.
        """
        cid, wid = self._keyring.cid, self._keyring.wid
        held = state.logs.get(log_id(fid, cid, wid))
        chain = state.chains.get(fid)
        if chain is not None and chain.is_forked:
            ids = ", ".join(short(each.id) for each in chain.fork)
            detail = f"expected one certificate on {short(chain.federation.id)}, got {ids}"
            raise LocalProtocolError("charter.forked", f"{detail}; a re-foundation is needed")
        if held is not None and held.forked_at is not None:
            # Not even below the fork: this node may be an old copy that knows less than its peers.
            detail = f"expected a new writer: {short(wid)} is proven to have forked its log"
            raise LocalProtocolError(FORKED, f"{detail} at {held.forked_at}")
        head = EMPTY if held is None else held.head
        items: list[Opened] = []
        for draft in drafts:
            items.append(self._sign_one(fid, draft, head))
            header = items[-1].header
            head = Head(seq=header.seq, id=items[-1].id, time_ms=header.time_ms)
        return items

    def _time_of(self, draft: Draft) -> int:
        return self._clock.now_ms() if draft.decided_ms is None else draft.decided_ms

    def _sign_one(self, fid: FederationId, draft: Draft, head: Head) -> Opened:
        payload = make_payload(draft.body, self._random(SALT_BYTES))
        header = Header(
            1,
            fid,
            self._keyring.cid,
            self._keyring.wid,
            head.seq + 1,
            head.id,
            draft.kind,
            # LOG-5: a clock that was set back does not make the log run backwards.
            max(self._time_of(draft), head.time_ms),
            draft.expires_ms,
            payload_hash(payload),
            len(payload),
            list(draft.refs),
            0,
        )
        envelope = seal(header, payload, self._keyring.writer)
        item = open_envelope(envelope, envelope.id)
        if isinstance(item, Unreadable):
            raise LocalProtocolError(item.fault.code, item.fault.detail)
        return item
