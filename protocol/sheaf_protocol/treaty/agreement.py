"""Whether a treaty can be agreed to, and how much of it holds now (spec 16, sections 3 and 4).

What `require_fits` refuses no federation may adopt, so it judges by the body alone and by lists
that never change: two versions of the protocol come to the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import UNSET

from sheaf_protocol.digest import short
from sheaf_protocol.errors import LocalProtocolError, RemoteProtocolError
from sheaf_protocol.records import KINDS, PRIVATE
from sheaf_protocol.records.values import Item
from sheaf_protocol.treaty.model import read_treaty, treaty_id
from sheaf_protocol.treaty.projection import refusal

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from msgspec import UnsetType

    from sheaf_protocol.digest import CoopId, Digest, FederationId
    from sheaf_protocol.envelope import Header
    from sheaf_protocol.records.bridge import TreatyBrake
    from sheaf_protocol.records.governance import Level
    from sheaf_protocol.treaty.model import Direction, IdMap, Treaty

HOME_FAMILIES: Final = ("ballot.", "bridge.", "charter.", "entry.", "member.", "treaty.")
"""What a federation says about itself means nothing in another."""
HOME_KINDS: Final = PRIVATE | {"curve.bid", "demand.submit", "demand.withdraw"}
"""What one co-op wants stays at home; and what travels sealed crosses as `sealed` or not at all."""

_STRICTER: Final[dict[Level, int]] = {"allow": 0, "limit": 1, "pause": 2, "end": 3}


@dataclass(frozen=True, slots=True)
class Braking:
    """A steward's brake, by which co-op and when."""

    cid: CoopId
    time_ms: int
    brake: TreatyBrake


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """A treaty with as much of it as one of its federations lets hold."""

    id: Digest
    treaty: Treaty
    level: Level
    per_day: int | None = None

    @classmethod
    def of(cls, body: bytes, level: Level, per_day: int | UnsetType = UNSET) -> Terms:
        """Return the terms of a treaty as a charter lists it (`charter.TreatyInForce`)."""
        most = None if per_day is UNSET else per_day
        return cls(id=treaty_id(body), treaty=read_treaty(body), level=level, per_day=most)

    def most(self, direction: Direction) -> int:
        """Return the entries a UTC day that one log of a bridge may take this way."""
        if self.level in {"pause", "end"}:
            return 0
        return direction.per_day if self.per_day is None else min(direction.per_day, self.per_day)

    def braked(self, brakings: Iterable[Braking], now_ms: int, lasts_ms: int) -> Terms:
        """Return the strictest of these terms and of the stewards' brakes that last (TRT-13).

        Brakings come in the order of their logs, without those from before the treaty's level was
        last set; `lasts_ms` is the policy's `ballot_ms`.
        """
        newest: dict[CoopId, Braking] = {}
        for braking in brakings:
            before = newest.get(braking.cid, braking)
            if braking.brake.treaty == self.id and braking.time_ms >= before.time_ms:
                newest[braking.cid] = braking
        terms = self
        for braking in newest.values():
            if now_ms <= braking.time_ms + lasts_ms:
                terms = _stricter(terms, braking.brake)
        return terms


def stays_home(kind: str) -> bool:
    """Return whether a kind crosses under no treaty, not even one of a re-foundation."""
    return kind in HOME_KINDS or kind.startswith(HOME_FAMILIES)


def require_bridge(terms: Terms, named: Digest, header: Header) -> None:
    """Return if an entry that names a treaty is by one of its bridges while it holds, else raise.

    Raises RemoteProtocolError: `bridge.treaty`, `bridge.level`, `bridge.expired`.
    """
    treaty = terms.treaty
    if named != terms.id or header.fid not in treaty.parties or header.cid not in treaty.bridges:
        detail = f"expected a treaty in force here of which {short(header.cid)} is a bridge"
        raise refusal("bridge.treaty", detail)
    if terms.level in {"pause", "end"}:
        raise refusal("bridge.level", f"expected nothing to cross at level {terms.level}")
    if header.time_ms > treaty.expires_ms:
        detail = f"expected a time up to {treaty.expires_ms}, when the treaty ends"
        raise refusal("bridge.expired", f"{detail}, got {header.time_ms}")


def require_fits(treaty: Treaty, fid: FederationId, bridges: Container[CoopId]) -> None:
    """Return if a federation may adopt a treaty; `bridges` are its members in that role.

    Raises RemoteProtocolError: `treaty.parties`, `treaty.bridges`, `treaty.kinds`, `treaty.ids`,
    `treaty.order`, `treaty.removed`.
    """
    if treaty.parties != sorted(set(treaty.parties)):
        raise RemoteProtocolError("treaty.parties", "expected two federations in ascending order")
    treaty.other(fid)
    if len(set(treaty.bridges)) != len(treaty.bridges):
        raise RemoteProtocolError("treaty.bridges", "expected each bridge once")
    for cid in treaty.bridges:
        if cid not in bridges:
            detail = f"expected co-op {short(cid)} to be a member in the role bridge"
            raise RemoteProtocolError("treaty.bridges", detail)
    for direction in treaty.directions:
        _require_order(direction)
        _require_kinds(direction.kinds)
        _require_seen(direction)
    _require_ids(*(direction.ids for direction in treaty.directions))


def require_readable(treaty: Treaty) -> None:
    """Return if what a treaty leaves of each kind still is a record of that kind.

    For whoever proposes one: a body without a key that its record needs is read by nobody.
    Raises LocalProtocolError `treaty.unreadable`.
    """
    for direction in treaty.directions:
        removed = set(direction.removed)
        for kind in direction.kinds:
            for key in _needed(kind):
                if key in removed:
                    detail = f"expected {key!r} to be left in {kind}, which cannot be read without"
                    raise LocalProtocolError("treaty.unreadable", detail)


def _stricter(terms: Terms, brake: TreatyBrake) -> Terms:
    # CHR-20's `per_day` and a brake's both stand only with `limit`.
    limits = [most for most in (terms.per_day, brake.per_day) if isinstance(most, int)]
    level = max(terms.level, brake.level, key=lambda level: _STRICTER[level])
    return replace(terms, level=level, per_day=min(limits, default=None))


def _require_order(direction: Direction) -> None:
    names = [(pair.field, pair.ours) for pair in direction.ids]
    lists: list[Sequence[object]] = [direction.categories, direction.kinds, direction.regions]
    for listed in [*lists, direction.removed, names]:
        if list(listed) != sorted(set(listed)):  # type: ignore[type-var]  # texts, or pairs of them
            raise RemoteProtocolError("treaty.order", "expected lists without repeats, in order")


def _require_kinds(kinds: Iterable[str]) -> None:
    for kind in kinds:
        if stays_home(kind):
            raise RemoteProtocolError("treaty.kinds", f"expected kinds that may cross, got {kind}")


def _require_seen(direction: Direction) -> None:
    """What decides whether an entry may cross is seen on both sides, or one side cannot check."""
    needed = {"category", "item"} if direction.categories else set()
    needed |= {"zone"} if direction.regions else set()
    for key in direction.removed:
        if key in needed:
            detail = f"expected {key!r} to be shown, which decides whether an entry may cross"
            raise RemoteProtocolError("treaty.removed", detail)


def _require_ids(out: Sequence[IdMap], back: Sequence[IdMap]) -> None:
    """What went out under another name has to come back under its own (TRT-7).

    No list has a name twice, and each is the other turned round: so no two names become one.
    """
    pairs = {(pair.field, pair.ours, pair.theirs) for pair in out}
    if pairs != {(pair.field, pair.theirs, pair.ours) for pair in back}:
        raise RemoteProtocolError("treaty.ids", "expected each direction to undo the other's ids")


def _needed(kind: str) -> Iterator[str]:
    """Yield the keys that a record cannot be without, its own and those of its `item`."""
    struct = KINDS.get(kind)
    for field in () if struct is None else msgspec.structs.fields(struct):
        if field.required:
            yield field.encode_name
        if field.type is Item:
            yield from (part.encode_name for part in msgspec.structs.fields(Item) if part.required)
