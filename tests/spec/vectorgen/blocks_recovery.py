"""The worked example of a restore: Hill's writer is lost, Dale promises, the new one goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from blocks_examples import dump, view
from kit import ZERO, blob, hashed, integer, mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OLD, LOG = hashed("test", b"old writer"), hashed("test", b"old log")
HELD, LAST = hashed("test", b"entry 2"), hashed("test", b"entry 5")
LOST = hashed("test", b"writer.lost")


def lost(head: bytes = HELD, seq: int = 2, wid: bytes = OLD) -> bytes:
    """Return the body of a `writer.lost`."""
    return mapping(head=blob(head), seq=integer(seq), wid=blob(wid))


def promise(head: bytes = LAST, seq: int = 5, log: bytes = LOG) -> bytes:
    """Return the body of a `writer.promise`."""
    return mapping(head=blob(head), log=blob(log), lost=blob(LOST), seq=integer(seq))


def restoring() -> str:
    """Return the three bodies of a restore that lost entries 3 to 5."""
    told = {"head": HELD.hex(), "seq": 2, "wid": OLD.hex()}
    promised = {"head": LAST.hex(), "log": LOG.hex(), "lost": LOST.hex(), "seq": 5}
    goes_on = {"head": LAST.hex(), "seq": 5, "wid": OLD.hex()}
    return "\n".join(
        [
            view("Hill's new writer, of the old one, whose entries it holds up to 2", told),
            view("Dale, which holds 5 of them and takes no more", promised),
            view("Hill's new writer, after the old one was closed at 5", goes_on),
            dump(
                writer_lost=lost(),
                writer_promise=promise(),
                writer_succeed=lost(LAST, 5),
                writer_lost_of_nothing=lost(ZERO, 0),
            ),
        ]
    )


EXAMPLES: Final[Mapping[str, Callable[[], str]]] = {"example_restoring": restoring}
