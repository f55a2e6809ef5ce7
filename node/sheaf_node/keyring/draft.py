"""New keys and the operations that name them, written together or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.keyring.files import (
    KEY_LOG,
    MAX_SHEETS,
    NEXT,
    ROTATION,
    WRITER,
    key_log_file,
    prekey_file,
    prekey_of,
    read_files,
    seed_file,
)
from sheaf_node.keyring.folder import edit_folder, make_folder
from sheaf_node.keyring.secret_file import SECRET, put_secret
from sheaf_node.keyring.sheet import kept_file
from sheaf_protocol.identity import (
    PublicKey,
    append_op,
    fold_key_log,
    next_delegate,
    sign_op,
    signing_key,
)
from sheaf_protocol.limits import PREKEY_LIFETIME_MS, WRITER_LIFETIME_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from sheaf_node.clock import Randomness
    from sheaf_node.keyring.files import KeyFiles
    from sheaf_node.keyring.secret_file import Lock
    from sheaf_protocol.identity import KeyLog, KeyOp, Operation, SigningKey


class KeyDraft:
    """A key log that grows, and the files that change with it. Nothing is on disk until it is put
    in place.
    """

    def __init__(
        self, ops: Sequence[KeyOp], *, lock: Lock | None, random: Randomness, now_ms: int
    ) -> None:
        self.ops = list(ops)
        self.log: KeyLog = fold_key_log(self.ops)
        self.now_ms = now_ms
        self._lock, self._random = lock, random
        self._changes: dict[str, bytes | None] = {}

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not self._changes

    def append(self, operation: Operation, keys: Iterable[SigningKey]) -> None:
        """Sign an operation and add it. Raises ProtocolError `key.*` where no node took it."""
        self.append_signed(sign_op(operation, keys))

    def append_signed(self, op: KeyOp) -> None:
        """Add an operation that others signed; raises as `append` does."""
        self.log = append_op(self.log, op)
        self.ops.append(op)

    def put(self, name: str, secret: bytes) -> None:
        """Set a secret."""
        self._changes[name] = put_secret(name, secret, self._lock, self._random)

    def put_public(self, name: str, data: bytes) -> None:
        """Set a file that is no secret."""
        self._changes[name] = data

    def drop(self, name: str) -> None:
        """Remove a file, where it is there."""
        self._changes[name] = None

    def put_sheets(self, rotation: Sequence[bytes], next_: Sequence[bytes]) -> None:
        """Set the seeds of all recovery sheets; those of older ones go, and nobody keeps these."""
        for number in range(1, MAX_SHEETS + 1):
            for name in (seed_file(ROTATION, number), seed_file(NEXT, number), kept_file(number)):
                self.drop(name)
        for number, seed in enumerate(rotation, start=1):
            self.put(seed_file(ROTATION, number), seed)
        for number, seed in enumerate(next_, start=1):
            self.put(seed_file(NEXT, number), seed)

    def new_seeds(self, count: int) -> list[bytes]:
        """Return so many fresh seeds, which are put nowhere yet."""
        return [self._random(SECRET) for _ in range(count)]

    def new_key(self, name: str) -> SigningKey:
        """Set a secret to a fresh signing key and return it."""
        seed = self._random(SECRET)
        self.put(name, seed)
        return signing_key(seed)

    def add_writer(self, manager: SigningKey) -> None:
        """Make a new writer for this node and delegate it."""
        key = self.new_key(WRITER).public
        expires_ms = self.now_ms + WRITER_LIFETIME_MS
        self.append(next_delegate(self.log, key, "writer", expires_ms), [manager])

    def add_prekey(self, manager: SigningKey) -> None:
        """Make a new sealing key and delegate it; the older ones stay."""
        secret = self._random(SECRET)
        public = PublicKey(prekey_of(secret))
        self.put(prekey_file(public), secret)
        expires_ms = self.now_ms + PREKEY_LIFETIME_MS
        self.append(next_delegate(self.log, public, "prekey", expires_ms), [manager])

    def make(self, home: Path) -> None:
        """Write the first keys of a home. Raises Refusal `key.exists`, `key.write`."""
        make_folder(home, self._edited({}))

    def replace(self, files: KeyFiles) -> KeyFiles:
        """Change the keys of a home and return its files as they are then.

        Raises Refusal `key.write`, and those of `read_files`; nothing has then changed.
        """
        edit_folder(files.home, self._edited)
        return read_files(files.home, files.passphrase)

    def _edited(self, before: Mapping[str, bytes]) -> Mapping[str, bytes]:
        merged = {**before, **self._changes, KEY_LOG: key_log_file(self.ops)}
        return {name: data for name, data in merged.items() if data is not None}
