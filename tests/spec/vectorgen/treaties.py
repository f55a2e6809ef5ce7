"""A treaty between two federations, chapter 16, byte by byte: the dairy's offer crosses.

Bodies are plain values, written by `story.plain` in their order of keys.
"""

from __future__ import annotations

from typing import Any, Final

from entries import START_MS, chain, elements, envelope, split
from kit import ZERO, Key, array, blob, hashed, integer, text
from story import Coop, plain

DAY_MS: Final = 86_400_000
EXPIRES_MS: Final = START_MS + 30 * DAY_MS
SALT: Final = b"t" * 16

NORTH, SOUTH, EAST = sorted(hashed("federation", name) for name in (b"north", b"south", b"east"))
"""Parties of a treaty ascend, so North is the least."""
DAIRY: Final = Coop("Dale Dairy", Key.of(b"i"), Key.of(b"j"), ["supplier"])
SPAN: Final = Coop("Span Bridge", Key.of(b"k"), Key.of(b"l"), ["bridge"])
REACH: Final = Coop("Reach Bridge", Key.of(b"u"), Key.of(b"v"), ["bridge"])

MILK: Final = {"category": "dairy", "code": "milk", "name": "Milk", "scale": 0, "unit": "LTR"}
OFFER: Final[dict[str, Any]] = {
    "base": 1,
    "carriage": [{"amount": 5, "zone": "HILLS"}],
    "currency": "GBP",
    "item": MILK,
    "ref": "o1",
    "tier_basis": "all_units",
    "tiers": [{"amount": 90, "from_quantity": 1}],
    "valid_until_ms": EXPIRES_MS,
}
IDS: Final = [
    {"field": "category", "ours": "dairy", "theirs": "laiterie"},
    {"field": "item", "ours": "milk", "theirs": "lait"},
    {"field": "zone", "ours": "HILLS", "theirs": "COLLINES"},
]


def viewed(body: bytes, salt: bytes = SALT) -> bytes:
    """Return the payload of a view of a payload with this salt."""
    return hashed("view-salt", salt)[:16] + body


def inverse(ids: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the ids of the other direction."""
    turned = [{**pair, "ours": pair["theirs"], "theirs": pair["ours"]} for pair in ids]
    return sorted(turned, key=lambda pair: (pair["field"], pair["ours"]))


def direction(**changes: Any) -> dict[str, Any]:
    """Return a direction that lets offers and sealed entries cross."""
    fields = {
        "categories": [],
        "hops": 3,
        "ids": [],
        "kinds": ["offer.submit", "sealed", "x.note"],
        "per_day": 100,
        "regions": [],
        "removed": [],
    }
    return {**fields, **changes}


def treaty(there: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Return a treaty from North to South; the way back is like the way there."""
    out = there or direction()
    fields = {
        "bridges": [SPAN.cid, REACH.cid],
        "directions": [out, {**out, "ids": inverse(out["ids"])}],
        "expires_ms": EXPIRES_MS,
        "nonce": b"n" * 16,
        "parties": [NORTH, SOUTH],
        "title": "Milk and roads",
        "v": 1,
    }
    return {**fields, **changes}


def id_of(made: dict[str, Any]) -> bytes:
    """Return a treaty's id."""
    return hashed("treaty", plain(made))


def entry(
    author: Coop, fid: bytes, kind: str, body: bytes, at: int = 1, /, **changes: bytes
) -> tuple[bytes, bytes]:
    """Return an entry's id and envelope; changes replace encoded elements."""
    payload = SALT + body
    fields = {
        "fid": blob(fid),
        "cid": blob(author.cid),
        "wid": blob(author.writer.public),
        "kind": text(kind),
        "time_ms": integer(START_MS),
    }
    after = changes.pop("after", ZERO)
    header = array(*elements(payload, at, after, **{**fields, **changes}))
    return hashed("entry", header), envelope(header, author.writer, payload)


def parts(wire: bytes) -> tuple[bytes, bytes, bytes]:
    """Return the header, the signature and the payload of an envelope."""
    header, rest = split(wire)
    start = 3 if header[0] == 0xC5 else 2
    behind = rest[66:]
    size = {0xC4: 2, 0xC5: 3, 0xC6: 5}[behind[0]]
    return header[start:], rest[2:66], behind[size:]


OFFER_ID, OFFER_WIRE = entry(DAIRY, NORTH, "offer.submit", plain(OFFER))
ASK_ID, ASK_WIRE = entry(DAIRY, NORTH, "bridge.ask", plain({"entry": OFFER_ID}), 2, after=OFFER_ID)


def export(
    made: dict[str, Any], payload: bytes, *, author: Coop = SPAN, **changes: Any
) -> tuple[bytes, bytes]:
    """Return a bridge's export of the offer, the payload being what it shows."""
    elements_ = {k: changes.pop(k) for k in ("fid", "kind", "time_ms", "wid") if k in changes}
    body = {
        "entry": OFFER_ID,
        "granted_by": ASK_ID,
        "into": SOUTH,
        "is_onward": True,
        "shown": hashed("shown", payload),
        "treaty": id_of(made),
    }
    return entry(author, NORTH, "bridge.export", plain({**body, **changes}), **elements_)


def receipt(wire: bytes, **changes: bytes) -> dict[str, bytes]:
    """Return an export as it stands in an import."""
    header, signature, payload = parts(wire)
    return {"header": header, "payload": payload, "signature": signature, **changes}


def bridged(
    made: dict[str, Any], wire: bytes = OFFER_WIRE, view: bytes | None = None, **changes: Any
) -> dict[str, Any]:
    """Return the wrapping of an entry, whole or as a view, after an honest export."""
    header, signature, payload = parts(wire)
    shown = payload if view is None else view
    said = {"entry": hashed("entry", header), **changes.pop("said", {})}
    word = receipt(export(made, shown, **said)[1])
    fields = {
        "header": header,
        "is_view": view is not None,
        "payload": shown,
        "proof": signature,
        "receipt": word,
        "treaty": id_of(made),
        "via": [NORTH],
    }
    return {**fields, **changes}


def tail(*wires: bytes) -> bytes:
    """Return the tail over these envelopes."""
    return chain(*wires)
