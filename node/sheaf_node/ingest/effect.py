"""Whether an entry that is stored also counts (spec 04, ENV-9; spec 09, section 7).

All replicas must come to the same answer, so it rests on the entry's bytes and on the certificates
alone: on the roles and the policy that hold at the entry's place in its log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sheaf_protocol.charter.effect import AuthorFault, policy_fault
from sheaf_protocol.codec import check, decode
from sheaf_protocol.envelope import SEALED, body_of
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.records import KINDS, PRIVATE, decode_record
from sheaf_protocol.sealing import Sealed

if TYPE_CHECKING:
    from sheaf_protocol.charter import Standing
    from sheaf_protocol.records import Record

_SCHEMA: Final = "schema.invalid"


def effect_fault(
    kind: str, payload: bytes, barred: AuthorFault | None, standing: Standing
) -> AuthorFault | None:
    """Return the author's fault that leaves an entry without effect, or None.

    `barred` is why its author may not publish the kind at all. Raises RemoteProtocolError `enc.*`
    where the body is not canonical, which is the sender's fault: such an entry is not stored at
    all.
    """
    try:
        record = _read(kind, body_of(payload))
    except RemoteProtocolError as exc:
        if exc.code != _SCHEMA:
            raise
        return AuthorFault(exc.code, exc.detail)
    if kind in PRIVATE:
        return AuthorFault("policy.unsealed", f"expected a sealed entry, got {kind} in the clear")
    if barred is not None or record is None:
        return barred
    return policy_fault(record, standing.policy)


def _read(kind: str, body: bytes) -> Record | None:
    """Return the record of a body, None where its kind is sealed or unknown."""
    if kind == SEALED:
        decode(body, Sealed)
    elif kind in KINDS:
        return decode_record(kind, body)
    else:
        check(body)
    return None
