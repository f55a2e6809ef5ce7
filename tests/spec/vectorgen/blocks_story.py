"""The examples of chapters 00, 08 and 13: a story, a document and a signature taken apart."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import signature_cases as signatures
import story
from blocks_examples import dump, view
from kit import tag

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SAYS: Final = (
    "flour at 15.00 a bag, at 14.00 from 100 bags on",
    "40 bags, at most 14.50 each",
    "60 bags, at most 14.50 each",
    "a pool for flour; the reference is 15.00, the fee 1 %",
    "the pool is closed: so far were the logs read, these lines count",
    "100 bags at 14.00; with the fee 14.14, 86.00 below the reference in all",
    "the award was recomputed and is right",
    "an order for 60 bags, sealed to the mill",
    "accepted, sealed to the bakery",
)


def entries() -> str:
    """Return all entries of the story, and the first body, header and envelope of a buyer."""
    rows = ["| entry | by | kind | says |", "| --- | --- | --- | --- |"]
    for each, says in zip(story.ENTRIES, SAYS, strict=True):
        name = f"`{each.id.hex()[:8]}`"
        rows.append(f"| {name} | {each.author.name}, {each.at} | `{each.kind}` | {says} |")
    wanted = story.ENTRIES[2]
    members = {coop.name: coop.cid.hex()[:8] for coop in (story.HILL, story.TARSET, story.DALE)}
    told = ", ".join(f"{name} is `{cid}`" for name, cid in members.items())
    return "\n".join(
        [
            f"The federation is `{story.FID.hex()[:8]}`;\n{told}.",
            "",
            *rows,
            "",
            view("Tarset's demand", story.view(wanted.body)),
            dump(envelope=wanted.wire),
            view("The award", story.view(story.ENTRIES[5].body)),
        ]
    )


def strict_1() -> str:
    """Return one signature with its parts, and a second one that only IDN-5 refuses."""
    key, message = signatures.SIGNER.public, tag(signatures.PURPOSE) + signatures.MESSAGE
    parts = {
        "key": key,
        "message": message,
        "R": signatures.R,
        "S": signatures.S.to_bytes(32, "little"),
        "k": signatures.challenge(signatures.R, key).to_bytes(32, "little"),
        "S_plus_L": (signatures.S + signatures.L).to_bytes(32, "little"),
    }
    return dump(**parts)


def well_known() -> str:
    """Return the well-known document of the mill."""
    document = {
        "cid": story.DALE.cid.hex(),
        "name": story.DALE.name,
        "versions": [1],
        "wid": story.DALE.writer.public.hex(),
    }
    return f"```json\n{json.dumps(document, indent=2)}\n```\n"


EXAMPLES: Final[Mapping[str, Callable[[], str]]] = {
    "example_strict1": strict_1,
    "example_well_known": well_known,
    "story": entries,
}
