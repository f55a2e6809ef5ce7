import asyncio
import time

from sheaf_node.clock import ManualClock, SystemClock


async def test_manual_clock_wakes_a_sleeper_only_once_its_time_has_come() -> None:
    clock = ManualClock(1_000)
    sleeping = asyncio.ensure_future(clock.sleep_ms(10))
    await asyncio.sleep(0)

    clock.advance(9)
    await asyncio.sleep(0)
    was_done = sleeping.done()
    clock.advance(1)
    await sleeping

    assert not was_done
    assert clock.now_ms() == 1_010


async def test_manual_clock_wakes_sleepers_in_the_order_of_their_times() -> None:
    clock, woken = ManualClock(), []

    async def sleep(ms: int) -> None:
        await clock.sleep_ms(ms)
        woken.append(ms)

    sleepers = [asyncio.ensure_future(sleep(ms)) for ms in (30, 10, 20)]
    await asyncio.sleep(0)
    clock.advance(100)
    await asyncio.gather(*sleepers)

    assert woken == [10, 20, 30]


async def test_manual_clock_survives_a_cancelled_sleeper() -> None:
    clock = ManualClock()
    sleeping = asyncio.ensure_future(clock.sleep_ms(10))
    await asyncio.sleep(0)

    sleeping.cancel()
    await asyncio.sleep(0)
    clock.advance(10)

    assert sleeping.cancelled()


async def test_manual_clock_does_not_sleep_for_nothing() -> None:
    clock = ManualClock(5)

    await asyncio.wait_for(clock.sleep_ms(0), 1)

    assert clock.now_ms() == 5


async def test_system_clock_tells_the_wall_clock_and_sleeps() -> None:
    clock = SystemClock()
    before = time.time() * 1000

    await clock.sleep_ms(1)

    assert before <= clock.now_ms() <= time.time() * 1000 + 1
