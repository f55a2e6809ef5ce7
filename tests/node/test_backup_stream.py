"""The encrypted body of a backup: all pieces, in their order, with the last at the end."""

from collections.abc import Callable

import pytest

from sheaf_node.backup.stream import OVER, PIECE, Sealer, open_stream, sealed_size

from .backing import code_of


@pytest.mark.parametrize("size", [1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 7])
def test_a_stream_comes_back_whatever_its_length(size: int) -> None:
    sealer = Sealer()

    pieces = list(sealer.seal([bytes(size - 1), b"!"], b"bound"))
    back = b"".join(open_stream(pieces, key=sealer.key, head=sealer.head, bound=b"bound"))

    assert back == bytes(size - 1) + b"!"
    assert sum(map(len, pieces)) == sealed_size(size)


@pytest.mark.parametrize(
    "change",
    [
        lambda pieces: pieces[:-1],
        lambda pieces: [pieces[1], pieces[0], pieces[2]],
        lambda pieces: [pieces[0], pieces[2]],
        lambda pieces: [*pieces, pieces[0]],
        lambda pieces: [*pieces, pieces[2]],
        lambda pieces: [pieces[0][: OVER - 1]],
    ],
    ids=["last_gone", "swapped", "one_gone", "one_more", "last_twice", "too_short"],
)
def test_pieces_in_another_order_or_number_are_damage(
    change: Callable[[list[bytes]], list[bytes]],
) -> None:
    sealer = Sealer()
    pieces = change(list(sealer.seal([bytes(2 * PIECE + 1)], b"")))

    opened = open_stream(pieces, key=sealer.key, head=sealer.head, bound=b"")

    assert code_of(lambda: list(opened)) == "backup.damaged"
