"""What lies in a home beside its logs, read into memory: seats, services, kinds, webhooks, tokens.
What an earlier restore holds back is among it.

It is read before the logs are copied. Whatever of it speaks of the logs, a webhook's place or a
service's notes, then speaks of no more than the copy holds. Much of it is secret, so none of it is
written anywhere in clear; the quotas of services bound it, at 12 MiB for each of 32 at the most.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

import msgspec

from sheaf_node.api.tokens import FOLDER as TOKENS
from sheaf_node.api.tokens import HELD as HELD_TOKENS
from sheaf_node.backup.contents import is_carried
from sheaf_node.backup.folder import reading
from sheaf_node.kinds.folder import FOLDER as KINDS
from sheaf_node.peering.saved import SAVED_FILE
from sheaf_node.plugins.installed import FOLDER as SERVICES
from sheaf_node.plugins.installed import GRANT, STORAGE, Installed, added_services
from sheaf_node.plugins.service_folder import read_folder
from sheaf_node.seats.shelf import FOLDER as SEATS
from sheaf_node.seats.shelf import LINKS
from sheaf_node.store.schema import open_reader
from sheaf_node.webhooks.ledger import FILE as WEBHOOKS
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sheaf_node.plugins.installed import Grant

_TRIES: Final = 3
"""A service that is added anew meanwhile changes its grant and its files, one after the other."""


def read_beside(home: Path) -> Mapping[str, bytes]:
    """Return these files of a home, by name; the node may be running.

    Raises Refusal `backup.read`, `service.file`.
    """
    found = {**_files(home), **_services(home)}
    for path in (home / WEBHOOKS, *sorted(home.glob(f"{SERVICES}/*/{STORAGE}"))):
        data = database_bytes(path)
        if data is not None:
            found[path.relative_to(home).as_posix()] = data
    return {name: data for name, data in found.items() if is_carried(name)}


def database_bytes(path: Path) -> bytes | None:
    """Return a database as it was at one moment, whoever writes to it; None where there is none.

    Raises Refusal `backup.read` for one that is not whole.
    """
    if not path.exists():
        return None
    try:
        with (
            closing(open_reader(path, sqlite3.connect)) as source,
            closing(sqlite3.connect(":memory:", isolation_level=None)) as copy,
        ):
            source.backup(copy)  # all pages in one step
            [found] = copy.execute("PRAGMA integrity_check(1)").fetchone()
            if found != "ok":
                raise sqlite3.DatabaseError(found)
            copy.execute("VACUUM")  # nothing that was deleted goes along
            return copy.serialize()
    except sqlite3.Error as exc:
        raise Refusal("backup.read", f"expected a whole database at {path}, got: {exc}") from exc


def _files(home: Path) -> dict[str, bytes]:
    """Return the small files; one that goes meanwhile is one that was removed."""
    folders = (SEATS, f"{SEATS}/{LINKS}", KINDS, TOKENS)
    paths = [path for folder in folders for path in sorted((home / folder).glob("*.json"))]
    found: dict[str, bytes] = {}
    for path in (*paths, home / SAVED_FILE):
        data = _read(path)
        if data is not None:
            found[path.relative_to(home).as_posix()] = data
    for path in sorted((home / TOKENS / HELD_TOKENS).glob("*.json")):
        data = _read(path)
        if data is not None:
            found.setdefault(f"{TOKENS}/{path.name}", data)
    return found


def _services(home: Path) -> dict[str, bytes]:
    """Return grants with the files that they were given for.

    Files that are not those any more stay behind: a restore would refuse them.
    """
    installed, found = Installed(home), dict[str, bytes]()
    for name in added_services(home):
        for _ in range(_TRIES):
            grant = _grant(installed, name)
            if grant is None:
                break
            files = _code(installed, grant)
            if files or _grant(installed, name) == grant:
                found |= {**files, f"{SERVICES}/{name}/{GRANT}": msgspec.json.encode(grant)}
                break
    return found


def _grant(installed: Installed, name: str) -> Grant | None:
    """Return a grant, or one that an earlier restore holds back: the next one does as well."""
    grant = installed.find(name)
    if grant is None and name in installed.held():
        return installed.held_grant(name)
    return grant


def _code(installed: Installed, grant: Grant) -> dict[str, bytes]:
    folder = installed.code(grant)
    at = f"{SERVICES}/{grant.manifest.name}/{folder.name}"
    try:
        source = read_folder(folder)
    except Refusal:
        return {}
    files = {f"{at}/{name}": data for name, data in source.files.items()}
    are_whole = source.digest == grant.digest and all(map(is_carried, files))
    return files if are_whole else {}


def _read(path: Path) -> bytes | None:
    with reading(path):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
