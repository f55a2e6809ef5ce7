"""Secrets at rest under a passphrase, and where they do not show."""

import os
from pathlib import Path

import pytest

from sheaf_node.keyring import Passphrase, create_keyring, load_keyring, read_files
from sheaf_node.keyring.protection import protect, unprotect
from sheaf_node.keyring.secret_file import LEAST, Cost, SealedSecret, open_secret, put_secret
from sheaf_protocol.codec import decode, encode
from sheaf_protocol.errors import Refusal

NOW_MS = 1_800_000_000_000
WORDS = "seven old ewes cross water"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    create_keyring(tmp_path, name="Hill", country="GB", random=os.urandom, now_ms=NOW_MS)
    return tmp_path


@pytest.fixture
def sealed(home: Path) -> Path:
    """A home under a passphrase."""
    protect(read_files(home), Passphrase(WORDS), random=os.urandom, cost=LEAST)
    return home


def contents(home: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((home / "keys").iterdir())}


def secrets_of(home: Path) -> list[bytes]:
    return [data for name, data in contents(home).items() if name.endswith(".key")]


def test_keys_under_a_passphrase_are_the_same_keys(home: Path) -> None:
    before = load_keyring(home)

    protect(read_files(home), Passphrase(WORDS), random=os.urandom, cost=LEAST)
    after = load_keyring(home, Passphrase(WORDS))

    assert (after.wid, after.prekeys) == (before.wid, before.prekeys)
    assert after.require_manager().public == before.require_manager().public


def test_no_secret_is_left_plain(home: Path) -> None:
    plain = secrets_of(home)

    protect(read_files(home), Passphrase(WORDS), random=os.urandom, cost=LEAST)

    written = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert len(plain) == 5
    assert not any(secret in written for secret in plain)


@pytest.mark.parametrize("passphrase", [None, Passphrase("seven old ewes cross"), Passphrase("")])
def test_a_wrong_passphrase_opens_nothing(sealed: Path, passphrase: Passphrase | None) -> None:
    with pytest.raises(Refusal) as refusal:
        load_keyring(sealed, passphrase)

    assert refusal.value.code == "key.passphrase"
    assert WORDS not in refusal.value.detail


def test_a_wrong_passphrase_changes_nothing(sealed: Path) -> None:
    before = contents(sealed)

    with pytest.raises(Refusal) as refusal:
        unprotect(read_files(sealed, Passphrase("wrong")))

    assert refusal.value.code == "key.passphrase"
    assert contents(sealed) == before


def test_a_passphrase_is_changed_and_removed(sealed: Path) -> None:
    opened = read_files(sealed, Passphrase(WORDS))
    protect(opened, Passphrase("another"), random=os.urandom, cost=LEAST)
    assert load_keyring(sealed, Passphrase("another"))

    unprotect(read_files(sealed, Passphrase("another")))

    assert load_keyring(sealed)


def test_one_letter_written_in_two_ways_is_one_passphrase(home: Path) -> None:
    protect(read_files(home), Passphrase("K\u00e4se"), random=os.urandom, cost=LEAST)

    assert load_keyring(home, Passphrase("Ka\u0308se"))


def test_a_file_cannot_take_anothers_place(sealed: Path) -> None:
    (sealed / "keys" / "writer.key").write_bytes((sealed / "keys" / "manager.key").read_bytes())

    with pytest.raises(Refusal) as refusal:
        load_keyring(sealed, Passphrase(WORDS))

    assert refusal.value.code == "key.passphrase"
    assert "writer.key" in refusal.value.detail


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("memory", 2**40),  # a terabyte
        ("memory", 2**30 + 1),
        ("memory", 1),
        ("operations", 9),  # an hour
        ("operations", 0),
        ("salt", bytes(15)),
        ("nonce", bytes(25)),
        ("kdf", "argon2d"),
        ("v", 2),
        ("box", bytes(47)),
    ],
)
def test_a_hostile_file_is_refused_before_anything_is_derived(
    sealed: Path, field: str, value: object
) -> None:
    path = sealed / "keys" / "writer.key"
    parts = {name: getattr(decode(path.read_bytes(), SealedSecret), name) for name in FIELDS}
    path.write_bytes(encode({**parts, field: value}))

    with pytest.raises(Refusal) as refusal:
        load_keyring(sealed, Passphrase(WORDS))

    assert refusal.value.code == "key.corrupt"


FIELDS = SealedSecret.__struct_fields__


def test_one_folder_costs_one_derivation(sealed: Path) -> None:
    salts = {decode(data, SealedSecret).salt for data in secrets_of(sealed)}
    nonces = {decode(data, SealedSecret).nonce for data in secrets_of(sealed)}

    assert (len(salts), len(nonces)) == (1, 5)


def test_more_memory_than_there_is_is_refused() -> None:
    with pytest.raises(Refusal) as refusal:
        Passphrase(WORDS).lock(bytes(16), Cost(operations=1, memory=2**50))

    assert refusal.value.code == "key.passphrase"


def test_no_repr_shows_a_secret(sealed: Path) -> None:
    passphrase = Passphrase(WORDS)
    files = read_files(sealed, passphrase)
    lock = files.lock()

    shown = repr([passphrase, files, lock, load_keyring(sealed, passphrase)])

    assert lock is not None
    assert WORDS not in shown
    assert lock.key.hex()[:8] not in shown
    assert str(lock.key) not in shown
    assert not any(files.secret(name).hex()[:8] in shown for name in files.secrets)


def test_a_sealed_secret_opens_as_it_was_put() -> None:
    passphrase = Passphrase(WORDS)
    lock = passphrase.new_lock(os.urandom, LEAST)

    data = put_secret("writer.key", bytes(range(32)), lock, os.urandom)

    assert open_secret("writer.key", data, Passphrase(WORDS))[0] == bytes(range(32))
