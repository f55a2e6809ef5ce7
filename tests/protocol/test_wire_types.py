"""Every struct of the protocol keeps the rules that make decode-and-encode-again exact."""

import importlib
import inspect as python_inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import inspect

import sheaf_protocol

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(sheaf_protocol.__path__, "sheaf_protocol.")
    if not info.name.startswith("sheaf_protocol.testing")
)
ALONE = """
import sys
import msgpack, msgspec, nacl.bindings
before = set(sys.modules)
for name in sys.argv[1:]:
    __import__(name)
added = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(added))
print(*sorted(sys.modules))
"""


def subclasses(base: type) -> Iterator[type]:
    for each in base.__subclasses__():
        yield each
        yield from subclasses(each)


def structs() -> list[type[msgspec.Struct]]:
    for name in MODULES:
        importlib.import_module(name)
    found = [c for c in subclasses(msgspec.Struct) if c.__module__.startswith("sheaf_protocol.")]
    return sorted(
        {c for c in found if not c.__module__.startswith("sheaf_protocol.testing")},
        key=lambda c: (c.__module__, c.__qualname__),
    )


STRUCTS = structs()


def fields(struct: type[msgspec.Struct]) -> tuple[inspect.Field, ...]:
    shape = inspect.type_info(struct)
    assert isinstance(shape, inspect.StructType)
    return shape.fields


def unbounded(shape: inspect.Type, path: str) -> Iterator[str]:
    """Yield what has no bound, or no place on the wire at all."""
    match shape:
        case inspect.IntType(ge=int(), le=int()) | inspect.BytesType(max_length=int()):
            pass
        case inspect.StrType(max_length=int()):
            pass
        case inspect.StrType(pattern=str(pattern)) if is_bounded(pattern):
            pass
        case (
            inspect.ListType(item_type=item, max_length=most)
            | inspect.VarTupleType(item_type=item, max_length=most)
        ):
            if most is None:
                yield f"{path}: list without a bound"
            yield from unbounded(item, path + "[]")
        case inspect.UnionType(types=types):
            for each in types:
                yield from unbounded(each, path)
        case inspect.StructType() | inspect.BoolType():
            pass
        case inspect.LiteralType(values=choices) if None not in choices:
            pass
        case _:
            yield f"{path}: {type(shape).__name__} without bounds, or with no place on the wire"


def is_bounded(pattern: str) -> bool:
    """Return whether a pattern is anchored at both ends and matches at most 256 characters."""
    longest = re._parser.parse(pattern).getwidth()[1]  # type: ignore[attr-defined]  # no public way
    return pattern.startswith(r"\A") and pattern.endswith(r"\Z") and bool(longest <= 256)


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda s: s.__qualname__)
class TestStruct:
    def test_is_frozen(self, struct: type[msgspec.Struct]) -> None:
        assert struct.__struct_config__.frozen

    def test_takes_keywords_only_unless_it_is_an_array(self, struct: type[msgspec.Struct]) -> None:
        kinds = {p.kind for p in python_inspect.signature(struct).parameters.values()}

        assert struct.__struct_config__.array_like or kinds <= {
            python_inspect.Parameter.KEYWORD_ONLY
        }

    def test_has_its_fields_in_key_order_unless_it_is_an_array(
        self, struct: type[msgspec.Struct]
    ) -> None:
        names = [field.encode_name for field in fields(struct)]

        assert struct.__struct_config__.array_like or names == sorted(names, key=str.encode)

    def test_has_no_default_but_unset_and_no_tag(self, struct: type[msgspec.Struct]) -> None:
        for field in fields(struct):
            assert field.required or field.default in (msgspec.NODEFAULT, msgspec.UNSET)
            assert field.default_factory is msgspec.NODEFAULT
        # An array's tag is its first element: the type of a link message.
        assert struct.__struct_config__.array_like or struct.__struct_config__.tag is None
        assert not struct.__struct_config__.omit_defaults

    def test_has_keys_of_the_profile(self, struct: type[msgspec.Struct]) -> None:
        assert all(re.fullmatch(r"[a-z0-9_]{1,32}", f.encode_name) for f in fields(struct))

    def test_bounds_every_field(self, struct: type[msgspec.Struct]) -> None:
        loose = [
            fault
            for field in fields(struct)
            for fault in unbounded(field.type, f"{struct.__qualname__}.{field.name}")
        ]

        assert loose == []


def test_array_structs_refuse_further_elements() -> None:
    arrays = [s for s in STRUCTS if s.__struct_config__.array_like]

    assert [s for s in arrays if not s.__struct_config__.forbid_unknown_fields] == []


def test_map_structs_admit_the_keys_of_later_versions() -> None:
    maps = [s for s in STRUCTS if not s.__struct_config__.array_like]

    assert [s for s in maps if s.__struct_config__.forbid_unknown_fields] == []


def fresh_interpreter(*modules: str) -> tuple[set[str], set[str]]:
    """Return the top-level modules that importing these adds, and all that are loaded then."""
    # Without our environment: coverage starts itself in children and brings sockets and SQLite.
    ran = subprocess.run(
        [sys.executable, "-I", "-c", ALONE, *modules],
        capture_output=True,
        text=True,
        check=True,
        env={},
    )
    added, loaded = ran.stdout.splitlines()
    return set(added.split()), set(loaded.split())


def test_importing_the_protocol_loads_nothing_that_reaches_out() -> None:
    """None at all, third parties included: measured, and stronger than what the layers promise.

    `os` and `time` are left out: the interpreter itself loads them at start.
    """
    _, loaded = fresh_interpreter(*MODULES)

    assert loaded & {"asyncio", "socket", "ssl", "sqlite3", "aiohttp", "selectors"} == set()
    assert loaded & {"subprocess", "secrets", "logging", "tempfile", "zeroconf"} == set()


def test_the_protocol_adds_no_thread_clock_or_dice_to_what_its_dependencies_load() -> None:
    added, _ = fresh_interpreter(*MODULES)

    assert added & {"threading", "random", "time", "os", "pathlib", "datetime", "uuid"} == set()


@pytest.mark.parametrize("folder", ["protocol", "node", "reference_services"])
def test_outer_folder_is_no_package(folder: str) -> None:
    assert not (ROOT / folder / "__init__.py").exists()


def test_limits_fit_inside_one_another() -> None:
    from sheaf_protocol import limits as sizes  # noqa: PLC0415  # beside its only use

    named: dict[str, Any] = vars(sizes)
    assert named["MAX_HEADER"] < named["MAX_PAYLOAD"] < named["MAX_BATCH_BYTES"]
    assert named["MAX_BATCH_BYTES"] + named["MAX_HEADER"] < named["MAX_FRAME"]
    assert named["MAX_CERTIFICATE"] < named["MAX_FRAME"]
    assert named["CREDIT_BYTES"] >= 8 * named["MAX_BATCH_BYTES"]
