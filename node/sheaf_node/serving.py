"""A node that serves: an open home with its links, its local API and its probes, until it stops."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

from sheaf_node.api import LocalApi, write_token
from sheaf_node.api.lookout import Lookout
from sheaf_node.api.probes import make_probes
from sheaf_node.app import make_watch, open_node, run_services
from sheaf_node.desks import open_desks
from sheaf_node.linking import link
from sheaf_node.observing.commits import Commits, metered
from sheaf_node.recovery import Progress
from sheaf_node.remote import Keeping
from sheaf_node.seats import Door
from sheaf_node.store.writer import Writer
from sheaf_node.upgrading.snapshot import drop_old

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sheaf_node.app import Node
    from sheaf_node.clock import Clock, Randomness
    from sheaf_node.desks import Desks
    from sheaf_node.keyring import Passphrase
    from sheaf_node.linking import Linked


async def serve(
    home: Path,
    *,
    clock: Clock,
    random: Randomness,
    on_ready: Callable[[Node], None],
    passphrase: Passphrase | None = None,
) -> None:
    """Run a node until cancelled, or until its store fails.

    A home that recovers is closed and opened anew in between, for operations on its key log.
    """
    progress = Progress()
    while await _serve_once(
        home,
        progress,
        clock=clock,
        random=random,
        on_ready=on_ready,
        passphrase=passphrase,
    ):
        on_ready = _stay_silent


async def _drop_copy(home: Path, now_ms: int) -> None:
    """Remove the copy of before an upgrade once it is old; it may be of gigabytes."""
    await asyncio.to_thread(drop_old, home, now_ms)


def _stay_silent(node: Node) -> None:
    """Say nothing: whoever started the node was told before."""


async def _serve_once(
    home: Path,
    progress: Progress,
    *,
    clock: Clock,
    random: Randomness,
    on_ready: Callable[[Node], None],
    passphrase: Passphrase | None,
) -> bool:
    """Run a node once; return whether its home is to be opened anew."""
    async with AsyncExitStack() as stack:
        commits = Commits(time.monotonic)
        writer = metered(commits, Writer)
        node = await stack.enter_async_context(
            open_node(
                home,
                clock=clock,
                random=random,
                passphrase=passphrase,
                writer=writer,
                progress=progress,
            )
        )
        linked = await link(stack, node, home)
        desks = await open_desks(stack, node, home)
        token = write_token(home, random)
        api = _api(node, home, linked, desks, commits=commits, token=token)
        watch = make_watch(node, linked.peering)
        await api.start()
        stack.push_async_callback(api.stop)
        await linked.peering.start()
        stack.push_async_callback(linked.peering.stop)
        if node.config.seats.port:
            door = Door(desks.seating, node.config.seats)
            await door.start()
            stack.push_async_callback(door.stop)
        on_ready(node)
        return await run_services(
            node,
            home,
            passphrase,
            watch=watch,
            watching=linked.watching,
            sending=desks.sending,
            keeping=Keeping(
                home,
                desks.remotes,
                url=f"http://127.0.0.1:{node.config.local_port}",
                federations=lambda: node.parts.ingest.federations,
                new_token=desks.tokens.renew,
            ),
            beside=partial(_drop_copy, home),
        )


def _api(
    node: Node, home: Path, linked: Linked, desks: Desks, *, commits: Commits, token: str
) -> LocalApi:
    """Return the local port of a node, with the probes of whoever watches over it."""
    probes = make_probes(
        home,
        node.parts,
        hosts=node.hosts,
        peering=linked.peering,
        standing=node.standing,
        commits=commits,
        watching=linked.watching,
        token=token,
        given=desks.tokens,
        beside=Lookout(remotes=desks.remotes, webhooks=desks.webhooks, seating=desks.seating),
        elapsed_s=time.monotonic,
    )
    return LocalApi(
        token=token,
        port=node.config.local_port,
        store=node.parts.store,
        ingest=node.parts.ingest,
        keyring=node.parts.keyring,
        hosts=node.hosts.by_federation,
        peering=linked.peering,
        blobs=linked.fetching,
        arrivals=node.parts.arrivals,
        clock=node.parts.clock,
        random=node.parts.random,
        standing=node.standing,
        tokens=desks.tokens,
        turns=node.parts.turns,
        has_room=lambda: commits.pending < node.config.limits.queued_commits,
        probes=probes,
        inviting=linked.inviting,
        seating=desks.seating,
        drafts=desks.drafts,
        remotes=desks.remotes,
        kinds=desks.kinds,
        webhooks=desks.webhooks,
        limits=node.config.limits,
    )
