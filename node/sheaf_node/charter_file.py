"""Files that people pass round while a federation is founded: cards and the charter.

A card is a co-op's key log. A charter file is the certificate with the signatures so far and the
members' key logs, so that whoever reads it can check it with nothing else.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from sheaf_node.keyring import load_key_ops
from sheaf_protocol.charter import (
    Approval,
    Certificate,
    Member,
    Role,
    approve,
    found,
    genesis_body,
    read_charter,
)
from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import FederationId, short
from sheaf_protocol.errors import Refusal, RemoteProtocolError
from sheaf_protocol.identity import KeyOp, fold_key_log
from sheaf_protocol.limits import MAX_CERTIFICATE, MAX_KEY_LOG, MAX_MEMBERS

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence
    from pathlib import Path

    from sheaf_node.keyring import Keyring
    from sheaf_protocol.charter import Federation
    from sheaf_protocol.digest import CoopId
    from sheaf_protocol.identity import KeyLog

FOLDER: Final = "federations"
"""Where a home keeps the charters it adopted; a node takes them in each time it opens."""
MAX_FILE: Final = 16 * MAX_CERTIFICATE
"""8 MiB: a thousand key logs of young co-ops."""

KeyOps = Annotated[list[KeyOp], Meta(min_length=1, max_length=MAX_KEY_LOG)]


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A co-op's public key log."""

    key_log: KeyOps


class CharterFile(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate on its way to being signed by all, with what it takes to check it."""

    certificate: Certificate
    key_logs: Annotated[list[KeyOps], Meta(max_length=MAX_MEMBERS)]


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
    name: str, members: Sequence[tuple[Sequence[KeyOp], Sequence[Role]]], nonce: bytes
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
        entries.append(Member(cid=log.cid, key_head=log.head, roles=list(roles)))
    certificate = Certificate(approvals=[], body=genesis_body(name, entries, nonce))
    data = encode(CharterFile(certificate=certificate, key_logs=[list(ops) for ops, _ in members]))
    read_charter_file(data)
    return data


def read_charter_file(data: bytes) -> CharterFile:
    """Return a charter file as received. Raises Refusal `charter.file`."""
    try:
        current = decode(data, CharterFile, limit=MAX_FILE)
        read_charter(current.certificate)
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
    _require_member(current, keyring.cid)
    own = approve(current.certificate.body, keyring.cid, keyring.require_manager())
    others = [a for a in current.certificate.approvals if a.cid != keyring.cid]
    approvals: list[Approval] = sorted([*others, own], key=lambda approval: approval.cid)
    certificate = Certificate(approvals=approvals, body=current.certificate.body)
    return encode(CharterFile(certificate=certificate, key_logs=current.key_logs))


def adopt_charter(current: CharterFile, home: Path) -> None:
    """Write a charter that every member signed into the home of one of them.

    Raises RemoteProtocolError `charter.*` where a signature is missing or wrong, Refusal
    `charter.not_member` where the home's co-op is none of them, `charter.second` where the home
    is in another federation: services work in one. Nothing is then written.
    """
    logs = [fold_key_log(ops) for ops in current.key_logs]
    federation = _found(current, {log.cid: log for log in logs})
    _require_member(current, fold_key_log(load_key_ops(home)).cid)
    folder = home / FOLDER
    path = folder / f"{federation.fid.hex()}.charter"
    if any(other != path for other in folder.glob("*.charter")):
        detail = f"expected a node in no other federation; {home} is in one already"
        raise Refusal("charter.second", detail)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as exc:
        raise _unwritable(folder, exc) from exc
    write_file(path, encode(current))


def adopted_charters(home: Path, *, besides: Container[FederationId] = ()) -> list[CharterFile]:
    """Return the charters that a home adopted, in the order of federation ids.

    Those `besides` which they are wanted are not even read: a thousand key logs take a while.
    Raises Refusal `charter.file`, naming the file.
    """
    paths = sorted(home.glob(f"{FOLDER}/*.charter"))
    return [_adopted(path) for path in paths if _named(path) not in besides]


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
    draft = path.with_name(f".{path.name}.new")
    try:
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as exc:
        draft.unlink(missing_ok=True)
        raise _unwritable(path, exc) from exc


def _is_card(data: bytes) -> bool:
    try:
        read_card(data)
    except Refusal:
        return False
    return True


def _found(current: CharterFile, logs: Mapping[CoopId, KeyLog]) -> Federation:
    """Return the federation; where signatures are missing, say whose, by name."""
    try:
        return found(current.certificate, logs)
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


def _require_member(current: CharterFile, cid: CoopId) -> None:
    charter = read_charter(current.certificate)
    if cid not in {member.cid for member in charter.members}:
        raise Refusal("charter.not_member", "expected a charter that names this co-op")


def _unwritable(path: Path, exc: OSError) -> Refusal:
    return Refusal("charter.file", f"expected to write {path}, got: {exc.strerror}")
