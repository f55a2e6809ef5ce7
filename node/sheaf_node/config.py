"""A node's settings: `sheaf.toml` in its home folder. A typo is refused by name, never ignored."""

from __future__ import annotations

import difflib
import ipaddress
import json
import tomllib
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, field

from sheaf_node.address import link_address, read_public_name, require_host
from sheaf_protocol.errors import Refusal
from sheaf_protocol.limits import MAX_INT
from sheaf_protocol.subscription import Filter

if TYPE_CHECKING:
    from pathlib import Path

CONFIG_FILE: Final = "sheaf.toml"
MAX_CONFIG_BYTES: Final = 1_048_576
"""1 MiB: a list of a thousand peers is 60 KiB."""

_Port = Annotated[int, Meta(ge=0, le=65_535)]
_Count = Annotated[int, Meta(ge=1, le=1_000_000)]
_Bytes = Annotated[int, Meta(ge=0, le=MAX_INT)]
_Wait = Annotated[int, Meta(ge=1, le=86_400_000)]


class PeerAddress(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A node to dial."""

    url: Annotated[str, Meta(pattern=r"\A(ws|wss|http|https)://[^\s]{1,500}\Z")]
    paused: bool = False
    """Whether it is left alone for now; see `CoopRule` for links that its co-op begins."""
    outside: bool = False
    """Whether others told the address, as an invitation does, so that it is dialled only where it
    leads outside of networks whenever it is looked up."""
    coop: Annotated[str, Meta(pattern=r"\A([0-9a-f]{64})?\Z")] = ""
    """Whose node it was when it was paused: a note for people, by which nothing is decided."""

    def __post_init__(self) -> None:
        try:
            link_address(self.url)
        except Refusal as refusal:
            raise ValueError(refusal.detail) from refusal


LEAST_KIB_PER_S: Final = 32
"""Slower, and a peer that waits for credit would look as if it owed an answer for too long."""
LEAST_SHARE_KIB_PER_S: Final = 128
"""Less, and one batch would leave its link unread for so long that it looked dead."""
_Rate = Annotated[int, Meta(ge=0, le=1_048_576)]


class CoopRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What links with one co-op may do, whoever begins them."""

    paused: bool = False
    """Whether no link with it is kept."""
    kib_per_s: _Rate = 0
    """Kibibytes that are taken of it in a second, on the average; 0 for as much as it sends."""

    def __post_init__(self) -> None:
        if 0 < self.kib_per_s < LEAST_KIB_PER_S:
            detail = f"expected kib_per_s of 0 or at least {LEAST_KIB_PER_S}"
            raise ValueError(f"{detail}, got {self.kib_per_s}")


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a node spends on others at most."""

    links: _Count = 64
    """Accepted links open at a time; those that this node dials are as many as `peers`."""
    links_per_address: _Count = 32
    """Accepted links from one network address, authenticated or not: eight nodes behind one router,
    four times over."""
    links_per_coop: _Count = 16
    """Accepted links with one co-op, each with another of its writers: ten installations have room.
    """
    handshakes: _Count = 16
    """Links that have not authenticated yet; the oldest goes first."""
    key_logs: _Count = 4_096
    """Key logs held, those of strangers included: anybody can make up co-ops."""
    peer_kib_per_s: Annotated[int, Meta(ge=LEAST_SHARE_KIB_PER_S, le=1_048_576)] = 512
    """Kibibytes that one co-op may bring in a second while others want something of the node, too:
    seven hundred entries, a tenth of what a small machine takes."""
    rejects_per_sender: _Count = 1_024
    """Rejected envelopes remembered per sender, so that repeating them costs it nothing but us."""
    queued_commits: _Count = 64
    """Changes waiting for the disk; at full batches 16 MiB."""
    author_entries: _Count = 200_000
    """Entries kept of one co-op in one federation: four years of a busy one."""
    author_bytes: _Bytes = 268_435_456
    """And their bytes: 256 MiB. Beyond either a node asks for no more of that co-op."""
    author_logs: _Count = 64
    """And its logs there, retired ones aside: those of ten installations. A peer may tell of so
    many logs in all, and no member is to make all others tell of more."""
    blob_bytes: _Bytes = 1_073_741_824
    """Bytes of all blobs, drafts included: 1 GiB, sixty-four of the largest."""
    receipt_mb: _Count = 64
    """Megabytes (of 2^20 bytes) of replies that are kept for whoever asks again: sixty thousand of
    single records in a week, one in ten seconds."""
    api_requests: Annotated[int, Meta(ge=1, le=32)] = 32
    """Requests of the local API at work, reads and writes apart; more are told to ask again."""
    api_per_second: _Count = 500
    """Requests that each token may make in a second, and twice as many at once."""
    disk_reserve_mb: _Count = 512
    """Megabytes (of 2^20 bytes) of the disk that stay free for what must be written."""


class Waits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a node waits, and how often it looks again."""

    dial_ms: _Wait = 10_000
    """For a peer to take the connection."""
    redial_first_ms: _Wait = 500
    """Before dialling again; doubled at each failure."""
    redial_most_ms: _Wait = 60_000
    idle_ms: _Wait = 30_000
    """Silence after which a link is probed, and then ended."""
    announce_ms: _Wait = 300
    """How long foreign news is collected before it is announced to other peers."""
    recheck_ms: _Wait = 300_000
    """Between comparisons of frontiers on a quiet link."""
    compare_ms: _Wait = 10_000
    """For the first comparison with a peer after a start, before anything is published."""
    stop_ms: _Wait = 5_000
    """For links and services to end when the node stops."""


class Discovery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a node finds members besides the `peers` of its settings."""

    links: Annotated[int, Meta(ge=0, le=16)] = 3
    """Co-ops of each federation with which links are kept up, if need be by addresses that others
    told; 0 for those of `peers` alone."""
    directory: bool = False
    """Whether all members are told the public names, in a signed record."""
    lan: bool = False
    """Whether nodes on this network are told that one is here, and are listened to."""


class SeatPages(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where seats find the pages of their links (spec 20); off unless a port is set."""

    port: _Port = 0
    host: str = "127.0.0.1"
    """The address that the port is opened at."""
    url: Annotated[str, Meta(pattern=r"\A(https?://[^\s/?#]{1,253})?\Z")] = ""
    """What links begin with: that of the proxy with TLS before the port."""

    def __post_init__(self) -> None:
        _require_listening("host", self.host)


class Log(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the node's log looks, on its standard error."""

    format: Literal["text", "json"] = "text"
    """For people, or one JSON object a line."""
    level: Literal["debug", "info", "warning", "error"] = "warning"
    """The least that is written."""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of one node."""

    name: Annotated[str, Meta(min_length=1, max_length=120)]
    peer_host: str = "127.0.0.1"
    peer_port: _Port = 8440
    public_names: list[Annotated[str, Meta(min_length=1, max_length=253)]] = []
    """Names under which peers may dial this node; a handshake for another name is refused."""
    trusted_proxies: Annotated[list[str], Meta(max_length=16)] = []
    """Addresses or networks of proxies before the peer port, whose word is taken for whom they
    pass on (`X-Forwarded-For`); limits by address then count the ones behind them."""
    local_port: _Port = 8441
    peers: list[PeerAddress] = []
    coops: dict[Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")], CoopRule] = {}
    """Rules for links with single co-ops, by the hex of their ids."""
    services: dict[str, dict[str, Any]] = {}
    """Settings of services by service name; each service checks its own."""
    checks: Literal["chain", "each"] = "chain"
    """Which signatures of a range are checked: one in 64, which proves those before it, or each."""
    subscription: Filter = field(default_factory=Filter)
    """The payloads kept here; headers come whole."""
    retention_days: Annotated[int, Meta(ge=0, le=36_500)] = 0
    """Days after which the entries of retired logs are deleted, 400 at least; 0 for never."""
    limits: Limits = field(default_factory=Limits)
    waits: Waits = field(default_factory=Waits)
    log: Log = field(default_factory=Log)
    discovery: Discovery = field(default_factory=Discovery)
    seats: SeatPages = field(default_factory=SeatPages)

    def __post_init__(self) -> None:
        _require_listening("peer_host", self.peer_host)
        for name in self.public_names:
            try:
                read_public_name(name)
            except ValueError as exc:
                raise ValueError(f"public_names: {exc}") from exc
        for proxy in self.trusted_proxies:
            try:
                ipaddress.ip_network(proxy)
            except ValueError as exc:
                detail = "expected addresses or networks such as 127.0.0.1 or 10.0.0.0/8"
                raise ValueError(f"trusted_proxies: {detail}, got {proxy[:100]!r}") from exc

    @property
    def dialled(self) -> list[PeerAddress]:
        """The peers that are dialled: all that are not paused."""
        return [peer for peer in self.peers if not peer.paused]

    def rule(self, cid: bytes) -> CoopRule:
        """Return the rule for links with a co-op; one that changes nothing where none is set."""
        return self.coops.get(cid.hex(), CoopRule())


_LISTED: Final = """\
# All members are told public_names, so that they find this node without being given its address:
directory = true
"""
_NEAR: Final = """\
# This network is told that a node is here, and no more; other nodes here are listened for:
lan = true
"""
_TABLES: Final[dict[str, type[msgspec.Struct]]] = {
    "peers": PeerAddress,
    "subscription": Filter,
    "limits": Limits,
    "waits": Waits,
    "log": Log,
    "discovery": Discovery,
    "seats": SeatPages,
}


def load_config(home: Path) -> Config:
    """Return the settings in a home folder.

    Raises Refusal: `config.missing`, `config.unknown_key`, `config.invalid`.
    """
    path = home / CONFIG_FILE
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CONFIG_BYTES + 1)
    except FileNotFoundError as exc:
        detail = f"expected settings at {path}; `sheaf init` makes them"
        raise Refusal("config.missing", detail) from exc
    except OSError as exc:
        raise _invalid(path, f"expected a readable file, got {exc.strerror}") from exc
    return parse_config(data, path)


def parse_config(data: bytes, path: Path) -> Config:
    """Return the settings in the bytes of a file; `path` is named in refusals only."""
    if len(data) > MAX_CONFIG_BYTES:
        raise _invalid(path, f"expected at most {MAX_CONFIG_BYTES} bytes")
    try:
        table = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise _invalid(path, f"expected TOML: {exc}") from exc
    _require_known(table, Config, "", path)
    _require_peer_tables(table.get("peers"), path)
    try:
        return msgspec.convert(table, Config)
    except msgspec.ValidationError as exc:
        said, _, setting = str(exc).partition(" - at `$.")
        raise _invalid(path, f"{setting[:-1]}: {said}" if setting else said) from exc


def initial_config(
    *,
    name: str,
    peer_port: int,
    local_port: int,
    public_name: str = "127.0.0.1",
    peer_host: str | None = None,
    is_listed: bool = False,
    is_near: bool = False,
) -> str:
    """Return the text of a new node's settings file; `is_listed` has members told its address, and
    `is_near` this network that it is here."""
    listens = "" if peer_host is None else f"peer_host = {_quoted(peer_host)}\n"
    return (
        f"name = {_quoted(name)}\n"
        f"{listens}"
        f"peer_port = {peer_port}\n"
        f"local_port = {local_port}\n"
        "\n# The names under which other nodes reach this one, and the nodes to dial:\n"
        f"public_names = [{_quoted(public_name)}]\n"
        "peers = [\n"
        '    # { url = "wss://example.org" },\n'
        '    # { url = "ws://127.0.0.1:8450" },  # another node on this machine\n'
        "]\n" + _discovery(is_listed=is_listed, is_near=is_near)
    )


def _discovery(*, is_listed: bool, is_near: bool) -> str:
    told = _LISTED * is_listed + _NEAR * is_near
    return f"\n[discovery]\n{told}" if told else ""


def _require_known(table: dict[str, Any], type_: type[msgspec.Struct], at: str, path: Path) -> None:
    """Refuse the first unknown key, with the nearest known one; msgspec's own message has none."""
    known = type_.__struct_fields__
    for key, value in table.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"
            detail = f"expected a known key, got {at + key!r} in {path}{hint}"
            raise Refusal("config.unknown_key", detail)
        if not at and key == "coops" and isinstance(value, dict):
            for cid, rule in value.items():
                if isinstance(rule, dict):
                    _require_known(rule, CoopRule, f"coops.{cid[:8]}.", path)
        elif not at and key in _TABLES:
            for inner in value if isinstance(value, list) else [value]:
                if isinstance(inner, dict):
                    _require_known(inner, _TABLES[key], f"{key}.", path)


def _require_peer_tables(peers: object, path: Path) -> None:
    """Refuse a peer given as a bare address, with the line to write in its place."""
    for peer in peers if isinstance(peers, list) else []:
        if isinstance(peer, str):
            text = _quoted(peer)
            raise _invalid(path, f"expected {{ url = {text} }} in peers, got {text}")


def _quoted(text: str) -> str:
    """Return a TOML basic string; JSON's is one, where nothing is written as surrogate pairs."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _require_listening(key: str, host: str) -> None:
    """Refuse what is no host to listen on, as ValueError; an empty one would mean every network."""
    if host.startswith("["):
        raise ValueError(f"{key}: expected {host.strip('[]')!r} without brackets, got {host!r}")
    try:
        require_host(host)
    except ValueError as exc:
        detail = "expected an address of this computer, such as 127.0.0.1, or 0.0.0.0 for all"
        raise ValueError(f"{key}: {detail}; got {host[:100]!r}") from exc


def _invalid(path: Path, detail: str) -> Refusal:
    return Refusal("config.invalid", f"{path}: {detail}")
