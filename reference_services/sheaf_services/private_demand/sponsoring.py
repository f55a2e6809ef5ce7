"""Bidding for small members: the sum of their lines, and a proof for each (spec 17, section 6).

A proof is JSON that the co-op hands to the member beside the protocol. Any node that holds the bid
checks it: the member's own, or a friend's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sheaf_protocol.digest import CoopId, Digest
from sheaf_protocol.errors import Fault, Refusal, RemoteProtocolError
from sheaf_protocol.private_demand import (
    Opening,
    SumNode,
    SumProof,
    check_opening,
    prove_sum,
    sum_leaves,
    sum_root,
    verify_sum,
)
from sheaf_services.private_demand.lines import checked, read_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sheaf_node.plugins import Json
    from sheaf_protocol.private_demand import Line
    from sheaf_services.private_demand.ledger import Bid, Round

MOST_MEMBERS: Final = 1_024
"""Small members that a co-op bids for in one round."""
SALT_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Sponsored:
    """The lines behind a bid, whose they are, and a salt for each leaf."""

    names: Sequence[str]
    lines: Sequence[Line]
    salts: Sequence[bytes]

    @property
    def line(self) -> Line:
        """The sum, which is what the co-op bids."""
        return sum_root(self.lines, self.salts).sums

    @property
    def root(self) -> Digest:
        """The hash that the bid carries as `members`."""
        return sum_root(self.lines, self.salts).hash


def read_sponsored(
    given: Mapping[str, Any], round_: Round, random: Callable[[int], bytes]
) -> Sponsored | None:
    """Return the lines of `members` and the co-op's own beside them; None where it names none.

    Raises Refusal `curve.option`, or as a line does; also for the sum.
    """
    members = given.get("members", [])
    if not isinstance(members, list) or len(members) > MOST_MEMBERS:
        raise Refusal("curve.option", f"expected members as a list of at most {MOST_MEMBERS}")
    if not members:
        return None
    own = [{**given, "name": ""}] if {"quantities", "prices"} & set(given) else []
    rows = [_row(each) for each in (*members, *own)]
    lines = [read_line(row, round_) for row in rows]
    spare = sum_leaves(len(rows)) - len(rows)
    salts = [_salt(row, random) for row in rows] + [random(SALT_BYTES) for _ in range(spare)]
    made = Sponsored([row["name"] for row in rows], lines, salts)
    checked(made.line, round_)
    return made


def proofs(made: Sponsored, round_: Round, blinding: bytes, cid: CoopId) -> Json:
    """Return what each small member of a co-op is handed (PRV-45), by its name."""
    found = []
    for which, name in enumerate(made.names):
        if not name:
            continue
        proof = prove_sum(made.lines, made.salts, which)
        path = [{"hash": node.hash.hex(), "sums": list(node.sums)} for node in proof.path]
        found.append(
            {
                "name": name,
                "coop": cid.hex(),
                "curve": round_.id.hex(),
                "members": made.root.hex(),
                "quantities": list(made.lines[which]),
                "salt": made.salts[which].hex(),
                "index": proof.index,
                "path": path,
                "blinding": blinding.hex(),
            }
        )
    return found


def check_share(given: Mapping[str, Any], round_: Round) -> Json:
    """Return which bid of a round a small member's line is part of (PRV-44, PRV-45).

    `is_counted` says whether the close lists that bid, None before there is one: a co-op may bid
    again, without the member. A bid by another co-op with the same root is passed over.

    Raises Refusal `curve.sum_tree`, `curve.mismatch`, `curve.option` and as a line does.
    """
    try:
        line, salt = tuple(map(int, given["quantities"])), bytes.fromhex(given["salt"])
        root, blinding = bytes.fromhex(given["members"]), bytes.fromhex(given["blinding"])
        path = tuple(
            SumNode(_hash(node["hash"]), tuple(map(int, node["sums"]))) for node in given["path"]
        )
        proof, cid = SumProof(int(given["index"]), path), bytes.fromhex(given["coop"])
    except (KeyError, TypeError, ValueError, OverflowError) as exc:
        raise Refusal("curve.option", "expected the proof that the co-op handed out") from exc
    try:
        opening = Opening(verify_sum(line, salt, proof, root, round_.bounds), blinding)
        bid = _opened_by(opening, [b for b in round_.bids_of(CoopId(cid)) if _has(b, root)], round_)
    except RemoteProtocolError as exc:
        raise Refusal(exc.code, exc.detail) from exc
    close = round_.close
    return {
        "bid": bid.seen.id.hex(),
        "coop": bid.seen.cid.hex(),
        "sums": list(opening.line),
        "is_counted": None if close is None else bid.seen.id in close.record.bids,
    }


def _opened_by(opening: Opening, bids: Sequence[Bid], round_: Round) -> Bid:
    """Return which of a co-op's bids under one root an opening is of; counted ones come first.

    Where the members drew all salts, the same lines bid again have the same root and another
    blinding. Raises RemoteProtocolError of the last that it does not open.
    """
    refused = RemoteProtocolError(
        "curve.sum_tree", "expected a bid of the co-op with the root of the proof", Fault.AUTHOR
    )
    listed = () if round_.close is None else round_.close.record.bids
    for bid in sorted(reversed(bids), key=lambda bid: bid.seen.id not in listed):
        if bid.commitment is None:
            continue
        try:
            check_opening(bid.commitment, opening, round_.bounds)
        except RemoteProtocolError as exc:
            refused = exc
        else:
            return bid
    raise refused


def _has(bid: Bid, root: bytes) -> bool:
    return bid.seen.record.members == root


def _hash(text: str) -> Digest:
    found = bytes.fromhex(text)
    if len(found) != 32:
        raise ValueError("expected 32 bytes")
    return Digest(found)


def _row(given: object) -> dict[str, Any]:
    name = given.get("name") if isinstance(given, dict) else None
    if not isinstance(given, dict) or not isinstance(name, str) or len(name) > 200:
        raise Refusal("curve.option", "expected a name of at most 200 characters for each member")
    return given


def _salt(row: Mapping[str, Any], random: Callable[[int], bytes]) -> bytes:
    """Return the salt that a member drew; the co-op draws for who leaves it to it (PRV-40)."""
    given = row.get("salt")
    if given is None:
        return random(SALT_BYTES)
    try:
        salt = bytes.fromhex(given)
    except (TypeError, ValueError):
        salt = b""
    if len(salt) != SALT_BYTES:
        raise Refusal("curve.option", "expected a salt of 32 hex digits")
    return salt
