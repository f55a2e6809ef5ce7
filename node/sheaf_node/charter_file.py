"""Files that people pass round while a federation is founded or joined: cards and the charter.

A card is a co-op's key log. A charter file is the certificate with the signatures so far and the
members' key logs, so that whoever reads it can check it with nothing else. That of a federation
which has come further holds the certificates of its later epochs, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType, structs

from sheaf_node.durable import replace_file
from sheaf_node.keyring import load_key_ops
from sheaf_protocol.charter import (
    DEFAULT_POLICY,
    Approval,
    Certificate,
    Chain,
    Member,
    Policy,
    Role,
    approve,
    genesis_body,
    read_charter,
)
from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import FederationId, short
from sheaf_protocol.errors import Refusal, RemoteProtocolError
from sheaf_protocol.identity import KeyOp, fold_key_log
from sheaf_protocol.limits import MAX_CERTIFICATE, MAX_KEY_LOG, MAX_MEMBERS

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence
    from pathlib import Path

    from sheaf_node.keyring import Keyring
    from sheaf_protocol.charter import Federation
    from sheaf_protocol.digest import CoopId, Digest
    from sheaf_protocol.identity import KeyLog

FOLDER: Final = "federations"
"""Where a home keeps the charters it adopted; a node takes them in each time it opens."""
MAX_FILE: Final = 16 * MAX_CERTIFICATE
"""8 MiB: a thousand key logs of young co-ops."""
MAX_NAMED: Final = 4 * MAX_MEMBERS
"""Co-ops that the certificates of a file name, those that left included."""
MAX_EPOCHS: Final = 4_096
"""As many as peers tell one another of."""

_SPARE: Final = 1_024
"""Bytes of a file for the lengths of its lists."""

KeyOps = Annotated[list[KeyOp], Meta(min_length=1, max_length=MAX_KEY_LOG)]


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A co-op's public key log."""

    key_log: KeyOps


class CharterFile(msgspec.Struct, frozen=True, kw_only=True):
    """A founding certificate, signed by all or on its way there, with what it takes to check it."""

    certificate: Certificate
    key_logs: Annotated[list[KeyOps], Meta(max_length=MAX_NAMED)]
    later: Annotated[list[Certificate], Meta(max_length=MAX_EPOCHS)] | UnsetType = UNSET
    """Those of later epochs, in the order in which they came (CHR-85). A node is told of what is
    left out.
    """

    @property
    def to_sign(self) -> Certificate:
        """What people sign with their manager keys: the last certificate if it is a re-foundation,
        else the founding one.
        """
        return self.certificates[-1] if self.is_refounding else self.certificate

    @property
    def is_refounding(self) -> bool:
        """Whether the last certificate is to take the place of some that contradict one another."""
        return read_charter(self.certificates[-1]).refounds is not UNSET

    def with_last(self, certificate: Certificate) -> CharterFile:
        """Return the file with other signatures under what people sign."""
        if not self.is_refounding:
            return structs.replace(self, certificate=certificate)
        return structs.replace(self, later=[*self.certificates[1:-1], certificate])

    @property
    def certificates(self) -> Sequence[Certificate]:
        """The founding certificate and those of later epochs, in their order."""
        return [self.certificate, *(() if self.later is UNSET else self.later)]


def make_card(key_ops: Sequence[KeyOp]) -> bytes:
    """Return the bytes of the card of a co-op with this key log."""
    return encode(Card(key_log=list(key_ops)))


def read_card(data: bytes) -> list[KeyOp]:
    """Return the key log in a card, checked. Raises Refusal `charter.card`."""
    try:
        ops = decode(data, Card, limit=MAX_FILE).key_log
        fold_key_log(ops)
    except RemoteProtocolError as exc:
        raise Refusal("charter.card", f"expected a co-op's card: {exc.detail}") from exc
    return ops


def draft_charter(
    name: str,
    members: Sequence[tuple[Sequence[KeyOp], Sequence[Role]]],
    nonce: bytes,
    policy: Policy = DEFAULT_POLICY,
) -> bytes:
    """Return the bytes of an unsigned charter file for members given by key log and roles.

    Raises Refusal `charter.members` for a co-op given twice, `charter.file` for a name that no
    charter can have: found out now, and not when all have signed.
    """
    entries: list[Member] = []
    for ops, roles in members:
        log = fold_key_log(ops)
        if log.cid in {member.cid for member in entries}:
            raise Refusal("charter.members", f"expected each co-op once, got {log.name!r} twice")
        entries.append(
            Member(cid=log.cid, is_suspended=False, key_head=log.head, roles=list(roles))
        )
    certificate = Certificate(approvals=[], body=genesis_body(name, entries, nonce, policy))
    data = encode(CharterFile(certificate=certificate, key_logs=[list(ops) for ops, _ in members]))
    read_charter_file(data)
    return data


def read_charter_file(data: bytes) -> CharterFile:
    """Return a charter file as received. Raises Refusal `charter.file`."""
    try:
        current = decode(data, CharterFile, limit=MAX_FILE)
        for certificate in current.certificates:
            read_charter(certificate)
        for ops in current.key_logs:
            fold_key_log(ops)
    except RemoteProtocolError as exc:
        if _is_card(data):
            raise Refusal("charter.file", "this is a card, not a charter") from exc
        raise Refusal("charter.file", f"expected a charter file: {exc.detail}") from exc
    return current


def require_unsigned(path: Path) -> None:
    """Refuse to lose signatures: Refusal `charter.signed` where a charter at a path has any."""
    try:
        approvals = read_charter_file(read_file(path)).certificate.approvals
    except Refusal:
        return  # no file, or none of which a co-op signed anything
    if approvals:
        detail = f"expected another file than {path}, a charter that {len(approvals)} signed"
        raise Refusal("charter.signed", f"{detail}; move it away first")


def sign_charter(current: CharterFile, keyring: Keyring) -> bytes:
    """Return the charter file with this co-op's approval added, once.

    Raises Refusal `charter.not_member` where the charter does not name this co-op.
    """
    signed = current.to_sign
    _require_named(keyring.cid in {member.cid for member in read_charter(signed).members})
    own = approve(signed.body, keyring.cid, keyring.require_manager())
    others = [a for a in signed.approvals if a.cid != keyring.cid]
    approvals: list[Approval] = sorted([*others, own], key=lambda approval: approval.cid)
    return encode(current.with_last(Certificate(approvals=approvals, body=signed.body)))


def refounding_file(current: CharterFile, body: bytes) -> bytes:
    """Return a charter file with a re-foundation at its end that nobody signed so far."""
    unsigned = Certificate(approvals=[], body=body)
    later = [*current.certificates[1:], unsigned]
    data = encode(structs.replace(current, later=later))
    read_charter_file(data)
    return data


def adopt_charter(current: CharterFile, home: Path) -> None:
    """Write a charter into the home of one of the members, whose node then takes part.

    Raises RemoteProtocolError `charter.*` where a signature is missing or wrong, Refusal
    `charter.not_member` where the home's co-op is no member by the newest certificate. Nothing is
    then written.
    """
    federation = _checked(current)
    _require_named(federation.is_member(fold_key_log(load_key_ops(home)).cid))
    _write_charter(current, home)


def join_charter(current: CharterFile, home: Path) -> Federation:
    """Write the charter of a federation that is to admit the home's co-op; return what it says.

    From then on the home's node lets members tell it of their certificates. Unasked for, nobody can
    make it take part by admitting its co-op. Raises RemoteProtocolError `charter.*` where a
    signature is missing or wrong; nothing is then written.
    """
    federation = _checked(current)
    _write_charter(current, home)
    return federation


def federation_of(current: CharterFile) -> Federation:
    """Return the federation that a file's certificates make, all of them verified.

    Raises RemoteProtocolError `charter.*`.
    """
    return _checked(current)


def make_charter_file(
    chain: Chain, key_ops: Callable[[CoopId], Sequence[KeyOp]], *, most: int = MAX_FILE
) -> bytes:
    """Return the charter file of a federation, for a co-op that is to join it.

    It tells of certificates in the order of the chain, from which the joiner's node makes the same
    one (CHR-85). Of a chain that would make more than `most` bytes it holds the beginning.
    `key_ops` gives the key log of a co-op.
    """
    founding, *rest = chain.told.values()
    named = [list(key_ops(cid)) for cid in sorted(chain.anchors)][:MAX_NAMED]
    key_logs = [ops for ops in named if ops]
    later: list[Certificate] = []
    room = most - len(encode(CharterFile(certificate=founding, key_logs=key_logs)))
    for certificate in rest[:MAX_EPOCHS]:
        room -= len(encode(certificate))
        if room < _SPARE:
            break
        later.append(certificate)
    whole = CharterFile(certificate=founding, key_logs=key_logs, later=later or UNSET)
    return encode(whole)


def adopted_charters(
    home: Path, *, held: Mapping[FederationId, Container[Digest]] | None = None
) -> list[CharterFile]:
    """Return the charters that a home adopted, in the order of federation ids.

    Those of which all certificates are `held` are left out, unchecked: a thousand key logs take a
    while. Raises Refusal `charter.file`, naming the file.
    """
    chains = held or {}
    paths = sorted(home.glob(f"{FOLDER}/*.charter"))
    return [_adopted(path) for path in paths if not _is_held(path, chains)]


def adopted_ids(home: Path) -> frozenset[FederationId]:
    """Return the federations whose charters a home adopted, by the names of their files."""
    named = (_named(path) for path in home.glob(f"{FOLDER}/*.charter"))
    return frozenset(fid for fid in named if fid is not None)


def _is_held(path: Path, chains: Mapping[FederationId, Container[Digest]]) -> bool:
    fid = _named(path)
    if fid is None or fid not in chains:
        return False
    try:
        current = decode(read_file(path), CharterFile, limit=MAX_FILE)
    except (Refusal, RemoteProtocolError):
        return False  # whoever reads it next says what is wrong with it
    return all(certificate.id in chains[fid] for certificate in current.certificates)


def _named(path: Path) -> FederationId | None:
    """Return the federation that an adopted charter's file is named by."""
    try:
        return FederationId(bytes.fromhex(path.stem))
    except ValueError:
        return None


def read_file(path: Path) -> bytes:
    """Return the bytes of a card or charter file. Raises Refusal `charter.file`."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE + 1)
    except OSError as exc:
        detail = f"expected a readable file at {path}, got: {exc.strerror}"
        raise Refusal("charter.file", detail) from exc


def write_file(path: Path, data: bytes) -> None:
    """Put a file in place whole, or leave what is there. Raises Refusal `charter.file`."""
    try:
        replace_file(path, data)
    except OSError as exc:
        raise _unwritable(path, exc) from exc


def _is_card(data: bytes) -> bool:
    try:
        read_card(data)
    except Refusal:
        return False
    return True


def _checked(current: CharterFile) -> Federation:
    """Return the federation that a file's certificates make, all of them verified."""
    logs = {log.cid: log for log in map(fold_key_log, current.key_logs)}
    chain = _found(current, logs)
    for certificate in current.certificates[1:]:
        chain = chain.add(certificate, logs)
    return chain.federation


def _write_charter(current: CharterFile, home: Path) -> None:
    folder = home / FOLDER
    try:
        folder.mkdir(exist_ok=True)
    except OSError as exc:
        raise _unwritable(folder, exc) from exc
    write_file(folder / f"{current.certificate.fid.hex()}.charter", encode(current))


def _found(current: CharterFile, logs: Mapping[CoopId, KeyLog]) -> Chain:
    """Return the chain that begins; where signatures are missing, say whose, by name."""
    try:
        return Chain.found(current.certificate, logs)
    except RemoteProtocolError as exc:
        signed = {approval.cid for approval in current.certificate.approvals}
        members = [member.cid for member in read_charter(current.certificate).members]
        names = {cid: log.name for cid, log in logs.items()}
        missing = [
            f"{names.get(cid, 'unknown')} ({short(cid)})" for cid in members if cid not in signed
        ]
        if exc.code != "charter.signature" or not missing:
            raise
        detail = f"expected the signatures of all members, got none of {', '.join(missing)}"
        raise RemoteProtocolError(exc.code, detail) from exc


def _adopted(path: Path) -> CharterFile:
    try:
        return read_charter_file(read_file(path))
    except Refusal as exc:
        raise Refusal(exc.code, f"{path}: {exc.detail}") from exc


def _require_named(is_named: bool) -> None:
    if not is_named:
        raise Refusal("charter.not_member", "expected a charter that names this co-op")


def _unwritable(path: Path, exc: OSError) -> Refusal:
    return Refusal("charter.file", f"expected to write {path}, got: {exc.strerror}")
