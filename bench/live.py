"""What a live message costs from its publisher to a subscriber, against the package nostr-relay.

    ours    node A: sign, store, push    node B: verify, store, call a subscribed service
    theirs  client: sign, send           relay: verify, store, send    client: take in

A message is `--size` bytes of body or content, published singly, at most `--window` of them
unacknowledged. CPU time is that of all threads, from the first publication to the last delivery;
started processes, handshakes and subscriptions come before. `cpu_ratio` sets what verifies, stores
and delivers on one side against what does so on the other: the relay against node B. For
`whole_cpu_ratio` everything counts that a message costs anybody, its signature included: relay and
both clients against both nodes.

What differs, and whom it favours: we store twice and they once; we wait for the disk at each commit
(synchronous=FULL), they do not (normal); our entries are encrypted on the wire, theirs are not; the
relay verifies, their subscriber does not again. They have no compression and log warnings only;
everything else of the relay is as its package configures it. Rounds alternate.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sheaf_node.charter_file import adopt_charter, draft_charter, read_charter_file, sign_charter
from sheaf_node.clock import SystemClock
from sheaf_node.config import CONFIG_FILE
from sheaf_node.keyring import create_keyring

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HERE = Path(__file__).parent
NOSTR = HERE / ".venv-nostr"
PACKAGE = "nostr-relay==1.14"
BAR = 12.0
"""Times the CPU of ours that theirs is to need at least."""


@dataclass
class Run:
    """One side's figures of one round, per message."""

    cpu_us: float
    """Of the process that verifies, stores and delivers."""
    whole_us: float
    wall_us: float
    p50_ms: float
    p99_ms: float


def main() -> int:
    """Print the ratios; return 1 where the CPU ratio is below the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=5_000)
    parser.add_argument("--size", type=int, default=1_024)
    parser.add_argument("--window", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true", help="say where our time goes")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    args = parser.parse_args()
    numbers = (args.messages, args.size, args.window)
    if args.profile:
        os.environ["SHEAF_BENCH_PROFILE"] = "1"
        ours(*numbers)
        return 0
    install()
    pairs = [(theirs(*numbers), ours(*numbers)) for _ in range(args.rounds)]
    figures = summary(pairs, numbers)
    print(json.dumps(figures) if args.json else "\n".join(f"{k}: {v}" for k, v in figures.items()))
    return 0 if figures["cpu_ratio"] >= BAR else 1


def summary(pairs: list[tuple[Run, Run]], numbers: tuple[int, int, int]) -> dict[str, Any]:
    """Return the medians over rounds: of each round's ratios, and of each side's figures."""
    figures: dict[str, Any] = {
        "cpu_ratio": round(statistics.median(t.cpu_us / o.cpu_us for t, o in pairs), 2),
        "cpu_ratio_bar": BAR,
        "whole_cpu_ratio": round(statistics.median(t.whole_us / o.whole_us for t, o in pairs), 2),
        "wall_ratio": round(statistics.median(t.wall_us / o.wall_us for t, o in pairs), 2),
    }
    for name, runs in (("nostr", [t for t, _ in pairs]), ("sheaf", [o for _, o in pairs])):
        for field in ("cpu_us", "whole_us", "wall_us", "p50_ms", "p99_ms"):
            middle = statistics.median(getattr(run, field) for run in runs)
            figures[f"{name}_{field}"] = round(middle, 1)
    messages, size, window = numbers
    return figures | {"messages": messages, "size": size, "window": window, "rounds": len(pairs)}


def ours(count: int, size: int, window: int) -> Run:
    """Return what messages cost between two nodes."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        homes = make_homes(Path(folder))
        program = [sys.executable, str(HERE / "live_sheaf.py")]
        command = [*program, "publish", str(homes[0]), str(count), str(size), str(window)]
        publisher = stack.enter_context(running(command, piped=True))
        command = [*program, "subscribe", str(homes[1]), str(count)]
        subscriber = stack.enter_context(running(command, piped=True))
        return measured(publisher, subscriber, subscriber)


def theirs(count: int, size: int, window: int) -> Run:
    """Return what messages cost between two clients of a relay."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        port = free_port()
        config = write_config(Path(folder), port)
        command = [str(NOSTR / "bin" / "nostr-relay"), "-c", str(config), "serve"]
        relay = stack.enter_context(running(command, folder=folder))
        wait_for(port)
        numbers = [f"ws://127.0.0.1:{port}/", str(count), str(size), str(window)]
        program = [str(NOSTR / "bin" / "python"), str(HERE / "live_nostr.py")]
        subscriber = stack.enter_context(running([*program, "subscribe", *numbers], piped=True))
        publisher = stack.enter_context(running([*program, "publish", *numbers], piped=True))
        # The worker is there by then, for it has answered the subscriber.
        return measured(publisher, subscriber, relay)


def measured(
    publisher: subprocess.Popen[str],
    subscriber: subprocess.Popen[str],
    judge: subprocess.Popen[str],
) -> Run:
    """Let both begin once both are ready; return what happened until the last delivery.

    `judge` is the process that verifies, stores and delivers.
    """
    for process in (publisher, subscriber):
        require_line(process, "ready")
    judging = family(judge.pid)
    others = {publisher.pid, subscriber.pid} - {judge.pid}
    before, before_others = cpu_s(judging), cpu_s(others)
    for process in (subscriber, publisher):
        tell(process)
    sent, heard = json.loads(read_line(publisher)), json.loads(read_line(subscriber))
    spent, spent_others = cpu_s(judging) - before, cpu_s(others) - before_others
    for process in (subscriber, publisher):
        tell(process)
    count = len(heard)
    waits = sorted(1_000 * (there - here) for here, there in zip(sent, heard, strict=True))
    assert waits[0] > 0, "expected each message to come, and after it was sent"
    wall = max(heard) - min(sent)
    return Run(
        cpu_us=1e6 * spent / count,
        whole_us=1e6 * (spent + spent_others) / count,
        wall_us=1e6 * wall / count,
        p50_ms=waits[count // 2],
        p99_ms=waits[count * 99 // 100],
    )


def cpu_s(pids: Iterable[int]) -> float:
    """Return the CPU seconds of processes, of all their threads, those that ended included."""
    # What clock_getcpuclockid(3) gives for a process; Python has a wrapper for threads only.
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)


def family(pid: int) -> list[int]:
    """Return a process and its children: the relay works in a child."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in found for each in family(int(child)))]


@contextmanager
def running(
    command: list[str], *, piped: bool = False, folder: str | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run a process; where it is piped, it is told and read line by line."""
    pipe = subprocess.PIPE if piped else subprocess.DEVNULL
    errors = None if piped else subprocess.DEVNULL
    # The relay's server keeps a socket below HOME.
    home = {} if folder is None else {"HOME": folder}
    process = subprocess.Popen(
        command,
        stdin=pipe,
        stdout=pipe,
        stderr=errors,
        cwd=folder,
        env=os.environ | home,
        text=True,
    )
    try:
        yield process
        if piped:
            process.wait(timeout=30)
    finally:
        process.terminate()
        process.wait(timeout=30)


def tell(process: subprocess.Popen[str]) -> None:
    """Give a process the word to go on."""
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def read_line(process: subprocess.Popen[str]) -> str:
    """Return a line that a process printed."""
    assert process.stdout is not None
    return process.stdout.readline()


def require_line(process: subprocess.Popen[str], expected: str) -> None:
    """Return once a process printed a line."""
    got = read_line(process).strip()
    assert got == expected, f"expected {expected!r} of {process.args!r}, got {got!r}"


def make_homes(folder: Path) -> list[Path]:
    """Return the homes of two members of one federation, the second of which dials the first."""
    now_ms, homes, keyrings = SystemClock().now_ms(), [folder / "a", folder / "b"], []
    port, other = free_port(), free_port()
    for home, own, peers in ((homes[0], port, ""), (homes[1], other, f"ws://127.0.0.1:{port}")):
        home.mkdir()
        keyrings.append(
            create_keyring(home, name=home.name, country="GB", random=os.urandom, now_ms=now_ms)
        )
        dials = f'{{ url = "{peers}" }}' if peers else ""
        settings = f'name = "{home.name}"\npeer_port = {own}\npeers = [{dials}]\n'
        (home / CONFIG_FILE).write_text(settings)
    charter = read_charter_file(
        draft_charter("Bench", [(k.key_ops, ["member"]) for k in keyrings], os.urandom(16))
    )
    for keyring in keyrings:
        charter = read_charter_file(sign_charter(charter, keyring))
    for home in homes:
        adopt_charter(charter, home)
    return homes


def install() -> None:
    """Make the relay's own environment, once."""
    if not (NOSTR / "bin" / "nostr-relay").exists():
        subprocess.run([sys.executable, "-m", "venv", str(NOSTR)], check=True)
        pip = [str(NOSTR / "bin" / "pip"), "install", "--quiet", PACKAGE]
        subprocess.run(pip, check=True)


def write_config(folder: Path, port: int) -> Path:
    """Return the relay's own settings with another file, another port, and less to log."""
    [shipped] = NOSTR.glob("lib/python*/site-packages/nostr_relay/config.yaml")
    text = (
        shipped.read_text()
        .replace("6969", str(port))
        .replace("loglevel: info", "loglevel: warning")
    )
    text = re.sub(r"sqlite\+aiosqlite:///\S+", f"sqlite+aiosqlite:///{folder}/nostr.sqlite3", text)
    path = folder / "config.yaml"
    path.write_text(text + "\nlogging:\n  version: 1\n  root:\n    level: WARNING\n")
    return path


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    """Return once something listens."""
    until = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert time.monotonic() < until, "expected the relay to listen"
            time.sleep(0.1)
        else:
            return


if __name__ == "__main__":
    sys.exit(main())
