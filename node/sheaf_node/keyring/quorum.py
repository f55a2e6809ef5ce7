"""Which of a co-op's recovery sheets were shown, and whether they are enough (spec 02, 6.1).

A sheet is known by its keys and not by the number printed on it: sheet K holds rotation key K and
next key K of the key log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from sheaf_node.keyring.files import NEXT, ROTATION, seed_file
from sheaf_protocol.digest import short
from sheaf_protocol.errors import Refusal
from sheaf_protocol.identity import (
    Inception,
    Recover,
    Rotate,
    decode_op,
    fold_key_log,
    next_hash,
    signing_key,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sheaf_node.keyring.files import KeyFiles
    from sheaf_protocol.digest import CoopId
    from sheaf_protocol.identity import KeyOp, Operation, SigningKey

Use: TypeAlias = Literal["rotation", "next"]
"""Which of the two keys of a sheet signs: revoke takes the one, rotate the other."""


class Quorum:
    """The keys of one use that were shown so far, of those that a key log asks for."""

    def __init__(self, ops: Sequence[KeyOp], use: Use) -> None:
        log = fold_key_log(ops)
        self.use: Use = use
        self.cid: CoopId = log.cid
        self.needed = log.threshold
        self._listed = [bytes(mark) for mark in (log.next if use == "next" else log.rotation)]
        self._former = {mark for op in ops for mark in _marks(decode_op(op), use)}
        self._shown: dict[int, bytes] = {}

    @property
    def count(self) -> int:
        """How many sheets there are."""
        return len(self._listed)

    @property
    def missing(self) -> int:
        """How many more have to be shown."""
        return max(0, self.needed - len(self._shown))

    @property
    def numbers(self) -> list[int]:
        """The numbers of the sheets that were shown."""
        return sorted(self._shown)

    @property
    def seeds(self) -> list[bytes]:
        """The seeds that were shown, in the order of their sheets."""
        return [self._shown[number] for number in self.numbers]

    def add(self, seed: bytes, cid: CoopId | None = None) -> int:
        """Take the seed of a sheet, and its co-op where it says so; return the sheet's number.

        Raises Refusal `key.sheet` for one of another co-op or with other words, `key.sheet_spent`
        for one that newer sheets replaced, `key.sheet_twice`.
        """
        if cid is not None and cid != self.cid:
            detail = f"this is a sheet of co-op {short(cid)}, and co-op {short(self.cid)}'s"
            raise Refusal("key.sheet", f"{detail} is needed")
        number = self._number(seed)
        if number is None:
            raise self._unknown(seed)
        if number in self._shown:
            detail = f"expected {self.needed} different sheets, got sheet {number} twice"
            raise Refusal("key.sheet_twice", detail)
        self._shown[number] = seed
        return number

    def add_held(self, files: KeyFiles) -> None:
        """Take what is on this computer; seeds that a key log from elsewhere replaced are not."""
        use = NEXT if self.use == "next" else ROTATION
        for number in range(1, self.count + 1):
            name = seed_file(use, number)
            found = self._number(files.secret(name)) if name in files.files else None
            if found is not None:
                self._shown.setdefault(found, files.secret(name))

    def require(self) -> list[SigningKey]:
        """Return the keys that sign. Raises Refusal `key.sheet_few` where they are not enough."""
        if self.missing:
            read = numbered(self.numbers) or "none"
            detail = f"expected {self.needed} of the {self.count} recovery sheets, got {read}"
            raise Refusal("key.sheet_few", detail)
        return [signing_key(seed) for seed in self.seeds]

    def _number(self, seed: bytes) -> int | None:
        mark = _mark(seed, self.use)
        return self._listed.index(mark) + 1 if mark in self._listed else None

    def _unknown(self, seed: bytes) -> Refusal:
        if _mark(seed, self.use) in self._former:
            detail = "this sheet is spent: newer ones took its place, with the date of that change"
            return Refusal("key.sheet_spent", f"{detail} or a later one on them")
        detail = f"these words are no {self.use} key of this co-op: the sheet is another co-op's"
        return Refusal("key.sheet", detail)


def shown_keys(ops: Sequence[KeyOp], use: Use, seeds: Iterable[bytes]) -> list[SigningKey]:
    """Return the keys that sign with these seeds; raises as `Quorum.add` and `require` do."""
    quorum = Quorum(ops, use)
    for seed in seeds:
        quorum.add(seed)
    return quorum.require()


def numbered(numbers: Sequence[int]) -> str:
    """Return sheets as people list them: `sheet 2`, `sheets 1, 2 and 5`; nothing for none."""
    *others, last = [str(number) for number in numbers] or [""]
    if not others:
        return f"sheet {last}" if last else ""
    return f"sheets {', '.join(others)} and {last}"


def _mark(seed: bytes, use: Use) -> bytes:
    public = signing_key(seed).public
    return bytes(next_hash(public) if use == "next" else public)


def _marks(operation: Operation, use: Use) -> Sequence[bytes]:
    if not isinstance(operation, Inception | Recover | Rotate):
        return ()
    return operation.next if use == "next" else operation.rotation
