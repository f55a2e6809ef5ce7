"""What a service asks for: `sheaf-service.toml` in its folder. Pure: bytes in, a manifest out.

An operator is shown a manifest before anything is granted, and what is granted is this manifest and
no later one. So everything that a service may do beyond computing stands in it.
"""

from __future__ import annotations

import re
import tomllib
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import KINDS
from sheaf_protocol.records.extension import is_extension

FILE: Final = "sheaf-service.toml"
MAX_BYTES: Final = 65_536
"""64 KiB: all lists at their longest are half of it."""
MAX_STORAGE: Final = 8 * 1024 * 1024
"""8 MiB: what a service keeps can be folded again, and a migration holds all of it at once."""
MOST_KINDS: Final = 16
"""Kinds that one service brings; a home has room for four such."""
NAME: Final = r"[a-z][a-z0-9_]{0,31}"
"""A name is part of paths and addresses."""
RESERVED: Final = frozenset(
    kind
    for kind in KINDS
    if kind.partition(".")[0] in {"ballot", "charter", "entry", "member", "treaty", "writer"}
) | {"address.list", "bridge.export", "bridge.import"}
"""Kinds by which a co-op votes, leaves, erases, is restored and found: only people and the node
itself say these, whatever an operator would grant."""

_Kind = Annotated[str, Meta(pattern=r"\A[a-z0-9_]{1,32}(\.[a-z0-9_]{1,32}){0,3}\Z", max_length=64)]
_Kinds = Annotated[list[_Kind], Meta(max_length=64)]


_Path = Annotated[str, Meta(min_length=1, max_length=200)]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a service is and asks for."""

    name: Annotated[str, Meta(pattern=rf"\A{NAME}\Z")]
    version: Annotated[str, Meta(min_length=1, max_length=40)]
    title: Annotated[str, Meta(min_length=1, max_length=120)]
    follows: _Kinds = []
    """The kinds that it is shown. Private ones are opened for it."""
    follows_abroad: _Kinds = []
    """Those that it is shown of other federations as well, over treaties."""
    sees_contested: bool = False
    """Whether it is shown what counts no more and is still owed by."""
    publishes: _Kinds = []
    """The kinds that it signs in the co-op's name."""
    kinds: Annotated[dict[_Kind, _Path], Meta(max_length=MOST_KINDS)] = {}
    """Kinds of extensions that come with it, each with the file of its JSON Schema in the folder.
    """
    entries_per_minute: Annotated[int, Meta(ge=1, le=6_000)] = 600
    """How many of them at most; entries are kept for years by everybody."""
    storage_bytes: Annotated[int, Meta(ge=0, le=MAX_STORAGE)] = 0
    schema_version: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    """Of what it keeps in its storage."""
    python: Annotated[str, Meta(pattern=r"\A([A-Za-z_][\w.]{0,99}:[A-Za-z_]\w{0,99})?\Z")] = ""
    """Its class as `module:Class`, in a module or package named like the service; empty for a
    program of any language that speaks HTTP.
    """


def read_manifest(data: bytes, place: str) -> Manifest:
    """Return the manifest in the bytes of a file; `place` is named in refusals only.

    Raises Refusal `service.manifest`.
    """
    if len(data) > MAX_BYTES:
        raise _wrong(place, f"expected at most {MAX_BYTES} bytes")
    try:
        manifest = msgspec.convert(tomllib.loads(data.decode()), Manifest)
    except msgspec.ValidationError as exc:
        raise _wrong(place, str(exc)) from exc
    except (ValueError, RecursionError) as exc:
        # Not TOML's own error alone: a number of thousands of digits is one that `int` refuses.
        raise _wrong(place, f"expected TOML: {exc}") from exc
    if manifest.python and re.split(r"[.:]", manifest.python)[0] != manifest.name:
        # Two services in one process never meet under one name then.
        raise _wrong(place, f"expected a module named {manifest.name}, got {manifest.python!r}")
    _require_kinds(manifest, place)
    return manifest


def _require_kinds(manifest: Manifest, place: str) -> None:
    """Refuse kinds that are never seen, since they are misspelt, and those that nobody is given."""
    for kind in (*manifest.follows, *manifest.follows_abroad, *manifest.publishes):
        if kind not in KINDS and not is_extension(kind):
            raise _wrong(place, f"expected kinds of the spec or x.NAMESPACE.NAME, got {kind!r}")
    for kind in manifest.kinds:
        if not is_extension(kind):
            raise _wrong(place, f"expected schemas of kinds x.NAMESPACE.NAME, got one of {kind!r}")
    for kind in manifest.publishes:
        if kind in RESERVED:
            raise _wrong(place, f"expected kinds that a service may publish, got {kind!r}")


def _wrong(place: str, detail: str) -> Refusal:
    return Refusal("service.manifest", f"{place}: {detail}")
