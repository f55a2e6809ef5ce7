"""`sheaf demo`."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sheaf_protocol.errors import Refusal
from sheaf_services.demo.cast import CAST, COORDINATOR
from sheaf_services.demo.fleet import Fleet
from sheaf_services.demo.homes import make_homes
from sheaf_services.demo.meter import Meter
from sheaf_services.demo.outcome import gather
from sheaf_services.demo.play import Play
from sheaf_services.demo.progress import Progress
from sheaf_services.demo.scenario import Scenario, built_in, from_files
from sheaf_services.demo.table import render

if TYPE_CHECKING:
    from types import FrameType

DEADLINE_S = 600
"""Ten minutes: several times what the real week takes on two slow cores."""


@click.command()
@click.option("--once", is_flag=True, help="End after the summary, even in a terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option(
    "--purchases",
    type=click.Path(path_type=Path),
    help="Folder of sales lines (CSV) to make the market of.",
)
@click.option(
    "--shipments", type=click.Path(path_type=Path), help="PDPTW file of transport requests."
)
@click.option("--salt", default="", help="Text that the synthetic maxima are drawn with.")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep the nodes' folders here.")
def demo(
    *,
    once: bool,
    as_json: bool,
    purchases: Path | None,
    shipments: Path | None,
    salt: str,
    keep: Path | None,
) -> None:
    """Run eight nodes on this computer through one story, then stop.

    Six buying co-ops, a wholesaler and a haulier, each with its own process, key and folder, buy
    feed and fencing together and share the lorries. Nothing leaves this computer.
    """
    is_real = purchases is not None or shipments is not None
    scenario = from_files(purchases, shipments, salt) if is_real else built_in()
    signal.signal(signal.SIGTERM, _interrupt)
    _require_empty(keep)
    folder = keep or Path(tempfile.mkdtemp(prefix="sheaf-demo-"))
    stays = sys.stdout.isatty() and not once and not as_json
    try:
        outcome = _run(folder, scenario, Progress(is_quiet=as_json), stays=stays)
        if as_json:
            click.echo(json.dumps(outcome, ensure_ascii=False))
    except KeyboardInterrupt:
        click.echo("Stopped.", err=True)
        sys.exit(130)
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def _run(folder: Path, scenario: Scenario, progress: Progress, *, stays: bool) -> dict[str, Any]:
    homes = make_homes(folder, CAST, "Borders Buying Federation", starts=scenario.starts)
    fleet = Fleet(homes, DEADLINE_S)
    meter = Meter(lambda: [node.pid for node in fleet.nodes.values()])
    with fleet, suppress(_Enough):
        meter.start()
        play = Play(fleet, scenario, progress)
        play.run()
        outcome = gather(play, scenario)
        pools = play.report(COORDINATOR.key)["pools"]
        meter.stop()
        outcome |= {"wall_s": meter.wall_s, "peak_pss_mb": meter.peak_mb}
        if stays:
            click.echo("\n" + render(outcome, scenario, pools))
            _stay(fleet, folder)
    if not stays:
        # Known only now: a process's CPU time is told when it has ended.
        outcome["cpu_s"] = meter.cpu_s
        progress.tell("\n" + render(outcome, scenario, pools))
    return outcome


def _stay(fleet: Fleet, folder: Path) -> None:
    """Leave the nodes running for whoever wants to look, until Ctrl-C, which is no failure here."""
    sheaf = Path(sys.executable).with_name("sheaf")
    click.echo(f"\nThe nodes keep running. Look: {sheaf} status --home {folder / COORDINATOR.key}")
    click.echo("Ctrl-C stops them.")
    try:
        while True:
            fleet.look_after()
    except KeyboardInterrupt as exc:
        raise _Enough from exc


class _Enough(Exception):
    """Whoever watched has seen enough."""


def _require_empty(keep: Path | None) -> None:
    """Refuse a folder with anything in it: nodes start from nothing and would find old keys."""
    if keep is None:
        return
    try:
        is_empty = not keep.exists() or not any(keep.iterdir())
    except OSError:
        is_empty = False
    if not is_empty:
        raise Refusal("demo.keep", f"expected a new or empty folder at {keep}")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
