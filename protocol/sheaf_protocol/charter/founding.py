"""Founding a federation, and the federation that a certificate founds (spec 09, section 3).

The genesis charter is signed by every founder's manager key and the hash of its bytes is the
federation's id, so nobody can slip a member in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET, structs

from sheaf_protocol.charter.approval import key_log_at, require_form, require_manager
from sheaf_protocol.charter.model import Certificate, Charter, Member, read_charter
from sheaf_protocol.charter.soundness import require_sound, require_sponsors
from sheaf_protocol.charter.standing import Federation
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import ZERO, CoopId, Digest
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.records.governance import DEFAULT_POLICY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sheaf_protocol.identity import KeyLog
    from sheaf_protocol.records.governance import Policy


def genesis_body(
    name: str, members: Sequence[Member], nonce: bytes, policy: Policy = DEFAULT_POLICY
) -> bytes:
    """Return the canonical bytes of a genesis charter, members and roles in their order."""
    listed = [structs.replace(member, roles=sorted(set(member.roles))) for member in members]
    charter = Charter(
        epoch=0,
        lines=[],
        members=sorted(listed, key=lambda member: member.cid),
        name=name,
        nonce=nonce,
        policy=policy,
        prev=Digest(ZERO),
        treaties=[],
        v=1,
    )
    return encode(charter)


def found(certificate: Certificate, keys: Mapping[CoopId, KeyLog]) -> Federation:
    """Return the federation of a genesis certificate that every founder signed.

    Raises RemoteProtocolError: `charter.genesis`, `charter.members`, `charter.sponsor`,
    `charter.policy`, `charter.voters`, `charter.approvals`, `charter.signature`, and not yet:
    `charter.unknown_member` while a founder's key log is missing, `charter.key_head` while it is
    shorter than it was at the founding.
    """
    charter = read_charter(certificate)
    if charter.epoch != 0 or charter.prev != ZERO or not _is_first(charter):
        raise RemoteProtocolError("charter.genesis", f"expected epoch 0, got {charter.epoch}")
    require_sound(charter)
    require_sponsors(charter, {member.cid for member in charter.members})
    require_form(certificate, by_writers=False)
    signatures = {approval.cid: approval.signature for approval in certificate.approvals}
    for member in charter.members:
        log = key_log_at(keys, member.cid, member.key_head)
        signature = signatures.get(member.cid, b"")
        require_manager(certificate.body, log, member.key_head, signature)
    return federation_of(certificate)


def federation_of(certificate: Certificate) -> Federation:
    """Return the federation of a genesis that was verified before, and kept since.

    A thousand approvals take a second to verify, and nothing that was learned later unsays one.
    """
    return Federation.begun(certificate.fid, read_charter(certificate))


def _is_first(charter: Charter) -> bool:
    """Return whether a charter has nothing that only a later epoch has."""
    led_to = (charter.ballot, charter.change, charter.fid, charter.refounds)
    has_state = charter.lines or charter.treaties or charter.policy.version
    is_fresh = not any(member.is_suspended for member in charter.members)
    return all(field is UNSET for field in led_to) and not has_state and is_fresh
