"""One run of the kit from beginning to end: against a node at an address, or a throw-away one."""

from __future__ import annotations

import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sheaf_node.conform.api import Api
from sheaf_node.conform.cases import all_cases, dialled_paths
from sheaf_node.conform.judging import judge_vectors
from sheaf_node.conform.kit import open_kit, require_kit
from sheaf_node.conform.listener import KitListener
from sheaf_node.conform.own import JUDGE, SERVE, own_node
from sheaf_node.conform.runner import JOBS, LIMIT_S, Runner, allot
from sheaf_node.conform.target import read_target, require_listening
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from sheaf_node.clock import Clock
    from sheaf_node.conform.model import Case
    from sheaf_node.conform.runner import Report
    from sheaf_protocol.testing.vectors import Vector


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What a run is asked for."""

    cases: Sequence[Case]
    vectors: Sequence[Vector] = ()
    """Those that a run of our own puts to our own judge."""
    limit_s: float = LIMIT_S
    jobs: int = JOBS


async def run_against(
    url: str,
    folder: Path,
    wish: Wish,
    clock: Clock,
    on_report: Callable[[Report], None],
    *,
    api: Api | None = None,
    listen: tuple[str, int] | None = None,
) -> Sequence[Report]:
    """Return the reports of a run against the node at a URL, with the kit in a folder.

    Raises Refusal `peer.url`, `link.unreachable`, `peer.port_in_use`, `charter.file`,
    `charter.card`.
    """
    target = read_target(url)
    require_kit(folder)
    await require_listening(target)  # before the kit counts as used
    async with _listening(listen) as listener:
        runner = Runner(
            open_kit(folder, clock.now_ms()),
            target,
            now_ms=clock.now_ms,
            api=api,
            listener=listener,
            limit_s=wish.limit_s,
            jobs=wish.jobs,
        )
        return await runner.run(wish.cases, allot(all_cases()), on_report)


async def run_own(
    wish: Wish,
    clock: Clock,
    on_report: Callable[[Report], None],
    *,
    seed: bytes | None = None,
    serve: str = SERVE,
) -> Sequence[Report]:
    """Return the reports of a run against a node and a judge of ours that live as long as the run.

    Raises Refusal `node.unreachable` where the node does not start.
    """
    reports: list[Report] = []
    if wish.cases:
        reports += await _run_node(wish, clock, on_report, seed=seed, serve=serve)
    if wish.vectors:
        reports += await judge_vectors(wish.vectors, JUDGE, wish.limit_s, on_report)
    return reports


async def _run_node(
    wish: Wish,
    clock: Clock,
    on_report: Callable[[Report], None],
    *,
    seed: bytes | None,
    serve: str,
) -> Sequence[Report]:
    with tempfile.TemporaryDirectory(prefix="sheaf-conform-") as folder:
        made = own_node(Path(folder), clock, seed=seed, paths=dialled_paths(), serve=serve)
        async with made as node, _listening(("127.0.0.1", node.listen)) as listener:
            runner = Runner(
                node.kit,
                read_target(node.url),
                now_ms=clock.now_ms,
                api=Api(node.api, node.token),
                listener=listener,
                limit_s=wish.limit_s,
                jobs=wish.jobs,
            )
            return await runner.run(wish.cases, allot(all_cases()), on_report)


@asynccontextmanager
async def _listening(address: tuple[str, int] | None) -> AsyncIterator[KitListener | None]:
    """Keep the kit's own port open, where an address is given."""
    if address is None:
        yield None
        return
    listener = KitListener()
    try:
        await listener.start(*address)
    except OSError as exc:
        detail = f"expected to listen on {address[0]}:{address[1]}, got: {exc.strerror}"
        raise Refusal("peer.port_in_use", detail) from exc
    try:
        yield listener
    finally:
        await listener.stop()
