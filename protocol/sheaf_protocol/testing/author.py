"""Authors for tests: co-ops with real key logs, a founded federation, entries really signed.

Everything is derived from the seeds given, so two runs make the same bytes:

    hill, dale = make_coop("Hill Farm"), make_coop("Dale Supplies")
    cert = make_federation([(hill, ["member"]), (dale, ["supplier", "coordinator"])])
    author = LogAuthor(hill, cert.fid)
    first, second = author.publish(demand), author.append("x.note", b"\\x80")
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import UNSET
from nacl import bindings

from sheaf_protocol.charter import Certificate, Member, Role, approve, genesis_body
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import (
    ZERO,
    CoopId,
    Digest,
    EntryId,
    FederationId,
    LogId,
    WriterId,
    digest,
    log_id,
)
from sheaf_protocol.envelope import Envelope, Header, make_payload, payload_hash, seal
from sheaf_protocol.identity import (
    Cut,
    EndedWriter,
    Inception,
    KeyLog,
    KeyOp,
    Operation,
    PublicKey,
    SigningKey,
    append_op,
    ended_writers,
    fold_key_log,
    make_recover,
    make_revoke,
    make_rotate,
    next_close,
    next_delegate,
    next_hash,
    sign_op,
    signing_key,
)
from sheaf_protocol.limits import PREKEY_LIFETIME_MS, SALT_BYTES, WRITER_LIFETIME_MS
from sheaf_protocol.log import EMPTY, Head
from sheaf_protocol.records import Record, kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Ended: TypeAlias = "Mapping[SigningKey, Mapping[FederationId, Head]]"
"""Writers that an operation ends, and the heads that still count."""

START_MS: Final = 1_767_225_600_000
"""2026-01-01 UTC: when the co-ops of a test begin, unless it says otherwise."""


@dataclass(kw_only=True, slots=True)
class TestCoop:
    """A co-op with all its secrets. `key_ops` and `keys` grow as operations are signed.

    Its key log takes any number of operations: `twin` signs beside it, as a thief would.
    """

    __test__ = False  # or pytest would collect it

    name: str
    manager: SigningKey
    rotation: SigningKey
    next: SigningKey
    """The key that a rotate shows; its hash alone is in the key log."""
    guardians: Sequence[SigningKey]
    writer: SigningKey
    prekey: tuple[bytes, bytes]
    """The public and the secret half of the sealing key."""
    key_ops: list[KeyOp]
    keys: KeyLog

    @property
    def cid(self) -> CoopId:
        """The co-op's id."""
        return self.keys.cid

    @property
    def wid(self) -> WriterId:
        """The id of its first writer."""
        return WriterId(self.writer.public)

    def delegate(self, key: SigningKey, expires_ms: int) -> KeyOp:
        """Return the signed delegation of one more writer, now part of the key log."""
        return self._append(next_delegate(self.keys, key.public, "writer", expires_ms))

    def close(self, last: Mapping[FederationId, Head], key: SigningKey | None = None) -> KeyOp:
        """Return the signed close of a writer, now part of the key log.

        `last` names the heads that count; an empty log is left out, as one not named is.
        """
        return self._append(next_close(self.keys, (key or self.writer).public, _cuts(last)))

    def revoke(self, ended: Ended | None = None, *, manager: SigningKey | None = None) -> KeyOp:
        """Return the revoke by the rotation key, now part of the key log.

        It ends writers at the heads that count and may name another manager key.
        """
        self.manager = manager or self.manager
        operation = make_revoke(
            self.keys,
            [self.rotation.public],
            manager=self.manager.public,
            writers=_ended(ended),
        )
        return self._append(operation, self.rotation)

    def rotate(self, ended: Ended | None = None, *, manager: SigningKey | None = None) -> KeyOp:
        """Return the rotate to the next key, now part of the key log; a new one is promised."""
        self.manager, self.rotation = manager or self.manager, self.next
        self.next = signing_key(derived(self.next.public, self.name, "next"))
        operation = make_rotate(
            self.keys,
            [self.rotation.public],
            manager=self.manager.public,
            next_=[next_hash(self.next.public)],
            rotation=[self.rotation.public],
            threshold=1,
            writers=_ended(ended),
        )
        return self._append(operation, self.rotation)

    def recover(self, ended: Ended | None = None, *, manager: SigningKey | None = None) -> KeyOp:
        """Return the recover by all guardians, now part of the key log; every key is new."""
        self.manager = manager or signing_key(derived(self.cid, self.name, "recovered manager"))
        self.rotation = signing_key(derived(self.cid, self.name, "recovered rotation"))
        self.next = signing_key(derived(self.cid, self.name, "recovered next"))
        operation = make_recover(
            self.keys,
            [guardian.public for guardian in self.guardians],
            manager=self.manager.public,
            next_=[next_hash(self.next.public)],
            rotation=[self.rotation.public],
            threshold=1,
            writers=_ended(ended),
        )
        return self._append(operation, *self.guardians)

    def twin(self, size: int | None = None) -> TestCoop:
        """Return the same co-op at its first operations: what it signs divides this key log.

        It holds the keys that this one holds, be they in force there or not.
        """
        ops = self.key_ops[:size]
        return replace(self, key_ops=ops, keys=fold_key_log(ops))

    def _append(self, operation: Operation, *keys: SigningKey) -> KeyOp:
        op = sign_op(operation, keys or [self.manager])
        self.keys = append_op(self.keys, op)
        self.key_ops.append(op)
        return op


def make_coop(
    name: str,
    seed: bytes = b"",
    *,
    now_ms: int = START_MS,
    guardians: Sequence[SigningKey] = (),
) -> TestCoop:
    """Return a co-op whose keys derive from its name and seed: inception, writer and prekey.

    Its guardians, if any, recover it together.
    """
    rotation, next_, manager, writer = (
        signing_key(derived(seed, name, use)) for use in ("rotation", "next", "manager", "writer")
    )
    inception = Inception(
        country="GB",
        guardian_threshold=len(guardians) or UNSET,
        guardians=[guardian.public for guardian in guardians] or UNSET,
        manager=manager.public,
        name=name,
        next=[next_hash(next_.public)],
        nonce=derived(seed, name, "nonce")[:16],
        op="inception",
        prev=Digest(ZERO),
        rotation=[rotation.public],
        seq=0,
        threshold=1,
    )
    first = sign_op(inception, [rotation])
    secret = derived(seed, name, "prekey")
    public = bindings.crypto_scalarmult_base(secret)
    coop = TestCoop(
        name=name,
        manager=manager,
        rotation=rotation,
        next=next_,
        guardians=guardians,
        writer=writer,
        prekey=(public, secret),
        key_ops=[first],
        keys=fold_key_log([first]),
    )
    coop.delegate(writer, now_ms + WRITER_LIFETIME_MS)
    coop._append(next_delegate(coop.keys, PublicKey(public), "prekey", now_ms + PREKEY_LIFETIME_MS))
    return coop


def _cuts(last: Mapping[FederationId, Head]) -> dict[FederationId, Cut]:
    return {fid: Cut(seq=head.seq, head=head.id) for fid, head in last.items()}


def _ended(ended: Ended | None) -> list[EndedWriter]:
    cuts = {key.public: _cuts(last) for key, last in (ended or {}).items()}
    return ended_writers(cuts)


def make_federation(
    members: Sequence[tuple[TestCoop, Sequence[Role]]],
    name: str = "Test Federation",
    nonce: bytes = bytes(16),
) -> Certificate:
    """Return the genesis certificate that every member approved."""
    listed = [
        Member(cid=coop.cid, is_suspended=False, key_head=coop.keys.head, roles=list(roles))
        for coop, roles in members
    ]
    body = genesis_body(name, listed, nonce)
    approvals = [approve(body, coop.cid, coop.manager) for coop, _ in members]
    return Certificate(approvals=approvals, body=body)


class LogAuthor:
    """One writer of one co-op in one federation, appending signed entries."""

    def __init__(
        self,
        coop: TestCoop,
        fid: FederationId,
        *,
        writer: SigningKey | None = None,
        now_ms: int = START_MS,
    ) -> None:
        self.fid, self.cid = fid, coop.cid
        self.key = writer or coop.writer
        self.now_ms = now_ms
        self.head = EMPTY

    @property
    def log(self) -> LogId:
        """The id of the log being written."""
        return log_id(self.fid, self.cid, WriterId(self.key.public))

    def publish(self, record: Record, *, refs: Sequence[EntryId] = ()) -> Envelope:
        """Return the next entry, carrying a record."""
        return self.append(kind_of(record), encode(record), refs=refs)

    def append(
        self,
        kind: str,
        body: bytes,
        *,
        refs: Sequence[EntryId] = (),
        expires_ms: int = 0,
        time_ms: int | None = None,
    ) -> Envelope:
        """Return the next entry with these bytes as its body, right or wrong."""
        seq, time = self.head.seq + 1, self.now_ms if time_ms is None else time_ms
        payload = make_payload(body, digest("test-salt", self.log, body)[:SALT_BYTES])
        header = Header(
            1,
            self.fid,
            self.cid,
            WriterId(self.key.public),
            seq,
            self.head.id,
            kind,
            time,
            expires_ms,
            payload_hash(payload),
            len(payload),
            list(refs),
            0,
        )
        envelope = seal(header, payload, self.key)
        self.head = Head(seq=seq, id=envelope.id, time_ms=time)
        return envelope

    def twin(self) -> LogAuthor:
        """Return a second author at the same head: what it appends forks this log."""
        return copy(self)


def unsigned(envelope: Envelope) -> Envelope:
    """Return the envelope as it travels inside a proven range: without its signature."""
    return Envelope(envelope.header, b"", envelope.payload)


def derived(seed: bytes, name: str, use: str) -> bytes:
    """Return 32 bytes that depend on nothing but the arguments."""
    return digest("test-seed", digest("test-name", name.encode()), use.encode(), b"\x00", seed)
