"""Queries and bodies as typed values. Pure: text and bytes in, structs or a refusal out."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
from msgspec import inspect

from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

S = TypeVar("S", bound=msgspec.Struct)

MAX_PARAMETERS: Final = 64
"""No command has more than sixteen options."""
_NUMBER: Final = re.compile(r"[0-9]{1,16}")
"""Sixteen digits are enough for 2^53; Python refuses to read thousands of them."""
_PLACE: Final = re.compile(r" - at `(?:key in )?\$([^`]*)`\Z")
_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[([0-9]+)\]")


class BodyFault(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong at one place of a body."""

    pointer: str
    """Where, as a JSON Pointer (RFC 6901); empty for the body as a whole."""
    code: str
    message: str


class BodyRefusal(Refusal):
    """A body that is not what its route takes, with the places that are wrong."""

    def __init__(self, code: str, detail: str, faults: tuple[BodyFault, ...]) -> None:
        super().__init__(code, detail)
        self.faults = faults

    def __reduce__(self) -> tuple[type[Refusal], tuple[str, str]]:
        """Cross a process border as the refusal that it is."""
        return (Refusal, (self.code, self.detail))


def read_query(
    type_: type[S], pairs: Iterable[tuple[str, str]], *, takes_options: bool = False
) -> tuple[S, dict[str, str]]:
    """Return a query as its struct, and the options beside it where there may be any.

    Raises Refusal `api.query` for what is unknown, given twice, or not of its type.
    """
    fields = {field.encode_name: field for field in inspect_struct(type_).fields}
    known: dict[str, object] = {}
    options: dict[str, str] = {}
    for name, text in pairs:
        if name in known or name in options:
            raise Refusal("api.query", f"expected {name[:40]} once")
        if len(known) + len(options) >= MAX_PARAMETERS:
            raise Refusal("api.query", f"expected at most {MAX_PARAMETERS} parameters")
        if name in fields:
            known[name] = _parameter(fields[name], text)
        elif takes_options:
            options[name] = text
        else:
            listed = ", ".join(fields) or "none"
            raise Refusal("api.query", f"expected one of: {listed}, got {name[:40]!r}")
    try:
        return msgspec.convert(known, type_), options
    except msgspec.ValidationError as exc:  # a rule over several, or one that is missing
        raise Refusal("api.query", f"expected another query: {_without_place(str(exc))}") from exc


def read_body(type_: type[S], data: bytes) -> S:
    """Return a body as its struct. Raises BodyRefusal `api.json`."""
    try:
        return msgspec.json.decode(data, type=type_)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise body_refusal("api.json", f"expected JSON as documented: {exc}") from exc


def body_refusal(code: str, said: str, under: str = "") -> BodyRefusal:
    """Return the refusal of a body by what msgspec said of it, at a place under a pointer."""
    detail = said[:500]
    fault = BodyFault(pointer=under + pointer_of(said), code=code, message=_without_place(detail))
    return BodyRefusal(code, detail, (fault,))


def pointer_of(said: str) -> str:
    """Return the JSON Pointer to the place that a message of msgspec names.

    A key that the sender made up ends it at the object around it: msgspec writes `[...]` then.
    """
    found = _PLACE.search(said)
    if found is None:
        return ""
    steps, path, at = [], found[1], 0
    while (step := _STEP.match(path, at)) is not None:
        steps.append(step[1] or step[2])
        at = step.end()
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


@lru_cache(maxsize=256)
def inspect_struct(type_: type[msgspec.Struct]) -> inspect.StructType:
    """Return what msgspec knows of a struct. It takes 0.1 ms, so once for each."""
    info = inspect.type_info(type_)
    if not isinstance(info, inspect.StructType):
        raise TypeError(f"expected a struct, got {type_}")
    return info


def _parameter(field: inspect.Field, text: str) -> object:
    """Return a parameter's value, checked by the field's own limits.

    Numbers have one spelling. msgspec alone would also take `1e2`, `5.0` and `null`.
    """
    inner = _wanted(field.type)
    match inner:
        case inspect.IntType(ge=least, le=most):
            fits = _NUMBER.fullmatch(text) is not None and _is_within(int(text), least, most)
            if not fits:
                detail = f"expected {field.name} from {least} to {most}, got {text[:40]!r}"
                raise Refusal("api.query", detail)
            return int(text)
        case inspect.StrType(pattern=pattern, max_length=most_chars):
            too_long = most_chars is not None and len(text) > most_chars
            if too_long or (pattern is not None and re.fullmatch(pattern, text) is None):
                shown = (pattern or "").removeprefix(r"\A").removesuffix(r"\Z")
                limit = f"at most {most_chars} characters" if too_long else f"to match {shown}"
                raise Refusal("api.query", f"expected {field.name} {limit}, got {text[:80]!r}")
            return text
        case _:
            raise TypeError(f"expected a number or a text as parameter {field.name}")


def _wanted(type_: inspect.Type) -> inspect.Type:
    """Return the type of a parameter that may be left out."""
    if isinstance(type_, inspect.UnionType):
        [type_] = [each for each in type_.types if not isinstance(each, inspect.NoneType)]
    return type_.type if isinstance(type_, inspect.Metadata) else type_


def _is_within(number: int, least: int | None, most: int | None) -> bool:
    return (least is None or least <= number) and (most is None or number <= most)


def _without_place(said: str) -> str:
    return _PLACE.sub("", said)


def one_of(query: Mapping[str, object]) -> str | None:
    """Return the name of the only one that is given, or None where none is.

    Raises Refusal `api.query` where several that exclude one another are.
    """
    given = [name for name, value in query.items() if value is not None]
    if len(given) > 1:
        raise Refusal("api.query", f"expected one of: {', '.join(query)}, got {len(given)}")
    return given[0] if given else None
