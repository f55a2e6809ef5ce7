"""Where a command gets the passphrase of the keys: a file that the environment names, or a prompt.

Never an argument: the list of processes shows those to everybody.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import click

from sheaf_node.keyring import KeyFiles, Passphrase, read_files
from sheaf_node.keyring.secret_file import is_sealed
from sheaf_protocol.errors import Refusal

VARIABLE: Final = "SHEAF_PASSPHRASE_FILE"
_MAX_FILE: Final = 4_096


def given_passphrase(home: Path) -> Passphrase | None:
    """Return the passphrase of a home's keys, or None where they are under none.

    Raises Refusal `key.*` of reading them, `key.passphrase` where nobody can be asked.
    """
    files = read_files(home)
    if not any(is_sealed(files.files[name]) for name in files.secrets):
        return None
    named = os.environ.get(VARIABLE)
    if named:
        return read_passphrase(Path(named))
    if not sys.stdin.isatty():
        detail = f"expected the passphrase of {home}: name its file in {VARIABLE}"
        raise Refusal("key.passphrase", f"{detail}, or call this in a terminal")
    return Passphrase(click.prompt("Passphrase of the keys", hide_input=True, err=True))


def open_files(home: Path) -> KeyFiles:
    """Return the files of a home's keys with the passphrase that opens them."""
    return read_files(home, given_passphrase(home))


def read_passphrase(file: Path) -> Passphrase:
    """Return the passphrase on the first line of a file. Raises Refusal `key.passphrase`."""
    try:
        with file.open("rb") as opened:
            text = opened.read(_MAX_FILE).decode().partition("\n")[0].rstrip("\r")
    except OSError as exc:
        detail = f"expected a passphrase in {file}, got: {exc.strerror}"
        raise Refusal("key.passphrase", detail) from exc
    except UnicodeDecodeError as exc:
        detail = f"expected a passphrase in {file}, got what is no text"
        raise Refusal("key.passphrase", detail) from exc
    if not text:
        raise Refusal("key.passphrase", f"expected a passphrase in {file}, got an empty line")
    return Passphrase(text)
