"""When a delivery is tried again, and when no more. Pure: times and results in, what is next out.

The steps are those that Standard Webhooks recommends: three days in all, so that a receiver which
breaks on a Friday has Monday to mend. A tenth is added at random, or all that failed together would
come back together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import structs

from sheaf_node.webhooks.model import Stage, State

if TYPE_CHECKING:
    from sheaf_node.webhooks.model import Delivery, Webhook
    from sheaf_node.webhooks.posting import Outcome

_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS
WAITS_MS: Final = (
    5_000,
    5 * _MINUTE_MS,
    30 * _MINUTE_MS,
    2 * _HOUR_MS,
    5 * _HOUR_MS,
    10 * _HOUR_MS,
    14 * _HOUR_MS,
    20 * _HOUR_MS,
    24 * _HOUR_MS,
)
"""Between one try and the next."""
MOST_TRIES: Final = len(WAITS_MS) + 1
FAILED_AFTER_MS: Final = 5 * 24 * _HOUR_MS
"""Nothing but failures for so long, and nothing more is sent."""
_GONE: Final = 410


def after_try(
    webhook: Webhook, delivery: Delivery, outcome: Outcome, *, now_ms: int, chance: int
) -> tuple[Webhook, Delivery]:
    """Return both as a try has left them. `chance` is a random number from 0 to 255."""
    tries = delivery.tries + 1
    tried = structs.replace(delivery, tries=tries, result=outcome.words, next_ms=now_ms)
    if outcome.is_taken:
        done = structs.replace(tried, stage=Stage.DELIVERED)
        return structs.replace(webhook, failing_since_ms=None), done
    since_ms = now_ms if webhook.failing_since_ms is None else webhook.failing_since_ms
    failing = structs.replace(
        webhook, failing_since_ms=since_ms, state=_state(outcome.status, now_ms - since_ms)
    )
    if tries >= MOST_TRIES:
        return failing, structs.replace(tried, stage=Stage.DEAD)
    wait_ms = WAITS_MS[tries - 1]
    return failing, structs.replace(tried, next_ms=now_ms + wait_ms + wait_ms * chance // 2_560)


def _state(status: int | None, failing_ms: int) -> State:
    if status == _GONE:
        return State.GONE
    return State.FAILED if failing_ms >= FAILED_AFTER_MS else State.ACTIVE
