"""The file of a backup: what of it opens with which sheets, and that no damage passes."""

import hashlib
import os
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from nacl import bindings, exceptions

from sheaf_node.backup import open_file, verify_file
from sheaf_node.backup.header import MAX_HEADER, VERSION, Header, write_opening
from sheaf_node.backup.manifest import MAX_MANIFEST, FileOf, Manifest, read_manifest
from sheaf_node.backup.recipient import open_key, seal_key
from sheaf_node.backup.sealed_file import unpack, write_backup
from sheaf_node.backup.stream import PIECE, Sealer, sealed_size
from sheaf_node.keyring import create_keyring, load_key_ops
from sheaf_protocol.codec import encode
from sheaf_protocol.identity import fold_key_log
from sheaf_protocol.testing.author import START_MS

from .backing import Backed, code_of, make_backed, make_written

EMPTY = hashlib.sha256(b"").digest()
LENGTH_AT = 10
DIGEST = 32
FOUND = {"backup.damaged", "backup.form", "backup.truncated", "backup.version"}


@pytest.fixture
async def hill(tmp_path: Path) -> Backed:
    return await make_written(tmp_path / "hill", sheets=3, needed=2)


@pytest.fixture
def file(hill: Backed, tmp_path: Path) -> Path:
    return hill.sealed(tmp_path)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[bytes], Path]:
    """The bytes of a small backup, its sheets' seeds, and a folder for damaged ones."""
    folder = tmp_path_factory.mktemp("sealed")
    backed = make_backed(folder / "hill", sheets=3, needed=2)
    (backed.home / "sheaf.db").write_bytes(bytes(2 * PIECE))
    files = [listed(backed.home, name) for name in ("sheaf.db", "sheaf.toml")]
    write_backup(folder / "file", manifest_of(backed, files), backed.home, backed.coop.key_ops)
    return (folder / "file").read_bytes(), backed.seeds, folder


def listed(home: Path, name: str) -> FileOf:
    data = (home / name).read_bytes()
    return FileOf(name=name, sha256=hashlib.sha256(data).digest(), size=len(data))


def manifest_of(backed: Backed, files: list[FileOf]) -> Manifest:
    return Manifest(
        cid=backed.coop.cid,
        created_ms=START_MS,
        files=files,
        heads=[],
        schema="0001_logs",
        software="0.1.0",
        v=1,
        wid=backed.coop.wid,
    )


def rehashed(data: bytes) -> bytes:
    """Return bytes with the hash at their end made right, as a forger would."""
    return data[:-DIGEST] + hashlib.sha256(data[:-DIGEST]).digest()


def test_what_was_packed_is_unpacked_to_the_byte(hill: Backed, file: Path, tmp_path: Path) -> None:
    manifest = unpack(file, hill.seeds[:2], tmp_path / "out")

    packed = {name: (tmp_path / "snapshot" / name).read_bytes() for name in manifest.names}
    assert {name: (tmp_path / "out" / name).read_bytes() for name in manifest.names} == packed
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "out").rglob("*")} == {0}


def test_nothing_of_the_home_stands_in_clear(hill: Backed, file: Path) -> None:
    data = file.read_bytes()

    assert hill.coop.writer.public in data  # the key log, which every peer has
    for secret in (hill.home / "keys").glob("*.key"):
        assert secret.read_bytes() not in data
    assert b"peer_port" not in data
    assert b"SQLite format" not in data


def test_any_two_of_three_sheets_open_a_backup(hill: Backed, file: Path, tmp_path: Path) -> None:
    for number, seeds in enumerate(combinations(hill.seeds, 2)):
        assert unpack(file, seeds, tmp_path / f"out{number}").cid == hill.coop.cid

    assert unpack(file, hill.seeds, tmp_path / "all").cid == hill.coop.cid


def test_no_sheet_alone_comes_to_the_key(hill: Backed) -> None:
    key, log = bytes(range(32)), hill.coop.keys
    boxes = seal_key(key, log)

    found = [opened_by(seed, box) for seed in hill.seeds for box in boxes]

    assert len([inner for inner in found if inner is not None]) == 3  # each box has one outside
    assert key not in found


def opened_by(seed: bytes, box: bytes) -> bytes | None:
    """Return what one sheet finds in a box, or None where the box is not for it."""
    _, secret = bindings.crypto_sign_seed_keypair(seed)
    own = bindings.crypto_sign_ed25519_sk_to_curve25519(secret)
    try:
        return bindings.crypto_box_seal_open(box, bindings.crypto_scalarmult_base(own), own)
    except exceptions.CryptoError:
        return None


def test_a_key_log_with_too_many_choices_of_sheets_is_refused(tmp_path: Path) -> None:
    create_keyring(
        tmp_path,
        name="Hill",
        country="GB",
        random=os.urandom,
        now_ms=START_MS,
        sheets=12,
        needed=6,
    )
    log = fold_key_log(load_key_ops(tmp_path))

    assert code_of(lambda: seal_key(bytes(32), log)) == "backup.sheets"


def test_a_box_that_was_changed_is_damage_and_not_a_wrong_sheet(hill: Backed) -> None:
    log = hill.coop.keys
    boxes = [bytes([box[0] ^ 1]) + box[1:] for box in seal_key(bytes(32), log)]

    assert code_of(lambda: open_key(boxes, log, hill.seeds[:2])) == "backup.damaged"


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_every_flipped_bit_is_found_without_a_secret(
    sealed: tuple[bytes, list[bytes], Path], data: st.DataObject
) -> None:
    whole, _, folder = sealed
    at = data.draw(st.integers(0, len(whole) * 8 - 1))
    flipped = bytearray(whole)
    flipped[at // 8] ^= 1 << at % 8
    (folder / "flipped").write_bytes(flipped)

    assert code_of(lambda: verify_file(folder / "flipped")) in FOUND


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_flipped_bit_under_a_hash_made_right_is_found_with_the_sheets(
    sealed: tuple[bytes, list[bytes], Path], data: st.DataObject
) -> None:
    whole, seeds, folder = sealed
    at = data.draw(st.integers(0, (len(whole) - DIGEST) * 8 - 1))
    flipped = bytearray(whole)
    flipped[at // 8] ^= 1 << at % 8
    (folder / "forged").write_bytes(rehashed(bytes(flipped)))

    found = code_of(lambda: unpack(folder / "forged", seeds, folder, wanted=lambda _: False))

    assert found in FOUND


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_every_truncation_is_found_without_a_secret(
    sealed: tuple[bytes, list[bytes], Path], data: st.DataObject
) -> None:
    whole, _, folder = sealed
    (folder / "short").write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])

    assert code_of(lambda: verify_file(folder / "short")) in {"backup.truncated", "backup.form"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda data: b"", "backup.form"),
        (lambda data: b"PK\x03\x04" + data, "backup.form"),
        (lambda data: data[:8], "backup.truncated"),
        (lambda data: data[:200], "backup.truncated"),
        (lambda data: data[:-1], "backup.truncated"),
        (lambda data: data + b"\0", "backup.damaged"),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "backup.damaged"),
        (lambda data: data[:8] + (VERSION + 1).to_bytes(2, "big") + data[10:], "backup.version"),
        (
            lambda data: data[:LENGTH_AT] + (MAX_HEADER + 1).to_bytes(4, "big") + data[14:],
            "backup.damaged",
        ),
    ],
    ids=[
        "empty",
        "another_kind_of_file",
        "only_the_magic",
        "within_the_header",
        "last_byte_gone",
        "a_byte_too_many",
        "hash_flipped",
        "newer_format",
        "header_too_long",
    ],
)
def test_each_kind_of_damage_has_its_code(
    file: Path, change: Callable[[bytes], bytes], code: str
) -> None:
    file.write_bytes(change(file.read_bytes()))

    assert code_of(lambda: verify_file(file)) == code


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    assert code_of(lambda: verify_file(tmp_path)) == "backup.read"
    assert code_of(lambda: verify_file(tmp_path / "none")) == "backup.read"


def test_a_header_with_a_box_too_few_is_damage(file: Path) -> None:
    opening = open_file(file)
    cut = replace(opening.header, boxes=opening.header.boxes[:2])
    file.write_bytes(write_opening(cut) + file.read_bytes()[len(opening.data) :])

    assert code_of(lambda: open_file(file)) == "backup.damaged"


def test_a_header_of_another_day_fits_no_body(hill: Backed, file: Path, tmp_path: Path) -> None:
    opening = open_file(file)
    older = replace(opening.header, created_ms=START_MS - 1)
    data = write_opening(older) + file.read_bytes()[len(opening.data) :]
    file.write_bytes(rehashed(data))

    verify_file(file)

    assert code_of(lambda: unpack(file, hill.seeds, tmp_path / "out")) == "backup.damaged"


def test_files_of_another_coop_than_the_headers_are_refused(hill: Backed, tmp_path: Path) -> None:
    other = make_backed(tmp_path / "mill")
    (other.home / "sheaf.db").write_bytes(b"")
    manifest = manifest_of(other, [listed(other.home, "sheaf.db")])
    write_backup(tmp_path / "file", manifest, other.home, hill.coop.key_ops)

    found = code_of(lambda: unpack(tmp_path / "file", hill.seeds, tmp_path / "out"))

    assert found == "backup.coop"


@pytest.mark.parametrize(
    "name",
    [
        "../hill",
        "/etc/passwd",
        "keys/../../x",
        "keys/.hidden",
        "api.token",
        "lock",
        "recovery/marker",
        "federations/x.charter",
        "sheaf.db\n",
        "",
        "seats/../x.json",
        f"seats/links/{'a' * 64}.json/x",
        f"invitations/{'a' * 64}.json",
        "tokens/held/ci.json",
        "tokens/.ci.json",
        "services/price_alert/grant.held.json",
        "services/../grant.json",
        "services/price_alert/code-0123456789abcdef/../../../x",
        "services/price_alert/code-0123456789abcdef/.hidden",
        "services/price_alert/code-0123456789abcdef/" + "a/" * 7 + "b",
        "services/price_alert/code-0123456789abcdef/a\x01b",
        "services/price_alert/other",
        "kinds/x.json",
        "webhooks.db-wal",
        "upgrade/sheaf.db",
    ],
)
def test_a_backup_writes_no_file_but_those_of_a_home(name: str) -> None:
    names = {"name": name, "sha256": EMPTY, "size": 0}

    data = encode(raw_manifest([names]))

    assert code_of(lambda: read_manifest(data)) == "backup.damaged"


def test_a_list_that_names_a_file_twice_is_damage() -> None:
    twice = {"name": "sheaf.db", "sha256": EMPTY, "size": 0}

    data = encode(raw_manifest([twice, twice]))

    assert code_of(lambda: read_manifest(data)) == "backup.damaged"


def raw_manifest(files: list[dict[str, object]]) -> dict[str, object]:
    return {
        "cid": EMPTY,
        "created_ms": 1,
        "files": files,
        "heads": [],
        "schema": "",
        "software": "",
        "v": 1,
        "wid": EMPTY,
    }


@pytest.mark.parametrize(
    "lie", [{"size": 3}, {"size": 5}, {"sha256": EMPTY}], ids=["short", "long", "hash"]
)
def test_a_list_that_lies_about_a_file_is_damage(tmp_path: Path, lie: dict[str, object]) -> None:
    backed = make_backed(tmp_path / "hill")
    (backed.home / "sheaf.db").write_bytes(b"four")
    is_said = {"name": "sheaf.db", "sha256": hashlib.sha256(b"four").digest(), "size": 4} | lie
    listed_ = encode(raw_manifest([is_said]) | {"cid": backed.coop.cid})
    plain = len(listed_).to_bytes(4, "big") + listed_ + b"four"
    (tmp_path / "file").write_bytes(forged(backed, plain))

    found = code_of(lambda: unpack(tmp_path / "file", backed.seeds, tmp_path / "out"))

    assert found == "backup.damaged"


def test_a_list_that_is_said_to_be_endless_is_not_read(tmp_path: Path) -> None:
    backed = make_backed(tmp_path / "hill")
    (tmp_path / "file").write_bytes(forged(backed, b"\xff" * 100))

    found = code_of(lambda: unpack(tmp_path / "file", backed.seeds, tmp_path / "out"))

    assert found == "backup.damaged"


def test_bytes_that_no_file_has_are_damage(tmp_path: Path) -> None:
    backed = make_backed(tmp_path / "hill")
    listed_ = encode(raw_manifest([]) | {"cid": backed.coop.cid})
    plain = len(listed_).to_bytes(4, "big") + listed_ + b"more"
    (tmp_path / "file").write_bytes(forged(backed, plain))

    found = code_of(lambda: unpack(tmp_path / "file", backed.seeds, tmp_path / "out"))

    assert found == "backup.damaged"


def test_more_files_than_a_list_takes_are_not_backed_up(tmp_path: Path) -> None:
    backed = make_backed(tmp_path / "hill")
    one = FileOf(name=f"blobs/{'a' * 64}", sha256=EMPTY, size=0)
    many = manifest_of(backed, [one] * (MAX_MANIFEST // 100))

    found = code_of(lambda: write_backup(tmp_path / "file", many, backed.home, backed.coop.key_ops))

    assert found == "backup.read"
    assert not (tmp_path / "file").exists()


def forged(backed: Backed, plain: bytes) -> bytes:
    """Return a file with these plain bytes: to seal one nobody needs a secret."""
    sealer = Sealer()
    opening = write_opening(
        Header(
            boxes=seal_key(sealer.key, backed.coop.keys),
            created_ms=START_MS,
            key_log=backed.coop.key_ops,
            size=sealed_size(len(plain)),
            software="",
            stream=sealer.head,
        )
    )
    body = b"".join(sealer.seal([plain], hashlib.sha256(opening).digest()))
    return opening + body + hashlib.sha256(opening + body).digest()
