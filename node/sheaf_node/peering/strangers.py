"""Control items that a peer brought and that nothing calls for so far.

A charter is judged by the key logs of its members, so those come first, when nobody can tell the
members of a federation to be from co-ops that the peer made up. They wait here, in memory and with
the link, and are stored in one with a certificate that names them and that is to be kept. So does a
side of a key log that is weaker than the one held: a certificate may make it the stronger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sheaf_protocol.charter import read_charter
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.limits import MAX_MEMBERS
from sheaf_protocol.link.messages import key_op_size

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from sheaf_protocol.charter import Certificate, Member
    from sheaf_protocol.digest import CoopId, Digest, FederationId
    from sheaf_protocol.identity import KeyHistory, KeyOp

MAX_BYTES: Final = 4_194_304
"""4 MiB: the founders of the largest federation at 4 KiB each, eight years of prekeys."""
MAX_CERTIFICATES: Final = 4


class Strangers:
    """What one link keeps until a certificate makes sense of it."""

    def __init__(self) -> None:
        self._logs: dict[CoopId, dict[Digest, KeyOp]] = {}
        self._certificates: dict[FederationId, tuple[Certificate, frozenset[CoopId]]] = {}
        self._size = 0

    @property
    def key_logs(self) -> Mapping[CoopId, Sequence[KeyOp]]:
        """The key logs kept, as far as they came."""
        return {cid: list(ops.values()) for cid, ops in self._logs.items()}

    def has(self, cid: CoopId, ops: Iterable[KeyOp]) -> bool:
        """Return whether all these operations are kept already."""
        return all(op.id in self._logs.get(cid, ()) for op in ops)

    def anchored_by(
        self, members: Iterable[Member], held: Mapping[CoopId, KeyHistory]
    ) -> Mapping[CoopId, Sequence[KeyOp]]:
        """Return the key logs kept that have a head which a charter names and that is not held."""
        if not self._logs:
            return {}
        return {
            member.cid: list(self._logs[member.cid].values())
            for member in members
            if member.key_head in self._logs.get(member.cid, ())
            and not _holds(held.get(member.cid), member.key_head)
        }

    def ready(self, held: Container[CoopId]) -> Sequence[Certificate]:
        """Return the certificates of whose founders each key log is kept, or held elsewhere."""
        return [
            certificate
            for certificate, members in self._certificates.values()
            if all(cid in self._logs or cid in held for cid in members)
        ]

    def members(self, certificate: Certificate) -> frozenset[CoopId]:
        """Return the members of a certificate that is kept."""
        return self._certificates[certificate.fid][1]

    def keep_key_ops(self, cid: CoopId, ops: Sequence[KeyOp]) -> None:
        """Keep operations of a co-op that no charter names, or of a side that is not held.

        Raises RemoteProtocolError `key.quota` (not yet).
        """
        known = self._logs.get(cid, {})
        new = {op.id: op for op in ops if op.id not in known}
        size = self._size + sum(key_op_size(op) for op in new.values())
        if size > MAX_BYTES or (not known and len(self._logs) >= MAX_MEMBERS):
            detail = f"expected at most {MAX_MEMBERS} key logs of {MAX_BYTES} bytes in all"
            raise RemoteProtocolError("key.quota", detail, Fault.NOT_YET)
        self._logs[cid] = {**known, **new}
        self._size = size

    def keep_certificate(self, certificate: Certificate) -> None:
        """Keep a founding certificate, in place of the oldest where there are too many.

        Raises RemoteProtocolError as `read_charter` does.
        """
        members = frozenset(member.cid for member in read_charter(certificate).members)
        self._certificates[certificate.fid] = certificate, members
        if len(self._certificates) > MAX_CERTIFICATES:
            del self._certificates[next(iter(self._certificates))]

    def forget(self, certificate: Certificate) -> None:
        """Let go of a certificate that was judged, and of its members' key logs."""
        _, members = self._certificates.pop(certificate.fid)
        self.forget_key_logs(members)

    def forget_key_logs(self, members: Iterable[CoopId]) -> None:
        """Let go of key logs that were stored, or are not to be."""
        for cid in members:
            for op in self._logs.pop(cid, {}).values():
                self._size -= key_op_size(op)

    def forget_held(self, members: Iterable[Member], held: Mapping[CoopId, KeyHistory]) -> None:
        """Let go of key logs of which every operation is stored by now."""
        kept = ((member.cid, self._logs.get(member.cid)) for member in members)
        self.forget_key_logs(
            [cid for cid, ops in kept if ops and all(_holds(held.get(cid), id_) for id_ in ops)]
        )


def _holds(history: KeyHistory | None, head: Digest) -> bool:
    return history is not None and any(head in end.heads for end in history.ends)
