"""Where a coordinator clears its pools: each in a process of its own, and again where that fails.

The first try asks the solver. Where it does not come back by its hard limit, or a native library
falls over, a second one goes without it: its award may be worth less than the best, which its gap
says. So every pool that can be awarded is, and nothing waits for a solver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from sheaf_services.pooled_purchasing.clearing.draft import NO_FIT, Draft, Failed, attempt_clearing
from sheaf_services.pooled_purchasing.clearing.judging import case_of, knows_ration
from sheaf_services.pooled_purchasing.clearing.solve import Limits
from sheaf_services.pooled_purchasing.evaluate import Lapse, nothing_to_decide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.plugins import ServiceContext
    from sheaf_protocol.digest import EntryId
    from sheaf_services.pooled_purchasing.inputs import Inputs

Outcome: TypeAlias = Draft | Lapse

TRIES: Final[Sequence[Limits]] = (Limits(), Limits(seconds=0))


class ClearingDesk:
    """What clearing came to, by the close that it is of; worked out anew after a restart."""

    def __init__(self, context: ServiceContext) -> None:
        self._context = context
        self._failed: dict[EntryId, list[Failed]] = {}
        self._outcomes: dict[EntryId, Outcome] = {}
        self._running: dict[str, EntryId] = {}

    def outcome(self, inputs: Inputs) -> Outcome | None:
        """Return what a pool comes to; None where that is being worked out, or cannot be here."""
        close = inputs.close.id
        if close in self._outcomes or close in self._running.values():
            return self._outcomes.get(close)
        lapse = nothing_to_decide(inputs)
        if lapse is None and not any(case_of(inputs).market.offers):
            lapse = Lapse.NO_TIER
        if lapse is not None:
            self._outcomes[close] = lapse
        elif knows_ration(inputs):
            self._begin(inputs)
        return lapse

    def finish(self, key: str, result: object) -> None:
        """Take what a computation came to; None where its process ended without an answer."""
        close = self._running.pop(key, None)
        if close is None:
            return
        if isinstance(result, Draft):
            self._outcomes[close] = result
        elif isinstance(result, Failed) and result.code == NO_FIT:
            self._outcomes[close] = Lapse.NO_FIT
        else:
            ended = Failed("pool.solver_stopped", "expected an award within the solver's limit")
            failed = result if isinstance(result, Failed) else ended
            self._failed.setdefault(close, []).append(failed)

    def why(self, close: EntryId) -> str | None:
        """Return the code of what keeps a pool from being cleared, or None."""
        failed = self._failed.get(close, [])
        return failed[-1].code if len(failed) == len(TRIES) else None

    def _begin(self, inputs: Inputs) -> None:
        close = inputs.close.id
        tried = len(self._failed.get(close, ()))
        left = TRIES[tried:]
        if not left:
            return
        key = f"clear:{close.hex()}:{tried}"
        self._running[key] = close
        self._context.run(key, attempt_clearing, case_of(inputs), close, left[0])
