"""How the vectors on awards of several offers (chapter 21) are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from sheaf_protocol import merkle
from sheaf_protocol.clearing import (
    MILLION,
    Case,
    OwnLeaf,
    verify_full,
    verify_own,
)
from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import CoopId, Digest, EntryId
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.limits import MAX_INT, MAX_ITEMS, MAX_PAYLOAD
from sheaf_protocol.records import Allotment, Award, Demand, Offer, PoolOpen, Price
from sheaf_protocol.records.values import CoopRef, EntryRef, Hash, Quantity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_MAX_INPUT = 16 * MAX_PAYLOAD
"""Bytes of a wrapper, which is no message of the protocol: any room will do."""
_Body = Annotated[bytes, Meta(max_length=MAX_PAYLOAD)]
_Wanted = tuple[Annotated[int, Meta(ge=0, le=MAX_INT)], Quantity]


class _AwardInput(msgspec.Struct, frozen=True, kw_only=True):
    award: _Body
    demands: Annotated[list[tuple[EntryRef, CoopRef, _Body]], Meta(max_length=MAX_ITEMS)]
    id: EntryRef
    offers: Annotated[list[tuple[EntryRef, _Body]], Meta(max_length=256)]
    pool: _Body


class _OwnInput(msgspec.Struct, frozen=True, kw_only=True):
    award: _Body
    demand: _Body
    id: EntryRef
    index: Annotated[int, Meta(ge=0, le=MAX_INT)]
    leaf: _Body
    line: EntryRef
    offers: Annotated[list[tuple[EntryRef, _Body]], Meta(max_length=256)]
    path: Annotated[list[Hash], Meta(max_length=64)]
    pool: _Body
    wanted: Annotated[list[_Wanted], Meta(max_length=MAX_ITEMS)]


def read_award(data: bytes) -> bytes:
    """Return the root of the leaves that follow from the inputs of an award that is right."""
    given = decode(data, _AwardInput, limit=_MAX_INPUT)
    _require_ascending([id_ for id_, _, _ in given.demands])
    case = Case(
        id=given.id,
        pool=decode(given.pool, PoolOpen),
        demands={id_: (cid, decode(body, Demand)) for id_, cid, body in given.demands},
        offers=_offers(given.offers),
    )
    award = decode(given.award, Award)
    leaves = verify_full(case, award)
    return merkle.root([encode(leaf) for leaf in leaves])


def read_own(data: bytes) -> bytes:
    """Judge an award and one leaf by sums of demand alone."""
    given = decode(data, _OwnInput, limit=_MAX_INPUT)
    demand, leaf = decode(given.demand, Demand), decode(given.leaf, Allotment)
    case = Case(
        id=given.id,
        # Who wants is not told here, so that k_min and the hash of the inputs are not judged.
        pool=msgspec.structs.replace(decode(given.pool, PoolOpen), k_min=0),
        demands=dict(_as_demands(demand, given.wanted)),
        offers=_offers(given.offers),
    )
    award = decode(given.award, Award)
    verify_own(case, award, (given.line, demand), OwnLeaf(leaf, given.index, given.path))
    return b""


def _offers(pairs: Sequence[tuple[EntryId, bytes]]) -> Mapping[EntryId, Offer]:
    _require_ascending([id_ for id_, _ in pairs])
    return {id_: decode(body, Offer) for id_, body in pairs}


def _as_demands(
    like: Demand, wanted: Sequence[_Wanted]
) -> Iterator[tuple[EntryId, tuple[CoopId, Demand]]]:
    """Yield demands that sum up to what is wanted at each rate; a market has no more of them."""
    for number, (rate, units) in enumerate(wanted):
        price = Price(amount=rate, base=MILLION, currency=like.max_price.currency)
        line = Demand(
            is_firm=True,
            item=like.item,
            max_price=price,
            min_quantity=1,
            quantity=units,
            ref=like.ref,
            zone=like.zone,
        )
        yield EntryId(Digest(number.to_bytes(32))), (CoopId(Digest(bytes(32))), line)


def _require_ascending(ids: Sequence[EntryId]) -> None:
    if list(ids) != sorted(set(ids)):
        raise RemoteProtocolError("schema.invalid", "expected ids that ascend, each once")
