import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheaf_protocol.blob import (
    blob_id,
    piece_count,
    piece_hashes,
    piece_path,
    require_piece,
    split,
)
from sheaf_protocol.errors import LocalProtocolError, RemoteProtocolError
from sheaf_protocol.limits import BLOB_PIECE, MAX_BLOB


def content(size: int) -> bytes:
    return bytes(number % 251 for number in range(size))


@pytest.mark.parametrize(
    ("size", "count"),
    [(1, 1), (BLOB_PIECE, 1), (BLOB_PIECE + 1, 2), (3 * BLOB_PIECE, 3), (MAX_BLOB, 256)],
)
def test_pieces_are_full_but_the_last(size: int, count: int) -> None:
    pieces = split(bytes(size))

    assert len(pieces) == piece_count(size) == count
    assert all(len(piece) == BLOB_PIECE for piece in pieces[:-1])
    assert sum(map(len, pieces)) == size


@pytest.mark.parametrize("size", [0, MAX_BLOB + 1])
def test_size_out_of_bounds_is_refused(size: int) -> None:
    with pytest.raises(LocalProtocolError, match=r"blob\.size"):
        split(bytes(size))


@given(st.integers(1, 5 * BLOB_PIECE))
def test_every_piece_proves_itself_to_who_knows_the_id(size: int) -> None:
    pieces = split(content(size))
    id_, hashes = blob_id(pieces), piece_hashes(pieces)

    for index, piece in enumerate(pieces):
        require_piece(id_, size, index, piece, piece_path(hashes, index))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("data", "another piece's bytes"),
        ("index", "another place"),
        ("beyond", "a place that the blob does not have"),
        ("size", "a size that the id does not commit to"),
        ("short", "a piece cut off"),
        ("path", "a path cut off"),
        ("id", "another blob"),
    ],
)
def test_piece_of_something_else_is_refused(change: str, reason: str) -> None:
    size = 3 * BLOB_PIECE - 5
    pieces = split(content(size))
    id_, path = blob_id(pieces), piece_path(piece_hashes(pieces), 1)
    asked = {"id_": id_, "size": size, "index": 1, "data": pieces[1], "path": path}
    changes = {
        "data": {"data": pieces[0]},
        "index": {"index": 0},
        "beyond": {"index": 3},
        "size": {"size": size + 1},
        "short": {"data": pieces[1][:-1]},
        "path": {"path": path[:-1]},
        "id": {"id_": bytes(32)},
    }

    with pytest.raises(RemoteProtocolError, match=r"blob\.piece"):
        require_piece(**{**asked, **changes[change]})  # type: ignore[arg-type]  # one of each type


def test_two_sizes_of_one_content_have_two_ids() -> None:
    assert blob_id([b"ab"]) != blob_id([b"a", b"b"])
