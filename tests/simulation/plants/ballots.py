"""Bugs in how a federation governs itself: who made a certificate, and what was voted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.simulation.planted import around, change_function, mutant

from sheaf_protocol.charter import quorum
from sheaf_protocol.governance.tally import _counted, tally

GOVERNANCE = ("governance",)


@mutant("I16", profiles=GOVERNANCE)
def certificates_need_no_quorum() -> None:
    """Nodes make and take a certificate that one of the voters approved."""
    change_function(quorum, around("certificates_need_no_quorum", lambda *_: 1))


@mutant("I16", profiles=GOVERNANCE, budget=32)
def a_yes_counts_twice() -> None:
    """A ballot takes each yes for two, so that it passes with too few."""

    def body(original: Any, *args: Any) -> Any:
        said = original(*args)
        return replace(said, yes=2 * said.yes)

    change_function(_counted, around("a_yes_counts_twice", body))


@mutant("I16", profiles=GOVERNANCE, budget=32)
def a_ballot_passes_without_turnout() -> None:
    """A ballot passes as soon as more said yes than no, however few did."""

    def body(original: Any, rule: str, choices: Any, *rest: Any) -> Any:
        result = original(rule, choices, *rest)
        return replace(result, outcome="passed" if result.yes > result.no else "open")

    change_function(tally, around("a_ballot_passes_without_turnout", body))
