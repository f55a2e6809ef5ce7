"""`sheaf token`: gives programs tokens of their own, at a node that runs or not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sheaf_node.api.route import Scope
from sheaf_node.api.tokens import GIVEN, Tokens
from sheaf_node.cli.invite import milliseconds
from sheaf_node.cli.output import home_option, json_option, print_json, print_table, utc
from sheaf_node.clock import SystemClock
from sheaf_node.config import load_config
from sheaf_node.durable import new_private_file
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.api.tokens import KeptToken

_CHOICES = sorted(scope.value for scope in GIVEN - {Scope.SERVICE})


def expiry(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Return how long a token holds, or None for one that holds until it is revoked."""
    return None if value is None else milliseconds(ctx, param, value)


@click.group()
def token() -> None:
    """Give programs tokens for this node, each for what it needs."""


@token.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(_CHOICES),
    multiple=True,
    required=True,
    help="What it opens; may be repeated.",
)
@click.option("--expires", callback=expiry, help="Holds so long, such as 30d; else until revoked.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write it to this new file, which only you can read.",
)
@json_option
@home_option
def create(
    *,
    name: str,
    scopes: Sequence[str],
    expires: int | None,
    out: Path | None,
    as_json: bool,
    home: Path,
) -> None:
    """Make a token NAME and print it. It is shown this once."""
    tokens = _tokens(home)
    # Before the token is made: one that nobody has read is of no use.
    file = None if out is None else _new_file(out)
    try:
        text = tokens.create(name, [Scope(scope) for scope in scopes], expires_in_ms=expires)
    except Refusal:
        if out is not None:
            out.unlink(missing_ok=True)
        raise
    if file is not None:
        with os.fdopen(file, "w") as opened:
            opened.write(f"{text}\n")
    if as_json:
        print_json({"name": name, "token": text if out is None else None})
    elif out is None:
        click.echo(text)
        click.echo("It is shown this once. Keep it as you keep a password.", err=True)
    else:
        click.echo(f"Wrote the token {name} to {out}.")


@token.command("list")
@json_option
@home_option
def list_(*, as_json: bool, home: Path) -> None:
    """List the tokens: what each opens, and until when."""
    tokens = _tokens(home)
    kept = tokens.listed()
    if as_json:
        print_json([_row(each, tokens.used_ms(each)) for each in kept])
        return
    head = ("token", "scopes", "of", "created (UTC)", "expires (UTC)", "last used (UTC)")
    own = ("(api.token)", "all", "this home", "at each start", "", "")
    print_table(head, [own, *(_cells(each, tokens.used_ms(each)) for each in kept)])


@token.command()
@click.argument("name")
@home_option
def revoke(*, name: str, home: Path) -> None:
    """End the token NAME, at once and for good."""
    _tokens(home).revoke(name)
    click.echo(f"Ended the token {name}.")


def _tokens(home: Path) -> Tokens:
    load_config(home)  # refuses a folder that is no node's
    return Tokens(home, clock=SystemClock(), random=os.urandom)


def _new_file(out: Path) -> int:
    try:
        return new_private_file(out)
    except OSError as exc:
        raise Refusal("token.file", f"expected to make {out}, got: {exc.strerror}") from exc


def _row(kept: KeptToken, used_ms: int | None) -> dict[str, object]:
    return {
        "name": kept.name,
        "scopes": [scope.value for scope in kept.scopes],
        "service": kept.service,
        "created_ms": kept.created_ms,
        "expires_ms": kept.expires_ms,
        "used_ms": used_ms,
        "is_over": kept.is_over(SystemClock().now_ms()),
    }


def _cells(kept: KeptToken, used_ms: int | None) -> tuple[str, ...]:
    scopes = ", ".join(scope.value for scope in kept.scopes)
    over = " (over)" if kept.is_over(SystemClock().now_ms()) else ""
    expires = "never" if kept.expires_ms is None else _minute(kept.expires_ms) + over
    used = "never" if used_ms is None else _minute(used_ms)
    return kept.name, scopes, kept.service or "", _minute(kept.created_ms), expires, used


def _minute(ms: int) -> str:
    return utc(ms).strftime("%Y-%m-%d %H:%M")
