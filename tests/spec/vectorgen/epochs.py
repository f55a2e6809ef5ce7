"""Epochs, chapter 09: a federation of six and the certificates that follow on its genesis.

Five have a vote, so under `two_thirds` a quorum is four; SAM serves and
bridges, and has none. EVE is no member.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import charters
from entries import EXPIRES_MS, key_op, sorted_map
from kit import Key, array, blob, hashed, integer, mapping, text
from story import Coop

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def _coop(name: str, at: int, *roles: str) -> Coop:
    """Return a co-op whose keys no other co-op of the vectors has."""
    return Coop(name, Key.of(bytes([at])), Key.of(bytes([at + 1])), list(roles))


ANN: Final = _coop("Ann", 0x80, "coordinator", "member")
BEA: Final = _coop("Bea", 0x90, "member")
CAL: Final = _coop("Cal", 0xA0, "supplier")
DEE: Final = _coop("Dee", 0xB0, "carrier")
FAY: Final = _coop("Fay", 0xC0, "steward")
SAM: Final = _coop("Sam", 0xD0, "bridge", "service")
EVE: Final = _coop("Eve", 0xE0, "member")
VOTERS: Final = (ANN, BEA, CAL, DEE, FAY)
QUORUM: Final = (ANN, BEA, CAL, DEE)
ALL: Final = (*VOTERS, SAM)


@dataclass(frozen=True)
class Place:
    """A co-op's place in a charter."""

    coop: Coop
    roles: tuple[str, ...]
    key_head: bytes
    is_suspended: bool = False
    sponsor: Coop | None = None

    @property
    def wire(self) -> bytes:
        """The member as a charter lists it."""
        changes = {} if self.sponsor is None else {"sponsor": blob(self.sponsor.cid)}
        if self.is_suspended:
            changes["is_suspended"] = charters.TRUE
        return charters.member(self.coop.cid, self.key_head, *self.roles, **changes)


@dataclass(frozen=True)
class Epoch:
    """A certificate and what its charter says."""

    number: int
    places: tuple[Place, ...]
    fields: dict[str, bytes]
    wire: bytes
    fid: bytes

    @property
    def body(self) -> bytes:
        """The body of the certificate."""
        return sorted_map(self.fields)

    @property
    def id(self) -> bytes:
        """The id of the certificate."""
        return hashed("federation", self.body)


def places(*coops: Coop) -> tuple[Place, ...]:
    """Return co-ops at the heads of their key logs, in the roles that they are made with."""
    return tuple(Place(coop, tuple(coop.roles), coop.key_head) for coop in coops)


def listed(members: Iterable[Place]) -> bytes:
    """Return the list of members."""
    return array(*(each.wire for each in sorted(members, key=lambda each: each.coop.cid)))


def genesis(*members: Place, **changes: bytes) -> Epoch:
    """Return the founding by all members; changes replace encoded values."""
    fields = {**charters.genesis_fields("Six of us", b"6" * 16), **changes}
    fields["members"] = listed(members)
    body = sorted_map(fields)
    approvals = [by_manager(each.coop, body) for each in members]
    wire = mapping(approvals=array(*approvals), body=blob(body))
    return Epoch(0, members, fields, wire, hashed("federation", body))


def by_manager(coop: Coop, body: bytes, key: Key | None = None) -> bytes:
    """Return an approval of a genesis or re-foundation."""
    signature = (key or coop.manager).sign("certificate", body)
    return mapping(cid=blob(coop.cid), signature=blob(signature))


def by_writer(coop: Coop, id_: bytes, round_: int = 0, key: Key | None = None) -> bytes:
    """Return an approval of an epoch."""
    writer = key or coop.writer
    signature = writer.sign("certify", id_ + round_.to_bytes(8))
    return mapping(cid=blob(coop.cid), signature=blob(signature), wid=blob(writer.public))


def change(action: str, **fields: bytes) -> bytes:
    """Return a change with these encoded fields."""
    return sorted_map({"action": text(action), **fields})


def about(coop: Coop) -> dict[str, bytes]:
    """Return the field that names a co-op."""
    return {"cid": blob(coop.cid)}


def log(coop: Coop, seq: int, key: Key | None = None) -> bytes:
    """Return a line of one log."""
    head = hashed("line", coop.cid, integer(seq))
    return mapping(head=blob(head), seq=integer(seq), wid=blob((key or coop.writer).public))


def lines(**seqs: int) -> bytes:
    """Return lines by the names of co-ops; 0 lists no log of them."""
    coops = {coop.name.lower(): coop for coop in (*ALL, EVE)}
    named = sorted(((coops[name], seq) for name, seq in seqs.items()), key=lambda pair: pair[0].cid)
    return array(*(of(coop, *([log(coop, seq)] if seq else [])) for coop, seq in named))


def of(coop: Coop, *logs: bytes) -> bytes:
    """Return the lines of one co-op."""
    return mapping(cid=blob(coop.cid), logs=array(*logs))


def made(before: Epoch, did: bytes | None, **changes: bytes | Sequence[Place]) -> dict[str, bytes]:
    """Return the encoded values of the next body; changes replace or add some."""
    fields = {
        **{k: v for k, v in before.fields.items() if k not in {"ballot", "refounds"}},
        "epoch": integer(before.number + 1),
        "fid": blob(before.fid),
        "lines": array(),
        "prev": blob(before.id),
    }
    fields.pop("change", None)
    if did is not None:
        fields["change"] = did
    for name, value in changes.items():
        fields[name] = value if isinstance(value, bytes) else listed(value)
    return fields


def epoch(
    before: Epoch,
    did: bytes | None,
    *,
    by: Sequence[Coop] = QUORUM,
    round_: int = 0,
    approvals: Sequence[bytes] | None = None,
    members: tuple[Place, ...] | None = None,
    **changes: bytes,
) -> Epoch:
    """Return the next epoch, approved by the writers of a quorum; changes replace or add values."""
    kept = before.places if members is None else members
    fields = made(before, did, members=kept, **changes)
    id_ = hashed("federation", sorted_map(fields))
    signed = [by_writer(coop, id_, round_) for coop in by] if approvals is None else approvals
    wire = mapping(approvals=array(*signed), body=blob(sorted_map(fields)), round=integer(round_))
    return Epoch(before.number + 1, kept, fields, wire, before.fid)


def refounding(
    before: Epoch,
    refounds: Iterable[bytes],
    *,
    by: Sequence[Coop] = QUORUM,
    approvals: Sequence[bytes] | None = None,
    did: bytes | None = None,
    **changes: bytes,
) -> Epoch:
    """Return a re-foundation, approved by the managers of a quorum."""
    named = array(*map(blob, refounds))
    fields = made(before, did, **{"refounds": named, **changes})
    body = sorted_map(fields)
    signed = [by_manager(coop, body) for coop in by] if approvals is None else approvals
    wire = mapping(approvals=array(*signed), body=blob(body))
    return Epoch(before.number + 1, before.places, fields, wire, before.fid)


def signed(other: Epoch, by: Sequence[bytes] | None = None) -> Epoch:
    """Return an epoch with the approvals of a quorum, or with those given."""
    made = [by_writer(coop, other.id) for coop in QUORUM] if by is None else by
    wire = mapping(approvals=array(*made), body=blob(other.body), round=integer(0))
    return Epoch(other.number, other.places, other.fields, wire, other.fid)


def altered(before: Epoch, coop: Coop, **fields: object) -> tuple[Place, ...]:
    """Return the members with one of them changed."""
    return tuple(
        replace(each, **fields) if each.coop is coop else each  # type: ignore[arg-type]
        for each in before.places
    )


def without(before: Epoch, coop: Coop) -> tuple[Place, ...]:
    """Return the members but one."""
    return tuple(each for each in before.places if each.coop is not coop)


def delegated(coop: Coop, key: Key) -> tuple[bytes, bytes]:
    """Return the operation by which a co-op opens one writer more, and its id."""
    body = sorted_map(
        {
            "cid": blob(coop.cid),
            "expires_ms": integer(EXPIRES_MS),
            "key": blob(key.public),
            "op": text("delegate"),
            "prev": blob(coop.key_head),
            "role": text("writer"),
            "seq": integer(len(coop.key_log)),
        }
    )
    return key_op(body, coop.manager), hashed("key-op", body)


def closed(coop: Coop) -> tuple[bytes, bytes]:
    """Return the operation by which a co-op closes its writer, and its id."""
    body = sorted_map(
        {
            "cid": blob(coop.cid),
            "cuts": array(),
            "key": blob(coop.writer.public),
            "op": text("close"),
            "prev": blob(coop.key_head),
            "seq": integer(len(coop.key_log)),
        }
    )
    return key_op(body, coop.manager), hashed("key-op", body)


def known(*coops: Coop, **more: bytes) -> bytes:
    """Return the key logs of co-ops, some with an operation more by the co-op's name."""
    logs = ((*coop.key_log, *([more[coop.name]] if coop.name in more else [])) for coop in coops)
    return array(*(array(*each) for each in logs))


def treaty(*parties: bytes, nonce: bytes = b"t") -> bytes:
    """Return the body of a treaty of two federations."""
    fields = {
        "bridges": array(blob(SAM.cid)),
        "directions": array(_direction(), _direction()),
        "expires_ms": integer(EXPIRES_MS),
        "nonce": blob(nonce * 16),
        "parties": array(*map(blob, sorted(parties))),
        "title": text("Mills and bakeries"),
        "v": integer(1),
    }
    return sorted_map(fields)


def _direction() -> bytes:
    return sorted_map(
        {
            "categories": array(),
            "hops": integer(1),
            "ids": array(),
            "kinds": array(text("offer.submit")),
            "per_day": integer(100),
            "regions": array(),
            "removed": array(),
        }
    )


def in_force(body: bytes, level: str = "allow", **changes: bytes) -> bytes:
    """Return a treaty as a charter lists it."""
    return sorted_map({"body": blob(body), "level": text(level), **changes})


GENESIS: Final = genesis(*places(*ALL))
ABROAD: Final = hashed("federation", b"abroad")
