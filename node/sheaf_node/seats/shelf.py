"""The seats and links of a home: a folder of small files, one for each, which its owner reads.

Files are written whole, so a link that was answered stays answered after a power cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
from msgspec import structs

from sheaf_node.durable import replace_file, sync
from sheaf_node.seats.model import DAY_MS, KeptLink, KeptSeat
from sheaf_node.short_ids import fitting, only
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER: Final = "seats"
LINKS: Final = "links"
MOST_SEATS: Final = 500
"""The small members of a large village; more have a co-op of their own."""
MOST_OPEN: Final = 16
"""Links of one seat that wait for its answer."""
KEPT_MS: Final = 90 * DAY_MS
"""How long a link is still listed after its time, and says that it was answered."""
_MAX_FILE: Final = 262_144
_T = TypeVar("_T", KeptSeat, KeptLink)


class SeatShelf:
    """The seats of one home. The process that has the home's store open may write."""

    def __init__(self, home: Path) -> None:
        """Raises Refusal `seat.file`."""
        self._seats_at, self._links_at = home / FOLDER, home / FOLDER / LINKS
        self._seats = {each.cid: each for each in _read(self._seats_at, KeptSeat)}
        self._links = {each.id: each for each in _read(self._links_at, KeptLink)}

    def __iter__(self) -> Iterator[KeptSeat]:
        return iter(sorted(self._seats.values(), key=lambda each: (each.name, each.cid)))

    def links(self, seat: KeptSeat) -> list[KeptLink]:
        """Return the links of a seat, oldest first."""
        found = [link for link in self._links.values() if link.seat == seat.cid]
        return sorted(found, key=lambda link: (link.created_ms, link.id))

    def link(self, id_: str) -> KeptLink | None:
        """Return a link by the hash of its secret."""
        return self._links.get(id_)

    def seat_of(self, link: KeptLink) -> KeptSeat | None:
        """Return whose link it is; None where that seat was removed."""
        return self._seats.get(link.seat)

    def find(self, text: str) -> KeptSeat:
        """Return the seat of this name, or whose id begins so. Raises Refusal `seat.unknown`."""
        named = [each for each in self if each.name == text]
        found = named or fitting(self, lambda each: each.cid, text)
        return only(found, "seat.unknown", "the name of one seat, or the start of its id", text)

    def add(self, seat: KeptSeat) -> KeptSeat:
        """Keep a new seat; the same one again changes nothing.

        Raises Refusal `seat.exists`, `seat.full`, `seat.file`; nothing is kept then.
        """
        known = self._seats.get(seat.cid)
        if known is not None and known.name == seat.name:
            return known
        if known is not None or any(each.name == seat.name for each in self):
            raise Refusal("seat.exists", f"expected a seat that is not kept, got {seat.name!r}")
        if len(self._seats) >= MOST_SEATS:
            raise Refusal("seat.full", f"expected at most {MOST_SEATS} seats")
        _write(self._seats_at, f"{seat.cid}.json", seat)
        self._seats[seat.cid] = seat
        return seat

    def put_link(self, link: KeptLink, now_ms: int) -> None:
        """Keep a new link, and forget those that ended long ago.

        Raises Refusal `seat.full`, `seat.file`; nothing is kept then.
        """
        for old in [old for old in self._links.values() if old.expires_ms + KEPT_MS <= now_ms]:
            self._forget(old)
        of_seat = [each for each in self._links.values() if each.seat == link.seat]
        if sum(each.state(now_ms) == "open" for each in of_seat) >= MOST_OPEN:
            raise Refusal("seat.full", f"expected at most {MOST_OPEN} open links of one seat")
        self.note(link)

    def note(self, link: KeptLink) -> None:
        """Write a link as it is now. Raises Refusal `seat.file`."""
        _write(self._links_at, f"{link.id}.json", link)
        self._links[link.id] = link

    def end_links(self) -> None:
        """End all links that wait for an answer: a restored home cannot know which of them were
        answered since. Raises Refusal `seat.file`.
        """
        for link in list(self._links.values()):
            if link.answered_ms is None:
                # Not now: a clock that is set back later would open it again.
                self.note(structs.replace(link, expires_ms=link.created_ms))

    def open_links(self, now_ms: int) -> int:
        """Return how many links wait for an answer."""
        return sum(link.state(now_ms) == "open" for link in self._links.values())

    def remove(self, seat: KeptSeat) -> None:
        """Forget a seat, its links first. Raises Refusal `seat.file`."""
        for link in self.links(seat):
            self._forget(link)
        _unlink(self._seats_at / f"{seat.cid}.json")
        self._seats.pop(seat.cid, None)

    def _forget(self, link: KeptLink) -> None:
        _unlink(self._links_at / f"{link.id}.json")
        self._links.pop(link.id, None)


def _read(folder: Path, type_: type[_T]) -> Iterator[_T]:
    for path in sorted(folder.glob("*.json")):
        try:
            with path.open("rb") as file:
                yield msgspec.json.decode(file.read(_MAX_FILE), type=type_)
        except (OSError, msgspec.DecodeError) as exc:
            detail = f"expected a seat or its link in {path}; remove it to go on without it"
            raise Refusal("seat.file", detail) from exc


def _write(folder: Path, name: str, value: KeptSeat | KeptLink) -> None:
    try:
        # Each by itself: folders made on the way to another get the mode of anybody's.
        for each in (folder.parent, folder) if folder.name == LINKS else (folder,):
            each.mkdir(mode=0o700, exist_ok=True)
        path = folder / name
        replace_file(path, msgspec.json.encode(value))
        sync(folder)
    except OSError as exc:
        raise _refused(folder, exc) from exc


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
        sync(path.parent)
    except FileNotFoundError:
        return
    except OSError as exc:
        raise _refused(path, exc) from exc


def _refused(path: Path, exc: OSError) -> Refusal:
    return Refusal("seat.file", f"expected to write {path}, got: {exc.strerror}")
