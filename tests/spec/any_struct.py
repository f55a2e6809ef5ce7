"""Random instances of any wire struct, made from its annotations, and JSON views that are none.

`instances` draws values at and between the bounds of every field. `faults` changes a valid view in
one place so that it fits no longer: one row for each thing that an annotation forbids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from hypothesis import strategies as st
from msgspec import UNSET, inspect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Leaf: TypeAlias = Callable[[inspect.Type], st.SearchStrategy[Any]]


def instances(struct: type, leaf: Leaf | None = None) -> st.SearchStrategy[Any]:
    """Return valid instances of a struct, with the leaves given or any that are valid."""
    draw = leaf or any_leaf
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    fields = {
        field.name: value(field.type, draw)
        if field.required
        else st.just(UNSET) | value(field.type, draw)
        for field in info.fields
    }
    if struct.__name__ == "TravelTable":
        fields |= {"size": st.just(2), "rows": st.integers(1, 2), "first_row": st.integers(0, 1)}
        fields["seconds"] = st.sampled_from([bytes(8), bytes(16), b"\0\0\0\1" * 4])
    return st.fixed_dictionaries(fields).map(lambda made: built(struct, made)).filter(bool)


def built(struct: type, fields: dict[str, Any]) -> Any:
    """Return the struct, or None where a rule over several fields forbids it."""
    try:
        return msgspec.convert(struct(**fields), struct)
    except ValueError:
        return None


def value(of: inspect.Type, leaf: Leaf) -> st.SearchStrategy[Any]:
    """Return valid values of a field."""
    match of:
        case inspect.StructType(cls=cls):
            return instances(cls, leaf)
        case inspect.ListType(item_type=item, min_length=low, max_length=high):
            least = low or 0
            return st.lists(value(item, leaf), min_size=least, max_size=min(high or 3, least + 2))
        case inspect.LiteralType(values=values):
            return st.sampled_from(values)
        case inspect.BoolType():
            return st.booleans()
    return leaf(of)


def any_leaf(of: inspect.Type) -> st.SearchStrategy[Any]:
    """Return valid bytes, texts or numbers."""
    match of:
        case inspect.IntType(ge=low, le=high):
            return st.sampled_from([low, high]) | st.integers(low, high)
        case inspect.BytesType(min_length=low, max_length=high):
            return st.binary(min_size=low or 0, max_size=min(high or 40, (low or 0) + 40))
    assert isinstance(of, inspect.StrType)
    texts = st.from_regex(of.pattern or ".*", fullmatch=True, alphabet=st.characters(codec="utf-8"))
    high = of.max_length
    return texts if high is None else texts.map(lambda text: text[:high]).filter(bool)


def faults(view: Any, of: inspect.Type) -> Iterator[tuple[str, Any]]:
    """Yield views that differ from a valid one in one place, each with what is wrong there."""
    match of:
        case inspect.StructType(array_like=True, fields=fields):
            yield "an element too many", [*view, 0]
            yield "an element missing", view[:-1]
            for at, field in enumerate(fields):
                for why, bad in faults(view[at], field.type):
                    yield why, [*view[:at], bad, *view[at + 1 :]]
        case inspect.StructType(fields=fields):
            yield from _in_map(view, fields)
        case inspect.ListType(item_type=item):
            yield from _in_list(view, of)
            for why, bad in faults(view[0], item) if view else ():
                yield why, [bad, *view[1:]]
        case _:
            yield "null", None
            yield "another type", [view]
            yield from _in_leaf(view, of)


def _in_map(view: dict[str, Any], fields: tuple[inspect.Field, ...]) -> Iterator[tuple[str, Any]]:
    yield "no map", list(view)
    for field in fields:
        name = field.encode_name
        if field.required:
            yield f"{name} missing", {k: v for k, v in view.items() if k != name}
        if name in view:
            for why, bad in faults(view[name], field.type):
                yield f"{name}: {why}", {**view, name: bad}


def _in_list(view: list[Any], of: inspect.ListType) -> Iterator[tuple[str, Any]]:
    yield "no list", {}
    if of.min_length:
        yield "an item too few", view[: of.min_length - 1]
    if of.max_length is not None and view:
        yield "an item too many", view[:1] * (of.max_length + 1)


def _in_leaf(view: Any, of: inspect.Type) -> Iterator[tuple[str, Any]]:
    match of:
        case inspect.BytesType(min_length=low, max_length=high):
            yield "half a byte", view + "0"
            yield "no hex", "0x" + view[2:]
            yield "capitals", "AA" + view[2:]
            if low:
                yield "a byte too few", view[: 2 * low - 2]
            if high is not None:
                yield "a byte too many", "00" * (high + 1)
        case inspect.IntType(ge=low, le=high):
            yield "below its bound", low - 1
            yield "above its bound", high + 1
            yield "a fraction", 0.5
            yield "a flag", True
        case inspect.StrType():
            yield "U+0000", view + "\0"
        case inspect.BoolType():
            yield "a number", 1
        case inspect.LiteralType():
            yield "a word unknown", "nothing"
