"""`sheaf blob`: hands a file to the running node, and gets one back by its id."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click

from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.output import home_option, json_option, print_json
from sheaf_protocol.errors import Refusal
from sheaf_protocol.limits import MAX_BLOB

POLL_S: Final = 0.5


@click.group()
def blob() -> None:
    """Add a file for the federation's members, or get one by its id."""


@blob.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
@home_option
def add(file: Path, as_json: bool, home: Path) -> None:
    """Add FILE, of at most 16 MiB; whoever knows its id may get it."""
    ref = NodeClient(home).put("/api/v1/blobs", _read(file))
    if as_json:
        print_json(ref)
    else:
        click.echo(f"{ref['id']}  {ref['size']} bytes")


@blob.command()
@click.argument("blob_id", metavar="ID")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the bytes here and not to standard output.",
)
@click.option(
    "--size", type=click.IntRange(1, MAX_BLOB), help="The size that is stated beside the id."
)
@click.option(
    "--wait",
    default=60,
    show_default=True,
    type=click.IntRange(0, 86_400),
    help="Seconds to wait while peers send it.",
)
@home_option
def get(blob_id: str, out: Path | None, size: int | None, wait: int, home: Path) -> None:
    """Get the blob ID: from this node, or from the peers that it is linked to."""
    if out is None and sys.stdout.isatty():
        raise click.UsageError("a terminal obeys what bytes may say: give -o FILE, or a pipe")
    data = _fetched(NodeClient(home), blob_id, size, time.monotonic() + wait)
    if out is None:
        click.echo(data, nl=False)
        return
    try:
        out.write_bytes(data)
    except OSError as exc:
        raise Refusal("blob.file", f"expected to write {out}, got: {exc.strerror}") from exc


def _fetched(node: NodeClient, blob_id: str, size: int | None, until_s: float) -> bytes:
    """Return the bytes once the node has them. Raises Refusal `blob.waiting` when time is up."""
    while True:
        answer = node.get_bytes(
            f"/api/v1/blobs/{quote(blob_id, safe='')}", {} if size is None else {"size": size}
        )
        if isinstance(answer, bytes):
            return answer
        if time.monotonic() >= until_s:
            raise Refusal("blob.waiting", f"expected all pieces by now, got {_progress(answer)}")
        time.sleep(POLL_S)


def _progress(answer: Any) -> str:
    of = "an unknown number" if answer["of"] is None else answer["of"]
    return f"{answer['pieces']} of {of}; ask again, the node goes on"


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_BLOB + 1)
    except OSError as exc:
        raise Refusal("blob.file", f"expected a readable file, got {file}: {exc.strerror}") from exc
    if not 0 < len(data) <= MAX_BLOB:
        size = "more" if data else "an empty file"
        raise Refusal("blob.size", f"expected 1 to {MAX_BLOB} bytes in {file}, got {size}")
    return data
