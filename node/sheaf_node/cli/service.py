"""`sheaf service`: services of third parties, added to a home, and run beside its node."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from sheaf_node.api.route import Scope
from sheaf_node.api.tokens import Tokens, name_for
from sheaf_node.bridging import NAME as BRIDGING
from sheaf_node.cli.output import home_option, json_option, print_json, print_table
from sheaf_node.cli.service_words import asks, cells, shown, told
from sheaf_node.clock import SystemClock
from sheaf_node.config import CONFIG_FILE, load_config
from sheaf_node.directory import NAME as DIRECTORY
from sheaf_node.durable import new_private_file
from sheaf_node.governance import NAME as GOVERNANCE
from sheaf_node.plugins import installed_services
from sheaf_node.plugins.bringing import kinds_in
from sheaf_node.plugins.inside import load_class
from sheaf_node.plugins.installed import Installed
from sheaf_node.plugins.service_folder import read_folder
from sheaf_node.recovery import NAME as RECOVERY
from sheaf_node.remote.bounds import end_with, give_way, hold_memory, leaving
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from sheaf_node.plugins.manifest import Manifest

_OURS: Final = frozenset({GOVERNANCE, BRIDGING, DIRECTORY, RECOVERY})
_MAX_TOKEN: Final = 4_096


@click.group()
def service() -> None:
    """Add services that others wrote, see what they may do, run them, remove them."""


@service.command("list")
@json_option
@home_option
def list_(*, as_json: bool, home: Path) -> None:
    """List the services that were added, and what each was granted."""
    load_config(home)
    grants = list(Installed(home))
    if as_json:
        print_json([shown(grant) for grant in grants])
    elif grants:
        head = ("service", "version", "runs", "is shown", "publishes", "keeps at most")
        print_table(head, map(cells, grants))
    else:
        click.echo("No service was added yet: `sheaf service add FOLDER` adds one.")


@service.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--inside", is_flag=True, help="Let the node run it, in a process of its own.")
@click.option(
    "--same-process",
    is_flag=True,
    help="With --inside: run it in the node's own process, with all its powers.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="New file for the service's token.  [default: NAME.token]",
)
@click.option("--yes", is_flag=True, help="Grant what it asks for without a question.")
@json_option
@home_option
def add(
    *,
    folder: Path,
    inside: bool,
    same_process: bool,
    token_file: Path | None,
    yes: bool,
    as_json: bool,
    home: Path,
) -> None:
    """Add the service in FOLDER, once you granted what it asks for."""
    if same_process and not inside:
        raise click.UsageError("expected --inside with --same-process")
    load_config(home)
    source = read_folder(folder)
    manifest = source.manifest
    _require_free(manifest, is_inside=inside)
    installed, clock = Installed(home), SystemClock()
    coming = installed.coming_kinds(source)
    if not as_json:
        kinds = kinds_in(manifest, source.files).values()
        for line in asks(manifest, kinds, coming, is_inside=inside, shares_process=same_process):
            click.echo(line)
    if not yes:
        click.confirm("Grant this?", abort=True, err=as_json)
    tokens = Tokens(home, clock=clock, random=os.urandom)
    has_token = any(kept.name == name_for(manifest.name) for kept in tokens.listed())
    before = installed.find(manifest.name)
    if has_token and (inside or (before is not None and before.is_inside)):
        # The node has drawn that one for its own, or another is to hold from now on.
        tokens.revoke(name_for(manifest.name))
        has_token = False
    path = None if inside or has_token else token_file or Path(f"{manifest.name}.token")
    # Before anything is granted: a token that cannot be written down is of no use.
    file = None if path is None else _new_file(path)
    grant = installed.add(
        source, granted_ms=clock.now_ms(), is_inside=inside, shares_process=same_process
    )
    if file is not None:
        name = name_for(manifest.name)
        text = tokens.create(name, [Scope.SERVICE], service=manifest.name)
        with os.fdopen(file, "w") as opened:
            opened.write(f"{text}\n")
    if as_json:
        print_json({**shown(grant), "token_file": None if path is None else str(path)})
        return
    for line in told(grant, path, load_config(home).local_port):
        click.echo(line)


@service.command()
@click.argument("name")
@click.option("--node", required=True, metavar="URL", help="The node's local API.")
@click.option(
    "--token-file",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True),
    help="File with the service's token; - for standard input, with whose end it ends.",
)
@click.option("--federation", default="", help="First digits of its id; the first joined if none.")
@click.option(
    "--memory-mib",
    type=click.IntRange(128, 1_048_576),
    help="Let it have so much memory at most.  [default: no limit]",
)
@home_option
def run(
    *,
    name: str,
    node: str,
    token_file: Path,
    federation: str,
    memory_mib: int | None,
    home: Path,
) -> None:
    """Run the service NAME, or the one in a folder, in this process until Ctrl-C.

    Its node need not be of this computer: a folder will do in place of a name then.
    """
    folder, manifest = _found(name, home)
    if not manifest.python:
        detail = f"expected python = 'module:Class' in the manifest of {manifest.name}"
        raise Refusal("service.manifest", f"{detail}; a program of another kind is started itself")
    settings = _settings(home, manifest.name)
    token = _token(token_file)
    if memory_mib is not None:
        hold_memory(memory_mib)
    with leaving() if str(token_file) == "-" else nullcontext():
        asyncio.run(_run(folder, manifest, settings, node=node, token=token, federation=federation))


@service.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Remove it without a question.")
@json_option
@home_option
def remove(*, name: str, yes: bool, as_json: bool, home: Path) -> None:
    """End the service NAME at once, with its token and what it kept. What it signed stays."""
    load_config(home)
    installed = Installed(home)
    is_held = name in installed.held()  # by a restore
    shares_process = (installed.held_grant if is_held else installed.get)(name).shares_process
    going = installed.going_kinds(name)
    if not yes:
        also = "".join(f", and the kind {kind}" for kind in going)
        click.confirm(f"Remove {name} and all that it keeps{also}?", abort=True, err=as_json)
    tokens = Tokens(home, clock=SystemClock(), random=os.urandom)
    known = {kept.name for kept in tokens.listed()} | set(tokens.held())
    if name_for(name) in known:
        tokens.revoke(name_for(name))
    installed.remove(name)
    if as_json:
        print_json({"removed": name, "removed_kinds": going})
        return
    click.echo(f"Removed {', '.join([name, *going])}.")
    if shares_process:
        click.echo("A node that runs has it until it is started again.")


async def _run(
    folder: Path,
    manifest: Manifest,
    settings: Mapping[str, Any],
    *,
    node: str,
    token: str,
    federation: str,
) -> None:
    import aiohttp  # noqa: PLC0415 - only where a service runs

    from sheaf_node.remote.client import NodeClient, require_node  # noqa: PLC0415
    from sheaf_node.remote.running import Running  # noqa: PLC0415

    require_node(node)
    async with aiohttp.ClientSession(
        trust_env=False, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
    ) as session:
        client = NodeClient(session, node, manifest.name, token, federation)
        running = Running(manifest, load_class(folder, manifest), settings, client)
        said: list[str] = []

        def say() -> None:
            if not said:
                said.append(manifest.name)
                click.echo(f"Running {manifest.name} at {node}. Ctrl-C stops.")

        task = asyncio.ensure_future(running.run(say))
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        await asyncio.wait({task})
        if not task.cancelled():
            task.result()


def _found(name: str, home: Path) -> tuple[Path, Manifest]:
    """Return the folder and manifest of a service that was added, or of one in a folder."""
    if "/" in name or Path(name).is_dir():
        folder = Path(name).resolve()
        return folder, read_folder(folder).manifest
    installed = Installed(home)
    grant = installed.get(name)
    return installed.code(grant).resolve(), grant.manifest


def _settings(home: Path, name: str) -> Mapping[str, Any]:
    return load_config(home).services.get(name, {}) if (home / CONFIG_FILE).exists() else {}


def _require_free(manifest: Manifest, *, is_inside: bool) -> None:
    if manifest.name in {*installed_services(), *_OURS}:
        detail = f"expected a name that no service of the node has, got {manifest.name}"
        raise Refusal("service.exists", detail)
    if is_inside and not manifest.python:
        detail = "expected python = 'module:Class' of a service that runs in the node's process"
        raise Refusal("service.manifest", detail)


def _token(path: Path) -> str:
    """Return the token in a file; from standard input by a line, and who wrote it leads us."""
    if str(path) != "-":
        return path.read_text()[:_MAX_TOKEN].strip()
    given = sys.stdin.buffer
    token = given.readline(_MAX_TOKEN).decode(errors="replace").strip()
    give_way()
    end_with(given)
    return token


def _new_file(path: Path) -> int:
    try:
        return new_private_file(path)
    except OSError as exc:
        detail = f"expected to write a new file {path}, got: {exc.strerror}; give --token-file"
        raise Refusal("service.file", detail) from exc
