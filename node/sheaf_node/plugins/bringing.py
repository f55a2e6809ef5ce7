"""Kinds of extensions that services bring: installed with the first that does, gone with the last.

A kind means one thing in one home, so a service whose schema of a kind is another one than what is
installed does not come in. What was installed by a person before stays when its services go. Pure.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sheaf_node.kinds import ExtensionKind, read_kind
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sheaf_node.plugins.manifest import Manifest


@dataclass(frozen=True, kw_only=True, slots=True)
class Coming:
    """What becomes of the kinds when a service comes, or another version of it."""

    install: Sequence[ExtensionKind]
    forget: Sequence[str]
    """Those of its earlier version that nobody brings any more."""
    found: Sequence[str]
    """Of those that it brings, what a person had installed: not a service's to take away."""


def kinds_in(manifest: Manifest, files: Mapping[str, bytes]) -> Mapping[str, ExtensionKind]:
    """Return the kinds that a service brings, by name.

    Raises Refusal `service.manifest` where it has no such file, `kind.file`.
    """
    kinds = {}
    for name, path in manifest.kinds.items():
        if path not in files:
            raise Refusal("service.manifest", f"expected a file {path} with the schema of {name}")
        kind = read_kind(files[path])
        if kind.kind != name:
            detail = f"expected the schema of {name} in {path}, got that of {kind.kind}"
            raise Refusal("service.manifest", detail)
        kinds[name] = kind
    return kinds


def coming(
    brought: Mapping[str, ExtensionKind],
    *,
    installed: Mapping[str, ExtensionKind],
    others: Mapping[str, Collection[str]],
    before: Collection[str],
    found: Collection[str],
) -> Coming:
    """Return what is to be done for a service that brings some kinds.

    `others` are the kinds that other services bring, by name, `before` those of its earlier
    version, and `found` what any of them found installed. Raises Refusal `kind.differs`.
    """
    of_others = {kind for kinds in others.values() for kind in kinds}
    of_people = {kind for kind in installed if kind not in of_others | set(before)} | set(found)
    install = []
    for name, kind in brought.items():
        there = installed.get(name)
        if there is not None and there.schema == kind.schema:
            continue
        if there is not None and (name in of_others or name in of_people):
            whose = sorted(service for service, kinds in others.items() if name in kinds)
            by = f"by {', '.join(whose)}" if whose else "by `sheaf kind add`"
            detail = f"expected the schema of {name} that is installed here ({by})"
            raise Refusal("kind.differs", f"{detail}, got another one")
        install.append(kind)
    left = [name for name in before if name not in brought]
    return Coming(
        install=install,
        forget=going(left, others=of_others, found=of_people),
        found=sorted(of_people & set(brought)),
    )


def going(
    brought: Collection[str], *, others: Collection[str], found: Collection[str]
) -> Sequence[str]:
    """Return which kinds go with a service: those that no other brings and nobody installed."""
    return sorted(name for name in brought if name not in others and name not in found)


def shape(kind: ExtensionKind) -> str:
    """Return what a kind is for, in a line for an operator."""
    required = kind.schema.get("required", [])
    names = ", ".join(sorted(map(str, required)) if isinstance(required, list) else [])
    size = len(json.dumps(kind.schema))
    return f"{kind.title or 'without a title'}; needs {names or 'nothing'}; {size} bytes"
