"""`sheaf conform`: puts an implementation, ours or another one, to the conformance kit."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sheaf_node.cli.output import json_option, print_json, printable
from sheaf_node.clock import SystemClock
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sheaf_node.conform.api import Api
    from sheaf_node.conform.model import Case, Claim
    from sheaf_node.conform.runner import Report
    from sheaf_node.conform.running import Wish
    from sheaf_protocol.testing.vectors import Vector

# The kit and aiohttp load where they are used, so that `sheaf --help` stays quick.

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)
SEED_BYTES = 32


class _Conform(click.Group):
    """A group whose command is `run` where none is named, so that `sheaf conform URL` runs."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `run` before what is no command."""
        if args and args[0] not in {*self.commands, "--help", "-h"}:
            args = ["run", *args]
        return super().parse_args(ctx, args)


def _seed(ctx: click.Context, option: click.Parameter, text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        seed = bytes.fromhex(text)
    except ValueError:
        seed = b""
    if len(seed) != SEED_BYTES:
        raise click.BadParameter("expected 64 hex digits", ctx, option)
    return seed


def seed_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--seed` to a command."""
    text = "64 hex digits that the kit's keys follow from; drawn if not given."
    return click.option("--seed", metavar="HEX", callback=_seed, help=text)(command)


def only_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--only` to a command."""
    text = "Cases whose id begins so; may be repeated."
    return click.option("--only", multiple=True, metavar="ID", help=text)(command)


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what all runs of a node have in common."""
    for option in (
        only_option,
        click.option(
            "--limit",
            default=20.0,
            show_default=True,
            type=click.FloatRange(1, 600),
            help="Seconds for one case.",
        ),
        click.option(
            "--jobs",
            default=8,
            show_default=True,
            type=click.IntRange(1, 64),
            help="Cases at a time.",
        ),
    ):
        command = option(command)
    return json_option(command)


@click.group(cls=_Conform)
def conform() -> None:
    """Run the conformance kit: `sheaf conform URL --kit DIR` against any node, over the wire.

    `prepare` makes the kit for a node; `own` does everything for a throw-away node of this program;
    `run` is what `sheaf conform URL` stands for; `bytes` puts the vectors to any program.
    docs/conformance.md tells what it takes.
    """


@conform.command()
@click.option("--card", type=FILE, required=True, help="The card of the co-op under test.")
@click.option("--out", type=FOLDER, required=True, help="Where to write the kit.")
@click.option("--listen", metavar="HOST:PORT", help="Print the addresses there for it to dial.")
@seed_option
def prepare(card: Path, out: Path, listen: str | None, seed: bytes | None) -> None:
    """Make a kit: throw-away federations that admit one co-op."""
    from sheaf_node.conform.cases import dialled_paths  # noqa: PLC0415
    from sheaf_node.conform.kit import prepare as prepared  # noqa: PLC0415

    address = _address(listen)
    kit = prepared(out, card, seed=seed, now_ms=SystemClock().now_ms())
    click.echo(f"Kit for {printable(kit.node.name)} written to {out}.")
    click.echo(f"1. Let the node adopt every charter in {out / 'charters'}.")
    if address is not None:
        click.echo("2. Have the node dial these addresses, as its peers, and start it:")
        for path in dialled_paths():
            click.echo(f"   ws://{address[0]}:{address[1]}{path}")
    else:
        click.echo("2. Start it, with a port that peers reach.")
    more = "" if listen is None else f" --listen {listen}"
    click.echo(f"3. sheaf conform ws://HOST:PORT --kit {out}{more}")


@conform.command()
@click.argument("url", required=False)
@click.option("--kit", "folder", type=FOLDER, help="The folder that `prepare` wrote.")
@click.option("--list", "is_list", is_flag=True, help="List the cases and run nothing.")
@click.option("--api", "api_url", metavar="URL", help="The local API, for the cases that ask it.")
@click.option("--token-file", type=FILE, help="The file with its token.")
@click.option("--listen", metavar="HOST:PORT", help="The kit's port, which the node dials.")
@run_options
@click.pass_context
def run(
    ctx: click.Context,
    *,
    url: str | None,
    folder: Path | None,
    is_list: bool,
    api_url: str | None,
    token_file: Path | None,
    listen: str | None,
    only: tuple[str, ...],
    limit: float,
    jobs: int,
    as_json: bool,
) -> None:
    """Run the kit in a folder against the node at URL.

    Exit status 1 where a case fails.
    """
    from sheaf_node.conform.running import run_against  # noqa: PLC0415

    wish, show = _wish(only, limit, jobs), _shower(as_json=as_json)
    _require_some(wish.cases, only)
    if is_list:
        _list(wish.cases, as_json=as_json)
        return
    if url is None or folder is None:
        raise click.UsageError("expected URL and --kit; `sheaf conform prepare` makes a kit")
    made = run_against(
        url,
        folder,
        wish,
        SystemClock(),
        show,
        api=_api(api_url, token_file),
        listen=_address(listen),
    )
    _end(ctx, asyncio.run(made), as_json=as_json)


@conform.command()
@click.option("--serve", metavar="COMMAND", help="What serves {home} in place of `sheaf serve`.")
@run_options
@seed_option
@click.pass_context
def own(
    ctx: click.Context,
    *,
    serve: str | None,
    only: tuple[str, ...],
    limit: float,
    jobs: int,
    seed: bytes | None,
    as_json: bool,
) -> None:
    """Make a throw-away home, serve it, run the kit against it, and judge the vectors.

    Exit status 1 where a case fails.
    """
    from sheaf_node.conform.own import SERVE  # noqa: PLC0415
    from sheaf_node.conform.running import run_own  # noqa: PLC0415

    wish, show = _wish(only, limit, jobs, with_vectors=True), _shower(as_json=as_json)
    _require_some([*wish.cases, *wish.vectors], only)
    made = run_own(wish, SystemClock(), show, seed=seed, serve=serve or SERVE)
    _end(ctx, asyncio.run(made), as_json=as_json)


@conform.command("bytes", context_settings={"allow_interspersed_args": False})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@only_option
@click.option(
    "--limit",
    default=20.0,
    show_default=True,
    type=click.FloatRange(1, 600),
    help="Seconds that it may be silent while an answer is due.",
)
@json_option
@click.pass_context
def bytes_(
    ctx: click.Context,
    *,
    command: tuple[str, ...],
    only: tuple[str, ...],
    limit: float,
    as_json: bool,
) -> None:
    """Put the vectors to COMMAND: its input has a line of JSON for each, its output the answers.

    Exit status 1 where a vector fails. docs/conformance.md has the lines.
    """
    from sheaf_node.conform.judging import judge_vectors  # noqa: PLC0415

    vectors = _vectors(only)
    _require_some(vectors, only)
    made = judge_vectors(vectors, command, limit, _shower(as_json=as_json))
    _end(ctx, asyncio.run(made), as_json=as_json)


def _shower(*, as_json: bool) -> Callable[[Report], None]:
    from sheaf_node.conform.report import lines_of  # noqa: PLC0415

    def show(report: Report) -> None:
        for line in () if as_json else lines_of(report):
            click.echo("\n".join(map(printable, line.split("\n"))))

    return show


def _end(ctx: click.Context, reports: Sequence[Report], *, as_json: bool) -> None:
    from sheaf_node.conform.report import as_data, summary  # noqa: PLC0415

    if as_json:
        print_json(as_data(reports))
    else:
        click.echo(summary(reports))
    if any(report.result == "FAIL" for report in reports):
        ctx.exit(1)


def _wish(only: tuple[str, ...], limit: float, jobs: int, *, with_vectors: bool = False) -> Wish:
    from sheaf_node.conform.running import Wish  # noqa: PLC0415

    vectors = _vectors(only) if with_vectors else ()
    return Wish(cases=_cases(only), vectors=vectors, limit_s=limit, jobs=jobs)


def _cases(only: tuple[str, ...]) -> Sequence[Case]:
    from sheaf_node.conform.cases import all_cases  # noqa: PLC0415

    return [case for case in all_cases() if not only or case.id.startswith(only)]


def _vectors(only: tuple[str, ...]) -> Sequence[Vector]:
    from sheaf_node.conform.judging import all_vectors  # noqa: PLC0415

    return [vector for vector in all_vectors() if not only or vector.id.startswith(only)]


def _require_some(found: Sequence[object], only: tuple[str, ...]) -> None:
    if not found:
        raise click.UsageError(f"expected the beginning of a case's id, got {', '.join(only)}")


def _list(cases: Sequence[Claim], *, as_json: bool) -> None:
    from sheaf_node.conform.report import described  # noqa: PLC0415

    if as_json:
        print_json([described(case) for case in cases])
        return
    for case in cases:
        click.echo(f"{case.id} {','.join(case.clauses)} {case.title}")
    click.echo(f"{len(cases)} cases")


def _api(url: str | None, token_file: Path | None) -> Api | None:
    from sheaf_node.conform.api import Api  # noqa: PLC0415

    if (url is None) != (token_file is None):
        raise click.UsageError("--api and --token-file go together")
    if url is None or token_file is None:
        return None
    try:
        return Api(url, token_file.read_text().strip())
    except OSError as exc:
        detail = f"expected a readable file at {token_file}, got: {exc.strerror}"
        raise Refusal("api.no_token", detail) from exc


def _address(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise click.UsageError(f"expected --listen as HOST:PORT, got {text!r}")
    return host, int(port)
