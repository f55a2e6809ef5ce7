"""A service's folder as its author gives it: read whole and within bounds, never followed outside.

It may come from anywhere. So it is read once, into memory, and what was shown to the operator is
what is installed, whatever becomes of the folder meanwhile.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sheaf_node.plugins.manifest import FILE, Manifest, read_manifest
from sheaf_protocol.digest import digest
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MOST_FILES: Final = 256
MOST_BYTES: Final = 4 * 1024 * 1024
"""4 MiB of source; libraries are installed beside the node, not in it."""
_DEPTH: Final = 6
_SKIPPED: Final = frozenset({"__pycache__", "node_modules"})


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceFolder:
    """What a service consists of."""

    manifest: Manifest
    files: Mapping[str, bytes]
    """By path inside the folder, with `/`."""

    @property
    def digest(self) -> str:
        """The hash of all files with their names, in hex."""
        parts = [len(self.files).to_bytes(4, "big")]
        for name, data in sorted(self.files.items()):
            for part in (name.encode(errors="surrogateescape"), data):
                parts += [len(part).to_bytes(4, "big"), part]
        return digest("service-folder", b"".join(parts)).hex()


def read_folder(folder: Path) -> ServiceFolder:
    """Return a service's folder. Raises Refusal `service.manifest`, `service.folder`."""
    files: dict[str, bytes] = {}
    left = MOST_BYTES
    try:
        for path in _files(folder, _DEPTH):
            data = _read(path, left)
            left -= len(data)
            if left < 0 or len(files) == MOST_FILES:
                detail = f"expected at most {MOST_FILES} files of {MOST_BYTES >> 20} MiB together"
                raise Refusal("service.folder", f"{detail} in {folder}")
            files[path.relative_to(folder).as_posix()] = data
    except OSError as exc:
        named = exc.filename or folder
        raise Refusal("service.folder", f"expected to read {named}, got: {exc.strerror}") from exc
    if FILE not in files:
        raise Refusal("service.manifest", f"expected a {FILE} in {folder}")
    manifest = read_manifest(files[FILE], str(folder / FILE))
    return ServiceFolder(manifest=manifest, files=files)


def _files(folder: Path, depth: int) -> Iterator[Path]:
    """Yield the files of a folder. Hidden ones and what programs make of them are left out."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in _SKIPPED:
            continue
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            if not depth:
                raise Refusal("service.folder", f"expected fewer folders in one another: {path}")
            yield from _files(path, depth - 1)
        elif stat.S_ISREG(mode):
            yield path
        else:
            # A link would bring a file of the operator's own into the service.
            raise Refusal("service.folder", f"expected files and folders only, got {path}")


def _read(path: Path, most: int) -> bytes:
    """Return a file's bytes, or one more than `most`; a link put in its place is not followed."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(most + 1)
