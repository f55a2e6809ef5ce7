"""The services of third parties that a home holds: `services/NAME/` with what each was granted.

    services/NAME/grant.json      the manifest that the operator agreed to, and how it runs
    services/NAME/grant.held.json the same as it came back with a restore: nothing runs by it
    services/NAME/code-DIGEST/    its files as they were then
    services/NAME/storage.db      what it keeps

The grant is written last and removed first: a service is there when its grant is. Whoever asks
reads it anew, so a service that was removed is over at once, whatever runs. A backup does not know
what was removed since, so a grant that it brought back waits for a person's word.
"""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from sheaf_node.durable import replace_file, sync
from sheaf_node.kinds import Kinds
from sheaf_node.plugins.bringing import coming, going, kinds_in
from sheaf_node.plugins.manifest import NAME, Manifest
from sheaf_node.plugins.service_folder import read_folder
from sheaf_node.plugins.storage import mark_restored
from sheaf_protocol.errors import Refusal
from sheaf_protocol.limits import MAX_INT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from sheaf_node.plugins.bringing import Coming
    from sheaf_node.plugins.service_folder import ServiceFolder

FOLDER: Final = "services"
MOST: Final = 32
"""Services of third parties in one home."""
STORAGE: Final = "storage.db"
GRANT: Final = "grant.json"
HELD: Final = "grant.held.json"
_MAX_FILE: Final = 262_144
_TRIES: Final = 8
"""More than files that a storage has beside it."""


class Grant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator agreed to, in JSON."""

    manifest: Manifest
    digest: Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    """Of the files that it was given for."""
    granted_ms: Annotated[int, Meta(ge=0, le=MAX_INT)]
    is_inside: bool = False
    """Whether the node runs it; else somebody starts it as a program, which comes over HTTP."""
    shares_process: bool = False
    """Of one that the node runs, whether in its own process; else in one that it starts for it."""

    found_kinds: list[str] = []
    """Of the kinds that it brought, those that a person had installed before."""

    @property
    def is_started(self) -> bool:
        """Whether the node starts a process for it."""
        return self.is_inside and not self.shares_process


def added_services(home: Path) -> Sequence[str]:
    """Return the names of all services that were added to a home, those that a restore holds back
    among them. Raises Refusal `service.file`.
    """
    installed = Installed(home)
    return sorted({grant.manifest.name for grant in installed} | set(installed.held()))


class Installed:
    """The services that one home holds. Several processes may look; who has the shell writes."""

    def __init__(self, home: Path) -> None:
        self._folder, self._kinds = home / FOLDER, Kinds(home)

    def __iter__(self) -> Iterator[Grant]:
        """Yield all grants by name. Raises Refusal `service.file`."""
        for path in sorted(self._folder.glob(f"*/{GRANT}")):
            found = self.find(path.parent.name)
            if found is not None:
                yield found

    def find(self, name: str) -> Grant | None:
        """Return what a service was granted, or None. Raises Refusal `service.file`."""
        if re.fullmatch(NAME, name) is None:
            return None
        return self._read(name, GRANT)

    def _read(self, name: str, file_name: str) -> Grant | None:
        path = self._folder / name / file_name
        try:
            with path.open("rb") as file:
                grant = msgspec.json.decode(file.read(_MAX_FILE), type=Grant)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as exc:
            detail = f"expected what {name} was granted in {path}; add the service again"
            raise Refusal("service.file", detail) from exc
        if grant.manifest.name != name:
            raise Refusal("service.file", f"expected the grant of {name} in {path}")
        return grant

    def get(self, name: str) -> Grant:
        """Return what a service was granted. Raises Refusal `service.unknown`, `service.file`."""
        found = self.find(name)
        if found is None:
            detail = f"expected a service that `sheaf service list` shows, got {name[:40]!r}"
            raise Refusal("service.unknown", detail)
        return found

    def held(self) -> Sequence[str]:
        """Return the names of services that came back with a restore and do not run so far."""
        return sorted(path.parent.name for path in self._folder.glob(f"*/{HELD}"))

    def held_grant(self, name: str) -> Grant:
        """Return what such a service was granted. Raises Refusal `service.unknown`."""
        found = self._read(name, HELD) if re.fullmatch(NAME, name) else None
        if found is None:
            detail = f"expected a service that `sheaf backup held` shows, got {name[:40]!r}"
            raise Refusal("service.unknown", detail)
        return found

    def hold_back(self) -> None:
        """Have no service of a home that is being restored run. Raises Refusal `service.file`.

        Those of installed packages do; what they kept has a mark that it is of a backup.
        """
        for path in sorted(self._folder.glob(f"*/{GRANT}")):
            try:
                path.rename(path.with_name(HELD))
            except OSError as exc:
                raise _unwritable(path, exc) from exc
        for path in sorted(self._folder.glob(f"*/{STORAGE}")):
            if not path.with_name(HELD).exists():
                mark_restored(path)

    def allow(self, name: str) -> Grant:
        """Let a service that came back with a restore run again; return what it was granted.

        Raises Refusal `service.unknown`, `service.folder` where its files are not those that it was
        granted for, `service.file`; it then does not run.
        """
        grant = self.held_grant(name)
        if not has_code(self.code(grant), grant):
            detail = f"expected the files of {name} as they were granted; `sheaf service add` it"
            raise Refusal("service.folder", f"{detail} again from its folder: what it kept stays")
        folder = self._folder / name
        try:
            (folder / HELD).rename(folder / GRANT)
            sync(folder)
        except OSError as exc:
            raise _unwritable(folder, exc) from exc
        return grant

    def code(self, grant: Grant) -> Path:
        """Return the folder of a service's files."""
        return self._folder / grant.manifest.name / _code(grant.digest)

    def storage(self, name: str) -> Path:
        """Return the file that a service keeps its values in."""
        return self._folder / name / STORAGE

    def add(
        self,
        source: ServiceFolder,
        *,
        granted_ms: int,
        is_inside: bool,
        shares_process: bool = False,
    ) -> Grant:
        """Install a service, or another version of it, durably; return what it was granted.

        Raises Refusal `service.full`, `service.file`, `kind.differs`, `kind.full`, `kind.file`;
        what was installed before stays then.
        """
        name = source.manifest.name
        if self.find(name) is None and len(list(self)) >= MOST:
            raise Refusal("service.full", f"expected at most {MOST} services in one home")
        kinds = self.coming_kinds(source)
        # Before the grant: what may be published has its schema by then.
        self._kinds.add_all([kind.data for kind in kinds.install])
        grant = Grant(
            manifest=source.manifest,
            digest=source.digest,
            granted_ms=granted_ms,
            is_inside=is_inside,
            shares_process=shares_process,
            found_kinds=list(kinds.found),
        )
        folder = self._folder / name
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lay(self.code(grant), source)
            replace_file(folder / GRANT, msgspec.json.encode(grant))
            (folder / HELD).unlink(missing_ok=True)
            for path in (folder, self._folder):
                sync(path)
            self._sweep(folder, grant)
        except OSError as exc:
            raise _unwritable(folder, exc) from exc
        self._forget(kinds.forget)
        return grant

    def coming_kinds(self, source: ServiceFolder) -> Coming:
        """Return what becomes of the kinds when a service is added.

        Raises Refusal `service.manifest`, `kind.differs`, `kind.file`.
        """
        name, grants = source.manifest.name, self._all()
        return coming(
            kinds_in(source.manifest, source.files),
            installed=self._kinds.installed(),
            others={key: grant.manifest.kinds for key, grant in grants.items() if key != name},
            before=grants[name].manifest.kinds if name in grants else (),
            found=[kind for grant in grants.values() for kind in grant.found_kinds],
        )

    def going_kinds(self, name: str) -> Sequence[str]:
        """Return the kinds that would go with a service."""
        grants = self._all()
        others = {kind for key, grant in grants.items() if key != name for kind in _brought(grant)}
        found = [kind for grant in grants.values() for kind in grant.found_kinds]
        return going(_brought(grants.get(name)), others=others, found=found)

    def remove(self, name: str) -> None:
        """End a service and forget what it kept. Raises Refusal `service.unknown`, `service.file`.

        A grant that cannot be read is no reason to keep it.
        """
        folder = self._folder / name
        is_held = re.fullmatch(NAME, name) is not None and (folder / HELD).exists()
        if re.fullmatch(NAME, name) is None or not (is_held or (folder / GRANT).exists()):
            self.get(name)
        kinds = self.going_kinds(name)
        try:
            for grant in (GRANT, HELD):
                (folder / grant).unlink(missing_ok=True)
            sync(folder)
            _clear(folder)
        except OSError as exc:
            raise _unwritable(folder, exc) from exc
        self._forget(kinds)

    def _all(self) -> dict[str, Grant]:
        """Return all grants that can be read, those that a restore holds back among them."""
        grants: dict[str, Grant] = {}
        for path in sorted(self._folder.glob("*/grant*.json")):
            with suppress(Refusal):
                grant = self._read(path.parent.name, path.name)
                if grant is not None:
                    grants.setdefault(path.parent.name, grant)
        return grants

    def _forget(self, kinds: Sequence[str]) -> None:
        for kind in kinds:
            with suppress(Refusal):  # somebody removed it by hand
                self._kinds.remove(kind)

    def _lay(self, folder: Path, source: ServiceFolder) -> None:
        """Write the files anew: what a crash left half written is named like what is whole."""
        shutil.rmtree(folder, ignore_errors=True)
        for name, data in source.files.items():
            path = folder / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(data)
            sync(path)

    def _sweep(self, folder: Path, grant: Grant) -> None:
        """Remove the files of earlier versions."""
        for path in folder.glob("code-*"):
            if path.name != _code(grant.digest):
                shutil.rmtree(path, ignore_errors=True)


def _clear(folder: Path) -> None:
    """Remove a folder that a node which runs is letting go of: files may go meanwhile."""
    for left in reversed(range(_TRIES)):
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            if left and folder.exists():
                continue
            if folder.exists():
                raise
        return


def _brought(grant: Grant | None) -> Collection[str]:
    return () if grant is None else grant.manifest.kinds


def has_code(folder: Path, grant: Grant) -> bool:
    """Return whether a folder holds the very files that a grant was given for."""
    try:
        return read_folder(folder).digest == grant.digest
    except Refusal:
        return False


def _code(digest: str) -> str:
    return f"code-{digest[:16]}"


def _unwritable(path: Path, exc: OSError) -> Refusal:
    return Refusal("service.file", f"expected to write {exc.filename or path}, got: {exc.strerror}")
