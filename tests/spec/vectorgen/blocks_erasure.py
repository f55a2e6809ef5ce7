"""The worked example of an erasure: the entry of chapter 04, erased and restored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from blocks_examples import dump, view
from entries import SALT, START_MS, entry, raw_header, split
from kit import blob, integer, mapping, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TARGET, _ = entry()


def erase() -> str:
    """Return the second entry of the log, which erases the first, and the third, which restores."""
    body = mapping(entry=blob(TARGET), reason=text("personal_data"))
    id_, wire = entry(2, TARGET, body=body, kind=text("entry.erase"))
    undo = mapping(erase=blob(id_))
    a_day_later = integer(START_MS + 86_400_000)
    undo_id, _ = entry(3, id_, body=undo, kind=text("entry.restore"), time_ms=a_day_later)
    signature = split(wire)[1][2:66]
    return "\n".join(
        [
            view("The body of entry 2", {"entry": TARGET.hex(), "reason": "personal_data"}),
            view("The body of entry 3, a day later", {"erase": id_.hex()}),
            dump(
                header_2=raw_header(wire),
                entry_2=id_,
                signature_2=signature,
                payload_2=SALT + body,
                payload_3=SALT + undo,
                entry_3=undo_id,
            ),
        ]
    )


EXAMPLES: Final[Mapping[str, Callable[[], str]]] = {"example_erase": erase}
