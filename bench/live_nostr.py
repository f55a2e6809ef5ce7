"""The two clients of `live.py` on the nostr-relay side; runs in that package's own environment.

Events are made, signed and written by its own dependencies: aionostr, coincurve, rapidjson,
websockets. No compression is offered, and the subscriber does not verify again what the relay has
verified: both would cost this side more.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import rapidjson
from aionostr.event import Event
from aionostr.key import PrivateKey
from websockets import connect


async def publish(url: str, count: int, size: int, window: int) -> None:
    """Publish events, at most `window` of them unacknowledged at a time."""
    key = PrivateKey(bytes([7]) * 32)
    public, secret = key.public_key.hex(), key.hex()
    sent: list[float] = []
    numbers = iter(range(count))
    async with connect(url, compression=None, max_queue=None) as socket:
        await begin()

        async def send_next() -> bool:
            number = next(numbers, None)
            if number is None:
                return False
            sent.append(time.monotonic())
            content = f"{number:08d}".ljust(size, "x")
            event = Event(pubkey=public, content=content, created_at=int(time.time()))
            event.sign(secret)
            await socket.send(rapidjson.dumps(["EVENT", event.to_json_object()]))
            return True

        under_way = 0
        for _ in range(min(window, count)):
            under_way += await send_next()
        while under_way:
            kind, _, is_taken, reason = rapidjson.loads(await socket.recv())
            if kind != "OK" or not is_taken:
                raise RuntimeError(f"expected OK, got {kind}: {reason}")
            under_way -= 1
            under_way += await send_next()
    await report(sent)


async def subscribe(url: str, count: int) -> None:
    """Take as many events as were announced."""
    heard = [0.0] * count
    async with connect(url, compression=None, max_queue=None) as socket:
        await socket.send(rapidjson.dumps(["REQ", "bench", {"kinds": [1]}]))
        while rapidjson.loads(await socket.recv())[0] != "EOSE":
            pass
        await begin()
        for _ in range(count):
            _, _, fields = rapidjson.loads(await socket.recv())
            event = Event(**fields)
            heard[int(event.content[:8])] = time.monotonic()
    await report(heard)


async def begin() -> None:
    """Say that we are ready and wait for the word."""
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)


async def report(times: list[float]) -> None:
    """Give the figures, and wait until all are read."""
    print(json.dumps(times), flush=True)
    await asyncio.to_thread(sys.stdin.readline)


def main() -> None:
    """Run one of the clients."""
    role, url, *numbers = sys.argv[1:]
    count, size, window = map(int, numbers)
    asyncio.run(publish(url, count, size, window) if role == "publish" else subscribe(url, count))


if __name__ == "__main__":
    main()
