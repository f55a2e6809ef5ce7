"""Backups on bad days: the process dies, the disk is full, the node goes on writing meanwhile."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sheaf_node.backup import create_backup, restore_backup, verify_whole
from sheaf_node.backup.holding import held_in
from sheaf_node.plugins.installed import Installed
from sheaf_node.recovery import is_marked
from sheaf_node.seats import SeatShelf
from sheaf_node.store import DATABASE
from sheaf_protocol.testing.author import START_MS

from .backing import Backed, heads, left_in, make_written, told
from .dying import killed as killed_at_steps
from .lively import Lively, enliven, tokens_of
from .test_cli_identity import command, done, found, make_home, publish, serving, sheet_in, wait_for

DELAYS_S = [0.012 * step for step in range(8)]
"""From the first step to after the last, at 8 MB; the scheduler adds its own dice."""
BALLAST = 8 << 20
PATIENCE_S = 60

CREATE = """
import sys
from pathlib import Path
from sheaf_node.backup import create_backup
home, file = map(Path, sys.argv[1:3])
print("begun", flush=True)
create_backup(home, file, created_ms=1, software="")
"""
RESTORE = """
import sys
from pathlib import Path
from sheaf_node.backup import restore_backup
file, home = map(Path, sys.argv[1:3])
print("begun", flush=True)
restore_backup(file, [bytes.fromhex(sys.argv[3])], home, now_ms=1)
"""
LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
from sheaf_node.cli.main import main
sys.argv[1:] = sys.argv[2:]
main()
"""
MEASURED = """
import re, sys
from sheaf_node.cli.main import sheaf
try:
    sheaf(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
# Not getrusage, whose maximum is that of the process which forked this one.
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024)
"""


@pytest.fixture
async def hill(tmp_path: Path) -> Backed:
    return await make_written(tmp_path / "hill", 300)


@pytest.fixture
async def small(tmp_path: Path) -> Backed:
    return await make_written(tmp_path / "small", 3)


@pytest.fixture
def heavy(hill: Backed) -> Backed:
    """The same with a database that takes a while to copy."""
    weigh_down(hill, BALLAST)
    return hill


@pytest.fixture
def lively(heavy: Backed, tmp_path: Path) -> Lively:
    """The same with something of everything beside the logs."""
    return enliven(heavy.home, tmp_path / "sources", [heavy.author.head.id] * 3)


def weigh_down(backed: Backed, size: int) -> None:
    backed.sql("CREATE TABLE ballast (data)")
    sql = (
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        " INSERT INTO ballast SELECT randomblob(65536) FROM n"
    )
    backed.sql(sql, size >> 16)


def killed(script: str, *args: object, after_s: float) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", script, *map(str, args)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        time.sleep(after_s)
        process.send_signal(signal.SIGKILL)


def ran(script: str, *args: object) -> subprocess.CompletedProcess[str]:
    # Coverage would write its own file, which no limit here is meant for.
    env = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE_")}
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, args)],
        env=env,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_a_killed_create_leaves_a_whole_backup_or_none_and_no_secret(
    heavy: Backed, lively: Lively, tmp_path: Path
) -> None:
    (tmp_path / "shelf").mkdir()
    secrets = lively.secrets

    for number, delay_s in enumerate(DELAYS_S):
        file = tmp_path / "shelf" / str(number)
        killed(CREATE, heavy.home, file, after_s=delay_s)

        if file.exists():
            verify_whole(file, heavy.seeds, tmp_path)
        left = [path for path in (tmp_path / "shelf").rglob("*") if path.is_file()]
        assert not any(secret in path.read_bytes() for path in left for secret in secrets)
    create_backup(heavy.home, tmp_path / "shelf" / "last", created_ms=1, software="")

    assert not any(name.startswith(".") for name in left_in(tmp_path / "shelf"))


def test_a_killed_restore_leaves_a_whole_home_that_holds_back_or_none(
    heavy: Backed, lively: Lively, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    manifest = create_backup(heavy.home, file, created_ms=START_MS, software="").manifest

    for number, delay_s in enumerate(DELAYS_S):
        home = tmp_path / "homes" / str(number)
        killed(RESTORE, file, home, heavy.seeds[0].hex(), after_s=delay_s)

        if home.exists():
            assert heads(home) == told(manifest)
            assert is_marked(home)
            assert may_do_nothing_yet(home, lively)
    restore_backup(file, heavy.seeds, tmp_path / "homes" / "last", now_ms=START_MS)

    assert heads(tmp_path / "homes" / "last") == told(manifest)
    assert may_do_nothing_yet(tmp_path / "homes" / "last", lively)
    assert not any(name.startswith(".") for name in left_in(tmp_path / "homes"))


def may_do_nothing_yet(home: Path, lively: Lively) -> bool:
    """Return whether a restored home waits for a person with all that could act by itself."""
    hook = f"webhook:{lively.hook.id}"
    named = ["token:ci", "service:plain", "service:price_alert", hook]
    no_token = tokens_of(home).find(lively.token) is None
    no_link = not SeatShelf(home).open_links(START_MS)
    return held_in(home).named == named and not list(Installed(home)) and no_token and no_link


def test_a_restore_killed_at_its_steps_never_leaves_a_home_that_acts(
    small: Backed, tmp_path: Path
) -> None:
    lively, template = small_and_lively(small, tmp_path), tmp_path / "template"
    template.mkdir()
    create_backup(small.home, template / "file", created_ms=START_MS, software="")
    (template / "seed").write_bytes(small.seeds[0])

    dead, done_ = death(call="restore", template=template, folder=tmp_path / "homes")

    assert may_do_nothing_yet(done_ / "new", lively)
    for folder in dead:
        home = folder / "new"
        if home.exists():
            assert is_marked(home)
            assert may_do_nothing_yet(home, lively)
    restore_backup(dead[-1] / "file", small.seeds, dead[-1] / "other", now_ms=START_MS)
    assert not any(name.startswith(".") for name in left_in(dead[-1]))


def test_a_create_killed_at_its_steps_leaves_a_whole_backup_or_none(
    small: Backed, tmp_path: Path
) -> None:
    small_and_lively(small, tmp_path)
    template = tmp_path / "template"
    template.mkdir()
    small.home.rename(template / "hill")

    dead, done_ = death(call="create", template=template, folder=tmp_path / "homes")

    seeds = Backed(done_ / "hill", small.coop, small.author).seeds
    for folder in [*dead[-2:], done_]:
        if (folder / "made").exists():
            verify_whole(folder / "made", seeds, folder)
    assert (done_ / "made").exists()


def small_and_lively(hill: Backed, folder: Path) -> Lively:
    return enliven(hill.home, folder / "sources", [hill.author.head.id] * 3)


def death(*, call: str, template: Path, folder: Path) -> tuple[list[Path], Path]:
    """Die at each seventh of some hundred steps."""
    return killed_at_steps(call, template, folder, every=7)


@pytest.mark.parametrize("limit", [0, 40_000, BALLAST, BALLAST + 400_000])
def test_a_full_disk_leaves_no_backup(heavy: Backed, tmp_path: Path, limit: int) -> None:
    limit = min(limit, (heavy.home / DATABASE).stat().st_size - 1)

    result = ran(
        LIMITED, limit, "backup", "create", "--out", tmp_path / "file", "--home", heavy.home
    )

    assert result.returncode == 1
    assert result.stderr.endswith("[backup.write]\n"), result.stderr
    assert left_in(tmp_path) == ["hill"]


@pytest.mark.parametrize("limit", [0, 40_000, BALLAST])
def test_a_full_disk_leaves_no_home(heavy: Backed, tmp_path: Path, limit: int) -> None:
    sheet, file, home = sheet_in(heavy.home, tmp_path / "sheet"), tmp_path / "file", tmp_path / "n"
    create_backup(heavy.home, file, created_ms=START_MS, software="")

    result = ran(
        LIMITED, limit, "backup", "restore", file, "--sheet", sheet, "--yes", "--home", home
    )

    assert result.returncode == 1
    assert result.stderr.endswith("[backup.write]\n"), result.stderr
    assert left_in(tmp_path) == ["file", "hill", "sheet"]


def test_a_large_store_needs_no_more_memory_than_a_small_one(hill: Backed, tmp_path: Path) -> None:
    sheet = sheet_in(hill.home, tmp_path / "sheet")

    small = needed(hill, sheet, tmp_path / "small")
    weigh_down(hill, 4 * BALLAST)
    large = needed(hill, sheet, tmp_path / "large")

    assert (tmp_path / "large").stat().st_size > 4 * BALLAST
    for before, after in zip(small, large, strict=True):
        assert after - before < BALLAST


def needed(backed: Backed, sheet: Path, file: Path) -> list[int]:
    """Return the bytes that a process had at most to create and to restore a backup."""
    calls = (
        ("backup", "create", "--out", file, "--home", backed.home),
        ("backup", "restore", file, "--sheet", sheet, "--yes", "--home", f"{file}.home"),
    )
    results = [ran(MEASURED, *call) for call in calls]
    assert [result.returncode for result in results] == [0, 0], results
    return [int(result.stdout.splitlines()[-1]) for result in results]


def test_a_backup_taken_while_the_node_writes_is_one_moment_of_it(tmp_path: Path) -> None:
    hill, sheet = make_home(tmp_path / "hill", "Hill"), tmp_path / "sheet"
    found(tmp_path, hill)
    sheet_in(hill, sheet)
    rows = [f"r{number}" for number in range(400)]
    with serving(hill):
        publish(hill, rows[:1])
        lines = "".join(f"{ref},EWE-NUTS,4,bag,9.50,GBP\n" for ref in rows)
        (hill / "list.csv").write_text("ref,item,quantity,unit,max_price,currency\n" + lines)
        files = [tmp_path / f"backup{number}" for number in range(4)]
        with subprocess.Popen(
            command("import", "purchases", hill / "list.csv", "--home", hill),
            stdout=subprocess.DEVNULL,
        ) as importing:
            for file in files:
                done("backup", "create", "--out", file, "--home", hill)
        assert importing.returncode == 0
        wait_for(hill, len(rows))

    ends = []
    for file in files:
        restored = tmp_path / f"{file.name}.home"
        told_ = done("backup", "verify", file, "--sheet", sheet)
        done("backup", "restore", file, "--sheet", sheet, "--yes", "--home", restored)
        [(_, seq, _)] = heads(restored)
        assert f"{seq} entries in" in told_
        ends.append(seq)
    assert ends == sorted(ends)
    assert ends[0] < heads(hill)[0][1]
    with serving(tmp_path / "backup0.home"):
        assert re.search("Hill", done("status", "--home", tmp_path / "backup0.home"))
