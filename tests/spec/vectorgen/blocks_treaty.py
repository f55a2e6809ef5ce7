"""The worked example of a treaty: an offer that crosses as a view, and both words on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import story
from blocks_examples import dump, view
from kit import hashed
from treaties import (
    ASK_ID,
    IDS,
    NORTH,
    OFFER,
    OFFER_ID,
    OFFER_WIRE,
    SOUTH,
    SPAN,
    bridged,
    direction,
    entry,
    export,
    id_of,
    parts,
    treaty,
    viewed,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ZONES: Final = [pair for pair in IDS if pair["field"] == "zone"]
TREATY: Final = treaty(direction(ids=ZONES, removed=["lead_days"]))
SHOWN: Final = viewed(story.plain({**OFFER, "carriage": [{"amount": 5, "zone": "COLLINES"}]}))


def crossing() -> str:
    """Return a treaty, the ask, the export at home and the import abroad."""
    export_id, wire = export(TREATY, SHOWN)
    wrapping = bridged(TREATY, view=SHOWN)
    import_id, _ = entry(SPAN, SOUTH, "bridge.import", story.plain(wrapping))
    said = {
        "entry": OFFER_ID,
        "granted_by": ASK_ID,
        "into": SOUTH,
        "is_onward": True,
        "shown": hashed("shown", SHOWN),
        "treaty": id_of(TREATY),
    }
    return "\n".join(
        [
            view("The treaty", story.view(TREATY)),
            view("The body of the dairy's ask", story.view({"entry": OFFER_ID})),
            view("The body of the bridge's export", story.view(said)),
            dump(
                north=NORTH,
                south=SOUTH,
                treaty=story.plain(TREATY),
                treaty_id=id_of(TREATY),
                offer_header=parts(OFFER_WIRE)[0],
                offer_entry=OFFER_ID,
                offer_payload=parts(OFFER_WIRE)[2],
                payload_shown=SHOWN,
                shown=hashed("shown", SHOWN),
                ask_entry=ASK_ID,
                export_header=parts(wire)[0],
                export_entry=export_id,
                body_of_the_import=story.plain(wrapping),
                import_entry=import_id,
            ),
        ]
    )


EXAMPLES: Final[Mapping[str, Callable[[], str]]] = {"example_treaty": crossing}
