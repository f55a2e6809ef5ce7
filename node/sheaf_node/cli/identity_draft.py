"""How `sheaf identity recover` makes a new home with the guardians' help: `--draft`, `--finish`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import click

from sheaf_node.charter_file import adopt_charter, adopted_charters, write_file
from sheaf_node.cli.identity_change import print_new_sheets, print_writers, terms_of
from sheaf_node.cli.identity_guardian import print_recovery, read_draft_file
from sheaf_node.cli.init import write_settings
from sheaf_node.clock import SystemClock
from sheaf_node.config import CONFIG_FILE, initial_config
from sheaf_node.keyring import read_files
from sheaf_node.keyring.recovery import (
    RECOVERING,
    draft_recovery,
    end_recovery,
    finish_recovery,
    is_recovering,
    own_draft,
)
from sheaf_protocol.codec import encode
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from sheaf_node.charter_file import CharterFile
    from sheaf_node.keyring.change import Ended
    from sheaf_protocol.identity import KeyHistory


class Ports(NamedTuple):
    """The two ports of a new home."""

    peer: int
    local: int


def require_no_node(home: Path) -> None:
    """Refuse a home that has a node: Refusal `node.exists`."""
    if (home / CONFIG_FILE).exists():
        raise Refusal("node.exists", f"expected no node in {home}; it has one already")


def begin_draft(
    home: Path,
    history: KeyHistory,
    ended: Ended,
    charters: Iterable[CharterFile],
    sheets: tuple[int | None, int | None],
) -> None:
    """Make the keys of a new home that waits for its guardians; one that waits keeps its own.

    Raises Refusal `key.*`, `charter.*`.
    """
    if is_recovering(home):
        click.echo(f"A recovery waits in {home}: its draft is written again.")
    else:
        draft_recovery(
            home,
            history.path,
            ended=ended,
            terms=terms_of(history.ends[0], *sheets),
            random=os.urandom,
            now_ms=SystemClock().now_ms(),
        )
    for charter in charters:
        adopt_charter(charter, home / RECOVERING)


def hand_out_draft(home: Path, file: Path) -> None:
    """Write the draft of a home that waits, and say what to do with it. Raises Refusal `key.*`."""
    draft = own_draft(home)
    if not _is_signed_copy(home, file):
        write_file(file, encode(draft))
    print_recovery(draft)
    needed, count = draft.log.guardian_threshold, len(draft.log.guardians)
    click.echo(f"Written to {file}, for {needed} of the {count} guardians to sign with")
    click.echo("`sheaf identity countersign`, one after another or each a copy. Read each of them")
    click.echo("fingerprint and draft. Then: `sheaf identity recover --finish FILE`.")
    click.echo(f"The new keys wait in {home}: keep it.")


def finish_draft(home: Path, files: Sequence[Path], ports: Ports) -> None:
    """Complete a home that waits; one that was interrupted here goes on. Raises Refusal `key.*`."""
    if not is_recovering(home) or not (home / CONFIG_FILE).exists():
        require_no_node(home)
        finish_recovery(
            home,
            [read_draft_file(path) for path in files],
            random=os.urandom,
            now_ms=SystemClock().now_ms(),
        )
    complete_home(home, adopted_charters(home / RECOVERING), ports)
    end_recovery(home)


def complete_home(home: Path, charters: Iterable[CharterFile], ports: Ports) -> None:
    """Bring charters and settings to a home that has its keys, and say what is next."""
    for charter in charters:
        adopt_charter(charter, home)
    log = read_files(home).key_log()[1]
    if not (home / CONFIG_FILE).exists():
        settings = initial_config(name=log.name, peer_port=ports.peer, local_port=ports.local)
        write_settings(home, settings)
    click.echo(f"The co-op's new keys are in {home}.")
    print_writers(log)
    click.echo("Next: name the other nodes in sheaf.toml, and start it with `sheaf serve`.")
    print_new_sheets(log)


def _is_signed_copy(home: Path, file: Path) -> bool:
    """Return whether a file is this home's draft already, whose signatures are not to be lost."""
    try:
        held = read_draft_file(file)
    except Refusal:
        return False
    return [c.body for c in held.choices] == [c.body for c in own_draft(home).choices]
