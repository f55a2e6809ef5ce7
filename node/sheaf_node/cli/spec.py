"""`sheaf spec`: how this installation stands to the spec that came with it, or to another."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sheaf_node.cli.output import json_option, print_json, printable
from sheaf_node.conform.line import MAX_LINE, Answer, Question, decode_question, encode_line
from sheaf_protocol.errors import Refusal
from sheaf_protocol.testing.conformance import Conformance, check_vectors, spec_folder
from sheaf_protocol.testing.vectors import OK, UNREAD, judge_input


@click.group()
def spec() -> None:
    """Check this installation against the spec."""


@spec.command()
@json_option
@click.argument(
    "folder", required=False, type=click.Path(path_type=Path, file_okay=False, exists=True)
)
@click.pass_context
def vectors(ctx: click.Context, as_json: bool, folder: Path | None) -> None:
    """Run the test vectors of the spec, or of a spec in FOLDER.

    Exit status 1 where a vector fails.
    """
    result = _checked(spec_folder() if folder is None else folder)
    if as_json:
        print_json(
            {
                "passed": result.passed,
                "failed": len(result.failed),
                "negative": result.negative,
                "clauses_without_vector": list(result.clauses_without_vector),
            }
        )
    else:
        _print(result)
    if result.failed:
        ctx.exit(1)


@spec.command()
def judge() -> None:
    """Judge vectors, a line of JSON for each: the other side of `sheaf conform bytes`.

    Reads questions from standard input until it ends, and answers each on standard output.
    """
    lines, answers = sys.stdin.buffer, sys.stdout.buffer
    while line := lines.readline(MAX_LINE):
        answers.write(encode_line(_answer(decode_question(line))))
        answers.flush()


def _answer(question: Question) -> Answer:
    try:
        given = bytes.fromhex(question.input)
    except ValueError as exc:
        detail = f"expected hex as the input of {question.id}"
        raise Refusal("conform.line", detail) from exc
    result = judge_input(question.folder, given)
    if result.code == UNREAD:
        return Answer(id=question.id, skip=f"no reading of {question.folder}")
    output = result.output.hex() if result.code == OK else None
    return Answer(id=question.id, expect=result.code, output=output)


def _checked(folder: Path) -> Conformance:
    try:
        result = check_vectors(folder)
    except (OSError, ValueError, KeyError) as exc:
        detail = f"expected chapters and vectors of the spec in {folder}: {exc}"
        raise Refusal("spec.folder", detail) from exc
    if not result.passed and not result.failed:
        raise Refusal("spec.folder", f"expected vectors below {folder}, got none")
    return result


def _print(result: Conformance) -> None:
    click.echo(
        f"{result.passed} vectors passed, {len(result.failed)} failed;"
        f" {result.negative} of them demand a refusal"
    )
    for name in result.failed:
        click.echo(f"  failed: {printable(name)}")
    missing = result.clauses_without_vector
    click.echo(f"Rules without a vector: {', '.join(missing) or 'none'}")
