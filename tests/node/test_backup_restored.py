"""A disk dies: its node comes back from a backup that is older than its last words."""

import json
import shutil
import time
from pathlib import Path

from sheaf_node.recovery import is_marked

from .test_cli_identity import (
    PATIENCE_S,
    dial,
    done,
    found,
    make_home,
    publish,
    serving,
    sheet_in,
    wait_for,
)

WORDS_OF_THE_NEW_WRITER = {"writer.lost": 1, "writer.succeed": 1, "demand.submit": 1}


def wait_until_recovered(home: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while is_marked(home):
        assert time.monotonic() < deadline, done("recovery", "show", "--home", home)
        time.sleep(0.1)


def entries_in(home: Path) -> dict[str, dict[str, int]]:
    """Return of each writer of the home's co-op how many entries of each kind a node holds."""
    own = json.loads(done("identity", "show", "--json", "--home", home))["cid"]
    counts: dict[str, dict[str, int]] = {}
    for line in done("log", "--json", "--home", home).splitlines():
        entry = json.loads(line)
        if entry["cid"] == own:
            kinds = counts.setdefault(entry["wid"], {})
            kinds[entry["kind"]] = kinds.get(entry["kind"], 0) + 1
    return counts


def test_a_restored_node_gets_its_last_words_back_and_goes_on_as_another_writer(
    tmp_path: Path,
) -> None:
    hill, mill = make_home(tmp_path / "hill", "Hill"), make_home(tmp_path / "mill", "Mill")
    found(tmp_path, hill, mill)
    dial(hill, mill)
    sheet, file = sheet_in(hill, tmp_path / "sheet"), tmp_path / "file"
    with serving(mill):
        with serving(hill):
            publish(hill, ["r1", "r2"])
            done("backup", "create", "--out", file, "--home", hill)
            publish(hill, ["r3", "r4"])
            wait_for(mill, 4)
        shutil.rmtree(hill)

        done("backup", "restore", file, "--sheet", sheet, "--yes", "--home", hill)
        done("verify", "--home", hill)
        with serving(hill):
            wait_until_recovered(hill)
            publish(hill, ["r5"])
            held = entries_in(hill)

    [old, new] = sorted(held.values(), key=len)
    assert old == {"demand.submit": 4}
    assert new == WORDS_OF_THE_NEW_WRITER
