"""Bundles: what one node exports, anybody checks with the file alone."""

from pathlib import Path

import pytest
from tests.node.taking import Bench

from sheaf_node.bundle import check_bundle, write_bundle
from sheaf_node.bundle.form import FrameWriter, read_frames
from sheaf_node.ingest import Draft
from sheaf_protocol.codec import decode
from sheaf_protocol.digest import FederationId
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.errors import Refusal
from sheaf_protocol.link.messages import Entries, decode_message, encode_message
from sheaf_protocol.testing.author import START_MS, LogAuthor

COUNT = 300
"""More than one batch, and more than one signature reaches."""


async def written(bench: Bench, folder: Path, **options: object) -> Path:
    """Return a bundle of a store with a log of ours and one of another member."""
    fid = bench.certificate.fid
    await bench.ingest.publish(fid, [Draft(kind="x.note", body=b"\x80")] * COUNT)
    author = LogAuthor(bench.hill, fid)
    await bench.ingest.receive([author.append("x.note", b"\x80")])
    path = folder / "all.bundle"
    write_bundle(folder / "sheaf.db", path, made_ms=START_MS, software="test", **options)  # type: ignore[arg-type]
    return path


def frames_of(path: Path) -> list[bytes]:
    with path.open("rb") as file:
        return list(read_frames(file))


def rewritten(path: Path, frames: list[bytes], entries: int = 0) -> Path:
    """Write frames as a bundle that is whole in form."""
    with path.open("wb") as file:
        writer = FrameWriter(file)
        for frame in frames:
            writer.put(frame)
        writer.end(entries)
    return path


def code_of(path: Path) -> str:
    with pytest.raises(Refusal) as refusal:
        check_bundle(path)
    return refusal.value.code


async def test_a_bundle_holds_all_that_the_store_does_and_checks(
    bench: Bench, tmp_path: Path
) -> None:
    path = await written(bench, tmp_path)

    checked = check_bundle(path)

    assert (checked.entries, checked.logs, checked.coops) == (COUNT + 1, 2, 3)
    assert list(checked.chains) == [bench.certificate.fid]
    assert (path.stat().st_mode & 0o777) == 0o600


async def test_own_entries_alone_check_as_well(bench: Bench, tmp_path: Path) -> None:
    path = await written(bench, tmp_path, own=bench.mill.cid)

    assert check_bundle(path).entries == COUNT


async def test_a_flipped_bit_anywhere_is_found(bench: Bench, tmp_path: Path) -> None:
    path = await written(bench, tmp_path)
    data = path.read_bytes()

    codes = set()
    for at in range(0, len(data), len(data) // 60):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        codes.add(code_of(path))

    assert codes <= {"bundle.form", "bundle.truncated", "bundle.damaged", "bundle.unsound"}


@pytest.mark.parametrize("size", [0, 3, 40, -1, -40])
async def test_a_bundle_that_ends_early_is_told(bench: Bench, tmp_path: Path, size: int) -> None:
    path = await written(bench, tmp_path)
    path.write_bytes(path.read_bytes()[:size])

    assert code_of(path) in {"bundle.form", "bundle.truncated"}


async def test_an_entry_left_out_shows_although_the_file_is_whole(
    bench: Bench, tmp_path: Path
) -> None:
    frames = frames_of(await written(bench, tmp_path))
    at = next(n for n, f in enumerate(frames[1:], 1) if isinstance(decode_message(f), Entries))
    message = decode_message(frames[at])
    assert isinstance(message, Entries)
    short = Entries(message.scope, False, message.envelopes[1:], message.tails)
    frames[at] = encode_message(short)

    path = rewritten(tmp_path / "less.bundle", frames)

    assert code_of(path) == "bundle.unsound"


async def test_entries_without_their_keys_prove_nothing(bench: Bench, tmp_path: Path) -> None:
    frames = frames_of(await written(bench, tmp_path))
    entries = [f for f in frames[1:] if isinstance(decode_message(f), Entries)]

    path = rewritten(tmp_path / "bare.bundle", [frames[0], *entries])

    assert code_of(path) == "bundle.unsound"


async def test_another_writers_signature_is_no_proof(bench: Bench, tmp_path: Path) -> None:
    frames = frames_of(await written(bench, tmp_path))
    at = next(n for n, f in enumerate(frames[1:], 1) if isinstance(decode_message(f), Entries))
    message = decode_message(frames[at])
    assert isinstance(message, Entries)
    forged = [
        Envelope(each.header, bytes(64) if each.signature else b"", each.payload)
        for each in message.envelopes
    ]
    frames[at] = encode_message(Entries(message.scope, False, forged, message.tails))

    path = rewritten(tmp_path / "forged.bundle", frames)

    assert code_of(path) == "bundle.unsound"


async def test_nothing_is_overwritten_and_no_draft_stays(bench: Bench, tmp_path: Path) -> None:
    path = await written(bench, tmp_path)
    before = path.read_bytes()

    with pytest.raises(Refusal) as refusal:
        write_bundle(tmp_path / "sheaf.db", path, made_ms=START_MS, software="test")

    assert refusal.value.code == "bundle.exists"
    assert path.read_bytes() == before
    assert not (tmp_path / ".all.bundle.new").exists()


async def test_a_link_in_the_place_of_the_draft_leads_nowhere(bench: Bench, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("precious")
    (tmp_path / ".all.bundle.new").symlink_to(other)

    path = await written(bench, tmp_path)

    assert other.read_text() == "precious"
    assert path.stat().st_mode & 0o777 == 0o600
    assert not path.is_symlink()


def test_a_federation_that_is_not_held_is_named(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(Refusal) as refusal:
        write_bundle(
            tmp_path / "sheaf.db",
            tmp_path / "x",
            made_ms=START_MS,
            software="test",
            fid=FederationId(bytes(32)),
        )

    assert refusal.value.code == "bundle.federation"
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "bundle.form"),
        (b"half", "bundle.form"),
        (b"SQLite format 3\x00" * 9, "bundle.form"),
        (b"\x00\x00\x00\x01\x80", "bundle.truncated"),  # a frame that could be one
    ],
)
def test_what_is_no_bundle_is_told(tmp_path: Path, data: bytes, code: str) -> None:
    path = tmp_path / "other"
    path.write_bytes(data)

    assert code_of(path) == code


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert code_of(tmp_path / "none") == "bundle.file"


def test_the_first_frame_is_plain_cmp1(tmp_path: Path) -> None:
    path = rewritten(tmp_path / "x", [b"\x80"])

    with path.open("rb") as file:
        assert decode(next(read_frames(file)), dict) == {}
