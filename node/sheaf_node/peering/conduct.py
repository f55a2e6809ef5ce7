"""What one peer answers for: the work that it makes us do, and what it should not have passed on.

The measures are in `policy.py`. Each method raises RemoteProtocolError where the link has to end.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sheaf_node.ingest import Outcome
from sheaf_node.peering.exchange import glance
from sheaf_node.peering.policy import MAX_BAD, PER_SECOND, Bucket, Strikes, is_own_fault
from sheaf_protocol.errors import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.clock import Clock
    from sheaf_node.ingest import Result
    from sheaf_protocol.digest import WriterId
    from sheaf_protocol.envelope import Envelope

_LOG = logging.getLogger("sheaf.peering")


class Conduct:
    """What the peer at the other end of one link did so far."""

    def __init__(self, clock: Clock, url: str) -> None:
        self._clock, self._url = clock, url
        self._strikes = Strikes()
        self._bucket = Bucket(clock.now_ms())

    def take_up(self, bucket: Bucket) -> None:
        """Go on with the bucket of the peer's co-op, known once the peer is."""
        self._bucket = bucket

    def spend(self, amount: int) -> None:
        """Make the peer pay for what it makes us do. Raises `link.flood`."""
        if not self._bucket.take(amount, self._clock.now_ms()):
            detail = f"expected at most {PER_SECOND} a second of what no credit pays for"
            raise RemoteProtocolError("link.flood", detail)

    def strike(self, code: str, detail: str) -> None:
        """Count a refusal that may be another's doing. Raises `link.bad_entries`."""
        _LOG.info("peer %s: %s: %s", self._url, code, detail)
        if self._strikes.add(self._clock.now_ms()):
            detail = f"expected fewer than {MAX_BAD} refusals in ten minutes, the last {code}"
            raise RemoteProtocolError("link.bad_entries", detail)

    def judge(
        self, results: Sequence[Result], envelopes: Sequence[Envelope], peer: WriterId
    ) -> None:
        """Make the peer answer for a batch, once: of a log whose close we heard of first, an honest
        one may bring a whole batch. Raises as `is_to_blame` and `strike` do.
        """
        pairs = zip(results, envelopes, strict=True)
        bad = [result for result, envelope in pairs if is_to_blame(result, envelope, peer)]
        if bad:
            self.strike(bad[0].code or "", bad[0].detail)


def is_to_blame(result: Result, envelope: Envelope, peer: WriterId) -> bool:
    """Return whether a peer should not have passed an entry on.

    Raises RemoteProtocolError where it forged the entry, or forked its own log.
    """
    if result.outcome not in (Outcome.REJECTED, Outcome.FORK):
        return False
    seen = glance(envelope)
    is_own = seen is not None and seen[0].wid == peer
    if result.outcome is Outcome.FORK:
        # Whoever passes on another's fork does us a service; its author is not talked to.
        if is_own:
            raise RemoteProtocolError("log.forked", result.detail)
        return False
    code = result.code or ""
    if is_own_fault(code):
        raise RemoteProtocolError(code, result.detail)
    return is_own or not code.startswith("log.")
