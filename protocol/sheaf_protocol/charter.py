"""A federation's charter: who its members are, in which roles, and what a role may publish
(spec chapter 09).

The genesis charter is signed by every founder's manager key and the hash of its bytes is the
federation's id, so nobody can slip a member in. Roles decide the effect of an entry and never its
storage: what a role may not publish is kept by all replicas and has no effect on any.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from msgspec import Meta, structs

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import ZERO, CoopId, Digest, FederationId, digest, short
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.identity import KeyLog, SigningKey, verify
from sheaf_protocol.limits import MAX_CERTIFICATE, MAX_INT, MAX_MEMBERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Role = Literal["buyer", "supplier", "carrier", "coordinator", "matcher"]
_SIGNED_AS = "certificate"

EVERY_MEMBER: Final = frozenset({"entry.erase", "entry.restore", "verdict"})
"""Kinds that every member may publish, whatever its roles."""
MAY: Final[Mapping[Role, frozenset[str]]] = {
    "buyer": frozenset(
        {"demand.submit", "demand.withdraw", "order.place", "transport.request", "match.accept"}
    ),
    "supplier": frozenset({"offer.submit", "offer.withdraw", "order.response"}),
    "carrier": frozenset(
        {"capacity.publish", "travel.table", "hold.grant", "hold.refuse", "hold.confirmed"}
        | {"hold.expired", "hold.revoke"}
    ),
    "coordinator": frozenset({"pool.open", "pool.close", "pool.award", "pool.lapse"}),
    "matcher": frozenset(
        {"match.propose", "hold.request", "hold.confirm", "hold.release", "shipment.book"}
    ),
}
"""What each role may publish (CHR-5)."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One co-op of a federation, at the head its key log had when it was admitted."""

    cid: Annotated[CoopId, Meta(min_length=32, max_length=32)]
    key_head: Annotated[Digest, Meta(min_length=32, max_length=32)]
    roles: Annotated[list[Role], Meta(min_length=1, max_length=5)]


class Charter(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a certificate: one epoch's members and rules."""

    epoch: Annotated[int, Meta(ge=0, le=MAX_INT)]
    members: Annotated[list[Member], Meta(min_length=1, max_length=MAX_MEMBERS)]
    name: Annotated[str, Meta(min_length=1, max_length=120, pattern=r"\A[^\x00-\x1f]+\Z")]
    nonce: Annotated[bytes, Meta(min_length=16, max_length=16)]
    prev: Annotated[Digest, Meta(min_length=32, max_length=32)]
    v: Literal[1]


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """A member's signature under a certificate, by its manager key."""

    cid: Annotated[CoopId, Meta(min_length=32, max_length=32)]
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """A charter's bytes as signed, with the members' signatures."""

    approvals: Annotated[list[Approval], Meta(max_length=MAX_MEMBERS)]
    body: Annotated[bytes, Meta(max_length=MAX_CERTIFICATE)]

    @property
    def fid(self) -> FederationId:
        """The federation's id: the hash of the genesis body, whoever signed so far."""
        return FederationId(digest("federation", self.body))


@dataclass(frozen=True, kw_only=True, slots=True)
class Federation:
    """A founded federation: its id and the charter in force."""

    fid: FederationId
    charter: Charter
    roles: Mapping[CoopId, frozenset[Role]]

    def is_member(self, cid: CoopId) -> bool:
        """Return whether the co-op is a member."""
        return cid in self.roles

    def with_role(self, role: Role) -> Sequence[CoopId]:
        """Return the members in a role, in the charter's order."""
        return [m.cid for m in self.charter.members if role in m.roles]

    def may(self, cid: CoopId, kind: str) -> bool:
        """Return whether one of the member's roles may publish a kind.

        A kind that no role mentions belongs to an extension, which has a policy of its own.
        """
        if kind in EVERY_MEMBER or not is_governed(kind):
            return cid in self.roles
        return any(kind in MAY[role] for role in self.roles.get(cid, ()))


def is_governed(kind: str) -> bool:
    """Return whether the charter's roles decide who may publish a kind."""
    return any(kind in kinds for kinds in MAY.values())


def approve(body: bytes, cid: CoopId, key: SigningKey) -> Approval:
    """Return a member's approval of a charter's bytes."""
    return Approval(cid=cid, signature=key.sign(_SIGNED_AS, body))


def genesis_body(name: str, members: Sequence[Member], nonce: bytes) -> bytes:
    """Return the canonical bytes of a genesis charter, members and roles in their order."""
    listed = [structs.replace(member, roles=sorted(set(member.roles))) for member in members]
    ordered = sorted(listed, key=lambda member: member.cid)
    return encode(Charter(epoch=0, members=ordered, name=name, nonce=nonce, prev=Digest(ZERO), v=1))


def read_charter(certificate: Certificate) -> Charter:
    """Return the charter in a certificate's body, signatures unchecked (for showing a draft)."""
    return decode(certificate.body, Charter, limit=MAX_CERTIFICATE)


def found(certificate: Certificate, keys: Mapping[CoopId, KeyLog]) -> Federation:
    """Return the federation of a genesis certificate that every founder signed.

    Raises RemoteProtocolError: `charter.genesis`, `charter.members`, `charter.approvals`,
    `charter.signature`, and not yet: `charter.unknown_member` while a founder's key log is missing,
    `charter.key_head` while it is shorter than it was at the founding.
    """
    charter = read_charter(certificate)
    if charter.epoch != 0 or charter.prev != ZERO:
        raise RemoteProtocolError("charter.genesis", f"expected epoch 0, got {charter.epoch}")
    _require_order(charter)
    signatures = {approval.cid: approval.signature for approval in certificate.approvals}
    if len(signatures) != len(certificate.approvals):
        raise RemoteProtocolError("charter.approvals", "expected one approval of a co-op at most")
    for member in charter.members:
        _require_approval(member, certificate.body, signatures.get(member.cid, b""), keys)
    return _federation(certificate, charter)


def _require_order(charter: Charter) -> None:
    ids = [member.cid for member in charter.members]
    if ids != sorted(set(ids)):
        raise RemoteProtocolError("charter.members", "expected each member once, in order of ids")
    for member in charter.members:
        if member.roles != sorted(set(member.roles)):
            detail = f"expected each role of {short(member.cid)} once, in alphabetical order"
            raise RemoteProtocolError("charter.members", detail)


def federation_of(certificate: Certificate) -> Federation:
    """Return the federation of a certificate that was verified before, and kept since.

    A thousand approvals take a second to verify, and nothing that was learned later unsays one.
    """
    return _federation(certificate, read_charter(certificate))


def _federation(certificate: Certificate, charter: Charter) -> Federation:
    roles = {member.cid: frozenset(member.roles) for member in charter.members}
    return Federation(fid=certificate.fid, charter=charter, roles=roles)


def _require_approval(
    member: Member, body: bytes, signature: bytes, keys: Mapping[CoopId, KeyLog]
) -> None:
    log = keys.get(member.cid)
    if log is None:
        detail = f"expected the key log of founder {short(member.cid)}"
        raise RemoteProtocolError("charter.unknown_member", detail, Fault.NOT_YET)
    # A rotation since does not unsay it: the manager of that time approved.
    manager = log.manager_at(member.key_head)
    # CHR-10: on another branch or only ahead of ours, an unknown head looks the same; so ask again.
    if manager is None:
        detail = f"expected operation {short(member.key_head)} in the key log of {log.name}"
        raise RemoteProtocolError("charter.key_head", detail, Fault.NOT_YET)
    if not verify(manager, _SIGNED_AS, body, signature):
        detail = f"expected the approval of {short(member.cid)}"
        raise RemoteProtocolError("charter.signature", detail)
