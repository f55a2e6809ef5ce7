"""`sheaf identity rotate` and `revoke`: other keys in the place of lost or stolen ones."""

from __future__ import annotations

import asyncio
import os
import re
from typing import TYPE_CHECKING

import click

from sheaf_node.cli.identity_guardian import (
    FILE,
    GUARDIANS,
    guardians_json,
    print_guardians,
    read_cards,
)
from sheaf_node.cli.init import SHEETS, require_enough
from sheaf_node.cli.output import home_option, json_option, print_json, printable
from sheaf_node.cli.passphrase import open_files
from sheaf_node.cli.words import sheet_option, shown_seeds
from sheaf_node.clock import SystemClock
from sheaf_node.keyring import keyring_of, read_files
from sheaf_node.keyring.change import Terms, revoke_writers, rotate_keys, same_terms
from sheaf_node.keyring.guardian import planned_guardians
from sheaf_node.keyring.sheet import sheet_count
from sheaf_protocol.digest import FederationId, WriterId, log_id, short
from sheaf_protocol.identity import Cut, PublicKey, fold_key_log

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from sheaf_node.keyring import KeyFiles
    from sheaf_node.keyring.guardian import Guardians
    from sheaf_node.store import Store
    from sheaf_protocol.identity import KeyHistory, KeyLog


@click.command()
@sheet_option
@click.option(
    "--keep",
    type=click.IntRange(1),
    help="Keep this many operations of the key log and void those after them.",
)
@click.option("--sheets", "count", type=SHEETS, help="Make this many new recovery sheets.")
@click.option(
    "--needed", type=SHEETS, help="How many of the new sheets are needed together from then on."
)
@click.option(
    "--guardians",
    "cards",
    type=FILE,
    multiple=True,
    help="The card of a fellow co-op to name as a guardian, in the place of those named before;"
    " may be repeated.",
)
@click.option(
    "--needed-guardians",
    type=GUARDIANS,
    help="How many guardians recover this co-op together.",
)
@json_option
@home_option
def rotate(
    *,
    sheets: tuple[Path, ...],
    keep: int | None,
    count: int | None,
    needed: int | None,
    cards: tuple[Path, ...],
    needed_guardians: int | None,
    as_json: bool,
    home: Path,
) -> None:
    """Put new keys in the place of all but the writer: after a theft of the manager key.

    As many recovery sheets as are needed show their next keys, and new sheets are due. The node
    must not run; it brings the change to the others when it starts.
    """
    if bool(cards) != (needed_guardians is not None):
        raise click.UsageError("--guardians and --needed-guardians go together")
    files = open_files(home)

    def change(store: Store, history: KeyHistory) -> KeyFiles:
        from sheaf_node.identity import held_cuts, least_kept  # noqa: PLC0415 - loads the store

        least, most = least_kept(history, store), len(history.path)
        if keep is not None and not least <= keep <= most:
            detail = f"expected --keep from {least}, which a charter names, to {most}, got {keep}"
            raise click.UsageError(detail)
        wid = keyring_of(files).wid
        kept = history.path[:keep]
        log = fold_key_log(kept)
        named = (
            planned_guardians(files)
            if needed_guardians is None
            else read_cards(cards, needed_guardians, log.cid)
        )
        terms = terms_of(log, count, needed, named)
        is_lost = wid not in log.writers
        # What this node wrote under a delegation that is voided still counts, up to here.
        cuts = {PublicKey(wid): held_cuts(store, history.state.cid, wid)} if is_lost else {}
        return rotate_keys(
            files,
            kept,
            shown_seeds(kept, "next", sheets, files),
            ended=cuts,
            random=os.urandom,
            now_ms=SystemClock().now_ms(),
            terms=terms,
        )

    log = _changed(home, files, change)
    _print(log, as_json=as_json)
    if not as_json:
        print_new_sheets(log)
        if log.guardians:
            print_guardians(guardians_json(read_files(home), log))


@click.command()
@click.option(
    "--writer",
    "writers",
    multiple=True,
    metavar="WID",
    help="End this writer; the first digits of its id, as `show` gives them, are enough.",
)
@click.option(
    "--at",
    "places",
    multiple=True,
    metavar="FID:SEQ",
    help="With one writer: count its entries in a federation up to this number only.",
)
@click.option("--new-manager", is_flag=True, help="Make a new manager key; the old one ends.")
@sheet_option
@json_option
@home_option
def revoke(
    *,
    writers: tuple[str, ...],
    places: tuple[str, ...],
    new_manager: bool,
    sheets: tuple[Path, ...],
    as_json: bool,
    home: Path,
) -> None:
    """End stolen writers, by the rotation key: after a theft of the writer key.

    What a writer signed counts up to the last entry that this node holds, or to the place given.
    The node must not run; it brings the change to the others when it starts.
    """
    if not writers and not new_manager:
        raise click.UsageError("expected --writer WID or --new-manager")
    if places and len(writers) != 1:
        raise click.UsageError("--at goes with one --writer")
    files = open_files(home)

    def change(store: Store, history: KeyHistory) -> KeyFiles:
        log = history.ends[0]
        ended = {_writer(log, text): _cuts(store, log, text, places) for text in writers}
        return revoke_writers(
            files,
            history.path,
            shown_seeds(history.path, "rotation", sheets, files),
            ended=ended,
            is_manager_new=new_manager,
            random=os.urandom,
            now_ms=SystemClock().now_ms(),
        )

    _print(_changed(home, files, change), as_json=as_json)


def print_writers(log: KeyLog) -> None:
    """Print where each writer of a key log stands."""
    for writer in log.writers.values():
        cuts = ", ".join(f"{cut.seq} in {short(fid)}" for fid, cut in writer.cuts.items())
        ended = f"ends at {cuts}" if cuts else "ends before its first entry"
        click.echo(f"Writer {short(writer.wid)} {ended if writer.is_closed else 'is open'}")


def print_new_sheets(log: KeyLog) -> None:
    """Say that the old recovery sheets are void, and what to do."""
    if sheet_count(log) == 1:
        click.echo("The old sheet is void: `sheaf identity recovery-sheet` prints the new one.")
        return
    new = f"{sheet_count(log)} new ones, any {log.threshold} needed"
    click.echo(f"The old sheets are void: `sheaf identity recovery-sheet` prints {new}.")


def terms_of(
    log: KeyLog, count: int | None, needed: int | None, guardians: Guardians | None = None
) -> Terms:
    """Return what changes beside the keys; what is not given stays as it is."""
    before = same_terms(log)
    sheets, needed = count or before.sheets, needed or before.needed
    require_enough(sheets, needed)
    return Terms(sheets=sheets, needed=needed, guardians=guardians)


def _changed(
    home: Path, files: KeyFiles, change: Callable[[Store, KeyHistory], KeyFiles]
) -> KeyLog:
    """Return the key log after a change made while no node has the store open."""

    async def carry_out() -> KeyFiles:
        from sheaf_node.identity import own_history  # noqa: PLC0415 - loads the store
        from sheaf_node.store import DATABASE, Store  # noqa: PLC0415

        store = Store.open(home / DATABASE, random=os.urandom)
        try:
            return change(store, own_history(files.key_log()[0], store))
        finally:
            await store.close()

    return asyncio.run(carry_out()).key_log()[1]


def _writer(log: KeyLog, text: str) -> PublicKey:
    """Return the writer whose id begins so; one that the log does not know by its whole id."""
    found = [wid for wid in log.writers if wid.hex().startswith(text.lower())]
    if len(found) == 1:
        return PublicKey(found[0])
    if not found and re.fullmatch(r"[0-9a-fA-F]{64}", text):
        return PublicKey(bytes.fromhex(text))
    raise click.UsageError(f"expected one writer whose id begins with {text!r}, got {len(found)}")


def _cuts(
    store: Store, log: KeyLog, writer: str, places: Sequence[str]
) -> Mapping[FederationId, Cut]:
    from sheaf_node.identity import held_cuts  # noqa: PLC0415

    wid = WriterId(_writer(log, writer))
    cuts = held_cuts(store, log.cid, wid)
    for text in places:
        fid, seq = _place(cuts, text)
        head = store.planned_id(log_id(fid, log.cid, wid), seq)
        cuts.pop(fid)
        if head is not None:
            cuts[fid] = Cut(seq=seq, head=head)
    return cuts


def _place(cuts: Mapping[FederationId, Cut], text: str) -> tuple[FederationId, int]:
    match = re.fullmatch(r"([0-9a-f]{1,64}):([0-9]{1,16})", text)
    found = [fid for fid in cuts if match is not None and fid.hex().startswith(match[1])]
    if match is None or len(found) != 1 or int(match[2]) > cuts[found[0]].seq:
        held = ", ".join(f"{short(fid)}:{cut.seq}" for fid, cut in cuts.items()) or "nothing"
        raise click.UsageError(f"expected a place up to {held}, got {text!r}")
    return found[0], int(match[2])


def _print(log: KeyLog, *, as_json: bool) -> None:
    if as_json:
        print_json({"cid": log.cid.hex(), "operations": log.size, "manager": log.manager.hex()})
        return
    click.echo(f"Signed: the key log of {printable(log.name)} has {log.size} operations.")
    print_writers(log)
    click.echo("Start the node with `sheaf serve`: it brings this to the others.")
