"""The command group. Commands load when they are called, so that `sheaf --help` stays quick."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

import click

from sheaf_node.cli.examples import with_examples
from sheaf_node.cli.output import fail
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "init": ("sheaf_node.cli.init:init", "Set up a co-op's node in a folder."),
    "invite": ("sheaf_node.cli.invite:invite", "Invite another co-op by a link or a code."),
    "join": ("sheaf_node.cli.join:join", "Join a federation by an invitation."),
    "serve": ("sheaf_node.cli.serve:serve", "Run the node until Ctrl-C."),
    "status": ("sheaf_node.cli.status:status", "Show what a running node holds and its links."),
    "doctor": ("sheaf_node.cli.doctor:doctor", "Say what keeps this node from being well."),
    "open": ("sheaf_node.cli.open_:open_", "Sign a browser in to the running node."),
    "service": ("sheaf_node.cli.service:service", "Add services of others, and run them."),
    "token": ("sheaf_node.cli.token:token", "Give programs tokens, each for what it needs."),
    "config": ("sheaf_node.cli.config:config", "Show the settings, or check them."),
    "peers": ("sheaf_node.cli.peers:peers", "Show, add, pause or remove the nodes it links to."),
    "events": ("sheaf_node.cli.events:events", "Watch, check or export the signed entries."),
    "webhook": ("sheaf_node.cli.webhook:webhook", "Send entries to other programs."),
    "kind": ("sheaf_node.cli.kind:kind", "Install kinds of records that others thought up."),
    "log": ("sheaf_node.cli.log:log", "List the entries that a running node holds."),
    "erase": ("sheaf_node.cli.erase:erase", "Erase an entry of this co-op on all nodes."),
    "restore": ("sheaf_node.cli.erase:restore", "Take an erasure back within 72 hours."),
    "seat": ("sheaf_node.cli.seat:seat", "Publish for small members that have no node."),
    "needs": ("sheaf_node.cli.needs:needs", "Publish what this co-op needs, from a list."),
    "offers": ("sheaf_node.cli.offers:offers", "Publish what this co-op sells, from a list."),
    "import": ("sheaf_node.cli.import_:import_", "Publish a price or transport list."),
    "draft": ("sheaf_node.cli.draft:draft", "Look at what is prepared, and publish it or not."),
    "pools": ("sheaf_node.cli.pools:pools", "Open, close and show pools; withdraw a line."),
    "orders": ("sheaf_node.cli.orders:orders", "Accept, change, despatch, count and return goods."),
    "invoices": ("sheaf_node.cli.invoices:invoices", "Bill what was received, answer, add up."),
    "curve": ("sheaf_node.cli.curve:curve", "Add up what co-ops want, with every line hidden."),
    "blob": ("sheaf_node.cli.blob:blob", "Add a file for the members, or get one by its id."),
    "backup": ("sheaf_node.cli.backup:backup", "Back up this node, look at a backup, restore one."),
    "upgrade": ("sheaf_node.cli.upgrade:upgrade", "Bring this node to the installed version."),
    "identity": ("sheaf_node.cli.identity:identity", "Show, protect or recover this co-op's keys."),
    "recovery": ("sheaf_node.cli.recovery:recovery", "Let a restored or copied home sign again."),
    "federation": ("sheaf_node.cli.federation:federation", "Found, join, govern or leave one."),
    "treaty": ("sheaf_node.cli.treaty:treaty", "Agree on what crosses into another federation."),
    "verify": ("sheaf_node.cli.verify:verify", "Read all that a node holds again and check it."),
    "conform": ("sheaf_node.cli.conform:conform", "Run the conformance kit against a node."),
    "spec": ("sheaf_node.cli.spec:spec", "Run the spec's test vectors on this installation."),
}
GROUP: Final = "sheaf.commands"


class LazyGroup(click.Group):
    """A group that knows its commands' names and one line of help, and imports on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, those of installed packages last."""
        return [*COMMANDS, *sorted(_installed())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, imported now."""
        if cmd_name in COMMANDS:
            return with_examples(_load(COMMANDS[cmd_name][0]), cmd_name)
        target = _installed().get(cmd_name)
        return None if target is None else _load(target)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands' lines without importing them."""
        rows = [(name, help_) for name, (_, help_) in COMMANDS.items()]
        rows += [(name, _EXTRA.get(name, "")) for name in sorted(_installed())]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a refusal ends it with one sentence, exit 1, or 2 for misuse."""
        try:
            return super().invoke(ctx)
        except Refusal as refusal:
            fail(refusal)
        except PermissionError as exc:
            said = f"expected to be let at {exc.filename}, got: {exc.strerror}"
            fail(Refusal("node.unwritable", f"{said}; see whose file it is, and who you are"))


_EXTRA: Final = {"demo": "Run eight nodes on this computer through one story, then stop."}


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sheaf-coop", prog_name="sheaf")
def sheaf() -> None:
    """Sheaf: co-ops buy and ship together, each from its own node."""


def main() -> None:
    """Run the command line."""
    sheaf()


def _installed() -> dict[str, str]:
    return {point.name: point.value for point in entry_points(group=GROUP)}


def _load(target: str) -> click.Command:
    module, _, name = target.partition(":")
    command = getattr(import_module(module), name)
    if not isinstance(command, click.Command):
        raise TypeError(f"expected a click command at {target}")
    return command
