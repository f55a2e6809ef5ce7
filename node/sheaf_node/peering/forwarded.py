"""Who sits behind a proxy before the peer port, as far as limits by address need to know.

Behind a proxy all come from its address, and would be counted as one. `X-Forwarded-For` tells who
was there, and anybody can write one: so it is read only in what comes from proxies that the
settings name, and from its end, to which each proxy adds whom it saw itself. What stands before
the first address that is no such proxy was written by whoever sat there.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Networks: TypeAlias = Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]
    Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

FORWARDED: Final = "X-Forwarded-For"
MOST_HOPS: Final = 8
"""Proxies one behind another; nobody runs as many."""


def trusted_networks(settings: Iterable[str]) -> Networks:
    """Return the networks of the proxies that the settings name. Raises ValueError."""
    return [ipaddress.ip_network(text) for text in settings]


def counted_address(remote: str, told: Sequence[str], trusted: Networks) -> str:
    """Return the address that limits count: of the connection, or of whom trusted proxies tell.

    `told` are the values of the header in their order. What is no address counts as the proxy that
    wrote it.
    """
    last = _address(remote)
    if last is None or not _is_in(trusted, last):
        return remote
    hops = [hop for value in told for hop in value.split(",")]
    for hop in reversed(hops[-MOST_HOPS:]):
        found = _address(hop)
        if found is None:
            break
        last = found
        if not _is_in(trusted, found):
            break
    return str(last)


def _address(text: str) -> Address | None:
    """Return an address, with or without a port; one of version 4 that is written as 6 as it is."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return found if mapped is None else mapped


def _is_in(trusted: Networks, address: Address) -> bool:
    return any(address.version == net.version and address in net for net in trusted)
