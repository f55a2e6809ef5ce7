"""Certificates that several vectors of chapter 09 share, each on the genesis of six co-ops."""

from __future__ import annotations

from typing import Final

import charters
from epochs import (
    ABROAD,
    ALL,
    ANN,
    BEA,
    CAL,
    EVE,
    GENESIS,
    Epoch,
    about,
    altered,
    change,
    closed,
    delegated,
    epoch,
    genesis,
    in_force,
    known,
    lines,
    places,
    treaty,
    without,
)
from kit import Key, array, blob, hashed, integer, text

SUSPEND_BEA: Final = change("suspend", **about(BEA))
SUSPENDED: Final = epoch(
    GENESIS, SUSPEND_BEA, lines=lines(bea=3), members=altered(GENESIS, BEA, is_suspended=True)
)
EXPELLED: Final = epoch(
    GENESIS, change("expel", **about(BEA)), lines=lines(bea=3), members=without(GENESIS, BEA)
)
ADMIT_EVE: Final = change(
    "admit", **about(EVE), key_head=blob(EVE.key_head), roles=array(text("member"))
)
ADMITTED: Final = epoch(GENESIS, ADMIT_EVE, members=(*GENESIS.places, *places(EVE)))
CHEAPER: Final = charters.policy(fee_bps=integer(300), version=integer(1))
POLICY: Final = epoch(
    GENESIS, change("policy", policy=CHEAPER), policy=CHEAPER, lines=lines(ann=1, dee=0, sam=2)
)
PACT: Final = treaty(GENESIS.fid, ABROAD)
PACT_ID: Final = hashed("treaty", PACT)
ALLIED: Final = epoch(
    GENESIS, change("treaty", treaty=blob(PACT)), treaties=array(in_force(PACT)), lines=lines(sam=2)
)
KEY: Final = Key.of(b"\xf9")
"""A second writer of BEA, opened by the operation after its key head of the genesis."""
OPENED, OPENED_ID = delegated(BEA, KEY)
LOGS: Final = known(*ALL, EVE, Bea=OPENED)
CLOSED, CLOSED_ID = closed(BEA)
ANCHOR: Final = change("anchor")
MOVED: Final = altered(GENESIS, BEA, key_head=OPENED_ID)
SIDES: Final = sorted((SUSPENDED, EXPELLED), key=lambda each: each.id)
TRIO: Final = genesis(*places(ANN, BEA, CAL))
MAJORITY: Final = genesis(*places(ANN, BEA, CAL), policy=charters.policy(certify=text("majority")))


def claim(*epochs: Epoch, logs: bytes = LOGS) -> bytes:
    """Return the input of a vector."""
    return array(logs, array(*(each.wire for each in epochs)))
