"""What the header of a list says: which column is which, and which are of persons."""

from __future__ import annotations

import difflib
import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING, Final

from sheaf_services.pooled_purchasing.lists.column_names import COLUMNS, PERSONAL
from sheaf_services.pooled_purchasing.lists.refused import PlacedRefusal, shown
from sheaf_services.pooled_purchasing.lists.table import Note

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sheaf_services.pooled_purchasing.lists.table import Layout

_WORD: Final = re.compile(r"[^\W\d_]+")
_MOST_NAME: Final = 64
"""Characters of a name in which a slip is looked for; columns have shorter ones."""


def plain(name: str) -> str:
    """Return a column's name by which it is compared: letters and digits, no case, no accents."""
    parted = unicodedata.normalize("NFKD", name.casefold())
    return "".join(c for c in parted if c.isalnum())


@cache
def synonyms() -> Mapping[str, str]:
    """Return the column of each name that people give one, by its plain form."""
    found = {plain(column): column for column in COLUMNS}
    for column, languages in COLUMNS.items():
        found |= {plain(name): column for names in languages.values() for name in names}
    return found


@cache
def personal_names() -> frozenset[str]:
    """Return the plain names of columns that are of persons."""
    return frozenset(plain(name) for names in PERSONAL.values() for name in names)


def known_names(layout: Layout) -> Mapping[str, str]:
    """Return a layout's columns by all their plain names; its own names go before synonyms."""
    names = set(layout.names)
    own = {plain(name): name for name in layout.names}
    return {key: name for key, name in synonyms().items() if name in names} | own


def personal_columns(header: Sequence[str], layout: Layout) -> frozenset[int]:
    """Return the places of the columns that are of persons."""
    known = known_names(layout)
    return frozenset(
        at for at, name in enumerate(header) if plain(name) not in known and _is_personal(name)
    )


def names_of(line: int, header: Sequence[str], layout: Layout) -> list[str]:
    """Return the column name of each cell; unknown columns keep their own spelling.

    Raises Refusal `import.column_twice`, `import.column_missing`, `import.column_unknown`.
    """
    known = known_names(layout)
    names = [known.get(plain(name), name.strip()) for name in header]
    for name in layout.names:
        if names.count(name) > 1:
            detail = f"expected the column {name} once, got it {names.count(name)} times"
            raise PlacedRefusal("import.column_twice", detail, line)
    for name in layout.required:
        if name not in names:
            came = ", ".join(shown(other) for other in names[:12]) or "no names"
            detail = f"expected a column {name}, got {came}"
            raise PlacedRefusal("import.column_missing", detail, line)
    if layout.one_of and not set(layout.one_of) & set(names):
        detail = f"expected a column {' or '.join(layout.one_of)}, got none of them"
        raise PlacedRefusal("import.column_missing", detail, line)
    for name in names:
        if not layout.is_open and name not in layout.names:
            raise PlacedRefusal("import.column_unknown", _unknown(name, layout), line)
    return names


def synonym_note(header: Sequence[str], names: Sequence[str]) -> tuple[Note, ...]:
    """Return what is told of columns that were taken for others than they are called."""
    taken = [
        f"{shown(written.strip())} as {name}"
        for written, name in zip(header, names, strict=True)
        if plain(written) != plain(name)
    ]
    return (Note("columns", f"columns read: {', '.join(taken)}"),) if taken else ()


def personal_note(header: Sequence[str], places: frozenset[int]) -> tuple[Note, ...]:
    """Return what is told of columns that were not read."""
    if not places:
        return ()
    which = ", ".join(shown(header[at].strip()) for at in sorted(places))
    count = "1 column" if len(places) == 1 else f"{len(places)} columns"
    was = "was" if len(places) == 1 else "were"
    return (Note("personal", f"{count} with personal data {was} not read: {which}"),)


def _is_personal(name: str) -> bool:
    """Return whether a name, or a word of it, is one of a person's: `contact (phone)`, say."""
    personal = personal_names()
    return plain(name) in personal or any(plain(word) in personal for word in _WORD.findall(name))


def _unknown(name: str, layout: Layout) -> str:
    near = difflib.get_close_matches(plain(name)[:_MOST_NAME], known_names(layout), n=1)
    if near:
        return f"expected the column {known_names(layout)[near[0]]}, got {shown(name)}"
    known = [name for name in layout.names if name != "note"]
    came = shown(name) if name else "a column without a name"
    advice = "delete it, or call it note" if "note" in layout.optional else "delete it"
    return f"expected only {', '.join(known)}, got {came}: {advice}"
