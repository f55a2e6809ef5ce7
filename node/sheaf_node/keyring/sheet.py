"""The recovery sheet: what a co-op keeps on paper, so that it outlives every computer.

It holds two seeds that a node never needs while it runs, as words. There may be several sheets for
several people, of which some are needed together. The folder remembers in a file for each that it
was kept; new seeds come with a folder that does not say so yet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from sheaf_node.keyring.files import MAX_SHEETS, NEXT, ROTATION, KeyFiles, seed_file
from sheaf_node.keyring.folder import edit_folder
from sheaf_node.keyring.words import SEED_WORDS, fingerprint, is_word, seed_of, words_of
from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import CoopId
from sheaf_protocol.errors import ProtocolError, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sheaf_node.clock import Randomness
    from sheaf_protocol.identity import KeyLog

_KEPT: Final = "sheet_kept"
ASKED: Final = 3
"""Words asked back: who has the sheet finds them in a minute, who has not guesses one in 10^10."""
HEADING: Final = "SHEAF RECOVERY SHEET"
_FILES: Final = {"rotation": ROTATION, "next": NEXT}
TITLES: Final = {"rotation": "Rotation key", "next": "Next key"}


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    at_ms: int
    v: int


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Sheet:
    """What stands on a sheet."""

    cid: CoopId
    rotation: bytes
    next: bytes
    name: str = ""
    made_ms: int = 0
    number: int = 1
    count: int = 1
    """How many sheets there are, of which this is one."""
    needed: int = 1
    """How many of them sign together."""

    @property
    def id_lines(self) -> list[str]:
        """The co-op's id in groups of eight, on two lines."""
        groups = re.findall(".{8}", self.cid.hex())
        return [" ".join(groups[:4]), " ".join(groups[4:])]

    @property
    def title(self) -> str:
        """Which of the sheets it is; nothing for the only one."""
        which = f"sheet {self.number} of {self.count}, any {self.needed} needed"
        return which if self.count > 1 else ""

    @property
    def fingerprint(self) -> str:
        """The eight words of the id."""
        return fingerprint(self.cid)

    @property
    def day(self) -> str:
        """The day on which it was made, in UTC."""
        return f"{datetime.fromtimestamp(self.made_ms / 1000, UTC):%Y-%m-%d}"

    @property
    def words(self) -> dict[str, list[str]]:
        """The words of each seed by its use."""
        return {"rotation": words_of(self.rotation), "next": words_of(self.next)}

    def __repr__(self) -> str:
        return f"Sheet(cid={self.cid.hex()[:8]})"


def kept_file(number: int) -> str:
    """Return the name of the file that says since when a sheet is kept."""
    return _KEPT if number == 1 else f"{_KEPT}-{number}"


def sheet_count(log: KeyLog) -> int:
    """Return how many sheets a key log asks for: one for each key that a rotation may show."""
    return len(log.next)


def sheet_of(files: KeyFiles, now_ms: int, number: int = 1) -> Sheet:
    """Return one sheet of a home's keys.

    Raises Refusal `key.missing` where the seeds were moved away, `key.passphrase`, `key.corrupt`.
    """
    _, log = files.key_log()
    names = {use: seed_file(name, number) for use, name in _FILES.items()}
    for name in names.values():
        if name not in files.files:
            detail = f"expected {files.path(name)}; the sheet that was kept is the only one then"
            raise Refusal("key.missing", detail)
    return Sheet(
        cid=log.cid,
        name=log.name,
        made_ms=now_ms,
        rotation=files.secret(names["rotation"]),
        next=files.secret(names["next"]),
        number=number,
        count=sheet_count(log),
        needed=log.threshold,
    )


def read_sheets(text: str) -> list[Sheet]:
    """Return all sheets in a text, one after another. Raises Refusal as `read_sheet` does."""
    parts = re.split(rf"^(?={HEADING})", text, flags=re.MULTILINE)
    return [read_sheet(part) for part in parts[1:] or parts]


def read_sheet(text: str) -> Sheet:
    """Return what a sheet says that was typed or kept as text; only id and words are read.

    Raises Refusal `key.words` for what is no sheet, or has a word wrong.
    """
    digits = re.search(r"^Id\s+((?:[0-9a-f]{8}\s+){8})", text, re.MULTILINE)
    if digits is None:
        detail = "expected a recovery sheet as `sheaf identity recovery-sheet` prints it"
        raise Refusal("key.words", detail)
    return Sheet(
        cid=CoopId(bytes.fromhex(re.sub(r"\s", "", digits[1]))),
        rotation=seed_of(_listed(text, TITLES["rotation"])),
        next=seed_of(_listed(text, TITLES["next"])),
    )


def asked_words(random: Randomness) -> list[tuple[str, int]]:
    """Return which words are asked back: of which seed, and the place from 1 on."""
    places = [(use, place) for use in TITLES for place in range(1, SEED_WORDS + 1)]
    chosen: list[tuple[str, int]] = []
    while len(chosen) < ASKED:
        # 240 is the largest multiple of 48 in a byte, so that each place is as likely.
        drawn = random(1)[0]
        if drawn < 240 and places[drawn % len(places)] not in chosen:
            chosen.append(places[drawn % len(places)])
    return chosen


def require_answers(sheet: Sheet, answers: Mapping[tuple[str, int], str]) -> None:
    """Return if all words are right. Raises Refusal `key.words`, naming the place."""
    for (use, place), typed in answers.items():
        if not is_word(typed, sheet.words[use][place - 1]):
            detail = f"word {place} of the {TITLES[use].lower()} is another one on the sheet"
            raise Refusal("key.words", f"{detail}; look again, nothing was marked")


def mark_kept(home: Path, now_ms: int, number: int = 1) -> None:
    """Remember that a sheet is kept. Raises Refusal `key.write`."""
    mark = encode(_Kept(at_ms=now_ms, v=1))
    edit_folder(home, lambda files: {**files, kept_file(number): mark})


def kept_since(files: KeyFiles, number: int = 1) -> int | None:
    """Return when the sheet of these seeds was kept, or None; a damaged mark is none."""
    try:
        return decode(files.files.get(kept_file(number), b""), _Kept).at_ms
    except ProtocolError:
        return None


def unkept(files: KeyFiles, log: KeyLog) -> list[int]:
    """Return the numbers of the sheets that nobody is known to keep."""
    numbers = range(1, sheet_count(log) + 1)
    return [number for number in numbers if kept_since(files, number) is None]


def forget_seeds(files: KeyFiles) -> None:
    """Remove the seeds from this computer.

    Raises Refusal `key.sheet` where a sheet is not known to be kept, `key.write`.
    """
    log = files.key_log()[1]
    missing = unkept(files, log)
    if missing:
        listed = ", ".join(map(str, missing))
        expected = "a kept sheet" if sheet_count(log) == 1 else f"all sheets kept, not so: {listed}"
        detail = f"expected {expected}; `sheaf identity recovery-sheet --confirm` asks for it"
        raise Refusal("key.sheet", f"{detail} first")
    gone = {seed_file(n, number) for n in _FILES.values() for number in range(1, MAX_SHEETS + 1)}
    edit_folder(files.home, lambda now: {n: data for n, data in now.items() if n not in gone})


def _listed(text: str, title: str) -> list[str]:
    """Return the numbered words under a title, in the order of their numbers."""
    _, _, after = text.partition(f"\n{title}")
    found: dict[int, str] = {}
    for number, word in re.findall(r"(\d+)[.\s]\s*([A-Za-z]+)", after)[:SEED_WORDS]:
        found[int(number)] = word
    return [found[number] for number in sorted(found)]
