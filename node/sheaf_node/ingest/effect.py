"""Whether an entry that is stored also counts (spec 04, ENV-9).

All replicas must come to the same answer, so it rests on the entry's bytes and the charter alone.
"""

from __future__ import annotations

from typing import Final

from sheaf_protocol.codec import check, decode
from sheaf_protocol.envelope import SEALED, body_of
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.records import KINDS, PRIVATE, decode_record
from sheaf_protocol.sealing import Sealed

_SCHEMA: Final = "schema.invalid"


def effect_fault(kind: str, payload: bytes, *, is_allowed: bool) -> str | None:
    """Return the code of the author's fault that leaves an entry without effect, or None.

    `is_allowed` is whether the charter lets the author publish the kind. Raises RemoteProtocolError
    `enc.*` where the body is not canonical, which is the sender's fault: such an entry is not
    stored at all.
    """
    fault = _schema_fault(kind, body_of(payload))
    if fault is not None:
        return fault
    if kind in PRIVATE:
        return "policy.unsealed"
    return None if is_allowed else "policy.role"


def _schema_fault(kind: str, body: bytes) -> str | None:
    try:
        if kind == SEALED:
            decode(body, Sealed)
        elif kind in KINDS:
            decode_record(kind, body)
        else:
            check(body)
    except RemoteProtocolError as exc:
        if exc.code != _SCHEMA:
            raise
        return exc.code
    return None
