"""`sheaf identity guardian-card`, `guardians` and `countersign`: help from fellows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sheaf_node.charter_file import write_file
from sheaf_node.cli.output import home_option, json_option, print_json, printable
from sheaf_node.cli.passphrase import open_files
from sheaf_node.keyring import fingerprint, read_files
from sheaf_node.keyring.guardian import (
    GUARDIAN,
    MAX_GUARDIANS,
    Guardian,
    card_text,
    guardian_key,
    key_words,
    named_guardians,
    plan_guardians,
    planned_guardians,
    read_guardian_card,
    remembered_guardians,
)
from sheaf_node.keyring.recovery import MAX_DRAFT, RecoveryDraft, read_draft
from sheaf_node.keyring.recovery import countersign as with_signatures
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import WriterId, short
from sheaf_protocol.errors import Refusal
from sheaf_protocol.identity import signing_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.keyring import KeyFiles
    from sheaf_node.keyring.guardian import Guardians
    from sheaf_protocol.digest import CoopId
    from sheaf_protocol.identity import KeyLog

FILE = click.Path(path_type=Path, dir_okay=False)
GUARDIANS = click.IntRange(1, MAX_GUARDIANS)
_MAX_CARD = 65_536


@click.command("guardian-card")
@home_option
def guardian_card(home: Path) -> None:
    """Print the card by which a fellow co-op names this one as a guardian.

    The key is made at the first call and stays on this computer; the card has its public half.
    """
    files = open_files(home)
    _, log = files.key_log()
    key = guardian_key(files, os.urandom)
    card = Guardian(cid=log.cid, key=key.public, name=printable(log.name)[:120])
    click.echo(card_text(card), nl=False)


@click.command()
@click.option(
    "--card",
    "cards",
    type=FILE,
    multiple=True,
    help="The card of a fellow co-op; may be repeated.",
)
@click.option("--needed", type=GUARDIANS, help="How many guardians recover this co-op together.")
@json_option
@home_option
def guardians(*, cards: tuple[Path, ...], needed: int | None, as_json: bool, home: Path) -> None:
    """Show this co-op's guardians, or remember whom the next rotation is to name."""
    if bool(cards) != (needed is not None):
        raise click.UsageError("--card and --needed go together")
    files = read_files(home)
    _, log = files.key_log()
    if needed is not None:
        plan_guardians(files, read_cards(cards, needed, log.cid))
        files = read_files(home)
    answer = guardians_json(files, log)
    if as_json:
        print_json(answer)
        return
    print_guardians(answer)
    if answer["planned"] is not None:
        click.echo(
            "Compare the words with each of them by telephone, then `sheaf identity rotate`."
        )


@click.command()
@click.argument("file", type=FILE)
@click.option("--yes", is_flag=True, help="Do not ask before signing.")
@home_option
def countersign(file: Path, *, yes: bool, home: Path) -> None:
    """Sign the recovery of a fellow co-op that named this one as a guardian.

    It shows what will happen and asks first. The node may be running.
    """
    draft = read_draft_file(file)
    files = open_files(home)
    if GUARDIAN not in files.files:
        detail = f"expected a guardian key at {files.path(GUARDIAN)}: no co-op can have named it"
        raise Refusal("key.guardian", detail)
    signed = with_signatures(draft, signing_key(files.secret(GUARDIAN)))
    _require_newest(home, draft)
    print_recovery(draft)
    if signed == draft:
        click.echo("This co-op has signed it already.")
        return
    click.echo("Let their manager read you fingerprint and draft, by telephone or in person.")
    if not yes:
        click.confirm("Are both the same, and is it their wish? Sign this?", abort=True)
    write_file(file, encode(signed))
    have, needed = len(signed.signers), draft.log.guardian_threshold
    click.echo(f"Signed, {have} of {needed} needed. Send {file} back, or to the next guardian.")


def read_cards(paths: Sequence[Path], needed: int, own: CoopId) -> Guardians:
    """Return the guardians on cards. Raises Refusal `key.guardian_card`, `key.guardian`."""
    return named_guardians([_card(path) for path in paths], needed, own)


def read_draft_file(path: Path) -> RecoveryDraft:
    """Return the draft in a file. Raises Refusal `key.draft`."""
    try:
        with path.open("rb") as file:
            return read_draft(file.read(MAX_DRAFT + 1))
    except OSError as exc:
        detail = f"expected a readable file at {path}, got: {exc.strerror}"
        raise Refusal("key.draft", detail) from exc


def print_recovery(draft: RecoveryDraft) -> None:
    """Print whom a draft recovers, by which words it is compared, and what it does."""
    log, operation = draft.log, draft.operation
    click.echo(f"Recovery of {printable(log.name)}, co-op {short(log.cid)}")
    click.echo(f"Fingerprint: {fingerprint(log.cid)}")
    click.echo(f"Draft: {key_words(draft.id)}")
    click.echo(
        "Every key of the co-op is replaced: whoever wrote this draft acts as it from then on."
    )
    click.echo(f"New manager key {short(operation.manager)}")
    count, needed = len(operation.next), operation.threshold
    click.echo(f"New recovery sheets: {count}, any {needed} needed")
    for ended in operation.writers:
        if WriterId(ended.key) in log.writers:
            cuts = ", ".join(f"{cut.last_seq} in {short(cut.fid)}" for cut in ended.cuts)
            click.echo(f"Writer {short(ended.key)} ends at {cuts or 'nothing'}")


def guardians_json(files: KeyFiles, log: KeyLog) -> dict[str, Any]:
    """Return the guardians in force and, where others are to come, whom the next rotation names."""
    named, plan = remembered_guardians(files), planned_guardians(files)
    names = {} if named is None else {bytes(each.key): each.name for each in named.guardians}
    return {
        "guardians": [_shown(bytes(key), names.get(bytes(key))) for key in log.guardians],
        "needed": log.guardian_threshold,
        "planned": None
        if plan is None
        else {
            "guardians": [_shown(each.key, each.name) for each in plan.guardians],
            "needed": plan.needed,
        },
    }


def print_guardians(answer: dict[str, Any]) -> None:
    """Print what `guardians_json` returned."""
    if answer["guardians"]:
        click.echo(f"Guardians, any {answer['needed']} needed:")
        _print_each(answer["guardians"])
    else:
        click.echo("Guardians: none")
    if answer["planned"] is not None:
        click.echo(f"The next rotation names, any {answer['planned']['needed']} needed:")
        _print_each(answer["planned"]["guardians"])


def _print_each(listed: Sequence[dict[str, Any]]) -> None:
    for each in listed:
        click.echo(f"  {printable(each['name'] or 'a key')}: {each['words']}")


def _shown(key: bytes, name: str | None) -> dict[str, Any]:
    return {"key": key.hex(), "name": name, "words": key_words(key)}


def _card(path: Path) -> Guardian:
    try:
        with path.open("rb") as file:
            return read_guardian_card(file.read(_MAX_CARD).decode())
    except (OSError, UnicodeDecodeError) as exc:
        raise Refusal("key.guardian_card", f"expected a guardian card in {path}") from exc


def _require_newest(home: Path, draft: RecoveryDraft) -> None:
    """Refuse to recover from a place that this node knows to be passed."""
    from sheaf_node.identity import held_state  # noqa: PLC0415 - loads the store
    from sheaf_node.store import DATABASE  # noqa: PLC0415

    if not (home / DATABASE).exists():
        return
    log = draft.log
    history = held_state(home / DATABASE).key_histories.get(log.cid)
    if history is not None and history.ends[0].size > log.size:
        detail = f"this node holds {history.ends[0].size} operations of {log.name}, the draft"
        remedy = "give them `sheaf identity export`, to begin a new draft with"
        raise Refusal("key.draft", f"{detail} {log.size}: {remedy}")
