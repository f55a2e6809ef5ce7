"""How commands ask the running node's governance, and how a ballot is printed."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.output import printable, utc
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_SERVICE: Final = "/api/v1/services/governance"
_CHARTER: Final = "/api/v1/charter"
DAY_MS: Final = 86_400_000
_DIGITS: Final = re.compile(r"[0-9a-f]{1,64}")


def federation_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--federation` to a command that gets `home` as well: a name, or how its id begins."""

    @functools.wraps(command)
    def run(*, fid: str | None, home: Path, **given: Any) -> Any:
        return command(fid=None if fid is None else _id_of(fid, home), home=home, **given)

    said = "Of several federations: its name, or the first digits of its id."
    return click.option("--federation", "fid", help=said)(run)


def _id_of(text: str, home: Path) -> str:
    """Return the id of the federation that is called so at the running node, or the digits given.

    Raises Refusal `node.no_federation` where none or several are, and as the node refuses.
    """
    if _DIGITS.fullmatch(text):
        return text
    known = NodeClient(home).get("/api/v1/status")["federations"]
    found = [each["fid"] for each in known if each["name"].casefold() == text.casefold()]
    if len(found) != 1:
        ours = ", ".join(f"{printable(each['name'])} ({each['fid'][:8]})" for each in known)
        detail = f"expected one federation of this node, {ours or 'which is in none'}"
        raise Refusal("node.no_federation", f"{detail}; got {text[:120]!r}")
    return str(found[0])


@dataclass(frozen=True, slots=True)
class Asked:
    """The governance of one federation at a running node."""

    home: Path
    fid: str | None

    def view(self, name: str, options: Mapping[str, object] | None = None) -> Any:
        """Return a view. Raises Refusal with the node's own code."""
        return NodeClient(self.home).get(f"{_SERVICE}/{name}", self._query(options))

    def command(
        self, name: str, body: object = None, options: Mapping[str, object] | None = None
    ) -> Any:
        """Return the answer to a command. Raises Refusal with the node's own code."""
        data = b"" if body is None else json.dumps(body).encode()
        return NodeClient(self.home).post(f"{_SERVICE}/{name}", data, self._query(options))

    def hand_in(self, data: bytes) -> None:
        """Give a re-foundation to the node. Raises Refusal with the node's own code."""
        NodeClient(self.home).post(f"{_SERVICE}/refound", data, self._query(None))

    def charter_file(self) -> bytes:
        """Return the charter of the federation as a file for who is to join it."""
        return bytes(NodeClient(self.home).get_bytes(_CHARTER, self._query(None)))

    def propose(self, wish: Mapping[str, object]) -> dict[str, Any]:
        """Open a ballot and return it, or the one that asks for the same already."""
        given = {key: value for key, value in wish.items() if value not in (None, "", [], ())}
        answer = self.command("propose", given)
        if "id" in answer:
            return dict(answer)
        found = [
            ballot
            for ballot in self.view("ballots")["ballots"]
            if ballot["closes_at_ms"] == answer["closes_at_ms"]
            and ballot["title"] == answer["title"]
        ]
        return dict(found[0])

    def _query(self, options: Mapping[str, object] | None) -> Mapping[str, object]:
        named = {} if self.fid is None else {"federation": self.fid}
        return {**named, **(options or {})}


def print_ballot(ballot: Mapping[str, Any]) -> None:
    """Print all of one ballot."""
    click.echo(f"Ballot {ballot['id'][:8]}: {printable(ballot['title'])}")
    click.echo(f"The change: {printable(ballot['would'])}.")
    for line in ballot["text"].splitlines():
        click.echo(f"  {printable(line)}")
    if ballot["change"]["action"] == "admit":
        candidate = ballot["candidate"]
        click.echo(f"Fingerprint of {printable(candidate['name'])}: {candidate['fingerprint']}")
    click.echo(f"By {printable(ballot['by']['name'])}; {state_words(ballot)}.")
    for vote in ballot["votes"]:
        click.echo(f"  {vote['choice']:8}{printable(vote['name'])}")
    for missing in ballot["missing"]:
        click.echo(f"  {'-':8}{printable(missing['name'])}")


def print_charter(charter: Mapping[str, Any]) -> None:
    """Print who is in a federation, and what is wrong with it, if anything is."""
    name, quorum = printable(charter["name"]), charter["quorum"]
    click.echo(f"{name}, federation {charter['fid'][:8]}, epoch {charter['epoch']}")
    click.echo(f"Co-ops with a vote: {charter['voters']}; it takes {quorum} to certify a change.")
    for member in charter["members"]:
        marks = "  (suspended)" if member["is_suspended"] else ""
        if member["sponsor"]:
            marks += f"  (seat; {printable(member['sponsor'])} signs)"
        roles = ", ".join(member["roles"])
        click.echo(f"  {member['cid'][:8]}  {printable(member['name'])}  {roles}{marks}")
        click.echo(f"            {member['fingerprint']}")
    if not charter["is_member"]:
        click.echo("This co-op is no member any more.")
    elif charter["has_vote"] and not charter["speaks"]:
        click.echo("Another writer of this co-op takes part in the rounds: `sheaf identity show`.")
    for double in charter["doubles"]:
        entries = ", ".join(id_[:8] for id_ in double["entries"])
        click.echo(f"{printable(double['name'])} contradicted itself: {entries} [ballot.double]")
    for late in charter["late"]:
        names = ", ".join(printable(each["name"]) for each in late["approvals"])
        against = f"signed by {names} against epoch {late['against']} as it is here"
        click.echo(f"Another epoch {late['epoch']} came late: {late['id'][:8]}, {against}.")
        click.echo("It changes nothing [charter.late].")
    if charter["is_forked"]:
        click.echo("Halted: two certificates follow on this epoch [charter.forked]:")
        for side in charter["fork"]:
            names = ", ".join(printable(each["name"]) for each in side["approvals"])
            click.echo(f"  {side['id'][:8]}, signed by {names}")
        click.echo("docs/governing.md tells how members found it anew.")


def state_words(ballot: Mapping[str, Any]) -> str:
    """Return in words how far a ballot has come."""
    closes = f"{moment(ballot['closes_at_ms'])} UTC"
    match ballot["state"]:
        case "open":
            why = f", waits: {ballot['why']}" if ballot["why"] else ""
            return f"open until {closes}{why}"
        case "passed":
            return "passed, the members' nodes are certifying it"
        case "certified":
            return f"passed and certified as epoch {ballot['epoch']}"
        case "moot":
            return f"passed, but can no longer be carried out ({ballot['why']})"
        case "refused":
            return f"not held ({ballot['why']})"
        case _:
            return f"failed, closed {closes}"


def ballot_cells(ballot: Mapping[str, Any]) -> Sequence[str]:
    """Return the cells of a ballot in a table."""
    counts = ballot["counts"] or dict.fromkeys(("yes", "no", "abstain", "missing"), "-")
    numbers = [str(counts[name]) for name in ("yes", "no", "abstain", "missing")]
    closes = moment(ballot["closes_at_ms"])
    own = ballot["own"] or "-"
    return ballot["id"][:8], ballot["state"], closes, *numbers, own, ballot["title"]


def setting_line(key: str, value: Any) -> str:
    """Return a setting of the policy, with a length of time in words beside it."""
    shown = ", ".join(value) if isinstance(value, list) else value
    return f"{key} = {shown}" + (f" ({span(value)})" if key.endswith("_ms") else "")


def span(length_ms: int) -> str:
    """Return a length of time for people, in the largest unit that it is a whole number of."""
    units = (("days", DAY_MS), ("hours", 3_600_000), ("minutes", 60_000), ("seconds", 1_000))
    fitting = ((name, length_ms // size) for name, size in units if length_ms % size == 0)
    name, number = next(fitting, ("milliseconds", length_ms))
    return f"{number} {name.removesuffix('s') if number == 1 else name}"


def moment(time_ms: int) -> str:
    """Return a time for people, in UTC."""
    return f"{utc(time_ms):%Y-%m-%d %H:%M}"
