"""Which network addresses a node may connect to, by who vouches for them (spec 08, section 4).

A node that dials what others tell it can be made to knock at doors inside its own network: a
router, a printer, a cloud's metadata service. So a name is resolved once, what it resolves to is
checked here, and the connection goes to the very address that was checked.
"""

from __future__ import annotations

import enum
import ipaddress
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import urlsplit

from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable

Address: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"


class Reach(enum.Enum):
    """How far into our own network a connection may go."""

    PUBLIC = "public"
    """Nowhere inside: the address came from others."""
    PRIVATE = "private"
    """To this network: the operator typed the address."""
    LOOPBACK = "loopback"
    """To this computer as well: the operator said so."""


_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_SHARED: Final = ipaddress.ip_network("100.64.0.0/10")
_UNIQUE_LOCAL: Final = ipaddress.ip_network("fc00::/7")
_RFC_1918: Final = tuple(
    map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
)
_TLS_PORT: Final = 443
_FIRST_FREE_PORT: Final = 1_024


def require_port(port: int, reach: Reach) -> None:
    """DSC-10: refuse the port of another service in a hint. Raises Refusal `peer.inside`."""
    if reach is Reach.PUBLIC and port != _TLS_PORT and port < _FIRST_FREE_PORT:
        detail = f"expected port {_TLS_PORT} or one from {_FIRST_FREE_PORT} up, got {port}"
        raise Refusal("peer.inside", f"{detail}: type the address yourself if it is right")


def allowed(found: Iterable[str], reach: Reach) -> list[str]:
    """Return those of the addresses that a name resolved to which may be connected to.

    Raises Refusal `peer.inside` where there is none, saying what the first one is.
    """
    texts = list(found)
    faults = {text: _fault(text, reach) for text in texts}
    fit = [text for text in texts if faults[text] is None]
    if not fit:
        first = texts[0] if texts else "nothing"
        why = faults.get(first) or "expected an address"
        raise Refusal("peer.inside", f"{why}, got {first}")
    return fit


def is_literal(host: str) -> bool:
    """Return whether a host is an address already, which no resolver is asked about."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def may_be_outside(url: str) -> bool:
    """Return whether an address may be dialled as a hint, as far as shows without resolving it."""
    host = urlsplit(url).hostname or ""
    if not is_literal(host):
        return host != "localhost"
    try:
        allowed([host], Reach.PUBLIC)
    except Refusal:
        return False
    return True


def _fault(text: str, reach: Reach) -> str | None:
    """Return what is wrong with an address, or None. Link-local is so for everybody: clouds
    keep their secrets there."""
    try:
        ip = _plain(ipaddress.ip_address(text))
    except ValueError:
        return "expected a network address"
    if ip.is_loopback:
        said = "expected an address outside this computer (--allow-loopback lets one be dialled)"
        return None if reach is Reach.LOOPBACK else said
    if _is_private(ip):
        said = "expected an address outside this network (type it yourself to dial it)"
        return said if reach is Reach.PUBLIC else None
    if ip.is_global and not ip.is_multicast:
        return None
    return "expected an address that nodes are reached at"


def _is_private(ip: Address) -> bool:
    if isinstance(ip, ipaddress.IPv6Address):
        return ip in _UNIQUE_LOCAL
    return ip in _SHARED or any(ip in network for network in _RFC_1918)


def _plain(ip: Address) -> Address:
    """Return the IPv4 address that an IPv6 one stands for, else the address itself."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip.sixtofour is not None:
        return ip.sixtofour
    if ip in _NAT64:
        return ipaddress.IPv4Address(ip.packed[-4:])
    return ip
