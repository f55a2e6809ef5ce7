"""Two statements of one co-op of which an honest node signs one at most (spec 15, RND-10).

Both entries together are the proof. They are found whatever the order of arrival, and neither
stops counting: the argument of section 5 allows for liars that are believed twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import UNSET

from sheaf_protocol.records.governance import CertificateAbandon, CertificateApprove

if TYPE_CHECKING:
    from sheaf_protocol.digest import CoopId, EntryId
    from sheaf_protocol.governance.steps import Statement


@dataclass(frozen=True, slots=True)
class Double:
    """A co-op that lied in a round, and the two entries that show it, in ascending order of ids."""

    cid: CoopId
    round: int
    first: EntryId
    second: EntryId


class Doubles:
    """One proof for each co-op and round that lied, found as statements come in."""

    def __init__(self) -> None:
        self._said: dict[CoopId, list[tuple[EntryId, Statement]]] = {}
        self._found: dict[tuple[CoopId, int], Double] = {}

    def note(self, entry: EntryId, cid: CoopId, said: Statement) -> None:
        """Compare a statement with those of the same co-op before it."""
        if (cid, said.round) in self._found:
            return  # One proof is enough, and a liar can sign any number.
        before = self._said.setdefault(cid, [])
        for other, earlier in before:
            if are_double(earlier, said):
                self._find(cid, min(earlier.round, said.round), entry, other)
        before.append((entry, said))

    def proofs(self) -> tuple[Double, ...]:
        """Return what was found, by co-op and round."""
        return tuple(self._found[place] for place in sorted(self._found))

    def _find(self, cid: CoopId, round_: int, entry: EntryId, other: EntryId) -> None:
        first, second = sorted((entry, other))
        found = Double(cid=cid, round=round_, first=first, second=second)
        self._found.setdefault((cid, round_), found)


def are_double(first: Statement, second: Statement) -> bool:
    """Return whether an honest node signs one of two statements on one predecessor at most."""
    if type(first) is type(second):
        return first.round == second.round and first != second
    return _is_forgotten(first, second) or _is_forgotten(second, first)


def _is_forgotten(approve: Statement, abandon: Statement) -> bool:
    """Return whether an abandon shows no lock as high as one approved below it.

    In whichever order the two were signed: an approval before would be in the lock, and after an
    abandon there is none.
    """
    if not isinstance(approve, CertificateApprove) or not isinstance(abandon, CertificateAbandon):
        return False
    shown = -1 if abandon.lock is UNSET else abandon.lock.round
    return shown < approve.round <= abandon.round
