"""The examples under commands' help: of commands that are there, and parsed as they stand."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from sheaf_node.cli.examples import EXAMPLES
from sheaf_node.cli.main import COMMANDS, sheaf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOR_IMPLEMENTERS = {"conform", "spec"}
"""Groups for people who write programs; docs/conformance.md has their examples."""
WITH_EXAMPLES_INSIDE = {"join", "identity revoke", "identity rotate", "treaty ask"}
"""Commands whose text has examples of its own, or whose text is a procedure in the manual."""


def leaves(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            yield from leaves(each, (*words, name))
    else:
        yield " ".join(words), command


def every() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(sheaf)
    for name in COMMANDS:
        found = sheaf.get_command(context, name)
        assert found is not None
        yield from leaves(found, (name,))


@pytest.mark.parametrize(
    ("words", "line"), [(words, line) for words, lines in EXAMPLES.items() for line in lines]
)
def test_an_example_is_a_call_that_the_command_takes(
    words: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "price_alert").mkdir()  # a folder, as of a service
    program, *given = shlex.split(line)
    own = words.split()
    command: click.Command = sheaf
    context = click.Context(sheaf)
    for word in own:
        assert isinstance(command, click.Group)
        found = command.get_command(context, word)
        assert found is not None, word
        command = found
    for name in (each for each in given if "." in each and "/" not in each and "=" not in each):
        (tmp_path / name).write_text("{}")  # files that must be there to be taken

    made = command.make_context(words, given[len(own) :])

    assert (program, given[: len(own)]) == ("sheaf", own)
    assert made.args == []


def test_a_command_that_must_be_given_something_shows_how() -> None:
    bare = [
        words
        for words, command in every()
        if any(each.required for each in command.params)
        and words not in EXAMPLES
        and words not in WITH_EXAMPLES_INSIDE
        and words.split()[0] not in FOR_IMPLEMENTERS
    ]

    assert bare == []


def test_examples_stand_under_the_help() -> None:
    shown = CliRunner().invoke(sheaf, ["peers", "pause", "--help"]).output

    assert "Such as:" in shown
    assert '  sheaf peers pause "Dale Mill" --off\n' in shown
