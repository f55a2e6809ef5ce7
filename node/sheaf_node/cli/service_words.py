"""What `sheaf service` says of a service: what it asks for, what it was granted, where it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sheaf_node.cli.output import printable
from sheaf_node.plugins.bringing import shape
from sheaf_protocol.records import PRIVATE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from sheaf_node.kinds import ExtensionKind
    from sheaf_node.plugins.bringing import Coming
    from sheaf_node.plugins.installed import Grant
    from sheaf_node.plugins.manifest import Manifest


def asks(
    manifest: Manifest,
    kinds: Iterable[ExtensionKind],
    coming: Coming,
    *,
    is_inside: bool,
    shares_process: bool,
) -> Iterator[str]:
    """Yield what a service asks for, in words."""
    yield f"{printable(manifest.title)}, version {printable(manifest.version)} ({manifest.name})"
    seen = [f"{k} (sealed to this co-op)" if k in PRIVATE else k for k in manifest.follows]
    yield f"  It is shown:   {', '.join(seen) or 'nothing'}"
    if manifest.follows_abroad:
        yield f"  From partners: {', '.join(manifest.follows_abroad)}"
    signs = ", ".join(manifest.publishes)
    limit = f", at most {manifest.entries_per_minute} a minute, in this co-op's name"
    yield f"  It publishes:  {signs + limit if signs else 'nothing'}"
    most = "at most " if manifest.storage_bytes else ""
    yield f"  It keeps:      {most}{_kib(manifest.storage_bytes)} on this computer"
    new = {kind.kind for kind in coming.install}
    for kind in kinds:
        there = "" if kind.kind in new else ", which is here already"
        yield f"  It brings:     the kind {kind.kind}{there} ({printable(shape(kind))})"
    for name in coming.forget:
        yield f"  It drops:      the kind {name}, which is removed"
    if shares_process:
        yield "  It runs:       in the node's process, where it can do all that the node can, and"
        yield "                 read its keys. Do this only for code that you trust as the node's."
    elif is_inside:
        yield "  It runs:       in a process that the node starts, and reaches it by a token alone"
    else:
        yield "  It runs:       as a program of its own, which reaches the node by its token alone"


def told(grant: Grant, path: Path | None, port: int) -> Iterator[str]:
    """Yield what is to be done once a service was added, in words."""
    name = grant.manifest.name
    yield f"Added {name}."
    if grant.is_inside:
        when = "once the node is started again" if grant.shares_process else "while the node runs"
        yield f"It runs {when}."
        return
    where = "the file of its token, which stays as it is" if path is None else str(path)
    file = "FILE" if path is None else str(path)
    yield f"Its token is in {where}."
    if grant.manifest.python:
        yield f"Run it: sheaf service run {name} --node http://127.0.0.1:{port} --token-file {file}"
    else:
        yield f"Start its program with the address http://127.0.0.1:{port} and that file."


def cells(grant: Grant) -> tuple[str, ...]:
    """Return a row of the list of services."""
    manifest = grant.manifest
    follows, publishes = ", ".join(manifest.follows), ", ".join(manifest.publishes)
    runs = "started by the node" if grant.is_inside else "apart"
    runs = "in the node" if grant.shares_process else runs
    return manifest.name, manifest.version, runs, follows, publishes, _kib(manifest.storage_bytes)


def shown(grant: Grant) -> Mapping[str, Any]:
    """Return what a service was granted, as JSON values."""
    manifest = grant.manifest
    return {
        "name": manifest.name,
        "version": manifest.version,
        "title": manifest.title,
        "is_inside": grant.is_inside,
        "shares_process": grant.shares_process,
        "follows": manifest.follows,
        "follows_abroad": manifest.follows_abroad,
        "publishes": manifest.publishes,
        "kinds": sorted(manifest.kinds),
        "entries_per_minute": manifest.entries_per_minute,
        "storage_bytes": manifest.storage_bytes,
        "schema_version": manifest.schema_version,
        "digest": grant.digest,
        "granted_ms": grant.granted_ms,
    }


def _kib(size: int) -> str:
    return f"{-(-size // 1_024)} KiB" if size else "nothing"
