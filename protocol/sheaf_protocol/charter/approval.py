"""Approvals: whose signature makes a certificate valid, and over what (spec chapter 09).

A founding is approved by people, with the manager keys that they hold offline. An epoch is approved
by nodes, which looked at the ballot that people voted in; a node signs with its writer key and for
one round of a certification, so that two signatures for one round show a liar.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from msgspec import UNSET

from sheaf_protocol.charter.model import Approval
from sheaf_protocol.digest import WriterId, short
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.identity import verify

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from sheaf_protocol.charter.model import Certificate
    from sheaf_protocol.digest import CoopId, Digest
    from sheaf_protocol.identity import KeyLog, SigningKey

_BY_MANAGER: Final = "certificate"
_BY_WRITER: Final = "certify"


def quorum(voters: int, rule: Literal["majority", "two_thirds"]) -> int:
    """Return how many of the voters make a certificate.

    Two sets of `two_thirds` share more than a third of the voters, and so an honest one as long as
    fewer than a third lie; two majorities share one voter, which may be the liar.
    """
    match rule:
        case "two_thirds":
            return 2 * voters // 3 + 1
        case "majority":
            return voters // 2 + 1
        case _:
            assert_never(rule)


def approve(body: bytes, cid: CoopId, key: SigningKey) -> Approval:
    """Return a co-op's approval of a genesis or re-foundation, by its manager key."""
    return Approval(cid=cid, signature=key.sign(_BY_MANAGER, body))


def approve_epoch(certificate_id: Digest, round_: int, cid: CoopId, key: SigningKey) -> Approval:
    """Return a co-op's approval of an epoch in one round, by one of its writer keys."""
    signature = key.sign(_BY_WRITER, certify_message(certificate_id, round_))
    return Approval(cid=cid, signature=signature, wid=WriterId(key.public))


def certify_message(certificate_id: Digest, round_: int) -> bytes:
    """Return what the approval of an epoch signs: the id of the certificate, then the round."""
    return certificate_id + round_.to_bytes(8, "big")


def require_form(certificate: Certificate, *, by_writers: bool) -> None:
    """Return if the approvals have the form of an epoch's, or of a genesis or re-foundation.

    Raises RemoteProtocolError `charter.approvals`.
    """
    approvals = certificate.approvals
    if len({approval.cid for approval in approvals}) != len(approvals):
        raise RemoteProtocolError("charter.approvals", "expected one approval of a co-op at most")
    # Only one spelling of a certificate may pass, or a relay could add to what others signed.
    given = [certificate.round, *(approval.wid for approval in approvals)]
    if any((field is not UNSET) is not by_writers for field in given):
        expected = "a round, and a writer for" if by_writers else "no round, and no writer for"
        raise RemoteProtocolError("charter.approvals", f"expected {expected} each approval")


def key_log_at(keys: Mapping[CoopId, KeyLog], cid: CoopId, head: Digest) -> KeyLog:
    """Return a co-op's key log, which holds the operation that a charter names.

    Raises RemoteProtocolError, both not yet: `charter.unknown_member`, `charter.key_head`.
    """
    log = keys.get(cid)
    if log is None:
        detail = f"expected the key log of {short(cid)}"
        raise RemoteProtocolError("charter.unknown_member", detail, Fault.NOT_YET)
    # CHR-10: on another branch or only ahead of ours, an unknown head looks the same; so ask again.
    if head not in log.heads:
        detail = f"expected operation {short(head)} in the key log of {log.name}"
        raise RemoteProtocolError("charter.key_head", detail, Fault.NOT_YET)
    return log


def require_manager(body: bytes, log: KeyLog, head: Digest, signature: bytes) -> None:
    """Return if the manager at a place of the key log approved a charter's bytes.

    A rotation since does not unsay it. Raises RemoteProtocolError `charter.signature`.
    """
    manager = log.manager_at(head)
    if manager is None or not verify(manager, _BY_MANAGER, body, signature):
        detail = f"expected the approval of {log.name} by its manager at {short(head)}"
        raise RemoteProtocolError("charter.signature", detail)


def require_writer(message: bytes, log: KeyLog, head: Digest, approval: Approval) -> None:
    """Return if a writer that was open at a place of the key log approved a message.

    What became of the writer since does not count. Raises RemoteProtocolError `charter.signature`.
    """
    wid = approval.wid
    is_open = wid is not UNSET and log.has_writer_at(head, wid)
    if not is_open or not verify(wid or b"", _BY_WRITER, message, approval.signature):
        detail = f"expected the approval of {log.name} by a writer open at {short(head)}"
        raise RemoteProtocolError("charter.signature", detail)
