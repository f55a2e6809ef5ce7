"""Lines that a sponsor publishes for a seat: whose they are, and under which reference."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from msgspec import UNSET, structs

from sheaf_protocol.digest import CoopId, short
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import BY_LIST, Demand, Offer, Seat

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sheaf_protocol.charter import Federation
    from sheaf_services.pooled_purchasing.inputs import Seen
    from sheaf_services.pooled_purchasing.ledger import Ledger

L = TypeVar("L", Demand, Offer)

MOST_REF: Final = 55
"""Characters of a reference behind the nine that tell one seat's references from another's."""


def seat_of(options: Mapping[str, str], federation: Federation, own: CoopId) -> Seat | None:
    """Return the seat that a list is for by `seat`, `seat_name` and `seat_by`; None without one.

    Raises Refusal `seat.unknown`, `seat.moved`.
    """
    if "seat" not in options:
        return None
    given = {
        "by": options.get("seat_by", BY_LIST),
        "cid": _cid(options["seat"]),
        "name": options.get("seat_name", ""),
    }
    try:
        seat = msgspec.convert(given, Seat)
    except msgspec.ValidationError as exc:
        raise Refusal("seat.unknown", f"expected a seat with a name: {exc}") from exc
    require_spoken_for(seat.cid, federation, own)
    return seat


def require_spoken_for(cid: CoopId, federation: Federation, own: CoopId) -> None:
    """Return if a co-op does not speak for itself and has no other sponsor (SEAT-5, SEAT-6).

    Raises Refusal `seat.moved`.
    """
    member = federation.members.get(cid)
    if member is None:
        return
    if "seat" not in member.roles:
        detail = f"expected a seat, but {short(cid)} is a member and publishes for itself"
        raise Refusal("seat.moved", detail)
    if member.sponsor != own:
        raise Refusal(
            "seat.moved", f"expected a seat of this co-op; {short(cid)} has another sponsor"
        )


def for_seat(lines: Sequence[L], seat: Seat | None) -> list[L]:
    """Return lines as they are published for a seat: under its name, with references of its own.

    Raises Refusal `import.ref`.
    """
    return list(lines) if seat is None else [_for_seat(line, seat) for line in lines]


def _for_seat(line: L, seat: Seat) -> L:
    # SEAT-4: the seats of one sponsor share its references, and one would replace the other's line.
    if len(line.ref) > MOST_REF:
        detail = f"expected a reference of at most {MOST_REF} characters for a seat"
        raise Refusal("import.ref", f"{detail}, got {line.ref!r}")
    return structs.replace(line, ref=f"{short(seat.cid)}:{line.ref}", seat=seat)


def seat_view(ledger: Ledger, options: Mapping[str, str], own: CoopId) -> dict[str, Any]:
    """Return what sponsors published for the seat of the id `seat`; for this co-op without one.

    Raises Refusal `seat.unknown`.
    """
    cid = _cid(options["seat"]) if "seat" in options else own
    lines = ledger.lines_for(cid)
    return {
        "seat": cid.hex(),
        "lines": [_told(seen, is_withdrawn=ledger.is_withdrawn(seen)) for seen in lines],
    }


def _told(seen: Seen[Any], *, is_withdrawn: bool) -> dict[str, Any]:
    record: Demand | Offer = seen.record
    seat = record.seat
    return {
        "entry": seen.id.hex(),
        "kind": "demand.submit" if isinstance(record, Demand) else "offer.submit",
        "sponsor": seen.cid.hex(),
        "name": "" if seat is UNSET else seat.name,
        "by": "" if seat is UNSET else seat.by,
        "ref": record.ref,
        "item": record.item.code,
        "is_withdrawn": is_withdrawn,
    }


def _cid(text: str) -> CoopId:
    if re.fullmatch(r"[0-9a-f]{64}", text) is None:
        raise Refusal("seat.unknown", f"expected a seat's id of 64 hex digits, got {text[:70]!r}")
    return CoopId(bytes.fromhex(text))
