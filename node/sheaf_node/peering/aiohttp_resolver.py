"""Names resolved once, to addresses that were checked: for whoever calls what others chose.

A resolver that may answer otherwise at a second look could lead a connection elsewhere than to what
was checked. So the check stands in the resolver itself, and the connection has its answer.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class CheckedResolver(AbstractResolver):
    """Resolves a name anew each time, to those of its addresses that may be connected to."""

    def __init__(self, fit: Callable[[list[str]], Iterable[str]]) -> None:
        """`fit` returns those that may be, or raises the Refusal that the caller gets."""
        self._system, self._fit = aiohttp.ThreadedResolver(), fit

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses to connect to. Raises OSError, and what the check refuses."""
        found = await self._system.resolve(host, port, family)
        fit = set(self._fit([each["host"] for each in found]))
        return [each for each in found if each["host"] in fit]

    async def close(self) -> None:
        """Let go of nothing: the system's resolver is the event loop's."""
        await self._system.close()
