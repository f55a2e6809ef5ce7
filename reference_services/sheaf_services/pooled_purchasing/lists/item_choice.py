"""Which item a line means: by its number, its own code, or its name once somebody confirmed it.

1. A GTIN that an item of the federation is traded under is that item, whatever its own code.
2. Else the line's own code is the item's.
3. Else its GTIN is.
4. A line that has a name alone means what somebody says of it, or what this co-op called so before.
   Until then it is asked, with the items whose names are most like it. None is taken by itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sheaf_protocol.errors import Refusal
from sheaf_services.pooled_purchasing.lists.gtin import read_gtin
from sheaf_services.pooled_purchasing.lists.known_item import Catalogue, Proposal, alike
from sheaf_services.pooled_purchasing.lists.measure import read_code, unit_of
from sheaf_services.pooled_purchasing.lists.unit_family import ratio

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sheaf_services.pooled_purchasing.lists.measure import Unit
    from sheaf_services.pooled_purchasing.lists.table import Row

MOST_ASKED: Final = 50
"""Lines of a list for which items are proposed; comparing names takes time."""
_ANSWER: Final = re.compile(r"([1-9][0-9]{0,6})=([A-Za-z0-9][A-Za-z0-9._/|:-]{0,63})")


@dataclass(frozen=True, slots=True)
class Match:
    """What is asked of a line without a code."""

    line: int
    name: str
    proposals: Sequence[Proposal]


@dataclass(slots=True)
class Choices:
    """The items of a list's lines, and what is still asked of them."""

    catalogue: Catalogue = field(default_factory=Catalogue)
    answers: Mapping[int, str] = field(default_factory=dict)
    asked: list[Match] = field(default_factory=list)

    def code_of(self, row: Row) -> str:
        """Return a line's item. Raises Refusal `import.gtin`, `import.item`, `import.unmatched`."""
        gtin = read_gtin(row) if row.text("gtin") else ""
        code = self.catalogue.gtins.get(gtin, "")
        if not code and row.text("item"):
            return read_code(row, "item", "import.item")
        code = code or gtin or self._by_name(row)
        row.note("item", code)
        return code

    def traded(self, row: Row, code: str, unit: Unit) -> Unit:
        """Return the unit in which a line's item is traded: the line's own if it is one of these.

        Raises Refusal `import.unit` where the item is traded in several others of its family.
        """
        known = self.catalogue.units.get(code, set())
        if unit.code in known:
            return unit
        family = sorted(each for each in known if ratio(unit.code, each) is not None)
        units = [found for found in map(unit_of, family) if found is not None]
        if len(units) > 1:
            expected = f"one of {', '.join(family)}, in which {code} is traded"
            raise row.refusal("import.unit", "unit", expected)
        return units[0] if units else unit

    def _by_name(self, row: Row) -> str:
        name = row.text("name")
        if not name:
            expected = "the code of an item, or its gtin or name beside it"
            raise row.refusal("import.item", "item", expected)
        said = self.answers.get(row.line)
        if said is not None:
            return said
        called = self.catalogue.called.get(alike(name), set())
        if len(called) == 1:
            return next(iter(called))
        raise self._question(row, name)

    def _question(self, row: Row, name: str) -> Refusal:
        has_room = len(self.asked) < MOST_ASKED
        proposals = self.catalogue.proposals(name) if has_room else ()
        if has_room:
            self.asked.append(Match(row.line, name[:200], proposals))
        near = ", ".join(each.code for each in proposals)
        such = f" such as {near}" if near else ", for no known one is called so"
        return row.refusal("import.unmatched", "name", f"to be told the code of an item{such}")


def choices_of(options: Mapping[str, str], catalogue: Catalogue) -> Choices:
    """Return the answers of the option `items`, such as `4=EWE-NUTS-25,7=HAY`.

    Raises Refusal `import.answer`.
    """
    answers: dict[int, str] = {}
    for part in filter(None, options.get("items", "").split(",")):
        found = _ANSWER.fullmatch(part)
        if found is None:
            raise Refusal("import.answer", f"expected LINE=CODE for an item, got {part[:80]!r}")
        answers[int(found[1])] = found[2]
    return Choices(catalogue, answers)
