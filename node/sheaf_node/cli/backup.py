"""`sheaf backup`: a home as one encrypted file, and the way back.

The encryption is to the recovery sheets, so a backup may lie where others can read it, and whoever
restores one has brought the sheets.
"""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from sheaf_node.cli.output import home_option, json_option, print_json, printable, utc
from sheaf_node.cli.words import sheet_option, shown_seeds
from sheaf_node.clock import SystemClock
from sheaf_node.keyring import fingerprint, load_key_ops
from sheaf_protocol.digest import short
from sheaf_protocol.identity import fold_key_log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.backup import Manifest
    from sheaf_node.backup.header import Opening
    from sheaf_node.keyring.export import LastEntry

FILE: Final = click.Path(path_type=Path, dir_okay=False)
_KEPT: Final = click.IntRange(1, 10_000)
_HOW: Final = (
    "`sheaf backup allow ITEM` lets one go on, and --all all of them; `sheaf token revoke`,\n"
    "`sheaf service remove` and `sheaf webhook remove` end what is not right any more."
)


@click.group()
def backup() -> None:
    """Back up a node, look at a backup, or restore one."""


@backup.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="The file to write; in a folder that is there, a file named by co-op and time.",
)
@click.option("--keep", type=_KEPT, help="Where --out is a folder: keep so many, the newest.")
@click.option("--blobs", is_flag=True, help="With the attached files that this node holds.")
@json_option
@home_option
def create(*, out: Path, keep: int | None, blobs: bool, as_json: bool, home: Path) -> None:
    """Write a backup, encrypted to the recovery sheets. The node may be running."""
    from sheaf_node.backup import create_backup, drop_older, name_of  # noqa: PLC0415 - as in main

    if keep is not None and not out.is_dir():
        raise click.UsageError("--keep goes with --out of a folder that is there")
    cid, now_ms = fold_key_log(load_key_ops(home)).cid, SystemClock().now_ms()
    file = out / name_of(cid, now_ms) if out.is_dir() else out
    made = create_backup(home, file, created_ms=now_ms, software=version("sheaf-coop"), blobs=blobs)
    gone = [] if keep is None else drop_older(made.path, cid, keep)
    if as_json:
        print_json(
            {
                **_facts(made.manifest),
                "bytes": made.size,
                "file": str(made.path),
                "removed": [str(path) for path in gone],
            }
        )
        return
    click.echo(f"Written to {made.path}: {made.size} bytes.")
    _print_heads(made.manifest.heads)
    if gone:
        click.echo(f"Removed {len(gone)} older: {', '.join(path.name for path in gone)}.")


@backup.command()
@click.argument("file", type=FILE)
@sheet_option
@click.option("--deep", is_flag=True, help="Open it too: asks for the words of the sheets.")
@json_option
def verify(*, file: Path, sheets: tuple[Path, ...], deep: bool, as_json: bool) -> None:
    """Look whether a backup is as it was written.

    That needs no secret. With the sheets (--sheet, or --deep and their words) every file in it is
    checked as well, and the log of this co-op entry by entry, as at a restore.
    """
    from sheaf_node.backup import verify_file, verify_whole  # noqa: PLC0415

    opening = verify_file(file)
    is_deep = deep or bool(sheets)
    if not as_json:
        _print_opening(opening)
    if not is_deep:
        if as_json:
            print_json({**_named(opening), "is_deep": False})
            return
        click.echo("The file is as it was written. With --deep and the sheets it is opened, too.")
        return
    seeds = shown_seeds(opening.header.key_log, "rotation", sheets)
    manifest = verify_whole(file, seeds, Path(tempfile.gettempdir()))
    if as_json:
        print_json({**_named(opening), **_facts(manifest), "is_deep": True})
        return
    _print_heads(manifest.heads)
    click.echo(f"All {len(manifest.files)} files are whole, and so is this co-op's log.")


@backup.command()
@click.argument("file", type=FILE)
@sheet_option
@click.option("--yes", is_flag=True, help="Do not ask before writing.")
@json_option
@home_option
def restore(*, file: Path, sheets: tuple[Path, ...], yes: bool, as_json: bool, home: Path) -> None:
    """Make a new home of a backup, with the recovery sheets.

    The home signs nothing with its old writer again: it takes a new one when it starts, once it has
    heard what the others know of the old.
    """
    from sheaf_node.backup import open_file, restore_backup  # noqa: PLC0415
    from sheaf_node.backup.laying import require_absent  # noqa: PLC0415

    require_absent(home)  # before anybody looks for the sheets
    opening = open_file(file)
    if not as_json:
        _print_opening(opening)
    seeds = shown_seeds(opening.header.key_log, "rotation", sheets)
    if not yes:
        click.confirm(f"Restore this to {home}?", abort=True, err=as_json)
    manifest = restore_backup(file, seeds, home, now_ms=SystemClock().now_ms())
    if as_json:
        print_json({**_named(opening), **_facts(manifest), "home": str(home)})
        return
    _print_heads(manifest.heads)
    _print_next(home)
    _print_held(home)


@backup.command()
@json_option
@home_option
def held(*, as_json: bool, home: Path) -> None:
    """List what came back with a restore and waits until somebody lets it go on.

    A backup does not know what was revoked or removed after it was made, nor whether another node
    still runs. So tokens, added services and webhooks do nothing until they are allowed.
    """
    from sheaf_node.backup.holding import held_in  # noqa: PLC0415

    named = held_in(home).named
    if as_json:
        print_json(named)
        return
    for item in named:
        click.echo(item)
    click.echo(_HOW if named else "Nothing is held back.")


@backup.command()
@click.argument("item", nargs=-1)
@click.option("--all", "all_", is_flag=True, help="Everything that `sheaf backup held` shows.")
@json_option
@home_option
def allow(*, item: tuple[str, ...], all_: bool, as_json: bool, home: Path) -> None:
    """Let each ITEM that came back with a restore go on, named as `sheaf backup held` shows it.

    The node may be running; a service that runs inside of it begins at its next start.
    """
    from sheaf_node.backup.holding import held_in  # noqa: PLC0415

    if bool(item) == all_:
        raise click.UsageError("expected the names that `sheaf backup held` shows, or --all")
    items = held_in(home).named if all_ else list(item)
    for each in items:
        _let_go_on(home, each)
        if not as_json:
            click.echo(f"{printable(each)} goes on.")
    if as_json:
        print_json(items)


def _let_go_on(home: Path, item: str) -> None:
    from sheaf_node.backup.holding import allow as go_on  # noqa: PLC0415
    from sheaf_node.backup.holding import require_held  # noqa: PLC0415
    from sheaf_node.cli.client import NodeClient  # noqa: PLC0415
    from sheaf_node.store.folder import is_in_use  # noqa: PLC0415

    what, id_ = require_held(home, item)
    if what == "webhook" and is_in_use(home):
        # The node has it in hand, and would not see what another process writes.
        NodeClient(home).post(f"/api/v1/webhooks/{id_}/replay", b"{}")
    else:
        go_on(home, item)


def _print_held(home: Path) -> None:
    """Say what a restored home holds back, where there is anything."""
    from sheaf_node.backup.holding import held_in  # noqa: PLC0415

    named = held_in(home).named
    if named:
        click.echo("5. Held back, as some of it may have been revoked or removed since:")
        click.echo(f"   {', '.join(named)}.")
        click.echo("   `sheaf backup allow` lets what is still right go on; the rest, remove.")


def _print_opening(opening: Opening) -> None:
    click.echo(f"{printable(opening.log.name)}, co-op {short(opening.cid)}")
    click.echo(f"Fingerprint, as on the sheet: {fingerprint(opening.cid)}")
    made_by = printable(opening.header.software)
    click.echo(f"Made {_day(opening.header.created_ms)} by version {made_by}.")
    count, needed = len(opening.log.rotation), opening.log.threshold
    if count > 1:
        click.echo(f"Opened by any {needed} of the {count} recovery sheets of that day.")
    else:
        click.echo("Opened by the recovery sheet of that day.")


def _print_heads(heads: Sequence[LastEntry]) -> None:
    for last in heads:
        click.echo(f"Writer {short(last.wid)}: {last.seq} entries in {short(last.fid)}")


def _print_next(home: Path) -> None:
    click.echo(f"Restored to {home}. What happens next:")
    click.echo("1. Where the old node may still run: stop it, for good.")
    click.echo("2. `sheaf serve`: the node takes in from its peers what came after the backup.")
    click.echo("3. It takes a new writer, for it may have signed entries that the backup lacks.")
    click.echo("4. Each fellow member's node answers how far it knows the old writer. Until all")
    click.echo("   have, this co-op publishes nothing: whatever it had promised still holds.")
    click.echo("`sheaf recovery show` says who has not answered, and what to do then.")


def _named(opening: Opening) -> dict[str, object]:
    return {
        "cid": opening.cid.hex(),
        "created_ms": opening.header.created_ms,
        "name": opening.log.name,
        "sheets": len(opening.log.rotation),
        "sheets_needed": opening.log.threshold,
        "software": opening.header.software,
    }


def _facts(manifest: Manifest) -> dict[str, object]:
    return {
        "cid": manifest.cid.hex(),
        "created_ms": manifest.created_ms,
        "files": len(manifest.files),
        "heads": [
            {"fid": e.fid.hex(), "head": e.head.hex(), "seq": e.seq, "wid": e.wid.hex()}
            for e in manifest.heads
        ],
        "schema": manifest.schema,
        "wid": manifest.wid.hex(),
    }


def _day(at_ms: int) -> str:
    return f"{utc(at_ms):%Y-%m-%d %H:%M} UTC"
