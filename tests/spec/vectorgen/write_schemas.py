"""Write the JSON Schemas of the JSON view: `python write_schemas.py spec/schemas`.

One file for each struct that travels by itself, with what it holds under `$defs`. They are made
from the structs, as the tables of the chapters are; a test asserts that writing them again changes
nothing.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from msgspec import inspect

from sheaf_protocol.blob import BlobRef
from sheaf_protocol.charter import Approval, Certificate, Charter
from sheaf_protocol.envelope import Envelope, Header
from sheaf_protocol.fork import ForkProof
from sheaf_protocol.identity import KeyOp, Operation
from sheaf_protocol.proof import Tail
from sheaf_protocol.records import KINDS, Allocation, Allotment
from sheaf_protocol.sealing import Private, Sealed
from sheaf_protocol.treaty import Treaty

if TYPE_CHECKING:
    from collections.abc import Mapping

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
PREFIX: Final = "urn:sheaf:1:"
KEY: Final = "^[a-z0-9_]{1,32}$"


def structs() -> Mapping[str, type]:
    """Return what has a schema, by the name of its file."""
    operations = {f"key_op.{cls.__name__.lower()}": cls for cls in get_args(Operation)}
    parts = {
        "approval": Approval,
        "award.allocation": Allocation,
        "award.allotment": Allotment,
        "blob_ref": BlobRef,
        "certificate": Certificate,
        "charter": Charter,
        "envelope": Envelope,
        "fork_proof": ForkProof,
        "header": Header,
        "key_op": KeyOp,
        "sealed": Sealed,
        "sealed.private": Private,
        "tail": Tail,
        "treaty": Treaty,
    }
    return {**operations, **parts, **KINDS}


def schema(name: str, struct: type) -> dict[str, Any]:
    """Return the schema of one struct's JSON view."""
    defs: dict[str, Any] = {}
    own = _struct(struct, defs)
    made = {"$schema": DIALECT, "$id": PREFIX + name, "title": name, **own}
    return {**made, "$defs": dict(sorted(defs.items()))} if defs else made


def write(folder: Path) -> int:
    """Write one file per schema; return their number."""
    folder.mkdir(parents=True, exist_ok=True)
    made = structs()
    for name, struct in made.items():
        (folder / f"{name}.json").write_text(json.dumps(schema(name, struct), indent=2) + "\n")
    return len(made)


def _struct(struct: type, defs: dict[str, Any]) -> dict[str, Any]:
    info = inspect.type_info(struct)
    if not isinstance(info, inspect.StructType):
        raise TypeError(struct)
    text = " ".join((struct.__doc__ or "").split("\n\n")[0].split())
    return {"description": text, **(_array(info, defs) if info.array_like else _map(info, defs))}


def _map(info: inspect.StructType, defs: dict[str, Any]) -> dict[str, Any]:
    """Return an object: keys of later versions are let pass (ENC-16)."""
    return {
        "type": "object",
        "properties": {f.encode_name: _of(f.type, defs) for f in info.fields},
        "required": [f.encode_name for f in info.fields if f.required],
        "propertyNames": {"pattern": KEY},
        "additionalProperties": True,
    }


def _array(info: inspect.StructType, defs: dict[str, Any]) -> dict[str, Any]:
    """Return an array of fixed elements, which admits no further ones (ENC-16)."""
    items = [{"title": f.encode_name, **_of(f.type, defs)} for f in info.fields]
    return {
        "type": "array",
        "prefixItems": items,
        "items": False,
        "minItems": sum(f.required for f in info.fields),
    }


def _of(of: inspect.Type, defs: dict[str, Any]) -> dict[str, Any]:
    match of:
        case inspect.StructType(cls=cls):
            if cls.__name__ not in defs:
                defs[cls.__name__] = {}
                defs[cls.__name__] = _struct(cls, defs)
            return {"$ref": f"#/$defs/{cls.__name__}"}
        case inspect.ListType(item_type=item, min_length=low, max_length=high):
            bounds = {"minItems": low or 0, **({} if high is None else {"maxItems": high})}
            return {"type": "array", "items": _of(item, defs), **bounds}
        case inspect.IntType(ge=low, le=high):
            return {"type": "integer", "minimum": low, "maximum": high}
        case inspect.LiteralType(values=values):
            return {"enum": sorted(values)}
    return _leaf(of)


def _leaf(of: inspect.Type) -> dict[str, Any]:
    if isinstance(of, inspect.BoolType):
        return {"type": "boolean"}
    return _hex(of) if isinstance(of, inspect.BytesType) else _text(of)


def _hex(of: inspect.BytesType) -> dict[str, Any]:
    """Return the hex of bytes, two lower-case digits each (ENC-19)."""
    low, high = of.min_length or 0, of.max_length
    if low == high:
        return {"type": "string", "pattern": f"^[0-9a-f]{{{2 * low}}}$", "maxLength": 2 * low}
    bounds = {"minLength": 2 * low, **({} if high is None else {"maxLength": 2 * high})}
    return {"type": "string", "pattern": "^([0-9a-f]{2})*$", **bounds}


def _text(of: inspect.Type) -> dict[str, Any]:
    if not isinstance(of, inspect.StrType):
        raise TypeError(of)
    made: dict[str, Any] = {"type": "string"}
    if of.pattern is not None:
        made["pattern"] = to_ecma(of.pattern)
    if of.min_length:
        made["minLength"] = of.min_length
    if of.max_length is not None:
        made["maxLength"] = of.max_length
    return made


def to_ecma(pattern: str) -> str:
    """Return a pattern of Python anchored at both ends in the words of ECMA-262.

    There `$` without the flag `m` is the very end, as `\\Z` is here; the rest is spelled alike.
    """
    inner = pattern.removeprefix(r"\A").removesuffix(r"\Z")
    if pattern != rf"\A{inner}\Z":
        raise ValueError(f"expected a pattern between \\A and \\Z, got {pattern}")
    return f"^{inner}$"


if __name__ == "__main__":
    sys.stdout.write(f"{write(Path(sys.argv[1]))} schemas written\n")
