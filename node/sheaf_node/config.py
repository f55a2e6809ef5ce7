"""A node's settings: `sheaf.toml` in its home folder. A typo is refused by name, never ignored."""

from __future__ import annotations

import difflib
import json
import tomllib
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, field

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


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a node spends on others at most."""

    links: _Count = 64
    """Accepted links open at a time; those that this node dials are as many as `peers`."""
    links_per_address: _Count = 32
    """Accepted links from one network address, authenticated or not: eight nodes behind one router,
    four times over."""
    handshakes: _Count = 16
    """Links that have not authenticated yet; the oldest goes first."""
    key_logs: _Count = 4_096
    """Key logs held, those of strangers included: anybody can make up co-ops."""
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


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of one node."""

    name: Annotated[str, Meta(min_length=1, max_length=120)]
    peer_host: str = "127.0.0.1"
    peer_port: _Port = 8440
    public_names: list[Annotated[str, Meta(min_length=1, max_length=253)]] = []
    """Names under which peers may dial this node; a handshake for another name is refused."""
    local_port: _Port = 8441
    peers: list[PeerAddress] = []
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


_TABLES: Final[dict[str, type[msgspec.Struct]]] = {
    "peers": PeerAddress,
    "subscription": Filter,
    "limits": Limits,
    "waits": Waits,
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
        raise _invalid(path, str(exc)) from exc


def initial_config(*, name: str, peer_port: int, local_port: int) -> str:
    """Return the text of a new node's settings file."""
    return (
        f"name = {_quoted(name)}\n"
        f"peer_port = {peer_port}\n"
        f"local_port = {local_port}\n"
        "\n# The names under which other nodes reach this one, and the nodes to dial:\n"
        'public_names = ["127.0.0.1"]\n'
        "peers = [\n"
        '    # { url = "wss://example.org" },\n'
        '    # { url = "ws://127.0.0.1:8450" },  # another node on this machine\n'
        "]\n"
    )


def _require_known(table: dict[str, Any], type_: type[msgspec.Struct], at: str, path: Path) -> None:
    """Refuse the first unknown key, with the nearest known one; msgspec's own message has none."""
    known = type_.__struct_fields__
    for key, value in table.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"
            detail = f"expected a known key, got {at + key!r} in {path}{hint}"
            raise Refusal("config.unknown_key", detail)
        if not at and key in _TABLES:
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


def _invalid(path: Path, detail: str) -> Refusal:
    return Refusal("config.invalid", f"{path}: {detail}")
