"""The invitations of a home: a folder of small files, one for each, which only its owner reads.

A file holds what the spec calls the proof key, a hash of the secret: whoever reads it cannot join
by it. Files are written whole, so an invitation that was used stays used after a power cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta, structs

from sheaf_node.durable import replace_file, sync
from sheaf_protocol.digest import CoopId, Digest, FederationId
from sheaf_protocol.errors import Refusal
from sheaf_protocol.invitation import invitation_id
from sheaf_protocol.limits import MAX_INT
from sheaf_protocol.records.governance import Role

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER: Final = "invitations"
MOST_OPEN: Final = 64
"""More than a co-op invites at once, and few enough to look through."""
KEPT_MS: Final = 30 * 86_400_000
"""How long an invitation is still listed after it expired."""
_MAX_FILE: Final = 4_096
_Hash = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
_TimeMs = Annotated[int, Meta(ge=0, le=MAX_INT)]


class Kept(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An invitation as it is kept, in JSON."""

    key: _Hash
    fid: _Hash
    created_ms: _TimeMs
    expires_ms: _TimeMs
    roles: Annotated[list[Role], Meta(min_length=1, max_length=9)]
    note: Annotated[str, Meta(max_length=120)] = ""
    """For the co-op's own people: whom it is for."""
    used_by: _Hash | None = None
    used_ms: _TimeMs | None = None

    @property
    def proof_key(self) -> Digest:
        """The proof key as bytes."""
        return Digest(bytes.fromhex(self.key))

    @property
    def id(self) -> Digest:
        """The invitation's name on the wire."""
        return invitation_id(self.proof_key)

    @property
    def federation(self) -> FederationId:
        """The federation that it leads into."""
        return FederationId(bytes.fromhex(self.fid))

    def is_open(self, now_ms: int) -> bool:
        """Return whether somebody may still join by it."""
        return self.used_by is None and now_ms < self.expires_ms


class Shelf:
    """The invitations of one home. The process that has the home's store open may write."""

    def __init__(self, home: Path) -> None:
        """Raises Refusal `invite.file`."""
        self._folder = home / FOLDER
        self._kept = {kept.id: kept for kept in self._read()}

    def __iter__(self) -> Iterator[Kept]:
        return iter(sorted(self._kept.values(), key=lambda kept: (kept.created_ms, kept.key)))

    def get(self, id_: Digest) -> Kept | None:
        """Return an invitation by its name on the wire."""
        return self._kept.get(id_)

    def add(self, kept: Kept, now_ms: int) -> None:
        """Keep a new invitation, and forget those that expired long ago.

        Raises Refusal `invite.full`, `invite.file`; nothing is kept then.
        """
        for old in [old for old in self if old.expires_ms + KEPT_MS <= now_ms]:
            self.remove(old)
        if sum(each.is_open(now_ms) for each in self) >= MOST_OPEN:
            detail = f"expected at most {MOST_OPEN} open invitations"
            raise Refusal("invite.full", f"{detail}: `sheaf invite revoke` ends one")
        self._write(kept)

    def use(self, kept: Kept, cid: CoopId, now_ms: int) -> None:
        """Note who joined by an invitation, for good. Raises Refusal `invite.file`."""
        self._write(structs.replace(kept, used_by=cid.hex(), used_ms=now_ms))

    def remove(self, kept: Kept) -> None:
        """Forget an invitation. Raises Refusal `invite.file`."""
        try:
            self._path(kept).unlink(missing_ok=True)
            sync(self._folder)
        except OSError as exc:
            raise _unwritable(self._path(kept), exc) from exc
        self._kept.pop(kept.id, None)

    def _path(self, kept: Kept) -> Path:
        return self._folder / f"{kept.id.hex()}.json"

    def _write(self, kept: Kept) -> None:
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            replace_file(self._path(kept), msgspec.json.encode(kept))
            sync(self._folder)
        except OSError as exc:
            raise _unwritable(self._path(kept), exc) from exc
        self._kept[kept.id] = kept

    def _read(self) -> Iterator[Kept]:
        for path in sorted(self._folder.glob("*.json")):
            try:
                with path.open("rb") as file:
                    yield msgspec.json.decode(file.read(_MAX_FILE), type=Kept)
            except (OSError, msgspec.DecodeError) as exc:
                detail = f"expected an invitation in {path}; remove it to go on without it"
                raise Refusal("invite.file", detail) from exc


def _unwritable(path: Path, exc: OSError) -> Refusal:
    return Refusal("invite.file", f"expected to write {path}, got: {exc.strerror}")
