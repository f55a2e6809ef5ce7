"""The peer port as a node keeps it: who is let in, within limits, and what all may read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sheaf_node.peering.network import Front
from sheaf_node.peering.policy import Doors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from sheaf_node.config import Config
    from sheaf_node.keyring import Keyring
    from sheaf_node.peering.network import Knock, Listener, Network, Post, Socket


class PeerServer:
    """Listens for peers; `run` is called with each accepted socket and its remote address."""

    def __init__(
        self,
        config: Config,
        keyring: Keyring,
        network: Network,
        run: Callable[[Socket, str], Awaitable[None]],
        posts: Mapping[str, Post] | None = None,
    ) -> None:
        self._config, self._keyring, self._network, self._run = config, keyring, network, run
        self._posts = posts or {}
        self._doors = Doors(config.limits.links, config.limits.links_per_address)
        self._listener: Listener | None = None

    @property
    def port(self) -> int:
        """The port that peers reach, once started."""
        return self._config.peer_port if self._listener is None else self._listener.port

    async def start(self) -> None:
        """Listen. Raises Refusal `peer.port_in_use`, `peer.address`."""
        front = Front(document=self._well_known(), answer=self._answer, posts=self._posts)
        self._listener = await self._network.listen(
            self._config.peer_host, self._config.peer_port, front
        )

    async def stop(self) -> None:
        """Stop listening; links end before this is called."""
        if self._listener is not None:
            await self._listener.close()

    async def _answer(self, knock: Knock) -> None:
        if not self._doors.enter(knock.address):
            await knock.refuse()
            return
        try:
            await self._run(await knock.accept(), knock.name)
        finally:
            self._doors.leave(knock.address)

    def _well_known(self) -> str:
        """Return what a dialler may want to know before it dials."""
        return json.dumps(
            {
                "versions": [1],
                "cid": self._keyring.cid.hex(),
                "wid": self._keyring.wid.hex(),
                "name": self._config.name,
            }
        )
