"""The keys of a home, checked against its key log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.keyring.files import (
    MANAGER,
    WRITER,
    KeyFiles,
    prekey_file,
    prekey_of,
    read_files,
)
from sheaf_node.keyring.model import Keyring
from sheaf_protocol.digest import WriterId
from sheaf_protocol.errors import Refusal
from sheaf_protocol.identity import signing_key

if TYPE_CHECKING:
    from pathlib import Path

    from sheaf_node.keyring.secret_file import Passphrase
    from sheaf_protocol.identity import KeyLog, KeyOp, SigningKey


def load_keyring(home: Path, passphrase: Passphrase | None = None) -> Keyring:
    """Return the keys under a home folder, checked against each other.

    The manager key may be elsewhere; a writer and a sealing key must be there. Raises Refusal:
    `key.missing`, `key.file_mode` (others may read it), `key.corrupt`, `key.passphrase`.
    """
    return keyring_of(read_files(home, passphrase))


def load_key_ops(home: Path) -> list[KeyOp]:
    """Return the key log under a home folder, which is public: no passphrase is needed.

    Raises Refusal: `key.missing`, `key.file_mode`, `key.corrupt`.
    """
    return read_files(home).key_log()[0]


def keyring_of(files: KeyFiles) -> Keyring:
    """Return the keys in files that were read. Raises Refusal as `load_keyring` does."""
    ops, log = files.key_log()
    writer = signing_key(files.secret(WRITER))
    if WriterId(writer.public) not in log.writers:
        raise _wrong(files, WRITER)
    return Keyring(
        cid=log.cid,
        writer=writer,
        manager=_manager(files, log),
        prekeys=_prekeys(files, log),
        key_ops=ops,
    )


def _manager(files: KeyFiles, log: KeyLog) -> SigningKey | None:
    """Return the manager key; None where it is elsewhere, or another took its place since."""
    if MANAGER not in files.files:
        return None
    manager = signing_key(files.secret(MANAGER))
    if manager.public not in log.managers:
        raise _wrong(files, MANAGER)
    return manager if manager.public == log.manager else None


def _prekeys(files: KeyFiles, log: KeyLog) -> list[tuple[bytes, bytes]]:
    """Return the sealing keys in the order of their delegations.

    One that a later operation ended comes first: it still opens what was sealed to it.
    """
    if not files.prekeys:
        raise Refusal("key.missing", f"expected a sealing key at {files.path('prekey-*.key')}")
    places = {bytes(prekey.key): place for place, prekey in enumerate(log.prekeys, start=1)}
    pairs = []
    for name in files.prekeys:
        secret = files.secret(name)
        public = prekey_of(secret)
        if name != prekey_file(public):
            raise _wrong(files, name)
        pairs.append((public, secret))
    return sorted(pairs, key=lambda pair: places.get(pair[0], 0))


def _wrong(files: KeyFiles, name: str) -> Refusal:
    detail = f"expected the key that the key log names in {files.path(name)}"
    return Refusal("key.corrupt", detail)
