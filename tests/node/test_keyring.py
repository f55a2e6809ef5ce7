import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from sheaf_node.keyring import Keyring, create_keyring, load_key_ops, load_keyring
from sheaf_protocol.errors import Refusal
from sheaf_protocol.identity import fold_key_log
from sheaf_protocol.limits import PREKEY_LIFETIME_MS, WRITER_LIFETIME_MS

NOW_MS = 1_800_000_000_000


def counted() -> Callable[[int], bytes]:
    """Return bytes that differ at each call and not between runs."""
    calls = 0

    def random(size: int) -> bytes:
        nonlocal calls
        calls += 1
        return hashlib.sha256(b"%d" % calls).digest()[:size]

    return random


def make(home: Path, name: str = "Hill Farm", country: str = "GB") -> Keyring:
    return create_keyring(home, name=name, country=country, random=counted(), now_ms=NOW_MS)


def found(home: Path, pattern: str) -> Path:
    [path] = (home / "keys").glob(pattern)
    return path


def test_a_new_key_log_delegates_the_writer_and_the_prekey(tmp_path: Path) -> None:
    keyring = make(tmp_path)

    log = fold_key_log(keyring.key_ops)

    assert log.cid == keyring.cid
    assert log.name == "Hill Farm"
    assert log.manager == keyring.require_manager().public
    assert log.writers[keyring.wid].expires_ms == NOW_MS + WRITER_LIFETIME_MS
    assert [(p.key, p.expires_ms) for p in log.prekeys] == [
        (keyring.prekeys[0][0], NOW_MS + PREKEY_LIFETIME_MS)
    ]


def test_a_home_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    """Who may write to it may put keys of his own in place of ours."""
    before = os.umask(0)
    try:
        make(tmp_path / "home")
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700


def test_keys_are_loaded_as_they_were_made(tmp_path: Path) -> None:
    made = make(tmp_path)

    loaded = load_keyring(tmp_path)

    assert (loaded.cid, loaded.wid, loaded.prekeys) == (made.cid, made.wid, made.prekeys)
    assert list(loaded.key_ops) == list(made.key_ops)


def test_all_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    make(tmp_path)

    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "keys").iterdir()}

    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert set(modes.values()) == {0o600}
    assert not (tmp_path / "keys.new").exists()


def test_a_repr_shows_no_secret(tmp_path: Path) -> None:
    shown = repr(make(tmp_path))

    secrets = [path.read_bytes() for path in (tmp_path / "keys").glob("*.key")]

    assert len(secrets) == 5
    assert not any(secret.hex()[:8] in shown or str(secret) in shown for secret in secrets)


def test_rotation_keys_may_be_moved_away(tmp_path: Path) -> None:
    made = make(tmp_path)
    (tmp_path / "keys" / "rotation.key").unlink()
    (tmp_path / "keys" / "next.key").unlink()

    loaded = load_keyring(tmp_path)

    assert (loaded.cid, loaded.wid) == (made.cid, made.wid)


def test_a_node_runs_without_its_manager_key_and_signs_no_charter(tmp_path: Path) -> None:
    made = make(tmp_path)
    (tmp_path / "keys" / "manager.key").unlink()

    loaded = load_keyring(tmp_path)

    assert (loaded.cid, loaded.wid, loaded.manager) == (made.cid, made.wid, None)
    with pytest.raises(Refusal) as refusal:
        loaded.require_manager()
    assert refusal.value.code == "key.missing"


def test_the_key_log_is_read_without_any_secret(tmp_path: Path) -> None:
    made = make(tmp_path)
    for path in (tmp_path / "keys").glob("*.key"):
        path.unlink()

    assert load_key_ops(tmp_path) == list(made.key_ops)


def test_keys_are_never_overwritten(tmp_path: Path) -> None:
    first = make(tmp_path)

    with pytest.raises(Refusal) as refusal:
        make(tmp_path)

    assert refusal.value.code == "key.exists"
    assert load_keyring(tmp_path).cid == first.cid


def test_the_remains_of_an_attempt_that_died_are_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "keys.draft").mkdir()
    (tmp_path / "keys.draft" / "writer.key").write_bytes(b"half")

    make(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["keys"]


@pytest.mark.parametrize(
    ("name", "country"),
    [
        ("", "GB"),  # a co-op has a name
        ("Hill\nFarm", "GB"),  # one line of it
        ("x" * 121, "GB"),  # that fits
        ("Hill Farm", "England"),  # a country is a code
    ],
)
def test_a_name_that_cannot_stand_in_an_inception_is_refused(
    tmp_path: Path, name: str, country: str
) -> None:
    with pytest.raises(Refusal) as refusal:
        make(tmp_path, name, country)

    assert refusal.value.code == "key.name"
    assert not (tmp_path / "keys").exists()


def test_a_home_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "file"
    home.write_text("")

    with pytest.raises(Refusal) as refusal:
        make(home)

    assert refusal.value.code == "key.write"


def test_a_home_without_keys_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as refusal:
        load_keyring(tmp_path)

    assert refusal.value.code == "key.missing"


@pytest.mark.parametrize("file", ["key_log", "writer.key", "prekey-*.key"])
def test_a_missing_file_is_refused_by_name(tmp_path: Path, file: str) -> None:
    make(tmp_path)
    found(tmp_path, file).unlink()

    with pytest.raises(Refusal) as refusal:
        load_keyring(tmp_path)

    assert refusal.value.code == "key.missing"
    assert file in refusal.value.detail


@pytest.mark.parametrize("file", ["key_log", "manager.key", "writer.key", "prekey-*.key"])
@pytest.mark.parametrize(
    "data",
    [
        b"",  # emptied
        b"\x07" * 31,  # cut
        bytes(32),  # another key, or no key log
        b"\xff" * 40,  # too long
    ],
)
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, file: str, data: bytes) -> None:
    make(tmp_path)
    path = found(tmp_path, file)
    path.write_bytes(data)

    with pytest.raises(Refusal) as refusal:
        load_keyring(tmp_path)

    assert refusal.value.code == "key.corrupt"
    assert path.name in refusal.value.detail
    assert data.hex() not in refusal.value.detail or not data


@pytest.mark.parametrize("name", ["keys", "keys/writer.key", "keys/key_log"])
def test_what_others_may_read_is_refused(tmp_path: Path, name: str) -> None:
    make(tmp_path)
    path = tmp_path / name
    path.chmod(path.stat().st_mode | stat.S_IRGRP)

    with pytest.raises(Refusal) as refusal:
        load_keyring(tmp_path)

    assert refusal.value.code == "key.file_mode"


def test_a_folder_in_place_of_a_key_is_refused(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "keys" / "writer.key").unlink()
    (tmp_path / "keys" / "writer.key").mkdir(mode=0o700)

    with pytest.raises(Refusal) as refusal:
        load_keyring(tmp_path)

    assert refusal.value.code == "key.corrupt"
