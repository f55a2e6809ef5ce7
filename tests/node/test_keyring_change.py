"""New keys in the place of old ones, at the folder of a home."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sheaf_node.keyring import KeyFiles, create_keyring, load_keyring, read_files
from sheaf_node.keyring.change import open_keys, recover_home, revoke_writers, rotate_keys
from sheaf_node.keyring.export import (
    KeyExport,
    LastEntry,
    common_history,
    furthest,
    read_export,
    write_export,
)
from sheaf_node.keyring.files import NEXT, ROTATION
from sheaf_protocol.digest import FederationId, WriterId
from sheaf_protocol.errors import Refusal
from sheaf_protocol.identity import PublicKey, begin_history, fold_key_log, merge
from sheaf_protocol.testing.author import START_MS, make_coop

NEW_MS = START_MS + 1
FID, OTHER = FederationId(b"f" * 32), FederationId(b"g" * 32)
ROTATE = """
import os, sys
from pathlib import Path
from sheaf_node.keyring import read_files
from sheaf_node.keyring.change import rotate_keys
files = read_files(Path(sys.argv[1]))
print("begun", flush=True)
while True:
    files = rotate_keys(
        files, files.key_log()[0], [files.secret("next.key")], ended={}, random=os.urandom, now_ms=1
    )
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    create_keyring(home, name="Hill", country="GB", random=os.urandom, now_ms=START_MS)
    return home


def rotated(files: KeyFiles, seed: bytes | None = None) -> KeyFiles:
    ops, _ = files.key_log()
    seed = files.secret(NEXT) if seed is None else seed
    return rotate_keys(files, ops, [seed], ended={}, random=os.urandom, now_ms=NEW_MS)


def revoked(files: KeyFiles, *, is_manager_new: bool = False, ended=None) -> KeyFiles:
    ops, _ = files.key_log()
    return revoke_writers(
        files,
        ops,
        [files.secret(ROTATION)],
        ended=ended or {},
        is_manager_new=is_manager_new,
        random=os.urandom,
        now_ms=NEW_MS,
    )


def test_a_home_whose_rotation_was_killed_is_usable(home: Path) -> None:
    for wait_ms in (0, 4, 9, 15, 25):
        with subprocess.Popen(
            [sys.executable, "-c", ROTATE, str(home)], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time_s = time.monotonic() + wait_ms / 1000
            while time.monotonic() < time_s:
                pass
            process.send_signal(signal.SIGKILL)

        # Each key is the one that the key log names, and the next rotation can be signed.
        assert load_keyring(home).manager is not None
        rotated(read_files(home))


def test_rotations_follow_on_one_another(home: Path) -> None:
    first = load_keyring(home)

    files = rotated(rotated(read_files(home)))

    history = merge(begin_history(first.key_ops), files.key_log()[0])
    assert history.state.size == 7
    assert history.state.manager == load_keyring(home).require_manager().public


def test_a_seed_that_was_not_promised_changes_nothing(home: Path) -> None:
    before = dict(read_files(home).files)

    with pytest.raises(Refusal) as refusal:
        rotated(read_files(home), read_files(home).secret(ROTATION))

    assert refusal.value.code == "key.sheet"
    assert dict(read_files(home).files) == before


def test_without_the_manager_key_a_node_whose_writer_ends_gets_no_other(home: Path) -> None:
    wid = load_keyring(home).wid
    (home / "keys" / "manager.key").unlink()

    revoked(read_files(home), ended={PublicKey(wid): {}})

    after = load_keyring(home)
    assert (after.wid, after.manager) == (wid, None)
    assert fold_key_log(after.key_ops).writers[wid].is_closed


def test_a_manager_key_that_another_replaced_signs_nothing(home: Path) -> None:
    old = read_files(home).files["manager.key"]
    revoked(read_files(home), is_manager_new=True)
    (home / "keys" / "manager.key").write_bytes(old)
    wid = load_keyring(home).wid

    revoked(read_files(home), ended={PublicKey(wid): {}})

    assert load_keyring(home).manager is None


def test_sealing_keys_that_were_ended_still_open_what_was_sealed_to_them(home: Path) -> None:
    before = load_keyring(home)

    revoked(read_files(home), ended={PublicKey(before.prekeys[0][0]): {}})

    after = load_keyring(home)
    assert fold_key_log(after.key_ops).prekeys == ()
    assert after.prekeys == before.prekeys


def test_recovering_names_all_open_keys_and_makes_new_ones(home: Path, tmp_path: Path) -> None:
    lost, files = load_keyring(home), read_files(home)
    ops, log = files.key_log()
    ended = {key: {} for key in open_keys(log, NEW_MS)}

    back = tmp_path / "back"
    recover_home(back, ops, [files.secret(NEXT)], ended=ended, random=os.urandom, now_ms=NEW_MS)

    found = load_keyring(back)
    state = fold_key_log(found.key_ops)
    assert set(ended) == {lost.wid, lost.prekeys[0][0]}
    assert [wid for wid, writer in state.writers.items() if not writer.is_closed] == [found.wid]
    assert [bytes(prekey.key) for prekey in state.prekeys] == [found.prekeys[0][0]]


# --- what a fellow member exports


def export_of(ops, *heads: LastEntry) -> KeyExport:
    return KeyExport(charters=[], heads=list(heads), key_log=list(ops))


def last(wid: bytes, seq: int, fid: FederationId = FID) -> LastEntry:
    return LastEntry(fid=fid, head=bytes([seq]) * 32, seq=seq, wid=wid)


def test_an_export_is_read_as_it_was_written() -> None:
    export = export_of(make_coop("Hill").key_ops, last(b"w" * 32, 3))

    assert read_export(write_export(export)) == export


def test_of_several_exports_what_goes_furthest_counts() -> None:
    coop = make_coop("Hill")
    wid = WriterId(b"w" * 32)
    one = export_of(coop.key_ops[:2], last(wid, 3), last(wid, 1, OTHER))
    other = export_of(coop.key_ops, last(wid, 2), last(wid, 4, OTHER))

    cuts = furthest([one, other])[wid]

    assert {fid: cut.seq for fid, cut in cuts.items()} == {FID: 3, OTHER: 4}
    assert common_history([one, other]).state.size == 3


def test_exports_of_two_coops_are_refused() -> None:
    with pytest.raises(Refusal) as refusal:
        common_history([export_of(make_coop("Hill").key_ops), export_of(make_coop("Dale").key_ops)])

    assert refusal.value.code == "key.export"
