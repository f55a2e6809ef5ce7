"""Puts all secrets of a home under a passphrase, another or none: all of them, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.keyring.files import KeyFiles
from sheaf_node.keyring.folder import edit_folder
from sheaf_node.keyring.secret_file import MODERATE, put_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_node.clock import Randomness
    from sheaf_node.keyring.secret_file import Cost, Lock, Passphrase


def protect(
    files: KeyFiles, passphrase: Passphrase, *, random: Randomness, cost: Cost = MODERATE
) -> None:
    """Put the secrets under a passphrase; `files` has the one they are under.

    Raises Refusal `key.passphrase` where that is wrong, `key.write`; nothing has then changed.
    """
    _put(files, passphrase.new_lock(random, cost), random)


def unprotect(files: KeyFiles) -> None:
    """Leave the secrets plain. Raises Refusal as `protect` does."""
    _put(files, None, bytes)


def _put(files: KeyFiles, lock: Lock | None, random: Randomness) -> None:
    def edit(before: Mapping[str, bytes]) -> Mapping[str, bytes]:
        now = KeyFiles(home=files.home, files=before, passphrase=files.passphrase)
        changed = {n: put_secret(n, now.secret(n), lock, random) for n in now.secrets}
        return {**before, **changed}

    edit_folder(files.home, edit)
