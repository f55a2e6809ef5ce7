"""Keeps the processes of a node's own services running: one for each service and federation.

What is to run stands in the grants, which are read anew each second: a service that is added is
started and one that is removed is ended, whatever it does. One that fails is started again, more
and more rarely.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

from sheaf_node.plugins.installed import Installed
from sheaf_node.remote.process import MEMORY_MIB, Process
from sheaf_node.remote.registry import elapsed_ms
from sheaf_node.remote.restarts import Restarts
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import TypeAlias

    from sheaf_node.plugins.installed import Grant
    from sheaf_node.remote.registry import Remotes
    from sheaf_protocol.digest import FederationId

    Key: TypeAlias = tuple[FederationId, str]

MOST_PROCESSES: Final = 32
"""Of all services in all federations: at their largest they take what a computer has."""
_LOOK_MS: Final = 1_000
_LAST_WORDS_S: Final = 1.0
_LOG = logging.getLogger("sheaf.service")


class Keeping:
    """The processes of the services that a node runs."""

    def __init__(
        self,
        home: Path,
        remotes: Remotes,
        *,
        url: str,
        federations: Callable[[], Mapping[FederationId, object]],
        new_token: Callable[[str], str],
        elapsed_ms: Callable[[], int] = elapsed_ms,
    ) -> None:
        """`new_token` returns the token of a service, in the place of any it had."""
        self._home, self._remotes, self._url = home, remotes, url
        self._federations, self._new_token = federations, new_token
        self._installed, self._elapsed_ms = Installed(home), elapsed_ms
        self._tokens: dict[str, tuple[Grant, str]] = {}
        self._restarts: dict[Key, Restarts] = {}
        self._kept: dict[Key, tuple[Grant, asyncio.Task[None]]] = {}
        self._said = ""
        """What kept services from being started at the last look."""

    async def run(self) -> None:
        """Keep them until cancelled; then none is left."""
        try:
            while True:
                self._say(await self._look())
                await self._remotes.clock.sleep_ms(_LOOK_MS)
        finally:
            await self._end(list(self._kept))

    def _say(self, fault: str) -> None:
        """Log what is wrong, once."""
        if fault and fault != self._said:
            _LOG.error("services are not started: %s", fault)
        self._said = fault

    async def _look(self) -> str:
        """Start what is to run and does not, and end what is not to run any more.

        Returns why that was not possible, if it was not.
        """
        try:
            wanted = await asyncio.to_thread(self._wanted)
        except Refusal as refusal:
            return str(refusal)
        for key in [key for key, (_, task) in self._kept.items() if task.done()]:
            del self._kept[key]
        await self._end([key for key, (grant, _) in self._kept.items() if wanted.get(key) != grant])
        fault = await self._start(wanted)
        self._restarts = {key: self._restarts[key] for key in wanted if key in self._restarts}
        self._remotes.down = frozenset(name for _, name in wanted.keys() - self._kept.keys())
        return fault

    async def _start(self, wanted: Mapping[Key, Grant]) -> str:
        """Start what is due; return why something was not, if so."""
        now_ms = self._elapsed_ms()
        for key, grant in wanted.items():
            restarts = self._restarts.setdefault(key, Restarts())
            if key in self._kept or now_ms < restarts.next_ms:
                continue
            if len(self._kept) >= MOST_PROCESSES:
                return f"expected at most {MOST_PROCESSES}, got {len(wanted)}"
            try:
                token = await self._token(grant)
            except Refusal as refusal:
                return str(refusal)
            task = asyncio.create_task(self._keep(key, grant, token, restarts))
            self._kept[key] = (grant, task)
        return ""

    async def _keep(self, key: Key, grant: Grant, token: str, restarts: Restarts) -> None:
        """Run one process for as long as it goes well."""
        fid, name = key
        restarts.begin(self._elapsed_ms())
        arguments = ["service", "run", name, "--node", self._url, "--token-file", "-"]
        arguments += ["--federation", fid.hex(), "--memory-mib", str(MEMORY_MIB)]
        arguments += ["--home", str(self._home.resolve())]
        folder = self._installed.code(grant).resolve()
        try:
            async with AsyncExitStack() as stack:
                process = await Process.start(name, arguments, token, folder)
                stack.push_async_callback(process.end)
                logging_ = asyncio.create_task(process.log(self._elapsed_ms))
                stack.callback(logging_.cancel)
                why = await self._watch(key, process, restarts)
                # What it said last tells why.
                await asyncio.wait({logging_}, timeout=_LAST_WORDS_S)
        except (OSError, Refusal) as exc:
            why = f"cannot be kept running: {exc}"
        restarts.end(self._elapsed_ms())
        wait_s = (restarts.next_ms - self._elapsed_ms()) // 1_000 + 1
        _LOG.warning("service %s %s; it is started again in %d s", name, why, wait_s)

    async def _watch(self, key: Key, process: Process, restarts: Restarts) -> str:
        """Return what is wrong with a process, once it is."""
        while process.status is None:
            await asyncio.sleep(_LOOK_MS / 1_000)
            host = self._remotes.find(*key)
            is_connected = host is not None and host.is_connected
            missed = 0 if host is None else host.missed
            now_ms = self._elapsed_ms()
            if restarts.is_stuck(now_ms, is_connected=is_connected, missed=missed):
                return "does not answer and was ended"
        return f"ended with status {process.status}"

    async def _end(self, keys: list[Key]) -> None:
        tasks = [self._kept.pop(key)[1] for key in keys]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _token(self, grant: Grant) -> str:
        """Return a service's token: a new one for each grant, and each start of the node."""
        name = grant.manifest.name
        kept = self._tokens.get(name)
        if kept is None or kept[0] != grant:
            token = await asyncio.to_thread(self._new_token, name)
            kept = self._tokens[name] = (grant, token)
        return kept[1]

    def _wanted(self) -> dict[Key, Grant]:
        """Return what is to run. Raises Refusal `service.file`."""
        grants = [grant for grant in self._installed if grant.is_started]
        fids = list(self._federations())
        return {(fid, grant.manifest.name): grant for grant in grants for fid in fids}
