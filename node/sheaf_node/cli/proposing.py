"""What every command that opens a ballot takes, and how it opens and tells of it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from sheaf_node.cli.governance import DAY_MS, Asked, federation_option, state_words
from sheaf_node.cli.output import home_option, json_option, print_json, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What somebody says of a ballot beside what it would change, and where it is to be held."""

    title: str
    text: str
    days: float | None
    fid: str | None
    as_json: bool
    home: Path

    @property
    def asked(self) -> Asked:
        """The governance that holds the ballot."""
        return Asked(self.home, self.fid)

    def propose(self, wish: Mapping[str, object]) -> None:
        """Open a ballot on a wish and tell of it. Raises Refusal with the node's own code."""
        closes_in_ms = None if self.days is None else round(self.days * DAY_MS)
        said = {"title": self.title, "text": self.text, "closes_in_ms": closes_in_ms}
        ballot = self.asked.propose({**said, **wish})
        if self.as_json:
            print_json(ballot)
            return
        id_ = ballot["id"][:8]
        click.echo(f"Ballot {id_}: {printable(ballot['would'])}; {state_words(ballot)}.")
        click.echo(f"Members, this one too, vote with `sheaf federation vote {id_} yes`.")


def proposing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what every proposal may say; the command gets it as `said`."""

    @functools.wraps(command)
    def run(
        *,
        title: str,
        text: str,
        days: float | None,
        fid: str | None,
        as_json: bool,
        home: Path,
        **given: Any,
    ) -> Any:
        said = Said(title=title, text=text, days=days, fid=fid, as_json=as_json, home=home)
        return command(said=said, **given)

    days_option = click.option(
        "--days", type=click.FloatRange(0, 366), help="How long it is open (as the policy says)."
    )
    text_option = click.option("--text", default="", help="Reasons, for members to read.")
    title_option = click.option(
        "--title", default="", help="What members read in the list of ballots."
    )
    options = (home_option, json_option, federation_option, days_option, text_option, title_option)
    return functools.reduce(lambda made, option: option(made), options, run)
