"""The state of a recovery, for `sheaf recovery show` and the status."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sheaf_node.plugins import Json
    from sheaf_node.recovery.standing import Standing


def report(standing: Standing | None) -> Json:
    """Return whether this node may sign, and in words why not."""
    if standing is None:
        return {
            "state": "free",
            "sentence": None,
            "key_missing": None,
            "peers_missing": [],
            "waits_for": {},
        }
    state = "free"
    if standing.in_use is not None:
        state = "in_use"
    elif standing.doubled_at is not None:
        state = "doubled"
    elif standing.is_recovering:
        state = "recovering"
    return {
        "state": state,
        "sentence": None if state == "free" else standing.sentence(),
        "key_missing": standing.key_missing if state == "recovering" else None,
        "peers_missing": list(standing.peers_missing),
        "waits_for": {fid.hex(): list(waits) for fid, waits in standing.waits_for.items()},
    }
