"""Everything that a home may hold: what it is, who may read it, and which copies it goes into.

One list for all who have to know: backups take their files by it, a restore writes no other names,
`sheaf doctor` looks at the modes of what is private, and docs/operating.md has the same table. A
file that is not in it is none of the node's.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Carried(enum.Enum):
    """Whether a backup holds it, in the words of the manual."""

    YES = "yes"
    BLOBS = "with `--blobs`"
    NO = "no"


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One sort of thing in a home."""

    path: str
    """As people read it; a folder ends in a slash."""
    what: str
    files: str
    """Pattern of all file names, from the home on, that belong to it."""
    carried: str = ""
    """Pattern of those that a backup holds; empty where it holds none."""
    in_backup: Carried = Carried.NO
    is_private: bool = False
    """Whether nobody but its owner may read it: it holds a secret, or what is said in private."""
    in_snapshot: bool = False
    """Whether `sheaf upgrade apply` copies it, since a later version writes it in another form."""
    guards: tuple[str, ...] = ()
    """Globs of what must have a private mode; a private folder keeps what is in it."""


_HEX: Final = r"[0-9a-f]{64}"
_KEY: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}"
_SERVICE: Final = r"services/[a-z][a-z0-9_]{0,31}"
_STEP: Final = r"(?!\.)[^/\x00-\x1f\x7f\ud800-\udfff]{1,200}"
_CODE: Final = rf"{_SERVICE}/code-[0-9a-f]{{16}}/(?:{_STEP}/){{0,6}}{_STEP}"
_SQLITE: Final = r"(-wal|-shm|-journal)?"
_KIND: Final = r"kinds/x\.[a-z0-9_.]{3,22}\.json"
_TOKEN: Final = r"[a-z0-9][a-z0-9_-]{0,39}\.json"  # noqa: S105 - a file name

CONTENTS: Final = (
    Part(
        path="sheaf.toml",
        what="settings",
        files=r"sheaf\.toml",
        carried=r"sheaf\.toml",
        in_backup=Carried.YES,
    ),
    Part(
        path="keys/",
        what="the co-op's secrets, always replaced whole",
        files=rf"keys/{_KEY}",
        carried=rf"keys/{_KEY}",
        in_backup=Carried.YES,
        is_private=True,
        guards=("keys", "keys/*"),
    ),
    Part(
        path="keys.new/",
        what="a change of the keys that was interrupted, as `keys.old/` and `keys.draft/`",
        files=rf"keys\.(new|old|draft)/{_KEY}",
        is_private=True,
        guards=("keys.new", "keys.old", "keys.draft"),
    ),
    Part(
        path="recovering/",
        what="the new keys of a co-op that waits for its guardians",
        files=r"recovering/.+",
        is_private=True,
        guards=("recovering/keys",),
    ),
    Part(
        path="recovery/",
        what="that this home comes back from a copy, and how far it is",
        files=r"recovery/(marker|in_use)",
    ),
    Part(
        path="sheaf.db",
        what="the logs (SQLite, WAL)",
        files=rf"sheaf\.db{_SQLITE}",
        carried=r"sheaf\.db",
        in_backup=Carried.YES,
        is_private=True,
        in_snapshot=True,
        guards=("sheaf.db",),
    ),
    Part(
        path="blobs/",
        what="attached files",
        files=rf"blobs/{_HEX}(\.new|\.draft)?",
        carried=rf"blobs/{_HEX}",
        in_backup=Carried.BLOBS,
    ),
    Part(
        path="blobs.db",
        what="which federation may have which attached file",
        files=rf"blobs\.db{_SQLITE}",
        carried=r"blobs\.db",
        in_backup=Carried.BLOBS,
        in_snapshot=True,
    ),
    Part(
        path="federations/",
        what="charters that this node adopted",
        files=rf"federations/{_HEX}\.(charter|seen)",
        carried=rf"federations/{_HEX}\.(charter|seen)",
        in_backup=Carried.YES,
    ),
    Part(
        path="invitations/",
        what="invitations made here, without what one joins by",
        files=rf"invitations/{_HEX}\.json",
    ),
    Part(
        path="seats/",
        what="the seats of this co-op and the links to them, without what one answers by",
        files=rf"seats/(links/)?{_HEX}\.json",
        carried=rf"seats/(links/)?{_HEX}\.json",
        in_backup=Carried.YES,
        is_private=True,
        guards=("seats",),
    ),
    Part(
        path="services/",
        what="services that were added: what each was granted, its files, and what it keeps",
        files=rf"{_SERVICE}/(grant(\.held)?\.json|storage\.db{_SQLITE})|{_CODE}"
        rf"|{_SERVICE}/code-[0-9a-f]{{16}}/(.+/)?__pycache__/.+",
        carried=rf"{_SERVICE}/(grant\.json|storage\.db)|{_CODE}",
        in_backup=Carried.YES,
        is_private=True,
        in_snapshot=True,
        guards=("services/*", "services/*/storage.db"),
    ),
    Part(
        path="kinds/",
        what="schemas of kinds of your own",
        files=_KIND,
        carried=_KIND,
        in_backup=Carried.YES,
    ),
    Part(
        path="webhooks.db",
        what="webhooks, their secrets, and how far each is",
        files=rf"webhooks\.db{_SQLITE}",
        carried=r"webhooks\.db",
        in_backup=Carried.YES,
        is_private=True,
        in_snapshot=True,
        guards=("webhooks.db",),
    ),
    Part(
        path="drafts.db",
        what="what was prepared and nobody has signed yet",
        files=rf"drafts\.db{_SQLITE}",
        carried=r"drafts\.db",
        in_backup=Carried.YES,
        is_private=True,
        in_snapshot=True,
        guards=("drafts.db",),
    ),
    Part(
        path="saved_peers.json",
        what="addresses at which fellow members were met",
        files=r"saved_peers\.json",
        carried=r"saved_peers\.json",
        in_backup=Carried.YES,
    ),
    Part(
        path="tokens/",
        what="hashes of the tokens of programs (`sheaf token`)",
        files=rf"tokens/(held/)?{_TOKEN}",
        carried=rf"tokens/{_TOKEN}",
        in_backup=Carried.YES,
        is_private=True,
        guards=("tokens",),
    ),
    Part(path="lock", what="names the process that has the store open", files=r"lock"),
    Part(
        path="api.token",
        what="token of the local API, new at each start",
        files=r"api\.token",
        is_private=True,
        guards=("api.token",),
    ),
    Part(
        path="metrics.token",
        what="token of `/metrics` alone, the same over restarts",
        files=r"metrics\.token",
        is_private=True,
        guards=("metrics.token",),
    ),
    Part(path="last_backup", what="when the newest backup was made", files=r"last_backup"),
    Part(
        path="upgrade/",
        what="what was there before the newest upgrade, for 72 hours; no keys",
        files=r"upgrade/.+",
        is_private=True,
        guards=("upgrade",),
    ),
    Part(
        path=".*",
        what="what is being written, or a crash left half written",
        files=r"(.+/)?\.[^/]+\.new|\.sheaf-(backup|doctor)-[^/]+(/.+)?",
    ),
)

CARRIED_NAME: Final = r"\A(" + "|".join(part.carried for part in CONTENTS if part.carried) + r")\Z"
"""The names of files that a backup may hold, from the home on."""


def part_of(name: str) -> Part | None:
    """Return what a file of a home is, by its name from the home on; None where it is none."""
    return next((part for part in CONTENTS if re.fullmatch(part.files, name)), None)


def is_carried(name: str) -> bool:
    """Return whether a backup may hold a file of this name."""
    return re.match(CARRIED_NAME, name) is not None


def private_paths(home: Path) -> Iterator[Path]:
    """Yield what is in a home that nobody but its owner may read."""
    for part in CONTENTS:
        for pattern in part.guards:
            yield from sorted(home.glob(pattern))
