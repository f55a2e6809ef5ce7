"""The registry of services, and processes that end with the node."""

import asyncio
import os
import signal
import subprocess
import sys
import time

import pytest

from sheaf_node.plugins import installed_services, load_services
from sheaf_node.plugins.jobs import run_apart
from sheaf_protocol.errors import Refusal

SLEEPER = """
import asyncio, multiprocessing, threading, time
from sheaf_node.plugins.jobs import run_apart

def tell():
    while not multiprocessing.active_children():
        time.sleep(0.01)
    time.sleep(1)  # until the child has begun its job
    print(multiprocessing.active_children()[0].pid, flush=True)

if __name__ == "__main__":
    threading.Thread(target=tell, daemon=True).start()
    asyncio.run(run_apart(time.sleep, 600))
"""


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_installed_services_are_listed_and_loaded_by_name() -> None:
    ours = {"order_fulfilment", "pooled_purchasing", "shipment_matching"}
    assert ours <= set(installed_services())
    assert set(load_services()) == set(installed_services())
    assert list(load_services(["pooled_purchasing"])) == ["pooled_purchasing"]


def test_an_unknown_service_is_refused_by_name() -> None:
    with pytest.raises(Refusal) as refusal:
        load_services(["poled_purchasing"])

    assert refusal.value.code == "service.unknown"
    assert "poled_purchasing" in refusal.value.detail
    assert "pooled_purchasing" in refusal.value.detail


async def test_a_result_comes_from_another_process() -> None:
    assert await run_apart(os.getpid) != os.getpid()


async def test_an_exception_comes_back_as_it_was_raised() -> None:
    with pytest.raises(FileNotFoundError):
        await run_apart(os.listdir, "/nowhere")


async def test_a_refusal_crosses_the_process_border() -> None:
    with pytest.raises(Refusal, match=r"service\.unknown"):
        await run_apart(load_services, ["nonsense"])


def test_a_job_ends_with_its_parent(tmp_path: os.PathLike[str]) -> None:
    script = os.path.join(tmp_path, "sleeper.py")
    with open(script, "w") as file:
        file.write(SLEEPER)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_alive(child)
        parent.send_signal(signal.SIGKILL)

    deadline = time.monotonic() + 10
    while is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)

    assert not is_alive(child)


async def test_a_cancelled_job_ends() -> None:
    job = asyncio.create_task(run_apart(time.sleep, 600))
    await asyncio.sleep(0.3)

    job.cancel()

    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await job


async def test_a_process_that_dies_gives_no_answer():
    assert await run_apart(signal.raise_signal, signal.SIGKILL) is None
