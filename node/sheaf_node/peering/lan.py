"""Nodes on this network: told by multicast DNS that one is here, and listened for (DSC-19).

Off until the operator turns it on. What is told is a name by chance and a port: neither co-op, nor
name, nor federation. What is heard is a hint, dialled on this network alone and only while a
federation has few links; who is there is proven by the handshake. Where the library or the network
has no multicast, a node works without.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from sheaf_node.peering.hints import Hint, Source

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence

    from sheaf_node.clock import Randomness

SERVICE: Final = "_sheaf._tcp.local."
MOST_HEARD: Final = 32
"""Names that are looked up: more nodes than a village has, and anybody can make up names."""
MOST_PLACES: Final = 4
"""Addresses of one name."""
LOOK_UP_MS: Final = 3_000
LEAVE_S: Final = 2.0
_LOG = logging.getLogger("sheaf.peering")


class Lan:
    """What is heard on this network. Until it is opened, or without multicast, it hears nothing."""

    def __init__(self) -> None:
        self.names: list[str] = []
        """Under which nodes here may dial this one: the numbers that it told."""
        self._heard: dict[str, list[str]] = {}
        self._own = ""
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._zeroconf: Any = None
        self._browser: Any = None

    async def hints(self) -> Sequence[Hint]:
        """Return the addresses heard of that are on networks of this computer, our own left out."""
        own = own_networks()
        return [
            Hint(url=url, source=Source.LAN, cid=None)
            for urls in self._heard.values()
            for url in urls
            if is_on(own, url) and url.removeprefix("ws://") not in self.names
        ]

    async def open(self, host: str, port: int, random: Randomness) -> None:
        """Begin to tell that a node is at this port, and to listen.

        Raises OSError, ImportError and zeroconf's Error where that cannot be.
        """
        # In a thread: to load it takes a fifth of a second, in which the node serves.
        await asyncio.to_thread(import_module, "zeroconf.asyncio")
        from zeroconf.asyncio import (  # noqa: PLC0415 - an extra, loaded where it is turned on
            AsyncServiceBrowser,
            AsyncServiceInfo,
            AsyncZeroconf,
        )

        self._zeroconf = AsyncZeroconf()
        told = addresses_told(host)
        if told:
            label = random(8).hex()
            self._own = f"{label}.{SERVICE}"
            info = AsyncServiceInfo(
                SERVICE, self._own, port=port, server=f"{label}.local.", parsed_addresses=told
            )
            await self._zeroconf.async_register_service(info)
            self.names += [f"{_host(text)}:{port}" for text in told]
        self._browser = AsyncServiceBrowser(
            self._zeroconf.zeroconf, [SERVICE], handlers=[self._changed]
        )

    async def close(self) -> None:
        """Take leave of the network. Raises OSError, TimeoutError and zeroconf's Error."""
        for task in list(self._asking.values()):
            task.cancel()
        if self._zeroconf is None:
            return
        async with asyncio.timeout(LEAVE_S):
            if self._browser is not None:
                await self._browser.async_cancel()
            await self._zeroconf.async_close()

    def hear(self, name: str, addresses: Iterable[str], port: int) -> None:
        """Keep where a name is; of too many names the one heard first is forgotten."""
        self._heard.pop(name, None)
        self._heard[name] = [f"ws://{_host(text)}:{port}" for text in list(addresses)[:MOST_PLACES]]
        if len(self._heard) > MOST_HEARD:
            del self._heard[next(iter(self._heard))]

    def forget(self, name: str) -> None:
        """Take note that a name is gone."""
        self._heard.pop(name, None)

    def _changed(self, zeroconf: Any, service_type: str, name: str, state_change: Any) -> None:
        """Hear of a name, in the event loop; zeroconf gives the arguments by these names."""
        if state_change.name == "Removed":
            self.forget(name)
        elif name != self._own and name not in self._asking and len(self._asking) < MOST_HEARD:
            task = asyncio.get_running_loop().create_task(self._look_up(name))
            self._asking[name] = task
            task.add_done_callback(lambda _: self._asking.pop(name, None))

    async def _look_up(self, name: str) -> None:
        from zeroconf import Error  # noqa: PLC0415
        from zeroconf.asyncio import AsyncServiceInfo  # noqa: PLC0415

        try:
            info = AsyncServiceInfo(SERVICE, name)
            if await info.async_request(self._zeroconf.zeroconf, LOOK_UP_MS):
                self.hear(name, info.parsed_addresses(), info.port or 0)
        except (OSError, ValueError, Error) as exc:
            _LOG.info("a name heard on this network is passed over: %s", type(exc).__name__)


@asynccontextmanager
async def listening(*, is_on: bool, host: str, port: int, random: Randomness) -> AsyncIterator[Lan]:
    """Give what is heard on this network while a node runs; `host` and `port` are told there,
    unless the peer port is for this computer alone. Raises nothing.

    A node is ready without it: telling the network takes a second, in which nothing is heard.
    """
    lan = Lan()

    async def begin() -> None:
        await _try(lan.open(host, port, random), "this network is not listened to")

    opening = [asyncio.create_task(begin())] if is_on else []
    try:
        yield lan
    finally:
        for task in opening:
            task.cancel()
        await asyncio.gather(*opening, return_exceptions=True)
        await _try(lan.close(), "this network was not taken leave of")


async def _try(step: Coroutine[Any, Any, None], otherwise: str) -> None:
    """Carry out a step that no node depends on."""
    try:
        await step
    except ImportError:
        _LOG.warning("%s: pip install 'sheaf-coop[lan]', or set discovery.lan = false", otherwise)
    except (
        Exception
    ) as exc:  # the library's own errors have no class but this in common with OSError
        _LOG.warning("%s: %s", otherwise, type(exc).__name__)


def addresses_told(host: str) -> list[str]:
    """Return the addresses of this computer at which its peer port is reached on its networks."""
    every = [str(each.ip) for each in own_networks()]
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared with
        return [text for text in every if ":" not in text][:4]
    return [host] if host in every else []


def own_networks() -> list[ipaddress.IPv4Interface | ipaddress.IPv6Interface]:
    """Return the private networks that this computer is on; none where they cannot be told."""
    try:
        import ifaddr  # noqa: PLC0415 - comes with zeroconf
    except ImportError:
        return []
    found = []
    for adapter in ifaddr.get_adapters():
        for each in adapter.ips:
            text = each.ip if isinstance(each.ip, str) else each.ip[0]
            network = ipaddress.ip_interface(f"{text}/{each.network_prefix}")
            if network.is_private and not network.is_loopback and not network.is_link_local:
                found.append(network)
    return found


def is_on(own: Iterable[ipaddress.IPv4Interface | ipaddress.IPv6Interface], url: str) -> bool:
    """Return whether an address is of one of these networks (DSC-8)."""
    host = url.removeprefix("ws://").rpartition(":")[0].strip("[]")
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(ip.version == each.version and ip in each.network for each in own)


def _host(text: str) -> str:
    return f"[{text}]" if ":" in text else text
