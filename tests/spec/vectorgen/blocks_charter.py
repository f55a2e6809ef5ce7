"""The worked examples of chapter 09: a federation of one founder, and its next epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import charters
from blocks_examples import dump, view
from entries import CID, DELEGATED_ID, MANAGER, WRITER, sorted_map
from kit import ZERO, array, blob, hashed, integer, mapping, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

POLICY: Final = {
    "anchor_ms": 259_200_000,
    "ballot_ms": 604_800_000,
    "certify": "two_thirds",
    "charter_bps": 6_666,
    "clock": "owner",
    "dominance_bps": 7_000,
    "fee_bps": 500,
    "hold_ms": 172_800_000,
    "k_min": 5,
    "modes": ["open", "sealed"],
    "no_show_bps": 1_000,
    "pass_bps": 5_000,
    "privacy": "sealed",
    "round_ms": 60_000,
    "tally": "one_coop_one_vote/1",
    "turnout_bps": 5_000,
    "version": 0,
}
MEMBER: Final = charters.member(CID, DELEGATED_ID, "coordinator", "member")
FIELDS: Final = charters.genesis_fields("Hill and Dale", b"g" * 16, MEMBER)
BODY: Final = mapping(**FIELDS)
FID: Final = hashed("federation", BODY)
VIEW: Final[dict[str, Any]] = {
    "epoch": 0,
    "lines": [],
    "members": [
        {
            "cid": CID.hex(),
            "is_suspended": False,
            "key_head": DELEGATED_ID.hex(),
            "roles": ["coordinator", "member"],
        }
    ],
    "name": "Hill and Dale",
    "nonce": (b"g" * 16).hex(),
    "policy": POLICY,
    "prev": ZERO.hex(),
    "treaties": [],
    "v": 1,
}


def charter() -> str:
    """Return a genesis body of one member."""
    return view("The body", VIEW) + dump(
        body=BODY,
        fid=FID,
        approval_of_the_founder=MANAGER.sign("certificate", BODY),
    )


def epoch() -> str:
    """Return what the next epoch, with another policy, has that the genesis has not."""
    policy = charters.policy(fee_bps=integer(300), version=integer(1))
    change = mapping(action=text("policy"), policy=policy)
    lines = mapping(cid=blob(CID), logs=array())
    changed = {
        "change": change,
        "epoch": integer(1),
        "fid": blob(FID),
        "lines": array(lines),
        "policy": policy,
        "prev": blob(FID),
    }
    id_ = hashed("federation", sorted_map({**FIELDS, **changed}))
    message = id_ + bytes(8)
    told = {
        "change": {"action": "policy", "policy": {"fee_bps": 300, "version": 1}},
        "epoch": 1,
        "fid": FID.hex(),
        "lines": [{"cid": CID.hex(), "logs": []}],
        "policy": {"fee_bps": 300, "version": 1},
        "prev": FID.hex(),
    }
    return view("What is not as it was, of each policy the two keys that differ", told) + dump(
        id=id_,
        message_of_round_0=message,
        approval_by_its_writer=WRITER.sign("certify", message),
    )


EXAMPLES: Final[Mapping[str, Callable[[], str]]] = {
    "example_charter": charter,
    "example_epoch": epoch,
}
