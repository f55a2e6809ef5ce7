"""The folder of keys after a crash at any step: all old files or all new, never a mixture."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sheaf_node.keyring.folder import MAX_FILE, edit_folder, make_folder, read_folder
from sheaf_protocol.errors import Refusal

OLD, NEW = {"a": b"old", "b": b"old"}, {"a": b"new", "b": b"new"}
ALTERNATE = """
import sys
from pathlib import Path
from sheaf_node.keyring.folder import edit_folder
print("begun", flush=True)
while True:
    for data in (b"new", b"old"):
        edit_folder(Path(sys.argv[1]), lambda files: dict.fromkeys(files, data))
"""


def put(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(mode=0o700)
    for name, data in files.items():
        (folder / name).write_bytes(data)
        (folder / name).chmod(0o600)


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        ({"keys": OLD, "keys.draft": {"a": b"new"}}, OLD),  # while the new files were written
        ({"keys": OLD, "keys.draft": NEW}, OLD),  # all written, not counted yet
        ({"keys": OLD, "keys.new": NEW}, NEW),  # counted
        ({"keys.old": OLD, "keys.new": NEW}, NEW),  # the old ones moved away
        ({"keys": NEW, "keys.old": OLD}, NEW),  # the new ones in place
        ({"keys": NEW, "keys.old": {"a": b"old"}}, NEW),  # while the old ones were removed
        ({"keys": OLD, "keys.old": {}, "keys.new": NEW}, NEW),  # two crashes
    ],
)
def test_a_crash_leaves_all_old_files_or_all_new(
    tmp_path: Path, folders: dict[str, dict[str, bytes]], expected: dict[str, bytes]
) -> None:
    for name, files in folders.items():
        put(tmp_path / name, files)

    assert read_folder(tmp_path) == expected
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]


def test_a_process_killed_at_any_moment_leaves_whole_files(tmp_path: Path) -> None:
    make_folder(tmp_path, OLD)
    for wait_ms in (0, 3, 7, 12, 18):
        with subprocess.Popen(
            [sys.executable, "-c", ALTERNATE, str(tmp_path)], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            deadline = time.monotonic() + wait_ms / 1000
            while time.monotonic() < deadline:
                pass
            process.send_signal(signal.SIGKILL)

        assert read_folder(tmp_path) in (OLD, NEW)


def test_files_named_otherwise_are_kept(tmp_path: Path) -> None:
    make_folder(tmp_path, {"key_log": b"log", "note.txt": b"ours"})

    edit_folder(tmp_path, lambda files: {**files, "key_log": b"longer"})

    assert read_folder(tmp_path) == {"key_log": b"longer", "note.txt": b"ours"}


def test_an_edit_that_is_refused_changes_nothing(tmp_path: Path) -> None:
    make_folder(tmp_path, OLD)

    def edit(files: object) -> dict[str, bytes]:
        raise Refusal("key.passphrase", "expected another")

    with pytest.raises(Refusal):
        edit_folder(tmp_path, edit)

    assert read_folder(tmp_path) == OLD


def test_an_edit_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    make_folder(tmp_path, OLD)

    with pytest.raises(Refusal) as refusal:
        edit_folder(tmp_path, lambda _: {"a/b": b"no such folder"})

    assert refusal.value.code == "key.write"
    assert read_folder(tmp_path) == OLD


def test_a_folder_that_cannot_be_moved_is_refused_when_read(tmp_path: Path) -> None:
    put(tmp_path / "keys", OLD)
    put(tmp_path / "keys.new", NEW)
    (tmp_path / "keys.old").write_text("a file in its place")

    with pytest.raises(Refusal) as refusal:
        read_folder(tmp_path)

    assert refusal.value.code == "key.write"


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"a": bytes(MAX_FILE + 1)}, "key.corrupt"),  # no key log is as long
        ({f"{n}.key": b"" for n in range(65)}, "key.corrupt"),  # no home has as many
    ],
)
def test_a_folder_too_large_to_be_ours_is_refused(
    tmp_path: Path, files: dict[str, bytes], code: str
) -> None:
    put(tmp_path / "keys", files)

    with pytest.raises(Refusal) as refusal:
        read_folder(tmp_path)

    assert refusal.value.code == code


def test_a_file_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "keys", OLD)
    os.symlink("nowhere", tmp_path / "keys" / "writer.key")

    with pytest.raises(Refusal) as refusal:
        read_folder(tmp_path)

    assert refusal.value.code == "key.missing"
