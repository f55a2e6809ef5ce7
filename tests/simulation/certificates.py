"""Certificates as nodes store them: one for each epoch, approved by enough, of a ballot that passed
(spec 09 and 15, read anew).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

import msgpack
from tests.simulation.rows import Violation
from tests.simulation.signatures import is_signed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.simulation.rows import Row

_BY_CHARTER: Final = frozenset({"expel", "policy", "treaty", "treaty_level"})
_VOTING: Final = frozenset({"carrier", "coordinator", "member", "steward", "supplier"})


class Certificates:
    """The chain of epochs, over all nodes."""

    def __init__(self, rows: Mapping[bytes, Row]) -> None:
        self.faults: list[Violation] = []
        self._rows = rows
        self._charters: dict[bytes, Mapping[str, Any]] = {}
        self._of_epoch: dict[tuple[bytes, int], bytes] = {}

    def take(self, data: bytes, latest_ms: int | None = None) -> None:
        """Learn a certificate as it is stored, when no clock said more than `latest_ms` so far."""
        told = msgpack.unpackb(data, strict_map_key=False)
        body = told["body"]
        id_ = hashlib.sha256(b"sheaf/1/federation\0" + body).digest()
        if id_ in self._charters:
            return
        charter = msgpack.unpackb(body, strict_map_key=False)
        self._charters[id_] = charter
        epoch = charter["epoch"]
        fid = charter.get("fid", id_)
        if self._of_epoch.setdefault((fid, epoch), id_) != id_:
            self._fault(f"there are two certificates of epoch {epoch}")
        before = self._charters.get(charter["prev"])
        if before is None:
            if epoch:
                self._fault(f"the certificate of epoch {epoch} follows on none that is known")
            return
        self._require_quorum(id_, told, before, epoch)
        if "ballot" in charter:
            self._require_passed(charter, before, latest_ms)

    def _require_quorum(
        self, id_: bytes, told: Mapping[str, Any], before: Mapping[str, Any], epoch: int
    ) -> None:
        """More than two thirds of those with a vote, or half of them, signed the certificate."""
        voters = voters_of(before)
        signed = id_ + told.get("round", 0).to_bytes(8, "big")
        by = {
            each["cid"]
            for each in told["approvals"]
            if each["cid"] in voters
            and is_signed(each.get("wid", b""), "certify", signed, each["signature"])
        }
        share = (2, 3) if before["policy"]["certify"] == "two_thirds" else (1, 2)
        if len(by) * share[1] <= share[0] * len(voters):
            self._fault(f"{len(by)} of {len(voters)} voters made the certificate of epoch {epoch}")

    def _require_passed(
        self, charter: Mapping[str, Any], before: Mapping[str, Any], latest_ms: int | None
    ) -> None:
        """The votes that are listed, one of each co-op, carry the ballot as its policy asks."""
        voters, policy = voters_of(before), before["policy"]
        votes = [self._rows.get(id_) for id_ in charter["ballot"]["votes"]]
        proposal = self._rows.get(charter["ballot"]["proposal"])
        where = f"the ballot of epoch {charter['epoch']}"
        if proposal is None or any(vote is None for vote in votes):
            self._fault(f"{where} lists what nobody signed")
            return
        cast = [vote for vote in votes if vote is not None]
        if len({vote.place.cid for vote in cast}) < len(cast):
            self._fault(f"{where} counts a co-op twice")
        if any(
            vote.place.cid not in voters or vote.body["proposal"] != proposal.id for vote in cast
        ):
            self._fault(f"{where} counts votes that are none")
        choices = [vote.body["choice"] for vote in cast]
        is_early = latest_ms is not None and latest_ms < proposal.body["closes_at_ms"]
        against = choices.count("no") + (len(voters) - len(cast) if is_early else 0)
        if not _passes(choices, against, len(voters), policy, charter["change"]["action"]):
            when = "before it closed" if is_early else "in the end"
            self._fault(f"{where} did not pass {when}: {sorted(choices)} of {len(voters)}")

    def _fault(self, what: str) -> None:
        self.faults.append(Violation("I16", what))


def voters_of(charter: Mapping[str, Any]) -> set[bytes]:
    """Return the members that have a vote."""
    return {
        member["cid"]
        for member in charter["members"]
        if not member["is_suspended"] and _VOTING.intersection(member["roles"])
    }


def _passes(
    choices: Sequence[str], against: int, voters: int, policy: Mapping[str, Any], action: str
) -> bool:
    """Return whether votes pass under the method that runs have: one co-op, one vote."""
    share = policy["charter_bps" if action in _BY_CHARTER else "pass_bps"]
    for_it = choices.count("yes")
    has_turnout = len(choices) * 10_000 >= policy["turnout_bps"] * voters
    return bool(has_turnout and for_it * 10_000 > share * (for_it + against))
