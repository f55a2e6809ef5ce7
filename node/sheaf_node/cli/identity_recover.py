"""`sheaf identity export` and `recover`: how a co-op comes back after its computers are lost.

A fellow member exports what it holds of the co-op; with that and the recovery sheet the co-op makes
a new home, whose node gets everything else from its peers.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from sheaf_node.charter_file import adopted_charters, read_charter_file, write_file
from sheaf_node.cli.identity_draft import (
    Ports,
    begin_draft,
    complete_home,
    finish_draft,
    hand_out_draft,
    require_no_node,
)
from sheaf_node.cli.init import PORT, SHEETS, require_two_ports
from sheaf_node.cli.output import home_option, printable
from sheaf_node.cli.words import sheet_option, shown_seeds
from sheaf_node.clock import SystemClock
from sheaf_node.keyring import fingerprint
from sheaf_node.keyring.change import open_keys, recover_home
from sheaf_node.keyring.export import (
    MAX_EXPORT,
    KeyExport,
    LastEntry,
    common_history,
    furthest,
    read_export,
    write_export,
)
from sheaf_protocol.charter import read_charter
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import WriterId, short
from sheaf_protocol.errors import Refusal
from sheaf_protocol.identity import PublicKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.charter_file import CharterFile
    from sheaf_node.keyring.change import Ended
    from sheaf_node.store import State
    from sheaf_protocol.digest import CoopId
    from sheaf_protocol.identity import KeyHistory

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("coop", metavar="CID")
@click.option("--out", type=FILE, required=True, help="Where to write the file.")
@home_option
def export(coop: str, out: Path, home: Path) -> None:
    """Write what this node holds of the co-op CID, for that co-op to recover with.

    Eight digits of its id are enough. Nothing in the file is secret. The node may be running.
    """
    from sheaf_node.identity import held_state  # noqa: PLC0415 - loads the store
    from sheaf_node.store import DATABASE  # noqa: PLC0415

    state = held_state(home / DATABASE)
    cid = _known(state, coop)
    history = state.key_histories[cid]
    heads = [
        LastEntry(fid=held.fid, head=held.head.id, seq=held.head.seq, wid=held.wid)
        for held in state.logs.values()
        if held.cid == cid and held.head.seq > 0
    ]
    charters = [encode(charter) for charter in adopted_charters(home) if _names(charter, cid)]
    what = KeyExport(charters=charters, heads=heads, key_log=list(history.path))
    write_file(out, write_export(what))
    click.echo(f"{printable(history.state.name)}, fingerprint: {fingerprint(cid)}")
    for last in heads:
        click.echo(f"Writer {short(last.wid)}: {last.seq} entries in {short(last.fid)}")
    click.echo(f"Written to {out}. Compare the fingerprint with them before you hand it over.")


@click.command()
@click.option(
    "--from",
    "files",
    type=FILE,
    multiple=True,
    help="What a fellow member's `sheaf identity export` wrote; may be given several times.",
)
@sheet_option
@click.option("--yes", is_flag=True, help="Do not ask before signing.")
@click.option(
    "--draft",
    type=FILE,
    help="Without any sheet: write a recovery to this file, for the guardians to sign.",
)
@click.option(
    "--finish",
    "signed",
    type=FILE,
    multiple=True,
    help="Complete the home with what guardians signed; may be given several times.",
)
@click.option("--sheets", "count", type=SHEETS, help="With --draft: make this many new sheets.")
@click.option("--needed", type=SHEETS, help="With --draft: how many of them are needed together.")
@click.option(
    "--peer-port", default=8440, show_default=True, type=PORT, help="Port that peers reach."
)
@click.option(
    "--local-port", default=8441, show_default=True, type=PORT, help="Port for this computer only."
)
@home_option
def recover(
    *,
    files: tuple[Path, ...],
    sheets: tuple[Path, ...],
    yes: bool,
    draft: Path | None,
    signed: tuple[Path, ...],
    count: int | None,
    needed: int | None,
    peer_port: int,
    local_port: int,
    home: Path,
) -> None:
    """Make a new home for a co-op whose computers are lost, from its recovery sheets.

    Every key is new, and the old writers end at the last entries that the files name. Without
    sheets the guardians help: --draft, `sheaf identity countersign` by each, --finish.
    """
    require_two_ports(peer_port, local_port)
    _require_one_way(files, sheets, draft, signed)
    if draft is None and (count is not None or needed is not None):
        raise click.UsageError("--sheets and --needed go with --draft; rotate changes them later")
    ports = Ports(peer_port, local_port)
    if signed:
        finish_draft(home, signed, ports)
        return
    require_no_node(home)
    lost = _read_lost(files)
    if draft is not None:
        begin_draft(home, lost.history, lost.ended, lost.charters, (count, needed))
        hand_out_draft(home, draft)
        return
    _print_lost(lost)
    seeds = shown_seeds(lost.history.path, "next", sheets)
    if not yes:
        click.confirm("Sign this?", abort=True)
    now_ms = SystemClock().now_ms()
    recover_home(home, lost.history.path, seeds, ended=lost.ended, random=os.urandom, now_ms=now_ms)
    complete_home(home, lost.charters, ports)


class _Lost(NamedTuple):
    """What fellow members hold of a co-op that lost its computers."""

    history: KeyHistory
    ended: Ended
    charters: Sequence[CharterFile]


def _require_one_way(
    files: tuple[Path, ...], sheets: tuple[Path, ...], draft: Path | None, signed: tuple[Path, ...]
) -> None:
    """Refuse options of two ways to recover, as misuse."""
    if signed and (files or sheets or draft is not None):
        raise click.UsageError("--finish goes without --from, --sheet and --draft")
    if draft is not None and sheets:
        raise click.UsageError("--draft goes without --sheet: guardians sign in its place")
    if not signed and not files:
        raise click.UsageError("Missing option '--from'.")


def _read_lost(files: Sequence[Path]) -> _Lost:
    exports = [read_export(_read(path)) for path in files]
    charters = {c.certificate.fid: c for e in exports for c in map(read_charter_file, e.charters)}
    history, cuts = common_history(exports), furthest(exports)
    keys = open_keys(history.ends[0], SystemClock().now_ms())
    ended = {key: cuts.get(WriterId(key), {}) for key in keys}
    return _Lost(history, ended, list(charters.values()))


def _print_lost(lost: _Lost) -> None:
    log = lost.history.ends[0]
    click.echo(f"{printable(log.name)}, co-op {short(log.cid)}")
    click.echo(f"Fingerprint: {fingerprint(log.cid)}")
    for wid in log.writers.keys() & lost.ended.keys():
        cuts = lost.ended[PublicKey(wid)]
        places = ", ".join(f"{cut.seq} in {short(fid)}" for fid, cut in cuts.items())
        click.echo(f"Writer {short(wid)} ends at {places or 'nothing: no file holds any of it'}")


def _known(state: State, text: str) -> CoopId:
    """Return the co-op whose id begins so. Raises Refusal `key.coop`."""
    is_id = re.fullmatch(r"[0-9a-f]{8,64}", text.lower()) is not None
    found = [cid for cid in state.key_logs if is_id and cid.hex().startswith(text.lower())]
    if len(found) != 1:
        detail = f"expected eight digits or more of one co-op's id, got {text!r}"
        raise Refusal("key.coop", f"{detail}, which {len(found)} of those known here begin with")
    return found[0]


def _names(charter: CharterFile, cid: CoopId) -> bool:
    return cid in {member.cid for member in read_charter(charter.certificate).members}


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_EXPORT + 1)
    except OSError as exc:
        detail = f"expected a readable file at {path}, got: {exc.strerror}"
        raise Refusal("key.export", detail) from exc
