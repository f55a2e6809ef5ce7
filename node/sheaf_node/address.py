"""How nodes are named on a network: names of our own, urls of others, and what a handshake calls
them (spec chapter 08). Text alone: nothing here is looked up.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

LINK_PATH: Final = "/sheaf/1/link"
PORTS: Final = {"ws": 80, "wss": 443}
"""The port of an address that names none."""
LOOPBACK: Final = "localhost"

_SCHEMES: Final = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_MAX_HOST: Final = 253
_LABEL: Final = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}")
_MAX_PORT: Final = 65_535


@dataclass(frozen=True, slots=True)
class PublicName:
    """A name under which peers dial a node: a host as urls write it, and perhaps a port."""

    host: str
    port: int | None = None

    @property
    def text(self) -> str:
        """As a handshake calls it, where the port is no default."""
        return self.host if self.port is None else f"{self.host}:{self.port}"

    @property
    def is_number(self) -> bool:
        """Whether it is an address already, or this computer's own name: no proxy is behind it."""
        return self.host == LOOPBACK or is_number(self.host)

    def url(self, peer_host: str, peer_port: int) -> str:
        """Return where it leads, as `ws://` or `wss://`, from the settings of the same names.

        The peer port speaks plain, and another port of a name is that of a proxy with TLS. A name
        without a port is such a proxy's where the node listens on this computer alone; else the
        node is met there at its peer port. A number has no certificate, but at port 443.
        """
        if self.port is None:
            is_proxied = not self.is_number and is_this_computer(peer_host)
            return f"wss://{self.host}" if is_proxied else f"ws://{self.host}:{peer_port}"
        is_plain = self.is_number and self.port != PORTS["wss"]
        scheme = "ws" if is_plain or self.port in {peer_port, PORTS["ws"]} else "wss"
        return f"{scheme}://{self.host}" + ("" if self.port == PORTS[scheme] else f":{self.port}")


def read_public_name(text: str) -> PublicName:
    """Return a name as the settings write it. Raises ValueError with a sentence for people."""
    if "/" in text:
        raise _no_name(text, "without wss:// before it and without a / behind it")
    host, port = _divided(text)
    if port is not None and (not _PORT.fullmatch(port) or int(port) > _MAX_PORT):
        raise _no_name(text, "a port is a number from 1 to 65535")
    require_host(host.strip("[]") if is_number(host) else host, text)
    return PublicName(host.lower(), None if port is None else int(port))


def require_host(host: str, text: str | None = None) -> None:
    """Refuse what is neither a host name nor a number, without brackets, as ValueError."""
    shown = host if text is None else text
    if is_number(host) and not host.startswith("["):
        return
    if not host.isascii():
        raise _no_name(shown, f"write it in ASCII{_ascii_hint(host)}")
    if len(host) > _MAX_HOST or not _HOST.fullmatch(host) or host.rpartition(".")[2].isdecimal():
        raise _no_name(shown, "letters, digits, hyphens and dots, or a whole IP address")


def is_number(host: str) -> bool:
    """Return whether a host is an IP address, in brackets where it is of version 6 in a url."""
    inside = host[1:-1] if host.startswith("[") and host.endswith("]") and ":" in host else host
    try:
        ipaddress.ip_address(inside)
    except ValueError:
        return False
    return "%" not in host


def is_this_computer(host: str) -> bool:
    """Return whether a host is the computer that dials it."""
    if not is_number(host):
        return host.lower() == LOOPBACK
    return ipaddress.ip_address(host.strip("[]")).is_loopback


def own_urls(names: Sequence[str], peer_host: str, peer_port: int) -> list[str]:
    """Return where peers dial a node, in the order of its public names, as `ws://` or `wss://`."""
    return [read_public_name(name).url(peer_host, peer_port) for name in names]


def link_address(url: str) -> tuple[str, str]:
    """Return the WebSocket address of a peer's url, and the audience to name in the handshake.

    Raises Refusal `peer.url`.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise Refusal("peer.url", f"expected host and port in {url!r}: {exc}") from exc
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None or not parts.hostname or parts.username is not None or parts.query:
        raise Refusal("peer.url", f"expected a url like wss://node.example, got {url!r}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    audience = host if port in {None, PORTS[scheme]} else f"{host}:{port}"
    path = parts.path if parts.path not in {"", "/"} else LINK_PATH
    return f"{scheme}://{audience}{path}", audience


def audiences(names: Sequence[str], host: str, port: int) -> list[str]:
    """Return what diallers may call this node: a name with a port as it stands, and without it
    where a scheme has that port; another name alone, and with the peer port.
    """
    listed = [read_public_name(name) for name in names or [bracketed(host), LOOPBACK]]
    found = []
    for name in listed:
        usual = name.port is None or name.port in PORTS.values()
        found += [name.text, *([name.host] if usual else [])]
        found += [f"{name.host}:{port}"] if name.port is None else []
    return list(dict.fromkeys(found))


def bracketed(host: str) -> str:
    """Return a host as a url writes it."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _divided(text: str) -> tuple[str, str | None]:
    """Return host and port of a name; a version 6 address has its colons in brackets."""
    if text.startswith("["):
        host, bracket, rest = text.partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise _no_name(text, "an address with colons is written as [fd00::1]")
        return host + bracket, rest[1:] if rest else None
    if text.count(":") > 1:
        hint = f"[{text}]" if is_number(text) else "[fd00::1]"
        raise _no_name(text, f"an address with colons is written as {hint}")
    host, colon, port = text.partition(":")
    return host, port if colon else None


def _ascii_hint(host: str) -> str:
    try:
        return f": {host.encode('idna').decode()}"
    except UnicodeError:
        return ""


def _no_name(text: str, hint: str) -> ValueError:
    detail = "expected a host name such as mill.example or mill.example:8440"
    return ValueError(f"{detail}, got {text[:100]!r}: {hint}")
