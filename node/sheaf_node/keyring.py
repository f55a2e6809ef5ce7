"""The secrets of one co-op on one node, as files under `keys/` (spec 02, section 6).

Seeds are never in the database, whose copies travel (backups, support). All files are written into
a new folder that is renamed into place when every byte is on disk: a home has all its keys or none.
The rotation seeds are only needed to recover, so nothing here reads them again and the operator may
move them off the machine.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta
from nacl import bindings

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import ZERO, CoopId, Digest, WriterId, digest
from sheaf_protocol.errors import ProtocolError, Refusal
from sheaf_protocol.identity import (
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
from sheaf_protocol.limits import (
    MAX_KEY_LOG,
    MAX_KEY_OP,
    PREKEY_LIFETIME_MS,
    WRITER_LIFETIME_MS,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sheaf_node.clock import Randomness

KEYS: Final = "keys"
_SECRET: Final = 32
"""Bytes of every secret: Ed25519 seeds and X25519 secrets alike."""
_MAX_FILE: Final = MAX_KEY_LOG * MAX_KEY_OP
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class _KeyLogFile(msgspec.Struct, frozen=True, kw_only=True):
    key_log: Annotated[list[KeyOp], Meta(min_length=1, max_length=MAX_KEY_LOG)]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Keyring:
    """What this node signs and opens with, and the key log that says it may."""

    cid: CoopId
    writer: SigningKey
    manager: SigningKey
    prekeys: Sequence[tuple[bytes, bytes]]
    """Public and secret half of each sealing key, oldest first."""
    key_ops: Sequence[KeyOp]

    @property
    def wid(self) -> WriterId:
        """The id of this installation's writer."""
        return WriterId(self.writer.public)

    def __repr__(self) -> str:
        return f"Keyring(cid={self.cid.hex()[:8]}, wid={self.wid.hex()[:8]})"


def create_keyring(
    home: Path, *, name: str, country: str, random: Randomness, now_ms: int
) -> Keyring:
    """Make a co-op's first keys and key log, write them under `home`, and return them.

    Raises Refusal `key.exists` where the home has keys, `key.name` where name or country cannot
    stand in an inception, `key.write` where the disk refuses; the home is then unchanged.
    """
    if re.fullmatch(r"[A-Z]{2}", country) is None:
        detail = f"expected a country by its ISO 3166 code, such as GB or FR, got {country!r}"
        raise Refusal("key.name", detail)
    folder = home / KEYS
    if folder.exists():
        raise Refusal("key.exists", f"expected no keys in {folder}; they are never overwritten")
    secrets = {use: random(_SECRET) for use in ("rotation", "next", "manager", "writer", "prekey")}
    ops = _first_ops(secrets, name=name, country=country, nonce=random(16), now_ms=now_ms)
    files = {f"{use}.key": secret for use, secret in secrets.items()}
    files["key_log"] = encode(_KeyLogFile(key_log=list(ops)))
    try:
        _write_folder(folder, files)
    except OSError as exc:
        raise Refusal("key.write", f"expected to write {folder}, got {exc.strerror}") from exc
    return load_keyring(home)


def load_keyring(home: Path) -> Keyring:
    """Return the keys under a home folder, checked against each other.

    Raises Refusal: `key.missing`, `key.file_mode` (others may read it), `key.corrupt`.
    """
    folder = home / KEYS
    _require_private(folder)
    ops, log = _read_key_log(folder / "key_log")
    manager = signing_key(_read_secret(folder / "manager.key"))
    writer = signing_key(_read_secret(folder / "writer.key"))
    secret = _read_secret(folder / "prekey.key")
    prekey = bindings.crypto_scalarmult_base(secret)
    _require(manager.public == log.inception.manager, folder / "manager.key")
    _require(WriterId(writer.public) in log.writers, folder / "writer.key")
    _require(prekey in {bytes(p.key) for p in log.prekeys}, folder / "prekey.key")
    return Keyring(
        cid=log.cid, writer=writer, manager=manager, prekeys=[(prekey, secret)], key_ops=ops
    )


def _first_ops(
    secrets: Mapping[str, bytes], *, name: str, country: str, nonce: bytes, now_ms: int
) -> list[KeyOp]:
    """Return the signed inception, and the delegations of the writer and the prekey."""
    rotation, manager = signing_key(secrets["rotation"]), signing_key(secrets["manager"])
    inception = Inception(
        country=country,
        manager=manager.public,
        name=name,
        next=[digest("next", signing_key(secrets["next"]).public)],
        nonce=nonce,
        op="inception",
        prev=Digest(ZERO),
        rotation=[rotation.public],
        seq=0,
        threshold=1,
    )
    ops = [sign_op(inception, [rotation])]
    try:
        log = fold_key_log(ops)
    except ProtocolError as exc:
        detail = f"expected a name of 1 to 120 characters on one line, got {name[:130]!r}"
        raise Refusal("key.name", detail) from exc
    writer = signing_key(secrets["writer"]).public
    prekey = PublicKey(bindings.crypto_scalarmult_base(secrets["prekey"]))
    delegation = next_delegate(log, writer, "writer", now_ms + WRITER_LIFETIME_MS)
    ops.append(sign_op(delegation, [manager]))
    log = append_op(log, ops[-1])
    delegation = next_delegate(log, prekey, "prekey", now_ms + PREKEY_LIFETIME_MS)
    ops.append(sign_op(delegation, [manager]))
    return ops


def _write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write all files into a new folder and rename it into place."""
    draft = folder.with_name(folder.name + ".new")
    if draft.exists():  # an earlier attempt that died: its keys were never announced to anyone
        shutil.rmtree(draft)
    # Who may write to the home may put keys of his own in place of ours.
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft.mkdir(mode=0o700)
    for name, data in files.items():
        descriptor = os.open(draft / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    _sync_folder(draft)
    draft.rename(folder)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_key_log(path: Path) -> tuple[list[KeyOp], KeyLog]:
    data = _read(path)
    try:
        ops = decode(data, _KeyLogFile, limit=_MAX_FILE).key_log
        return ops, fold_key_log(ops)
    except ProtocolError as exc:
        raise Refusal("key.corrupt", f"expected a valid key log in {path}: {exc.detail}") from exc


def _read_secret(path: Path) -> bytes:
    data = _read(path)
    _require(len(data) == _SECRET, path)
    return data


def _read(path: Path) -> bytes:
    _require_private(path)
    try:
        with path.open("rb") as file:
            return file.read(_MAX_FILE + 1)
    except OSError as exc:
        raise Refusal("key.missing", f"expected to read {path}, got {exc.strerror}") from exc


def _require_private(path: Path) -> None:
    """Refuse what others may read: a secret that was readable once is no secret any more."""
    try:
        mode = path.stat().st_mode
    except OSError as exc:
        detail = f"expected keys at {path}, got {exc.strerror}; `sheaf init` makes them"
        raise Refusal("key.missing", detail) from exc
    if mode & _OTHERS:
        detail = f"expected {path} for its owner alone, got mode {stat.S_IMODE(mode):o}"
        raise Refusal("key.file_mode", detail)


def _require(is_right: bool, path: Path) -> None:
    if not is_right:
        raise Refusal("key.corrupt", f"expected the key that the key log names in {path}")
