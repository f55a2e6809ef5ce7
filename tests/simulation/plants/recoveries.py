"""Bugs in the restoring of a home: what is signed, promised, and taken over by whom."""

from __future__ import annotations

from typing import Any

from tests.simulation.planted import around, change, change_function, mutant, ran

from sheaf_node.ingest.fence import Fences
from sheaf_node.ingest.progress import LogProgress
from sheaf_node.plugins.lineage import Lineages
from sheaf_node.recovery import mark
from sheaf_node.recovery.service import Recovery
from sheaf_node.recovery.standing import Standing
from sheaf_protocol.recovering import required

RESTORES = ("restore",)


def _sign_on() -> None:
    """Let a node sign whatever it is shown of its own writer, and at once."""

    async def at_once(_: Standing) -> None:
        return

    change(Standing, "note_foreign", lambda _: lambda *_: None)
    change(Standing, "note_declared", lambda _: lambda *_: None)
    change(Standing, "until_compared", lambda _: at_once)


@mutant("I3 I6", profiles=RESTORES, budget=64)
def restored_home_signs_on() -> None:
    """A home that was put back from a backup goes on with its writer as if nothing was lost."""
    change_function(mark, around("restored_home_signs_on", lambda *_, **__: None))
    _sign_on()


@mutant("I1 I2 I3 I6 I7", profiles=RESTORES, budget=128)
def promises_are_not_waited_for() -> None:
    """A home that was put back closes its lost writer where it knows its end, and asks nobody."""
    change(Recovery, "_required", around("promises_are_not_waited_for", lambda *_, **__: []))


@mutant("I1", profiles=("late-word",), budget=8)
def promises_are_not_kept() -> None:
    """A node takes entries of a lost log beyond the place at which it promised to stop."""

    def body(original: Any, log: LogProgress, item: Any) -> None:
        if log._fence is not None and item.header.seq > log._fence:
            ran("promises_are_not_kept")

    change(LogProgress, "require_not_promised", lambda original: lambda *a: body(original, *a))
    change(Fences, "held_back", lambda _: lambda *_: frozenset())


@mutant("I2 I3 I6 I7 I8", profiles=RESTORES, budget=32)
def decides_while_recovering() -> None:
    """Services of a home that was put back publish before its new writer has taken over."""

    def body(original: Any, standing: Standing, kinds: Any) -> None:
        if standing.marker is not None and not standing.has_lost_writer:
            ran("decides_while_recovering")
            return
        original(standing, kinds)

    change(Standing, "require_publishing", lambda original: lambda *args: body(original, *args))


@mutant("I1 I3 I7", profiles=RESTORES, budget=16)
def new_writer_is_nobodys_heir() -> None:
    """Services do not follow a writer to the one that took over from it."""
    for name in ("link", "show"):
        change(Lineages, name, around("new_writer_is_nobodys_heir", lambda *_: None))


@mutant("I1", profiles=("late-word",), budget=8)
def promises_are_forgotten_at_restart() -> None:
    """A node that starts again does not know what it promised."""

    class Empty:
        def promises(self) -> tuple[()]:
            return ()

    def body(original: Any, fences: Fences, store: Any, *rest: Any) -> None:
        if any(True for _ in store.promises()):
            ran("promises_are_forgotten_at_restart")
        original(fences, Empty(), *rest)
        fences._store = store

    change(Fences, "__init__", lambda original: lambda *args: body(original, *args))


@mutant("I1 I3", profiles=("early-copy",), budget=8)
def members_without_entries_are_dormant() -> None:
    """A home that was put back does not wait for members of which its copy holds no entry."""

    def body(original: Any, members: Any, newest_ms: Any, **named: Any) -> Any:
        known = {cid: newest_ms.get(cid, 0) for cid in members}
        return original(members, known, **named)

    change_function(required, around("members_without_entries_are_dormant", body))
