"""Whether this node can do its work now: what `/readyz` answers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sheaf_node.store import Change
from sheaf_protocol.errors import LocalProtocolError, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from sheaf_node.ingest import Ingest
    from sheaf_node.recovery import Standing
    from sheaf_node.store import Store

KEPT_S: Final = 1.0
"""For how long an answer is given again. Anybody on this computer may ask without end."""
COMMIT_S: Final = 5.0
"""For the store to take an empty change: as long as the slowest fsync that is no fault."""
_ORDINARY: Final = "verdict"


@dataclass(frozen=True, kw_only=True, slots=True)
class Readiness:
    """Whether a node takes what it is given and may sign; `code` is the rule where not."""

    code: str | None = None

    @property
    def is_ready(self) -> bool:
        """Whether nothing is in its way."""
        return self.code is None


class Health:
    """Looks at one node; its store is open, and so of the newest schema."""

    def __init__(
        self,
        store: Store,
        ingest: Ingest,
        standing: Standing | None,
        elapsed_s: Callable[[], float],
        *,
        commit_s: float = COMMIT_S,
    ) -> None:
        self._store, self._ingest, self._standing = store, ingest, standing
        self._elapsed_s, self._commit_s = elapsed_s, commit_s
        self._asking = asyncio.Lock()
        self._last: tuple[float, Readiness] | None = None

    async def readiness(self) -> Readiness:
        """Return whether the node is ready, as of a second ago at most."""
        async with self._asking:
            now_s = self._elapsed_s()
            if self._last is None or now_s - self._last[0] > KEPT_S:
                self._last = (now_s, Readiness(code=await self._obstacle()))
            return self._last[1]

    async def _obstacle(self) -> str | None:
        """Return the code of what is in the way: of the store, the disk, or the right to sign."""
        try:
            # It passes the queue and the thread that writes, and costs no fsync.
            async with asyncio.timeout(self._commit_s):
                await self._store.commit(Change())
            self._ingest.quota.require_disk()
            if self._standing is not None:
                self._standing.require_publishing([_ORDINARY])
        except TimeoutError:
            return "store.slow"
        except (Refusal, LocalProtocolError) as refusal:
            return refusal.code
        return None
