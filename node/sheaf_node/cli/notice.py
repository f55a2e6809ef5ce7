"""What `init`, `serve`, `status` and `identity show` tell a manager of the keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sheaf_node.clock import SystemClock
from sheaf_node.keyring import read_files
from sheaf_node.keyring.notice import key_status, notices_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def home_notices(home: Path) -> Mapping[str, str]:
    """Return what is to be done about the keys of a home, by matter. Raises Refusal `key.*`."""
    files = read_files(home)
    return notices_of(key_status(files, files.key_log()[1]), SystemClock().now_ms())


def print_notices(notices: Mapping[str, str], *, err: bool = False) -> None:
    """Print what a manager should do, a line each."""
    for text in notices.values():
        click.echo(f"Warning: {text}.", err=err)
