"""Signals that something is new in the store. They carry no entries: a reader keeps a cursor and
reads the store, so nothing is ever lost, and a slow reader costs nobody memory.
"""

from __future__ import annotations

import asyncio


class Counter:
    """A number that only grows, and a way to wait for it. Any number of tasks may wait."""

    def __init__(self) -> None:
        self.value = 0
        self._grown = asyncio.Event()

    def raise_to(self, value: int) -> None:
        """Set the number if it is larger, and wake all that wait."""
        if value <= self.value:
            return
        self.value = value
        # Each growth has an event of its own, so that a waiter cannot clear another's.
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    def increase(self) -> None:
        """Count one more, and wake all that wait."""
        self.raise_to(self.value + 1)

    async def wait_beyond(self, value: int) -> int:
        """Return the number once it is larger than `value`; at once where it is already."""
        while self.value <= value:
            await self._grown.wait()
        return self.value


class Arrivals:
    """What a node's parts wake up for: entries, by arrival number; control items, and payloads of
    entries that came before, by count."""

    def __init__(self) -> None:
        self._entries = Counter()
        self._control = Counter()
        self._payloads = Counter()
        self._all = Counter()

    @property
    def latest(self) -> int:
        """The arrival number of the newest durable entry that was announced."""
        return self._entries.value

    @property
    def control(self) -> int:
        """How many changes of key logs, certificates and fork proofs were announced."""
        return self._control.value

    @property
    def payloads(self) -> int:
        """How often payloads of entries that came before were announced."""
        return self._payloads.value

    def announce(self, arrival: int) -> None:
        """Tell that all entries up to this arrival number are durable."""
        if arrival > self._entries.value:
            self._entries.raise_to(arrival)
            self._all.increase()

    def announce_control(self) -> None:
        """Tell that a key log, certificate or fork proof was stored."""
        self._control.increase()
        self._all.increase()

    def announce_payloads(self) -> None:
        """Tell that payloads were stored of entries that were held without them."""
        self._payloads.increase()
        self._all.increase()

    async def wait_beyond(self, arrival: int) -> int:
        """Return the newest arrival number once there is one after `arrival`."""
        return await self._entries.wait_beyond(arrival)

    async def wait_control_beyond(self, version: int) -> int:
        """Return the control version once it is past `version`."""
        return await self._control.wait_beyond(version)

    async def wait_news(self, arrival: int, *, control: int, payloads: int) -> None:
        """Return once anything is past these three: see `latest`, `control`, `payloads`."""
        while self.latest <= arrival and self.control <= control and self.payloads <= payloads:
            await self._all.wait_beyond(self._all.value)
