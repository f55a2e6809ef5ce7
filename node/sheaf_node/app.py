"""The composition root: builds a node from a home folder, starts it and stops it.

Everything below takes its clock, randomness, network and storage as arguments; this file is where
the real ones come from. It has no business method.
"""

from __future__ import annotations

import asyncio
import difflib
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sheaf_node.bridging import NAME as BRIDGING
from sheaf_node.bridging import bridging_host
from sheaf_node.charter_file import adopted_charters, adopted_ids
from sheaf_node.config import CONFIG_FILE, load_config
from sheaf_node.directory import NAME as DIRECTORY
from sheaf_node.directory import directory_host
from sheaf_node.events import Arrivals
from sheaf_node.governance import NAME as GOVERNANCE
from sheaf_node.governance import governance_host
from sheaf_node.hosting import Hosts
from sheaf_node.housekeeping import Housekeeping
from sheaf_node.identity import DailyRenewal
from sheaf_node.ingest import Ingest
from sheaf_node.keyring import keyring_of, read_files
from sheaf_node.peering import Peering
from sheaf_node.peering.look_back import own_addresses
from sheaf_node.peering.reach import may_be_outside
from sheaf_node.plugins import (
    ServiceHost,
    added_services,
    load_inside,
    load_services,
    with_room,
)
from sheaf_node.plugins.host import Parts
from sheaf_node.recovery import NAME as RECOVERY
from sheaf_node.recovery import Progress, Standing, Watch, opened_keyring, recovery_host
from sheaf_node.scrubbing import Scrubbing
from sheaf_node.store import DATABASE, Store
from sheaf_node.store.writer import Writer
from sheaf_node.turns import Turns
from sheaf_protocol.errors import Refusal, RemoteProtocolError
from sheaf_protocol.identity import fold_key_log
from sheaf_protocol.proof import Checks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
    from pathlib import Path

    from sheaf_node.blobs import Fetching
    from sheaf_node.clock import Clock, Randomness
    from sheaf_node.config import Config
    from sheaf_node.hosting import Maker
    from sheaf_node.keyring import Keyring, Passphrase
    from sheaf_node.observing.watching import Watching
    from sheaf_node.peering.network import Network, Post
    from sheaf_node.plugins import ServiceFactory
    from sheaf_node.remote.keeping import Keeping
    from sheaf_node.store.writer import MakeWriter
    from sheaf_node.webhooks import Sending
    from sheaf_protocol.charter import Federation


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A node that is open: its parts, for whoever runs it."""

    config: Config
    parts: Parts
    hosts: Hosts
    failed: asyncio.Event
    standing: Standing
    """Whether it may sign. Its `restart` asks for the home to be closed and opened anew."""


@asynccontextmanager
async def open_node(
    home: Path,
    *,
    clock: Clock,
    random: Randomness,
    passphrase: Passphrase | None = None,
    writer: MakeWriter = Writer,
    services: Mapping[str, ServiceFactory] | None = None,
    progress: Progress | None = None,
) -> AsyncIterator[Node]:
    """Open the home's store and services, without any network.

    `services` are run in place of the installed ones. `progress` is handed on from one opening to
    the next by who opens a home anew that recovers.
    Raises Refusal `config.*`, `key.*`, `store.*`.
    """
    config = load_config(home)
    installed = {**with_room(home, load_services()), **load_inside(home)}
    factories = installed if services is None else services
    _require_services(config, home, [*factories, *added_services(home)])
    files = read_files(home, passphrase)
    keyring, failed, turns = keyring_of(files), asyncio.Event(), Turns()
    standing = Standing(home, cid=keyring.cid, own=keyring.wid, progress=progress)
    store = Store.open(
        home / DATABASE,
        random=random,
        own=keyring.wid,
        on_failure=failed.set,
        queued=config.limits.queued_commits,
        turns=turns,
        writer=writer,
    )
    try:
        # Before anything is appended: a writer that ends is closed at its heads.
        keyring = opened_keyring(files, store, standing, random=random, now_ms=clock.now_ms())
        parts = _parts(
            home, config, store, keyring, standing, turns=turns, clock=clock, random=random
        )
        await _take_up(home, parts)
        standing.use(parts.ingest)
        hosts = _hosts(home, config, parts, factories, standing)
        yield Node(config=config, parts=parts, hosts=hosts, failed=failed, standing=standing)
    finally:
        await store.close()


def _parts(
    home: Path,
    config: Config,
    store: Store,
    keyring: Keyring,
    standing: Standing,
    *,
    turns: Turns,
    clock: Clock,
    random: Randomness,
) -> Parts:
    """Return what links and services share: the open store, and the one road into it."""
    arrivals = Arrivals()
    ingest = Ingest(
        store=store,
        arrivals=arrivals,
        clock=clock,
        random=random,
        keyring=keyring,
        limits=config.limits,
        checks=Checks(config.checks),
        subscription=config.subscription,
        free_bytes=partial(free_bytes, home),
        guard=standing,
        turns=turns,
    )
    return Parts(
        store=store,
        ingest=ingest,
        arrivals=arrivals,
        keyring=keyring,
        clock=clock,
        random=random,
        turns=turns,
    )


async def _take_up(home: Path, parts: Parts) -> None:
    """Bring the store up to the files of the home: our key log, and the charters that it adopted,
    also of federations that have yet to admit us.
    """
    ingest, keyring = parts.ingest, parts.keyring
    await ingest.receive_key_ops(keyring.cid, keyring.key_ops)
    ingest.known.adopt(*adopted_ids(home))
    chains = parts.store.chains
    held = {fid: chain.links for fid, chain in chains.items()}
    for charter in adopted_charters(home, held=held):
        key_logs = {fold_key_log(ops).cid: ops for ops in charter.key_logs}
        for certificate in charter.certificates:
            try:
                await ingest.receive_certificate(certificate, key_logs=key_logs, wanted=True)
            except RemoteProtocolError:
                # It held when it was adopted; what is refused contradicts what came since.
                if certificate is charter.certificate:
                    raise


def make_watch(node: Node, peering: Peering) -> Watch:
    """Return what looks at a node's links until it may sign; made before the links are started."""
    wait_ms = node.config.waits.compare_ms
    return Watch(node.standing, peering, clock=node.parts.clock, wait_ms=wait_ms)


def make_peering(
    node: Node,
    network: Network,
    fetching: Fetching,
    posts: Mapping[str, Post] | None = None,
    seek: Callable[[Peering], Coroutine[Any, Any, None]] | None = None,
) -> Peering:
    """Return the links of a node, not yet started; `posts` are what its peer port answers, too,
    and `seek` dials besides the peers of the settings.
    """
    return Peering(
        ingest=node.parts.ingest,
        store=node.parts.store,
        arrivals=node.parts.arrivals,
        keyring=node.parts.keyring,
        network=network,
        clock=node.parts.clock,
        random=node.parts.random,
        config=node.config,
        blobs=fetching,
        turns=node.parts.turns,
        posts=posts,
        seek=seek,
    )


def _renewal(node: Node, home: Path, passphrase: Passphrase | None) -> DailyRenewal:
    return DailyRenewal(
        home,
        passphrase,
        keyring=node.parts.keyring,
        store=node.parts.store,
        ingest=node.parts.ingest,
        clock=node.parts.clock,
        random=node.parts.random,
        may_change_keys=lambda: node.standing.may_change_keys,
    )


def _housekeeping(node: Node, beside: Callable[[int], Awaitable[object]] | None) -> Housekeeping:
    return Housekeeping(
        store=node.parts.store,
        arrivals=node.parts.arrivals,
        clock=node.parts.clock,
        keeps=node.hosts.keeps,
        retention_days=node.config.retention_days,
        beside=beside,
    )


def _scrubbing(node: Node) -> Scrubbing:
    parts = node.parts
    return Scrubbing(
        store=parts.store, arrivals=parts.arrivals, clock=parts.clock, own=parts.keyring.cid
    )


async def run_services(
    node: Node,
    home: Path,
    passphrase: Passphrase | None = None,
    *,
    watch: Watch | None = None,
    watching: Watching | None = None,
    sending: Sending | None = None,
    keeping: Keeping | None = None,
    beside: Callable[[int], Awaitable[object]] | None = None,
) -> bool:
    """Run all services until the store fails; a service that breaks takes no other with it.

    `beside` is called hourly with the time, to forget what lies beside the store.
    Returns true where they end for the home to be opened anew.
    """
    renewal, housekeeping = _renewal(node, home, passphrase), _housekeeping(node, beside)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(node.hosts.run()), tasks.create_task(renewal.run())]
        running.append(tasks.create_task(housekeeping.run()))
        running.append(tasks.create_task(_scrubbing(node).run()))
        if watch is not None:
            running.append(tasks.create_task(watch.run()))
        if watching is not None:
            running.append(tasks.create_task(watching.run()))
        if sending is not None:
            running.append(tasks.create_task(sending.run()))
        if keeping is not None:
            running.append(tasks.create_task(keeping.run()))
        ends = [tasks.create_task(event.wait()) for event in (node.failed, node.standing.restart)]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for task in (*running, *ends):
            task.cancel()
    return not node.failed.is_set()


def free_bytes(home: Path) -> int:
    """Return how much of the disk that a home is on may still be written."""
    disk = os.statvfs(home)
    return disk.f_bavail * disk.f_frsize


def _require_services(config: Config, home: Path, known: Sequence[str]) -> None:
    """Refuse settings of a service that is not there: a typo, or a package that is missing."""
    for name in config.services:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else f"; installed: {', '.join(known)}"
            detail = f"expected an installed service, got 'services.{name}' in {home / CONFIG_FILE}"
            raise Refusal("config.unknown_key", detail + hint)


def _hosts(
    home: Path,
    config: Config,
    parts: Parts,
    factories: Mapping[str, ServiceFactory],
    standing: Standing,
) -> Hosts:
    """Return the hosts of what is built in and of each service, in all federations."""
    makers: dict[str, Maker] = {RECOVERY: partial(recovery_host, parts, standing=standing)}
    makers |= {
        name: partial(_service_host, name, factory, config, parts)
        for name, factory in factories.items()
    }
    makers[GOVERNANCE] = partial(governance_host, parts, home=home)
    makers[BRIDGING] = partial(bridging_host, parts)
    makers[DIRECTORY] = partial(directory_host, parts, told=_told(config))
    return Hosts(parts.ingest, parts.arrivals, makers)


def _told(config: Config) -> list[str] | None:
    """Return what members are told of where this node is reached; None for nothing."""
    if not config.discovery.directory:
        return None
    return [url for url in own_addresses(config) if may_be_outside(url)]


def _service_host(
    name: str, factory: ServiceFactory, config: Config, parts: Parts, federation: Federation
) -> ServiceHost:
    settings = config.services.get(name, {})
    return ServiceHost(name, factory, settings, federation=federation, parts=parts)
