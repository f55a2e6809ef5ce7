"""The composition root: builds a node from a home folder, starts it and stops it.

Everything below takes its clock, randomness, network and storage as arguments; this file is where
the real ones come from. It has no business method.
"""

from __future__ import annotations

import asyncio
import difflib
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sheaf_node.api import LocalApi, write_token
from sheaf_node.charter_file import adopted_charters
from sheaf_node.config import CONFIG_FILE, load_config
from sheaf_node.events import Arrivals
from sheaf_node.ingest import Ingest
from sheaf_node.keyring import load_keyring
from sheaf_node.peering import Peering
from sheaf_node.peering.aiohttp_network import AiohttpNetwork
from sheaf_node.plugins import ServiceHost, installed_services, load_services
from sheaf_node.plugins.host import Parts
from sheaf_node.store import Store
from sheaf_protocol.errors import Refusal
from sheaf_protocol.identity import fold_key_log

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from sheaf_node.clock import Clock, Randomness
    from sheaf_node.config import Config

DATABASE = "sheaf.db"


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A node that is open: its parts, for whoever runs it."""

    config: Config
    parts: Parts
    services: Mapping[str, ServiceHost]
    failed: asyncio.Event


@asynccontextmanager
async def open_node(home: Path, *, clock: Clock, random: Randomness) -> AsyncIterator[Node]:
    """Open the home's store and services, without any network.

    Raises Refusal `config.*`, `key.*`, `store.*`.
    """
    config = load_config(home)
    _require_services(config, home)
    keyring = load_keyring(home)
    arrivals, failed = Arrivals(), asyncio.Event()
    store = Store.open(
        home / DATABASE,
        random=random,
        own=keyring.wid,
        on_failure=failed.set,
        queued=config.limits.queued_commits,
    )
    try:
        ingest = Ingest(
            store=store,
            arrivals=arrivals,
            clock=clock,
            random=random,
            keyring=keyring,
            limits=config.limits,
        )
        await ingest.receive_key_ops(keyring.cid, keyring.key_ops)
        for charter in adopted_charters(home):
            for ops in charter.key_logs:
                await ingest.receive_key_ops(fold_key_log(ops).cid, ops)
            await ingest.receive_certificate(charter.certificate)
        parts = Parts(
            store=store,
            ingest=ingest,
            arrivals=arrivals,
            keyring=keyring,
            clock=clock,
            random=random,
        )
        yield Node(config=config, parts=parts, services=_hosts(config, parts), failed=failed)
    finally:
        await store.close()


async def serve(
    home: Path, *, clock: Clock, random: Randomness, on_ready: Callable[[Node], None]
) -> None:
    """Run a node until cancelled, or until its store fails."""
    async with open_node(home, clock=clock, random=random) as node, AsyncExitStack() as stack:
        network = await stack.enter_async_context(
            AiohttpNetwork.open(limits=node.config.limits, waits=node.config.waits)
        )
        peering = Peering(
            ingest=node.parts.ingest,
            store=node.parts.store,
            arrivals=node.parts.arrivals,
            keyring=node.parts.keyring,
            network=network,
            clock=clock,
            random=random,
            config=node.config,
        )
        api = LocalApi(
            token=write_token(home, random),
            port=node.config.local_port,
            store=node.parts.store,
            ingest=node.parts.ingest,
            keyring=node.parts.keyring,
            services=node.services,
            peering=peering,
        )
        await api.start()
        stack.push_async_callback(api.stop)
        await peering.start()
        stack.push_async_callback(peering.stop)
        on_ready(node)
        await _run_services(node)


async def _run_services(node: Node) -> None:
    """Run all services until the store fails; a service that breaks takes no other with it."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(host.run()) for host in node.services.values()]
        await node.failed.wait()
        for task in running:
            task.cancel()


def _require_services(config: Config, home: Path) -> None:
    """Refuse settings of a service that is not there: a typo, or a package that is missing."""
    known = installed_services()
    for name in config.services:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else f"; installed: {', '.join(known)}"
            detail = f"expected an installed service, got 'services.{name}' in {home / CONFIG_FILE}"
            raise Refusal("config.unknown_key", detail + hint)


def _hosts(config: Config, parts: Parts) -> Mapping[str, ServiceHost]:
    """Return a host for each installed service, in the node's first federation."""
    for federation in parts.ingest.federations.values():
        return {
            name: ServiceHost(
                name,
                factory,
                config.services.get(name, {}),
                federation=federation,
                parts=parts,
            )
            for name, factory in load_services().items()
        }
    return {}
