"""Bugs in what protects from members that lie: signatures, hashes, and the proof of a fork."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from msgspec import structs
from tests.simulation.planted import around, change, change_function, mutant, ran

from sheaf_node.ingest import decision
from sheaf_node.ingest.model import Outcome
from sheaf_node.peering.exchange import Exchange, Live
from sheaf_node.plugins import waking
from sheaf_protocol.envelope import Envelope, decode_header, open_header, verify_header
from sheaf_protocol.errors import RemoteProtocolError


def _forge(part: int) -> None:
    """Let every node push its newest entry with a bit of its signature or payload flipped."""

    def push(original: Any, exchange: Exchange, live: Live, now_ms: int) -> Any:
        *before, last = live.entries
        envelope = last.envelope
        parts = [envelope.header, envelope.signature, envelope.payload]
        parts[part] = parts[part][:-1] + bytes([parts[part][-1] ^ 1])
        forged = structs.replace(last, envelope=Envelope(*parts))
        return original(exchange, replace(live, entries=[*before, forged]), now_ms)

    change(Exchange, "push", lambda original: lambda *args: push(original, *args))


@mutant("I5", budget=8)
def signatures_are_not_checked() -> None:
    """A node takes an entry whoever signed it, from peers that forge signatures."""
    _forge(1)

    def body(original: Any, *args: Any) -> None:
        try:
            original(*args)
        except RemoteProtocolError:
            ran("signatures_are_not_checked")

    change_function(verify_header, lambda original: lambda *args: body(original, *args))


@mutant("I5", budget=8)
def payloads_are_not_hashed() -> None:
    """A node takes a payload though the header hashes another one, from peers that forge them."""
    _forge(2)

    def body(original: Any, envelope: Any) -> Any:
        try:
            return original(envelope)
        except RemoteProtocolError as exc:
            if exc.code != "env.payload_hash":
                raise
            ran("payloads_are_not_hashed")
            return decode_header(envelope.header)

    change_function(open_header, lambda original: lambda envelope: body(original, envelope))


@mutant("I7", profiles=("fork",), budget=32)
def forks_are_not_proven() -> None:
    """A node that is shown a second entry at one place keeps its own and says nothing."""

    def body(original: Any, *_: Any) -> Any:
        return decision.Verdict(outcome=Outcome.KNOWN)

    change(decision.Decider, "_fork", around("forks_are_not_proven", body))


@mutant("I7 I8", profiles=("fork",), budget=32)
def proofs_of_forks_are_not_stored() -> None:
    """A node that has proven a fork freezes nothing: the proof is dropped with the entry."""

    def body(original: Any, *args: Any) -> Any:
        verdict = original(*args)
        verdict.proof = None
        return verdict

    change(decision.Decider, "_fork", around("proofs_of_forks_are_not_stored", body))


@mutant("I8", profiles=("fork",), budget=48)
def spins_when_refused() -> None:
    """A service that is refused what is overdue asks for it again without a pause."""
    change(waking, "_REFUSED_MS", lambda _: 0)

    def body(original: Any, *args: Any, is_refused: bool) -> Any:
        if is_refused:
            ran("spins_when_refused")
        return original(*args, is_refused=is_refused)

    change(waking.Waking, "note_decided", lambda original: lambda *a, **n: body(original, *a, **n))
