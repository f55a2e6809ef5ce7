"""Authors for tests: co-ops with real key logs, a founded federation, entries really signed.

Everything is derived from the seeds given, so two runs make the same bytes:

    hill, dale = make_coop("Hill Farm"), make_coop("Dale Supplies")
    cert = make_federation([(hill, ["buyer"]), (dale, ["supplier", "coordinator"])])
    author = LogAuthor(hill, cert.fid)
    first, second = author.publish(demand), author.append("x.note", b"\\x80")
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

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
    Close,
    Delegate,
    FederationCut,
    Inception,
    KeyLog,
    KeyOp,
    PublicKey,
    SigningKey,
    append_op,
    fold_key_log,
    next_delegate,
    sign_op,
    signing_key,
)
from sheaf_protocol.limits import PREKEY_LIFETIME_MS, SALT_BYTES, WRITER_LIFETIME_MS
from sheaf_protocol.log import EMPTY, Head
from sheaf_protocol.records import Record, kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

START_MS: Final = 1_767_225_600_000
"""2026-01-01 UTC: when the co-ops of a test begin, unless it says otherwise."""


@dataclass(kw_only=True, slots=True)
class TestCoop:
    """A co-op with all its secrets. `key_ops` and `keys` grow as operations are signed."""

    __test__ = False  # or pytest would collect it

    name: str
    manager: SigningKey
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
        cuts = [
            FederationCut(fid=fid, last_head=head.id, last_seq=head.seq)
            for fid, head in sorted(last.items())
            if head.seq > 0
        ]
        operation = Close(
            cid=self.cid,
            cuts=cuts,
            key=(key or self.writer).public,
            op="close",
            prev=self.keys.head,
            seq=self.keys.size,
        )
        return self._append(operation)

    def _append(self, operation: Delegate | Close) -> KeyOp:
        op = sign_op(operation, [self.manager])
        self.keys = append_op(self.keys, op)
        self.key_ops.append(op)
        return op


def make_coop(name: str, seed: bytes = b"", *, now_ms: int = START_MS) -> TestCoop:
    """Return a co-op whose keys derive from its name and seed: inception, writer and prekey."""
    rotation, manager, writer = (
        signing_key(derived(seed, name, use)) for use in ("rotation", "manager", "writer")
    )
    inception = Inception(
        country="GB",
        manager=manager.public,
        name=name,
        next=[digest("next", signing_key(derived(seed, name, "next")).public)],
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
        writer=writer,
        prekey=(public, secret),
        key_ops=[first],
        keys=fold_key_log([first]),
    )
    coop.delegate(writer, now_ms + WRITER_LIFETIME_MS)
    coop._append(next_delegate(coop.keys, PublicKey(public), "prekey", now_ms + PREKEY_LIFETIME_MS))
    return coop


def make_federation(
    members: Sequence[tuple[TestCoop, Sequence[Role]]],
    name: str = "Test Federation",
    nonce: bytes = bytes(16),
) -> Certificate:
    """Return the genesis certificate that every member approved."""
    listed = [
        Member(cid=coop.cid, key_head=coop.keys.head, roles=list(roles)) for coop, roles in members
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
