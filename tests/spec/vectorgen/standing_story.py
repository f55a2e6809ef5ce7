"""Bodies and certificates of the vectors on standing, chapter 09."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import charters
import story
from epoch_story import EXPELLED, SUSPENDED
from epochs import (
    ANN,
    BEA,
    CAL,
    DEE,
    EVE,
    FAY,
    GENESIS,
    Epoch,
    Place,
    about,
    altered,
    change,
    epoch,
    lines,
    places,
)
from kit import ZERO, array, blob, integer, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from story import Coop

ERASE: Final = {"entry": ZERO}
OFFER: Final = story.ENTRIES[0].body
DEMAND: Final = story.ENTRIES[1].body
POOL: Final = {**story.ENTRIES[3].body, "owner": ANN.writer.public}
CURVE: Final = {
    "base": 1,
    "cap": 1_000,
    "closes_at_ms": 1_767_225_600_000,
    "currency": "GBP",
    "dominance_bps": 7_000,
    "item": story.ITEM,
    "k_min": 5,
    "levels": [1_300, 1_400],
    "owner": ANN.writer.public,
    "title": "Flour, autumn",
    "zone": "ALL",
}
REST: Final = (ANN, CAL, DEE, FAY)


def _under(
    before: Epoch, version: int, at: int, by: Sequence[Coop] = REST, **rules: bytes
) -> Epoch:
    """Return an epoch with another policy, whose lines are all at one place."""
    policy = charters.policy(version=integer(version), **rules)
    names = {"ann": at, "dee": at, "sam": at}
    did = change("policy", policy=policy)
    return epoch(before, did, by=by, policy=policy, lines=lines(**names))


RESTORED: Final = epoch(
    SUSPENDED, change("restore", **about(BEA)), by=REST, lines=lines(bea=5), members=GENESIS.places
)
READMITTED: Final = epoch(
    EXPELLED,
    change("admit", **about(BEA), key_head=blob(BEA.key_head), roles=array(text("supplier"))),
    by=REST,
    members=(*EXPELLED.places, Place(BEA, ("supplier",), BEA.key_head)),
)
BUYS: Final = epoch(
    GENESIS,
    change("roles", **about(CAL), roles=array(text("member"))),
    lines=lines(cal=1),
    members=altered(GENESIS, CAL, roles=("member",)),
)
ADMITTED: Final = epoch(
    GENESIS,
    change("admit", **about(EVE), key_head=blob(EVE.key_head), roles=array(text("member"))),
    members=(*GENESIS.places, *places(EVE)),
)
LEFT: Final = epoch(
    GENESIS,
    change("leave", **about(CAL)),
    by=(ANN, BEA, DEE, FAY),
    lines=lines(cal=0),
    members=tuple(each for each in GENESIS.places if each.coop is not CAL),
)
CHEAP: Final = _under(GENESIS, 1, 2, fee_bps=integer(50))
DEAR: Final = _under(CHEAP, 2, 4, fee_bps=integer(200))
LOWER: Final = _under(CHEAP, 2, 1, fee_bps=integer(200))
SEALED: Final = _under(GENESIS, 1, 2, modes=array(text("sealed")))
OPEN: Final = _under(GENESIS, 1, 2, modes=array(text("open")), privacy=text("open"))
STRICT: Final = _under(GENESIS, 1, 2, k_min=integer(6), dominance_bps=integer(5_000))
