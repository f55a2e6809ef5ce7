"""All looks at one home, in the order in which a manager reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from sheaf_node.address import is_this_computer
from sheaf_node.backup.holding import held_in
from sheaf_node.config import CONFIG_FILE, load_config
from sheaf_node.doctor import beside, judging, machine, multicast
from sheaf_node.doctor.finding import Finding, bad, ok, skipped, warn
from sheaf_node.doctor.listening import unheard
from sheaf_node.doctor.probe import addresses_of, is_free, meet
from sheaf_node.doctor.settings import faults_of
from sheaf_node.keyring import load_key_ops, read_files
from sheaf_node.keyring.notice import key_status, notices_of
from sheaf_node.observing.backup_age import last_backup_ms
from sheaf_node.peering.look_back import own_addresses
from sheaf_node.peering.reach import Reach, allowed
from sheaf_protocol.errors import Refusal
from sheaf_protocol.identity import fold_key_log

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sheaf_node.config import Config

MOST_PEERS: Final = 8
"""Peers asked for their time; each may take five seconds to say nothing."""
_ANY: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, and never listened on


def examine(home: Path, status: Mapping[str, Any] | None, now_ms: int) -> Iterator[Finding]:
    """Yield what each look at a home finds, as it is found; `status` is None where no node runs."""
    if not home.is_dir():
        yield bad("settings", f"there is no folder {home}", "`sheaf init` makes a node")
        return
    try:
        config = load_config(home)
    except Refusal as refusal:
        yield bad("settings", refusal.detail, "mend sheaf.toml; the node does not start with it")
        yield from machine.keys(home)
        return
    yield from _settings(config, home)
    yield from _node(status)
    yield from _keys(home, now_ms)
    yield machine.disk(home, config.limits.disk_reserve_mb)
    yield machine.file_system(home)
    yield judging.backup(last_backup_ms(home), now_ms)
    yield from _ports(config, home, is_running=status is not None)
    yield _clock(config)
    yield from _names(config, home, now_ms)
    yield multicast.network(is_on=config.discovery.lan)
    yield from unheard(config)
    yield from _held(home)
    if status is not None:
        yield from beside.judged(status, now_ms)
        yield from judging.peers(status)


def _held(home: Path) -> Iterator[Finding]:
    try:
        yield from beside.held(held_in(home).named)
    except Refusal as refusal:
        yield bad("held", refusal.detail, "restore a backup, or remove the file that is named")


def _settings(config: Config, home: Path) -> Iterator[Finding]:
    faults = faults_of(config, home / CONFIG_FILE)
    for each in faults:
        yield bad("settings", each.detail, "mend sheaf.toml, and see `sheaf config check`")
    if not faults:
        yield ok("settings", f"{home / CONFIG_FILE} is sound")


def _node(status: Mapping[str, Any] | None) -> Iterator[Finding]:
    if status is None:
        yield warn("node", "the node does not run, or does not answer", "`sheaf serve` starts it")
    else:
        yield from judging.node(status)


def _keys(home: Path, now_ms: int) -> Iterator[Finding]:
    yield from machine.keys(home)
    try:
        files = read_files(home)
        notices = notices_of(key_status(files, files.key_log()[1]), now_ms)
    except Refusal as refusal:
        yield bad("keys", refusal.detail, "docs/operating.md, `When something is lost or stolen`")
        return
    for said in notices.values():
        text, _, todo = said.partition(": ")
        yield warn("keys", text, todo)


def _ports(config: Config, home: Path, *, is_running: bool) -> Iterator[Finding]:
    host = "127.0.0.1" if config.peer_host in _ANY else config.peer_host
    if not is_running:
        for port, key, at in (
            (config.peer_port, "peer_port", config.peer_host),
            (config.local_port, "local_port", "127.0.0.1"),
        ):
            if is_free(at, port):
                yield ok("ports", f"port {port} is free for {key}")
            else:
                todo = f"set {key} to another, or end what listens there"
                yield bad("ports", f"port {port} of {key} is taken, or {at} is not ours", todo)
        return
    try:
        met = meet(f"ws://{host}:{config.peer_port}")
    except Refusal as refusal:
        yield bad("ports", refusal.detail, "restart the node, and see its output")
        return
    other = judging.identity(f"{host}:{config.peer_port}", met.document, _cid(home))
    yield other or ok("ports", f"the node answers peers at {host}:{config.peer_port}")


def _clock(config: Config) -> Finding:
    ahead: dict[str, int] = {}
    for peer in config.dialled[:MOST_PEERS]:
        try:
            found = meet(peer.url).ahead_ms
        except Refusal:
            continue  # that it cannot be reached is told of peers
        if found is not None:
            ahead[peer.url] = found
    return judging.clock(ahead)


def _names(config: Config, home: Path, now_ms: int) -> Iterator[Finding]:
    addresses = [url for url in own_addresses(config) if not is_this_computer(_host(url))]
    if not addresses:
        said = "public_names names this computer only: this node dials others, who cannot dial it"
        yield ok("names", said)
        return
    for url in addresses:
        host = _host(url)
        found = addresses_of(host)
        yield judging.name(host, found, are_inside=bool(found) and not _is_outside(found))
        if found:
            yield from _meeting(url, home, now_ms)


def _meeting(url: str, home: Path, now_ms: int) -> Iterator[Finding]:
    """Yield what is found where our own public address leads, seen from this computer."""
    try:
        met = meet(url)
    except Refusal as refusal:
        if refusal.code == "doctor.tls":
            yield bad("tls", refusal.detail, "peers that dial wss:// turn away: see the proxy")
            return
        todo = "some routers do not let a network dial itself: `sheaf doctor --from-peer PEER`"
        yield warn("names", refusal.detail, todo)
        return
    yield judging.identity(url, met.document, _cid(home)) or judging.certificate(
        url, met.certificate_ends_ms, now_ms
    )


def not_looked_back() -> Finding:
    """Return that nobody was asked to dial this node."""
    said = "nobody was asked whether this node can be reached"
    return skipped("look-back", said, "`sheaf doctor --from-peer PEER` asks one")


def _host(url: str) -> str:
    """Return the host of an address; of what is none, all of it."""
    try:
        return urlsplit(url).hostname or url
    except ValueError:
        return url


def _is_outside(addresses: list[str]) -> bool:
    try:
        allowed(addresses, Reach.PUBLIC)
    except Refusal:
        return False
    return True


def _cid(home: Path) -> str:
    return fold_key_log(load_key_ops(home)).cid.hex()
