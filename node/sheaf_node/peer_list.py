"""Changes of `peers` and `coops` in the text of `sheaf.toml`: comments and all else stay as typed.

Pure: text in, text out. Whoever calls reads the file, has the new text parsed as settings, and
writes it whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Array, InlineTable, Table

from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_SECURE: Final = frozenset({"https", "wss"})


def same_place(one: str, other: str) -> bool:
    """Return whether two urls lead to one peer: `https` and `wss` are the same, so is a `/`."""
    return _place(one) == _place(other)


def with_peer(text: str, url: str, *, is_outside: bool = False) -> str:
    """Return the settings with one more peer to dial, behind the others. Raises `peer.known`.

    `is_outside` is for an address that the operator did not type.
    """
    document = _read(text)
    if any(same_place(str(peer.get("url", "")), url) for peer in _peers(document)):
        raise Refusal("peer.known", f"expected a new peer, got {url}, which is in the list already")
    peers = document.get("peers")
    entry = tomlkit.inline_table()
    entry["url"] = url
    if is_outside:
        entry["outside"] = True
    if peers is None:
        # Before all else: behind a table the key would belong to that.
        return _alone(entry) + text
    if isinstance(peers, AoT):
        table = tomlkit.table()
        table.update(entry)
        peers.append(table)
    else:
        _append(document, entry)
    return tomlkit.dumps(document)


def without_peer(text: str, url: str) -> str:
    """Return the settings without a peer. Raises Refusal `peer.unknown`."""
    document = _read(text)
    peers = _peers(document)
    place = next((n for n, p in enumerate(peers) if same_place(str(p.get("url", "")), url)), None)
    if place is None:
        raise _unknown(url)
    del document["peers"][place]
    return tomlkit.dumps(document)


def with_peer_paused(text: str, url: str, *, is_paused: bool, cid: bytes | None = None) -> str:
    """Return the settings with a peer left alone, or dialled again. Raises `peer.unknown`.

    The co-op whose node it is, where known, is noted beside it.
    """
    document = _read(text)
    found = [peer for peer in _peers(document) if same_place(str(peer.get("url", "")), url)]
    if not found:
        raise _unknown(url)
    for peer in found:
        _set(peer, "paused", True if is_paused else None)
        if cid is not None:
            _set(peer, "coop", cid.hex())
    return tomlkit.dumps(document)


def with_rule(text: str, cid: bytes, *, key: str, value: bool | int) -> str:
    """Return the settings with a rule for a co-op, `paused` or `kib_per_s`; a zero removes it."""
    document = _read(text)
    rules = document.setdefault("coops", tomlkit.table(is_super_table=True))
    rule = rules.setdefault(cid.hex(), tomlkit.table())
    _set(rule, key, value or None)
    if not rule:
        del rules[cid.hex()]
    if not rules:
        del document["coops"]
    return tomlkit.dumps(document)


def _read(text: str) -> TOMLDocument:
    try:
        return tomlkit.parse(text)
    except TOMLKitError as exc:
        raise Refusal("config.invalid", f"expected TOML: {exc}") from exc


def _peers(document: TOMLDocument) -> list[Any]:
    return list(document.get("peers", []))


def _append(document: TOMLDocument, entry: InlineTable) -> None:
    """Add to the array `peers`, on a line of its own where the array has lines."""
    peers = document["peers"]
    if not isinstance(peers, Array):
        raise Refusal("config.invalid", "expected a list in peers")
    if len(peers) and "\n" not in peers.as_string():
        peers.append(entry)
        return
    peers.add_line(entry, indent="    ")
    if not peers.as_string().rstrip("]").endswith("\n"):
        peers.add_line(indent="")


def _alone(entry: InlineTable) -> str:
    """Return the settings of one peer and nothing else."""
    document, peers = tomlkit.document(), tomlkit.array()
    peers.add_line(entry, indent="    ")
    peers.add_line(indent="")
    document["peers"] = peers
    return tomlkit.dumps(document)


def _set(table: InlineTable | Table, key: str, value: bool | int | str | None) -> None:
    if value is not None:
        table[key] = value
    elif key in table:
        del table[key]


def _place(url: str) -> tuple[str, str, int | None, str]:
    try:
        parts = urlsplit(url.strip())
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return "", url, None, ""  # no address: it leads where the very same text leads
    kind = "secure" if parts.scheme in _SECURE else "plain"
    return kind, (parts.hostname or "").lower(), port, parts.path.rstrip("/")


def _unknown(url: str) -> Refusal:
    return Refusal("peer.unknown", f"expected a peer in sheaf.toml, got {url}")
