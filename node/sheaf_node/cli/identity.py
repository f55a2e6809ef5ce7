"""`sheaf identity`: the keys of this co-op, and what to do when one is lost or stolen."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sheaf_node.cli.identity_change import revoke, rotate
from sheaf_node.cli.identity_guardian import (
    countersign,
    guardian_card,
    guardians,
    guardians_json,
    print_guardians,
)
from sheaf_node.cli.identity_recover import export, recover
from sheaf_node.cli.identity_sheet import recovery_sheet
from sheaf_node.cli.notice import print_notices
from sheaf_node.cli.output import home_option, json_option, print_json, printable
from sheaf_node.cli.passphrase import open_files, read_passphrase
from sheaf_node.clock import SystemClock
from sheaf_node.keyring import Passphrase, fingerprint, read_files
from sheaf_node.keyring.notice import day_of, key_status, notices_of
from sheaf_node.keyring.protection import protect, unprotect
from sheaf_node.keyring.quorum import numbered
from sheaf_node.store.folder import FolderLock
from sheaf_protocol.digest import short
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from sheaf_node.keyring import KeyFiles
    from sheaf_protocol.identity import KeyLog, Writer


@click.group()
def identity() -> None:
    """Show, protect, renew or recover the keys of this co-op."""


for _command in (
    rotate,
    revoke,
    recovery_sheet,
    guardian_card,
    guardians,
    export,
    recover,
    countersign,
):
    identity.add_command(_command)


@identity.command()
@json_option
@home_option
def show(*, as_json: bool, home: Path) -> None:
    """Show who this co-op is and which keys speak for it. No passphrase is needed."""
    files = read_files(home)
    _, log = files.key_log()
    answer = _shown(files, log)
    if as_json:
        print_json(answer)
        return
    click.echo(f"{printable(log.name)}, co-op {short(log.cid)} ({log.inception.country})")
    click.echo(f"Fingerprint: {answer['fingerprint']}")
    click.echo(f"Id: {answer['cid']}")
    where = "on this computer" if answer["has_manager"] else "not on this computer"
    click.echo(f"Manager key {answer['manager'][:8]}, {where}")
    for writer in answer["writers"]:
        click.echo(f"Writer {writer['wid'][:8]}, {_until(writer)}")
    for prekey in answer["sealing_keys"]:
        click.echo(f"Sealing key {prekey['key'][:8]}, until {day_of(prekey['expires_ms'])}")
    _print_sheets(answer)
    if answer["guardians"]["guardians"] or answer["guardians"]["planned"] is not None:
        print_guardians(answer["guardians"])
    print_notices(answer["notices"])


@identity.command()
@click.option(
    "--new-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Read the new passphrase from the first line of this file, and ask nobody.",
)
@click.option("--remove", is_flag=True, help="Leave the keys under no passphrase.")
@home_option
def passphrase(*, new_file: Path | None, remove: bool, home: Path) -> None:
    """Set, change or remove the passphrase of the keys. The node must not run."""
    if remove and new_file is not None:
        raise click.UsageError("--remove and --new-file do not go together")
    files = open_files(home)
    lock = FolderLock(home)
    try:
        if remove:
            unprotect(files)
        else:
            protect(files, _new_passphrase(new_file), random=os.urandom)
    finally:
        lock.release()
    click.echo("The keys are under no passphrase." if remove else "The passphrase is set.")
    if not remove:
        click.echo("Nobody can find it again: `sheaf serve` asks for it at each start.")


def _new_passphrase(file: Path | None) -> Passphrase:
    if file is not None:
        return read_passphrase(file)
    if not sys.stdin.isatty():
        detail = "expected the new passphrase: name its file by --new-file"
        raise Refusal("key.passphrase", f"{detail}, or call this in a terminal")
    prompt = "New passphrase (five words or more)"
    return Passphrase(click.prompt(prompt, hide_input=True, confirmation_prompt=True, err=True))


def _shown(files: KeyFiles, log: KeyLog) -> dict[str, Any]:
    status = key_status(files, log)
    return {
        "name": log.name,
        "country": log.inception.country,
        "cid": log.cid.hex(),
        "fingerprint": fingerprint(log.cid),
        "operations": log.size,
        "manager": log.manager.hex(),
        "has_manager": status.has_manager,
        "is_sealed": status.is_sealed,
        "sheet_kept_ms": status.sheet_kept_ms,
        "sheets": status.sheets,
        "sheets_needed": log.threshold,
        "sheets_not_kept": list(status.unkept),
        "guardians": guardians_json(files, log),
        "writers": [_writer_json(writer) for writer in log.writers.values()],
        "sealing_keys": [
            {"key": prekey.key.hex(), "expires_ms": prekey.expires_ms} for prekey in log.prekeys
        ],
        "notices": dict(notices_of(status, SystemClock().now_ms())),
    }


def _print_sheets(answer: dict[str, Any]) -> None:
    kept, unkept = answer["sheet_kept_ms"], numbered(answer["sheets_not_kept"])
    if answer["sheets"] == 1:
        click.echo(f"Recovery sheet: {'not kept yet' if kept is None else f'kept {day_of(kept)}'}")
        return
    state = f"{unkept} not kept yet" if kept is None else f"all kept {day_of(kept)}"
    needed = f"{answer['sheets']}, any {answer['sheets_needed']} needed"
    click.echo(f"Recovery sheets: {needed}; {state}")


def _writer_json(writer: Writer) -> dict[str, Any]:
    return {
        "wid": writer.wid.hex(),
        "expires_ms": writer.expires_ms,
        "is_closed": writer.is_closed,
        "cuts": {fid.hex(): cut.seq for fid, cut in writer.cuts.items()},
    }


def _until(writer: dict[str, Any]) -> str:
    if writer["is_closed"]:
        places = ", ".join(f"{seq} in {fid[:8]}" for fid, seq in writer["cuts"].items())
        return f"ended at {places}" if places else "ended before its first entry"
    return f"until {day_of(writer['expires_ms'])}"
