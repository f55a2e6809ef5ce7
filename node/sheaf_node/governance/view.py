"""What governance shows to people and to the HTTP API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, structs

from sheaf_node.governance.words import change_words
from sheaf_node.keyring import fingerprint
from sheaf_protocol.charter import have_vote, read_charter, voters_of
from sheaf_protocol.digest import CoopId
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.governance import promise
from sheaf_protocol.json_view import to_json
from sheaf_protocol.treaty import read_treaty

if TYPE_CHECKING:
    from sheaf_node.governance.ballot import Ballots, Bench, Held
    from sheaf_node.governance.certification import Certification
    from sheaf_node.governance.epoch import Epoch
    from sheaf_node.governance.powers import Powers
    from sheaf_node.plugins import Call, Json, ServiceContext
    from sheaf_protocol.charter import Certificate, Charter, Member, TreatyInForce
    from sheaf_protocol.governance import Double, Result


def ballot_json(held: Held, bench: Bench, powers: Powers, own: CoopId) -> dict[str, Any]:
    """Return a ballot: what it would do in words, who said what, and how far it has come."""
    proposal, change, result = held.proposal, held.proposal.change, held.result
    votes = {} if held.counted is None else held.counted.votes
    return {
        "id": held.seen.id.hex(),
        "title": proposal.title,
        "text": proposal.text,
        "would": change_words(change, _before(held, bench, powers), powers.name_of),
        "change": to_json(change),
        "candidate": None if change.cid is UNSET else _coop(CoopId(change.cid), powers),
        "by": _coop(held.seen.cid, powers),
        "opened_at_ms": held.seen.time_ms,
        "closes_at_ms": proposal.closes_at_ms,
        "state": held.stage.value,
        "why": held.why,
        "counts": None if result is None else _counts(result),
        "missing": [_coop(cid, powers) for cid in sorted(held.electorate) if cid not in votes],
        "votes": [
            {**_coop(cid, powers), "choice": cast.vote.choice, "time_ms": cast.time_ms}
            for cid, cast in sorted(votes.items())
        ],
        "refused": {}
        if held.counted is None
        else {entry.hex(): code for entry, code in held.counted.refused.items()},
        "own": votes[own].vote.choice if own in votes else None,
        "epoch": None if held.epoch is None else held.epoch.number,
    }


def _before(held: Held, bench: Bench, powers: Powers) -> Charter:
    """Return the charter that a ballot changed; while it has not, the newest.

    Only the words for these two actions tell what was before.
    """
    if held.epoch is None or held.proposal.change.action not in {"policy", "roles"}:
        return bench.federation.charter
    return read_charter(powers.chain.links[held.epoch.prev].certificate)


@dataclass(frozen=True, slots=True)
class Report:
    """The views, on what is known when one is asked for."""

    context: ServiceContext
    powers: Powers
    ballots_held: Ballots
    bench: Bench

    def ballots(self, call: Call) -> Json:
        """Return all ballots, or the one that option `proposal` begins to name, by closing time."""
        wanted = call.options.get("proposal", "").lower()
        return {
            "ballots": [
                ballot_json(held, self.bench, self.powers, self.context.cid)
                for held in self.ballots_held.shown(self.bench)
                if held.seen.id.hex().startswith(wanted)
            ]
        }

    def charter(self, call: Call, certification: Certification, speaks: bool) -> Json:
        """Return members, policy, certificates and those that contradict them, with the signers."""
        federation, chain = self.bench.federation, self.powers.chain
        charter = federation.charter
        return {
            "fid": federation.fid.hex(),
            "name": charter.name,
            "epoch": charter.epoch,
            "id": federation.id.hex(),
            "own": self.context.cid.hex(),
            "is_member": federation.is_member(self.context.cid),
            "has_vote": self.context.cid in federation.voters,
            "speaks": speaks,
            "quorum": federation.quorum,
            "voters": len(federation.voters),
            "promise": promise(charter.policy.certify),
            "policy": structs.asdict(charter.policy),
            "members": [self._member(member) for member in charter.members],
            "treaties": [_treaty(treaty) for treaty in charter.treaties],
            "certificates": [_certificate(epoch) for epoch in self.bench.epochs.values()],
            "round": certification.round,
            "refused": self.powers.refused,
            "doubles": [self._double(double) for double in certification.rounds.doubles],
            "is_forked": federation.is_forked,
            "fork": [self._rival(certificate) for certificate in chain.fork],
            "late": [self._late(certificate) for certificate in chain.late],
        }

    def _double(self, double: Double) -> dict[str, Any]:
        entries = [double.first.hex(), double.second.hex()]
        return {**_coop(double.cid, self.powers), "round": double.round, "entries": entries}

    def _rival(self, certificate: Certificate) -> dict[str, Any]:
        return {
            "id": certificate.id.hex(),
            "round": None if certificate.round is UNSET else certificate.round,
            "approvals": self._signers(certificate),
        }

    def _late(self, certificate: Certificate) -> dict[str, Any]:
        """Return a certificate that came too late, and the epoch in force that it is against."""
        charter = read_charter(certificate)
        below = charter.prev
        while below not in self.bench.epochs:
            below = read_charter(self.powers.chain.links[below].certificate).prev
        return {
            "id": certificate.id.hex(),
            "epoch": charter.epoch,
            "change": None if charter.change is UNSET else to_json(charter.change),
            "against": self.bench.epochs[below].number + 1,
            "approvals": self._signers(certificate),
        }

    def _signers(self, certificate: Certificate) -> list[dict[str, Any]]:
        """Return who approved a certificate. Only voters' signatures were verified (CHR-11)."""
        before = self.powers.chain.links[read_charter(certificate).prev].certificate
        voters = voters_of(read_charter(before))
        signers = (approval.cid for approval in certificate.approvals)
        return [_coop(cid, self.powers) for cid in signers if cid in voters]

    def _member(self, member: Member) -> dict[str, Any]:
        return {
            **_coop(member.cid, self.powers),
            "roles": list(member.roles),
            "is_suspended": member.is_suspended,
            "has_vote": not member.is_suspended and have_vote(member.roles),
            "sponsor": None
            if member.sponsor is UNSET
            else self.powers.name_of(CoopId(member.sponsor)),
            "key_head": member.key_head.hex(),
        }


def _certificate(epoch: Epoch) -> dict[str, Any]:
    return {
        "id": epoch.id.hex(),
        "epoch": epoch.number,
        "change": None if epoch.change is None else to_json(epoch.change),
        "proposal": None if epoch.proposal is None else epoch.proposal.hex(),
    }


def _coop(cid: CoopId, powers: Powers) -> dict[str, Any]:
    return {"cid": cid.hex(), "name": powers.name_of(cid), "fingerprint": fingerprint(cid)}


def _counts(result: Result) -> dict[str, int]:
    return {
        "yes": result.yes,
        "no": result.no,
        "abstain": result.abstain,
        "missing": result.missing,
    }


def _treaty(treaty: TreatyInForce) -> dict[str, Any]:
    try:
        title = read_treaty(treaty.body).title
    except RemoteProtocolError:
        title = ""
    return {
        "id": treaty.id.hex(),
        "title": title,
        "level": treaty.level,
        "per_day": None if treaty.per_day is UNSET else treaty.per_day,
    }
