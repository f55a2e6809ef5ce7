"""Which files `keys/` holds, and what stands in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta
from nacl import bindings

from sheaf_node.keyring.folder import KEYS, MAX_FILE, read_folder
from sheaf_node.keyring.secret_file import Lock, open_secret
from sheaf_protocol.codec import decode, encode
from sheaf_protocol.errors import ProtocolError, Refusal
from sheaf_protocol.identity import KeyLog, KeyOp, fold_key_log
from sheaf_protocol.limits import MAX_KEY_LOG

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sheaf_node.keyring.secret_file import Passphrase

KEY_LOG: Final = "key_log"
MANAGER: Final = "manager.key"
WRITER: Final = "writer.key"
ROTATION: Final = "rotation.key"
NEXT: Final = "next.key"
MAX_SHEETS: Final = 7
"""Recovery sheets of one co-op: a board is no larger, and each is a walk to somebody's safe."""
_PREKEY: Final = "prekey"
_ENDING: Final = ".key"


class _KeyLogFile(msgspec.Struct, frozen=True, kw_only=True):
    key_log: Annotated[list[KeyOp], Meta(min_length=1, max_length=MAX_KEY_LOG)]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class KeyFiles:
    """The files of one home as read at one moment, and the passphrase that opens them."""

    home: Path
    files: Mapping[str, bytes]
    passphrase: Passphrase | None = None

    @property
    def secrets(self) -> list[str]:
        """The names of the files that hold secrets."""
        return [name for name in self.files if name.endswith(_ENDING)]

    @property
    def prekeys(self) -> list[str]:
        """The names of the files that hold sealing keys."""
        return [name for name in self.secrets if name.startswith(_PREKEY)]

    def path(self, name: str) -> Path:
        """Return where a file is, for messages."""
        return self.home / KEYS / name

    def key_log(self) -> tuple[list[KeyOp], KeyLog]:
        """Return the key log and what it says. Raises Refusal `key.missing`, `key.corrupt`."""
        try:
            ops = decode(self._data(KEY_LOG), _KeyLogFile, limit=MAX_FILE).key_log
            return ops, fold_key_log(ops)
        except ProtocolError as exc:
            detail = f"expected a valid key log in {self.path(KEY_LOG)}: {exc.detail}"
            raise Refusal("key.corrupt", detail) from exc

    def secret(self, name: str) -> bytes:
        """Return a secret. Raises Refusal `key.missing`, `key.corrupt`, `key.passphrase`."""
        return self._open(name)[0]

    def lock(self) -> Lock | None:
        """Return what new secrets go under here: the lock of the writer's file."""
        return self._open(WRITER)[1]

    def _open(self, name: str) -> tuple[bytes, Lock | None]:
        try:
            return open_secret(name, self._data(name), self.passphrase)
        except Refusal as exc:
            if exc.code == "key.missing":
                raise
            raise Refusal(exc.code, f"{exc.detail} ({self.path(name)})") from exc

    def _data(self, name: str) -> bytes:
        if name not in self.files:
            detail = f"expected keys at {self.path(name)}; a backup may have them"
            raise Refusal("key.missing", detail)
        return self.files[name]

    def __repr__(self) -> str:
        return f"KeyFiles({', '.join(self.files)})"


def read_files(home: Path, passphrase: Passphrase | None = None) -> KeyFiles:
    """Return the files of a home. Raises Refusal: `key.missing`, `key.file_mode`, `key.corrupt`."""
    return KeyFiles(home=home, files=read_folder(home), passphrase=passphrase)


def key_log_file(ops: Sequence[KeyOp]) -> bytes:
    """Return the bytes of the file `key_log`."""
    return encode(_KeyLogFile(key_log=list(ops)))


def seed_file(name: str, number: int) -> str:
    """Return the name of the file of one sheet's seed: `next.key`, `next-2.key`, `next-3.key`."""
    return name if number == 1 else f"{name.removesuffix(_ENDING)}-{number}{_ENDING}"


def prekey_of(secret: bytes) -> bytes:
    """Return the public half of a sealing key."""
    return bindings.crypto_scalarmult_base(secret)


def prekey_file(public: bytes) -> str:
    """Return the name of the file of a sealing key."""
    return f"{_PREKEY}-{public.hex()[:8]}{_ENDING}"
