"""The worked example of chapter 06, section 8: a blob of two pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from blob_cases import BOTH, LAST, REST, TWO, TWO_SIZE, ZEROS
from blocks_examples import dump, view
from kit import array, blob, integer, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SCOPE: Final = b"s" * 16


def example() -> str:
    """Return the hashes of the blob, the question for its last piece, and the answer."""
    want = array(text("blob_want"), blob(SCOPE), blob(TWO), integer(1), integer(1))
    piece = array(
        text("blob_piece"),
        blob(SCOPE),
        blob(TWO),
        integer(TWO_SIZE),
        integer(1),
        array(blob(ZEROS)),
        blob(REST),
    )
    end = array(text("blob_end"), blob(SCOPE), blob(TWO), text("ok"))
    fields = ["blob_piece", SCOPE.hex(), TWO.hex(), TWO_SIZE, 1, [ZEROS.hex()], REST.hex()]
    return (
        dump(hash_of_piece_0=ZEROS, hash_of_piece_1=LAST, root=BOTH, id=TWO)
        + "\n"
        + view("The answer", fields)
        + dump(blob_want=want, blob_piece=piece, blob_end=end)
    )


EXAMPLES: Final[Mapping[str, Callable[[], str]]] = {"example_blob": example}
