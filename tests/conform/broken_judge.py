"""A judge of vectors with one fault, as a program: `python broken_judge.py FAULT`.

It answers as this implementation reads the vectors, but for what its fault makes of some answers or
of the whole talk.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from sheaf_protocol.testing.vectors import judge_input

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ODD = "03-encoding/map_unsorted"
"""The refused vector that faults of one answer are about."""
GIVEN = "04-envelope/first_entry"
"""The vector with an output that faults of an output are about."""


def right(question: Mapping[str, str]) -> dict[str, Any]:
    result = judge_input(question["folder"], bytes.fromhex(question["input"]))
    output = {"output": result.output.hex()} if result.code == "ok" else {}
    return {"id": question["id"], "expect": result.code, **output}


def say(*answers: Any) -> None:
    for answer in answers:
        line = answer if isinstance(answer, str) else json.dumps(answer)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def questions() -> Iterator[dict[str, str]]:
    return map(json.loads, sys.stdin)


def altered(id_: str, **fields: Any) -> Callable[[], None]:
    """Return the judge whose answer for a vector has other fields; None takes one out."""

    def judge() -> None:
        for question in questions():
            answer = right(question)
            if answer["id"] == id_:
                answer = {k: v for k, v in (answer | fields).items() if v is not None}
            say(answer)

    return judge


def beside(id_: str, *lines: Any) -> Callable[[], None]:
    """Return the judge that says something else before it answers for a vector."""

    def judge() -> None:
        for question in questions():
            if question["id"] == id_:
                say(*lines)
            say(right(question))

    return judge


def at(id_: str, act: Callable[[], object]) -> Callable[[], None]:
    """Return the judge that does something else in place of an answer."""

    def judge() -> None:
        for question in questions():
            if question["id"] == id_:
                act()
            say(right(question))

    return judge


def twice() -> None:
    for question in questions():
        say(*[right(question)] * (2 if question["id"] == ODD else 1))


def last_twice() -> None:
    answers = [right(question) for question in questions()]
    say(*answers, answers[-1])


def backwards() -> None:
    say(*[right(question) for question in list(questions())[::-1]])


def unended() -> None:
    answers = [json.dumps(right(question)) for question in questions()]
    sys.stdout.write("\n".join(answers))


def lingering() -> None:
    Path(sys.argv[2]).write_text(str(os.getpid()))
    say(*map(right, questions()))
    wait()


def leaving(*, is_own_group: bool) -> None:
    """Answer all, and end; a child that holds the output stays."""
    child = os.fork()
    if child == 0:
        if is_own_group:
            os.setsid()
        time.sleep(60)
        os._exit(0)
    Path(sys.argv[2]).write_text(str(child))
    say(*map(right, questions()))


def deaf() -> None:
    """Close standard input after the first vector, and stay."""
    say(right(next(questions())))
    os.close(0)
    wait()


def flooding() -> None:
    while True:
        sys.stdout.write("x" * 65_536)


def trickling() -> None:
    """Write for ever, and no line."""
    while True:
        os.write(1, b" ")
        time.sleep(0.05)


def wait() -> NoReturn:
    while True:
        signal.pause()


JUDGES: Mapping[str, Callable[[], None]] = {
    "sound": lambda: say(*map(right, questions())),
    "wrong code": altered(ODD, expect="enc.nil"),
    "takes it": altered(ODD, expect="ok"),
    "wrong output": altered(GIVEN, output="00" * 32),
    "no output": altered(GIVEN, output=None),
    "refuses it": altered(GIVEN, expect="enc.nil", output=None),
    "no result": altered(ODD, expect=None),
    "result and skip": altered(ODD, skip="why not"),
    "number": altered(ODD, expect=7),
    "long code": altered(ODD, expect="x" * 500_000),
    "skip": altered(ODD, expect=None, skip="not \x1b[2J written yet"),
    "more keys": altered(ODD, why="keys out of order", at={"byte": 3}),
    "dies": at(ODD, lambda: sys.exit(3)),
    "killed": at(ODD, lambda: os.kill(os.getpid(), signal.SIGKILL)),
    "silent": at(ODD, wait),
    "deaf": deaf,
    "never reads": wait,
    "trickling": trickling,
    "garbage": beside(ODD, "debug: \x1b[2J map"),
    "empty line": beside(ODD, ""),
    "no object": beside(ODD, "[]"),
    "no id": beside(ODD, {"expect": "ok"}),
    "brackets": beside(ODD, f'{{"id": "{ODD}", "at": {"[" * 400_000}{"]" * 400_000}}}'),
    "no utf-8": at(ODD, lambda: os.write(1, b'{"id": "\xff"}\n')),
    "unknown id": beside(ODD, {"id": "03-encoding/none", "expect": "ok"}),
    "long line": beside(ODD, "x" * 2_000_000),
    "flooding": flooding,
    "twice": twice,
    "last twice": last_twice,
    "backwards": backwards,
    "unended": unended,
    "lingering": lingering,
    "child stays": lambda: leaving(is_own_group=False),
    "child leaves the group": lambda: leaving(is_own_group=True),
}


if __name__ == "__main__":
    JUDGES[sys.argv[1]]()
