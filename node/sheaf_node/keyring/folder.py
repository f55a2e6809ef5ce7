"""The folder `keys/`: read whole, replaced whole, so that a crash leaves all old files or all new.

POSIX cannot put a folder in the place of another in one step, so there are four, and the second is
the one that counts:

1. all new files are written to `keys.draft` and synced;
2. the draft is renamed to `keys.new`: from here on the new files are the keys;
3. `keys` is renamed to `keys.old`, and `keys.new` to `keys`;
4. `keys.old` is removed.

Whoever opens the folder next finishes what was begun: forward where `keys.new` exists, back where
only a draft does. Readers and writers take turns by a lock on the home folder itself, for the
moment that it takes; it is not the lock on the store, which a node holds as long as it runs.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sheaf_node.durable import new_private_file, sync
from sheaf_protocol.errors import Refusal
from sheaf_protocol.limits import MAX_KEY_LOG, MAX_KEY_OP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

KEYS: Final = "keys"
MAX_FILE: Final = MAX_KEY_LOG * MAX_KEY_OP
"""Bytes of the largest file, the key log."""
MAX_FILES: Final = 64
"""Two keys for each of seven sheets and what says that it is kept, four more, the key log, and the
prekeys of five months at most: a folder of more is not ours."""
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def read_folder(home: Path) -> dict[str, bytes]:
    """Return the files under `keys/` by name.

    Raises Refusal: `key.missing`, `key.file_mode` (others may read it), `key.corrupt` (something in
    it is no key file).
    """
    with _locked(home):
        return _read(home)


def edit_folder(home: Path, edit: Callable[[Mapping[str, bytes]], Mapping[str, bytes]]) -> None:
    """Replace all files by what `edit` makes of them; nobody else reads or writes meanwhile.

    Raises Refusal as `read_folder` does, and `key.write`; the files are then as they were.
    """
    with _locked(home):
        before = _read(home)
        after = edit(before)
        if after == before:
            return
        try:
            _write_draft(home, after)
            _draft(home).rename(_new(home))
            _finish(home)
        except OSError as exc:
            raise _unwritten(home, exc) from exc


def make_folder(home: Path, files: Mapping[str, bytes]) -> None:
    """Write the first files. Raises Refusal `key.exists`, `key.write`; nothing is then written."""
    if has_folder(home):
        raise Refusal(
            "key.exists",
            f"expected no keys in {home / KEYS}; they are never overwritten. What an interrupted "
            "set-up left has no sheaf.toml beside it: move the folder away and begin again",
        )
    try:
        # Who may write to the home may put keys of his own in place of ours.
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_draft(home, files)
        _draft(home).rename(home / KEYS)
        sync(home)
    except OSError as exc:
        raise _unwritten(home, exc) from exc


def make_home(home: Path) -> None:
    """Make a home for its owner alone. Raises Refusal `key.write`."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise _unwritten(home, exc) from exc


def has_folder(home: Path) -> bool:
    """Return whether a home has keys, right or wrong."""
    return any(path.exists() for path in (home / KEYS, _new(home)))


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Hold the folder, finished, for the length of a block."""
    try:
        descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as exc:
        raise _missing(home / KEYS, exc) from exc
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            _finish(home)
        except OSError as exc:
            raise _unwritten(home, exc) from exc
        yield
    finally:
        os.close(descriptor)


def _finish(home: Path) -> None:
    """Carry out what is left of the steps, whichever of them a crash came after."""
    new, old = _new(home), home / f"{KEYS}.old"
    if new.exists():
        if (home / KEYS).exists():
            _remove(old)
            (home / KEYS).rename(old)
        new.rename(home / KEYS)
        sync(home)
    if (home / KEYS).exists():
        _remove(old)
        _remove(_draft(home))


def _write_draft(home: Path, files: Mapping[str, bytes]) -> None:
    draft = _draft(home)
    _remove(draft)  # an earlier attempt that died: nobody has heard of its keys
    draft.mkdir(mode=0o700)
    for name, data in files.items():
        with os.fdopen(new_private_file(draft / name), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    sync(draft)


def _read(home: Path) -> dict[str, bytes]:
    folder = home / KEYS
    _require_private(folder)
    try:
        paths = sorted(folder.iterdir())
    except OSError as exc:
        raise _missing(folder, exc) from exc
    if len(paths) > MAX_FILES:
        raise Refusal("key.corrupt", f"expected at most {MAX_FILES} files in {folder}")
    return {path.name: _read_file(path) for path in paths}


def _read_file(path: Path) -> bytes:
    _require_private(path)
    if not path.is_file():
        # Replacing the folder would lose it.
        raise Refusal("key.corrupt", f"expected files alone in keys/, got {path}; move it away")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as exc:
        raise _missing(path, exc) from exc
    if len(data) > MAX_FILE:
        raise Refusal("key.corrupt", f"expected at most {MAX_FILE} bytes in {path}")
    return data


def _require_private(path: Path) -> None:
    """Refuse what others may read: a secret that was readable once is no secret any more."""
    try:
        mode = path.stat().st_mode
    except OSError as exc:
        raise _missing(path, exc) from exc
    if mode & _OTHERS:
        detail = f"expected {path} for its owner alone, got mode {stat.S_IMODE(mode):o}"
        raise Refusal("key.file_mode", detail)


def _draft(home: Path) -> Path:
    return home / f"{KEYS}.draft"


def _new(home: Path) -> Path:
    return home / f"{KEYS}.new"


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _missing(path: Path, exc: OSError) -> Refusal:
    detail = f"expected keys at {path}, got {exc.strerror}; `sheaf init` makes them"
    return Refusal("key.missing", detail)


def _unwritten(home: Path, exc: OSError) -> Refusal:
    return Refusal("key.write", f"expected to write {home / KEYS}, got {exc.strerror}")
