"""The kinds of extensions of a home: a folder of schema files, one for each.

The command writes there and a running node reads, so what is installed counts at once and outlives
a power cut. A file that somebody put there by hand and that is none is passed over, and told of.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from sheaf_node.durable import replace_file, sync
from sheaf_node.kinds.schema import MAX_FILE, ExtensionKind, read_kind
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records.extension import is_extension

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

FOLDER: Final = "kinds"
MOST: Final = 64
"""Kinds of one home: each is looked at whenever a file changes."""
_SUFFIX: Final = ".json"


class Kinds:
    """The installed kinds of one home."""

    def __init__(self, home: Path) -> None:
        self._folder = home / FOLDER
        self._seen: frozenset[tuple[str, int, int, int]] = frozenset()
        self._installed: dict[str, ExtensionKind] = {}
        self.faults: dict[str, str] = {}
        """Files that define no kind, and why, as of the last look."""

    def installed(self) -> Mapping[str, ExtensionKind]:
        """Return the kinds as the files are now. Ask once for each request: it looks at them."""
        seen = self._look()
        if seen != self._seen:
            self._read(seen)
            self._seen = seen
        return self._installed

    def require(self, kind: str) -> ExtensionKind:
        """Return an installed kind. Raises Refusal `kind.unknown`."""
        found = self.installed().get(kind)
        if found is None:
            detail = f"expected a kind whose schema is installed here, got {kind[:40]!r}"
            raise Refusal("kind.unknown", f"{detail}; `sheaf kind add FILE` installs one")
        return found

    def add(self, data: bytes) -> ExtensionKind:
        """Install a kind, or put another schema in the place of its old one; durable on return.

        Raises Refusal `kind.file`, `kind.full`; nothing is changed then.
        """
        kind, installed = read_kind(data), self.installed()
        if kind.kind not in installed and len(installed) >= MOST:
            raise _full()
        path = self._path(kind.kind)
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            replace_file(path, data)
            sync(self._folder)
        except OSError as exc:
            raise _unwritable(path, exc) from exc
        return kind

    def add_all(self, files: Sequence[bytes]) -> None:
        """Install several kinds, none where there is no room for all; raises as `add` does."""
        new = {read_kind(data).kind for data in files} - self.installed().keys()
        if len(self.installed()) + len(new) > MOST:
            raise _full()
        for data in files:
            self.add(data)

    def remove(self, kind: str) -> None:
        """Forget a kind; its entries stay. Raises Refusal `kind.unknown`, `kind.file`."""
        path = self._path(kind)
        if not is_extension(kind) or not path.exists():
            raise Refusal("kind.unknown", f"expected an installed kind, got {kind[:40]!r}")
        try:
            path.unlink()
            sync(self._folder)
        except OSError as exc:
            raise _unwritable(path, exc) from exc

    def _path(self, kind: str) -> Path:
        return self._folder / f"{kind}{_SUFFIX}"

    def _look(self) -> frozenset[tuple[str, int, int, int]]:
        """Return what tells a changed file from the old one: each is written anew and renamed."""
        found = set()
        with suppress(OSError), os.scandir(self._folder) as files:
            for file in files:
                if file.name.endswith(_SUFFIX) and not file.name.startswith("."):
                    with suppress(OSError):
                        about = file.stat()
                        found.add((file.name, about.st_ino, about.st_mtime_ns, about.st_size))
        return frozenset(found)

    def _read(self, seen: frozenset[tuple[str, int, int, int]]) -> None:
        self._installed, self.faults = {}, {}
        for name, *_ in sorted(seen):
            try:
                kind = _kind_in(self._folder / name)
            except Refusal as refusal:
                self.faults[name] = refusal.detail
                continue
            if len(self._installed) >= MOST:
                self.faults[name] = f"expected at most {MOST} kinds"
            elif name != f"{kind.kind}{_SUFFIX}":
                self.faults[name] = f"expected the name {kind.kind}{_SUFFIX}"
            else:
                self._installed[kind.kind] = kind


def _kind_in(path: Path) -> ExtensionKind:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as exc:
        raise Refusal("kind.file", f"expected a readable file, got: {exc.strerror}") from exc
    return read_kind(data)


def _full() -> Refusal:
    return Refusal("kind.full", f"expected at most {MOST} kinds; `sheaf kind remove` one")


def _unwritable(path: Path, exc: OSError) -> Refusal:
    return Refusal("kind.file", f"expected to write {path}, got: {exc.strerror}")
