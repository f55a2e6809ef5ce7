"""`sheaf upgrade`: a home brought to the installed version, with a copy of before to go back to."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import click

from sheaf_node.cli.output import home_option, json_option, print_json, printable, utc
from sheaf_node.clock import SystemClock

if TYPE_CHECKING:
    from pathlib import Path

    from sheaf_node.upgrading import Note, Outlook


@click.group()
def upgrade() -> None:
    """Bring this node to the installed version, or take that back."""


@upgrade.command()
@json_option
@home_option
def check(*, as_json: bool, home: Path) -> None:
    """Say what an upgrade would do, and whether there is room for it. The node may be running."""
    from sheaf_node.store.folder import is_in_use  # noqa: PLC0415 - as in main
    from sheaf_node.upgrading import look  # noqa: PLC0415

    outlook, runs = look(home, software=version("sheaf-coop")), is_in_use(home)
    if as_json:
        print_json({**_facts(outlook), "is_running": runs})
        return
    click.echo(f"Version {outlook.software} is installed.")
    for line in (*_store_lines(outlook), *_copy_lines(outlook), _backup_line(outlook)):
        click.echo(line)
    if runs and outlook.steps:
        click.echo("The node runs: stop it before `sheaf upgrade apply`.")


@upgrade.command()
@json_option
@home_option
def apply(*, as_json: bool, home: Path) -> None:
    """Upgrade the store, with the node stopped: copied first, compared afterwards."""
    from sheaf_node.upgrading import apply as upgraded  # noqa: PLC0415

    done = upgraded(home, software=version("sheaf-coop"), now_ms=SystemClock().now_ms())
    if as_json:
        steps = [] if done is None else done.steps
        print_json({"steps": steps, "copy": None if done is None else _named(done.note)})
        return
    if done is None:
        click.echo("Nothing to upgrade: the store is as the installed version has it.")
        return
    before = printable(done.note.schema)
    click.echo(f"Upgraded from {before} to {done.schema}; all that was held is there.")
    click.echo("`sheaf serve` starts the node. `sheaf upgrade rollback` takes it back to before")
    click.echo("for 72 hours, as long as this co-op has signed nothing new.")


@upgrade.command()
@click.option("--yes", is_flag=True, help="Do not ask before.")
@json_option
@home_option
def rollback(*, yes: bool, as_json: bool, home: Path) -> None:
    """Put the store of before the upgrade back, with the node stopped.

    That is refused once this co-op has signed anything since: others may rely on it.
    """
    from sheaf_node.upgrading import roll_back  # noqa: PLC0415
    from sheaf_node.upgrading.looking import may_roll_back  # noqa: PLC0415

    note = may_roll_back(home)
    if not yes:
        question = f"Go back to the store of {_day(note.created_ms)}?"
        click.confirm(f"{question} What peers sent since comes again.", abort=True, err=as_json)
    note = roll_back(home)
    if as_json:
        print_json({"copy": _named(note)})
        return
    click.echo(f"The store is of {printable(note.schema)} again, as on {_day(note.created_ms)}.")
    click.echo("Install the version that was here before: this one would upgrade it again.")


def _store_lines(outlook: Outlook) -> list[str]:
    if not outlook.schema:
        return ["There is no store so far; `sheaf serve` makes it."]
    if not outlook.steps:
        return [f"The store is of schema {outlook.schema}, as this version has it."]
    number = "1 step" if len(outlook.steps) == 1 else f"{len(outlook.steps)} steps"
    room = "enough" if outlook.free >= outlook.needed else "too little"
    return [
        f"The store is of schema {outlook.schema}; this version needs {outlook.newest}: {number}.",
        f"Room: {_mib(outlook.needed)} MiB are needed, {outlook.free >> 20} are free: {room}.",
    ]


def _copy_lines(outlook: Outlook) -> list[str]:
    lines = []
    if outlook.note is not None:
        made = _day(outlook.note.created_ms)
        lines.append(f"A copy of schema {printable(outlook.note.schema)} is kept, of {made}.")
    if outlook.kept_back is not None:
        lines.append(f"It cannot be put back: {printable(outlook.kept_back.detail)}.")
    elif outlook.note is not None:
        lines.append("`sheaf upgrade rollback` puts it back.")
    return lines


def _backup_line(outlook: Outlook) -> str:
    if outlook.backup_ms is None:
        return "No backup is known of; `sheaf backup create` makes one."
    return f"The newest backup is of {_day(outlook.backup_ms)}."


def _facts(outlook: Outlook) -> dict[str, Any]:
    return {
        "backup_ms": outlook.backup_ms,
        "copy": None if outlook.note is None else _named(outlook.note),
        "free": outlook.free,
        "kept_back": None if outlook.kept_back is None else outlook.kept_back.code,
        "needed": outlook.needed,
        "newest": outlook.newest,
        "schema": outlook.schema,
        "size": outlook.size,
        "software": outlook.software,
        "steps": outlook.steps,
    }


def _named(note: Note) -> dict[str, Any]:
    return {"created_ms": note.created_ms, "schema": note.schema, "size": note.size}


def _day(at_ms: int) -> str:
    return f"{utc(at_ms):%Y-%m-%d %H:%M} UTC"


def _mib(size: int) -> int:
    return -(-size >> 20)
