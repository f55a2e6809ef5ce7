"""Bugs in what a node takes into its logs, and in what it signs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.simulation.planted import around, change, change_function, mutant, ran

from sheaf_node.ingest import decision
from sheaf_node.ingest.model import Outcome
from sheaf_node.ingest.progress import LogProgress
from sheaf_node.ingest.rejects import Rejects
from sheaf_node.ingest.signing import Signer
from sheaf_node.plugins.context import Context
from sheaf_node.store.state import State
from sheaf_protocol.link.data_sync import DataSync
from sheaf_protocol.log import Head, require_next


def _store_anything(*, at_any_time: bool) -> None:
    """Let the store take entries that do not follow on its head, or bear an earlier time."""

    def plan(original: Any, state: State, effects: Any, log: Any, entries: Any) -> None:
        header = entries[0].header
        held = state._held(effects, log, header)
        time_ms = 0 if at_any_time else held.head.time_ms
        head = Head(seq=header.seq - 1, id=header.prev, time_ms=time_ms)
        effects.logs[log] = replace(held, head=head)
        original(state, effects, log, entries)

    change(State, "_plan_entries", lambda original: lambda *args: plan(original, *args))


@mutant("I5 I10", profiles=("general", "expiry-race"), budget=64)
def gaps_are_taken() -> None:
    """A node stores an entry though it lacks those before it, and pushes as carelessly."""

    def body(original: Any, log: LogProgress, item: Any) -> None:
        if item.header.prev != log._id:
            ran("gaps_are_taken")

    change(LogProgress, "require_next", lambda original: lambda *args: body(original, *args))
    change(DataSync, "follows", lambda _: lambda *_: True)
    _store_anything(at_any_time=False)


@mutant("I5 I10", budget=64)
def time_runs_backwards() -> None:
    """A node whose clock was set back signs entries older than its last, and all take them."""

    def body(original: Any, head: Head, header: Any) -> None:
        if header.time_ms < head.time_ms:
            ran("time_runs_backwards")
        original(replace(head, time_ms=0), header)

    def sign(original: Any, signer: Signer, fid: Any, draft: Any, head: Head) -> Any:
        return original(signer, fid, draft, replace(head, time_ms=0))

    def begin(original: Any, context: Context) -> None:
        original(context)
        context._now_ms = context._parts.clock.now_ms()

    change_function(require_next, lambda original: lambda *args: body(original, *args))
    change(Signer, "_sign_one", lambda original: lambda *args: sign(original, *args))
    change(Context, "begin", lambda original: lambda *args: begin(original, *args))
    _store_anything(at_any_time=True)


@mutant("I10", budget=32)
def entries_ahead_of_the_clock_are_taken() -> None:
    """A node takes an entry whatever time it bears."""

    def make(original: Any) -> int:
        return int(original) * 1_000

    def body(original: Any, decider: Any, *args: Any, **named: Any) -> None:
        original(decider, *args, **named)

    change(decision, "MAX_CLOCK_AHEAD_MS", make)
    change(decision.Decider, "__init__", around("entries_ahead_of_the_clock_are_taken", body))


@mutant("I10", profiles=("expiry-race", "general"), budget=64)
def time_passes_while_it_decides() -> None:
    """A service reads its clock, which may have been set back, and its words bear another time."""

    def begin(original: Any, context: Context) -> None:
        original(context)
        context._now_ms = context._parts.clock.now_ms()

    change(Context, "begin", around("time_passes_while_it_decides", begin))


@mutant("I7", budget=64)
def what_came_too_early_is_never_taken() -> None:
    """A node remembers an entry that may be right later as one that is wrong for good."""

    def body(original: Any, exc: Any, *, is_of_bytes: bool = False) -> Any:
        verdict = original(exc, is_of_bytes=is_of_bytes)
        if verdict.outcome is Outcome.HELD:
            ran("what_came_too_early_is_never_taken")
            verdict.outcome, verdict.is_of_bytes = Outcome.REJECTED, True
        return verdict

    change_function(decision.refused, lambda original: lambda *a, **n: body(original, *a, **n))
    change(
        Rejects,
        "remember",
        lambda original: lambda rejects, _, *rest: original(rejects, b"", *rest),
    )
    change(
        Rejects,
        "code",
        lambda original: lambda rejects, _, envelope: original(rejects, b"", envelope),
    )
