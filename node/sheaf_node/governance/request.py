"""What people ask of governance: to propose, to vote, to leave. Each is safe to ask twice."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import msgspec
from msgspec import UNSET, Meta, UnsetType, structs

from sheaf_node.charter_file import read_card, read_charter_file
from sheaf_node.governance.ballot import Stage
from sheaf_node.governance.refounding import refounding_body
from sheaf_node.governance.view import ballot_json
from sheaf_node.governance.words import change_words
from sheaf_node.short_ids import fitting, only
from sheaf_protocol.charter import next_charter, touched
from sheaf_protocol.digest import CoopId, EntryId
from sheaf_protocol.errors import Refusal
from sheaf_protocol.identity import fold_key_log
from sheaf_protocol.records.governance import (
    Action,
    Change,
    Choice,
    CoopLines,
    Leave,
    Level,
    Policy,
    Proposal,
    Role,
    Vote,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sheaf_node.governance.ballot import Ballots, Bench, Held
    from sheaf_node.governance.opinion import Opinion
    from sheaf_node.governance.powers import Powers
    from sheaf_node.plugins import Call, Json, ServiceContext
    from sheaf_protocol.digest import Digest

_SLACK_MS: Final = 1_000
"""Added to the shortest ballot: the entry may bear a later time than the clock of its request."""
_LEAST: Final = 4
"""Digits of an id that are enough to mean it where something is voted on."""
_Short = Annotated[str, Meta(max_length=200)]


class Wish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The JSON body of `propose`. Co-ops are given by name or the start of their id."""

    action: Action
    title: Annotated[str, Meta(max_length=120)] = ""
    text: Annotated[str, Meta(max_length=4_000)] = ""
    closes_in_ms: Annotated[int, Meta(ge=0, le=366 * 86_400_000)] | None = None
    """As long as the policy wants, where it is not given."""
    card: str = ""
    """The card of whom to admit, in hex."""
    coop: _Short = ""
    roles: list[Role] = []
    sponsor: _Short = ""
    policy: dict[str, Any] = {}
    """The settings that change."""
    treaty: str = ""
    """The body of a treaty, in hex."""
    treaty_id: _Short = ""
    level: Level | None = None
    per_day: int | None = None


@dataclass(frozen=True, slots=True)
class Requests:
    """The commands, on what is known when one is called."""

    context: ServiceContext
    powers: Powers
    ballots: Ballots
    bench: Callable[[], Bench]
    opinion: Callable[[Bench], Opinion]

    def propose(self, call: Call) -> Json:
        """Open a ballot; a change that we asked for and that is being voted on is not asked twice.

        The proposer votes as everybody does. Raises Refusal `governance.request`,
        `governance.coop`, `governance.no_vote`, `charter.*`, `ballot.action`, `ballot.short`.
        """
        wish, bench = _wish(call.body), self.bench()
        self._require_vote(bench)
        change = self._change(wish, bench)
        _require_fits(change, bench)
        for held in self.ballots.all(bench):
            is_ours = held.seen.cid == self.context.cid
            if is_ours and held.stage is Stage.OPEN and held.proposal.change == change:
                return self._shown(held, bench)
        charter = bench.federation.charter
        open_ms = charter.policy.ballot_ms if wish.closes_in_ms is None else wish.closes_in_ms
        words = change_words(change, charter, partial(self._name, wish))
        title = wish.title or words[:1].upper() + words[1:]
        proposal = Proposal(
            change=change,
            closes_at_ms=bench.now_ms + open_ms + _SLACK_MS,
            epoch=bench.federation.id,
            text=wish.text,
            title=title[:120],
        )
        _require_long_enough(open_ms, bench)
        self.context.publish(proposal)
        return {"title": proposal.title, "closes_at_ms": proposal.closes_at_ms}

    def vote(self, call: Call) -> Json:
        """Vote on a ballot that is open, by options `proposal` and `choice`; return it.

        Raises Refusal `governance.request`, `governance.ballot`, `governance.closed`,
        `governance.no_vote`.
        """
        bench = self.bench()
        self._require_vote(bench)
        choice = call.options.get("choice", "")
        if choice not in {"yes", "no", "abstain"}:
            raise _wrong(f"yes, no or abstain, got {choice[:20]!r}")
        held = self._ballot(call.options.get("proposal", ""), bench)
        is_closed = bench.now_ms > held.proposal.closes_at_ms
        if is_closed or held.stage not in {Stage.OPEN, Stage.PASSED}:
            detail = f"expected a ballot that is open, got one that is closed: {held.stage.value}"
            raise Refusal("governance.closed", detail)
        said = {} if held.counted is None else held.counted.choices
        if said.get(self.context.cid) != choice:
            vote = Vote(choice=cast("Choice", choice), proposal=held.seen.id)
            self.context.publish(vote, refs=[held.seen.id])
        return self._shown(held, bench)

    def leave(self, call: Call) -> Json:
        """Say that this co-op leaves; its fellows' nodes certify that without a vote.

        Option `text` may give a reason. Raises Refusal `charter.not_member`, `charter.voters` where
        no other has a vote.
        """
        bench, own = self.bench(), self.context.cid
        if not bench.federation.is_member(own):
            raise Refusal("charter.not_member", "expected a member, got one that has left")
        _require_fits(Change(action="leave", cid=own), bench)
        if self.opinion(bench).pending_leave(own) is None:
            self.context.publish(Leave(text=call.options.get("text", "")[:4_000]))
        return {"leaves": bench.federation.charter.name, "epoch": bench.federation.charter.epoch}

    def refounding(self, call: Call) -> Json:
        """Return the body of a re-foundation, without the members that option `without` names.

        They are given by name or id, with commas. Raises Refusal `charter.refounding`,
        `governance.coop`.
        """
        bench = self.bench()
        members = [member.cid for member in bench.federation.charter.members]
        named = [text for text in call.options.get("without", "").split(",") if text]
        body = refounding_body(
            self.powers.chain,
            self.powers.histories,
            self.opinion(bench).lines,
            without=[self._coop(text, members) for text in named],
        )
        return {"body": body.hex()}

    def refound(self, call: Call) -> Json:
        """Take in the re-foundation at the end of a charter file, which a quorum signed.

        Raises Refusal `charter.*`.
        """
        current = read_charter_file(call.body)
        if not current.is_refounding or current.certificate.fid != self.bench().federation.fid:
            raise Refusal("charter.refounding", "expected a re-foundation of this federation")
        self.powers.take_certificate(current.certificates[-1])
        return {"id": current.certificates[-1].id.hex()}

    def _change(self, wish: Wish, bench: Bench) -> Change:
        """Return the change that was wished for."""
        if wish.action == "admit":
            return self._admission(wish, bench)
        policy: Policy | UnsetType = UNSET
        if wish.action == "policy":
            policy = changed_policy(bench.federation.charter.policy, wish.policy)
        members = [member.cid for member in bench.federation.charter.members]
        return Change(
            action=wish.action,
            cid=self._coop(wish.coop, members) if wish.coop else UNSET,
            level=wish.level or UNSET,
            per_day=UNSET if wish.per_day is None else wish.per_day,
            policy=policy,
            roles=sorted(set(wish.roles)) or UNSET,
            sponsor=self._coop(wish.sponsor, members) if wish.sponsor else UNSET,
            treaty=_from_hex(wish.treaty) if wish.treaty else UNSET,
            treaty_id=_treaty(wish.treaty_id, bench) if wish.treaty_id else UNSET,
        )

    def _admission(self, wish: Wish, bench: Bench) -> Change:
        """Return the admission of whoever the card is of, and take its key log up."""
        ops = read_card(_from_hex(wish.card))
        log = fold_key_log(ops)
        self.powers.take_key_log(log.cid, [ops])
        members = [member.cid for member in bench.federation.charter.members]
        if log.cid in members:
            detail = f"expected a co-op that is no member so far; {log.name} is one"
            raise Refusal("charter.members", detail)
        return Change(
            action="admit",
            cid=log.cid,
            key_head=log.head,
            roles=sorted(set(wish.roles)),
            sponsor=self._coop(wish.sponsor, members) if wish.sponsor else UNSET,
        )

    def _name(self, wish: Wish, cid: CoopId) -> str:
        """Return a co-op's name; a candidate's is on its card, before its key log is taken in."""
        log = fold_key_log(read_card(_from_hex(wish.card))) if wish.card else None
        return log.name if log is not None and log.cid == cid else self.powers.name_of(cid)

    def _coop(self, text: str, members: Iterable[CoopId]) -> CoopId:
        """Return the member of a name, or whose id begins so."""
        wanted = text.casefold()
        named = [cid for cid in members if self.powers.name_of(cid).casefold() == wanted]
        found = named or fitting(members, bytes.hex, text, _LEAST)
        expected = "the name of one member, or the start of its id"
        return only(found, "governance.coop", expected, text)

    def _ballot(self, text: str, bench: Bench) -> Held:
        found = fitting(self.ballots.proposals, bytes.hex, text, _LEAST)
        id_ = only(found, "governance.ballot", "the start of one ballot's id", text)
        return self.ballots.held(EntryId(id_), bench)

    def _require_vote(self, bench: Bench) -> None:
        if self.context.cid not in bench.federation.voters:
            detail = "expected a co-op that has a vote: its roles give it none, it is suspended"
            detail += ", or it is no member any more"
            raise Refusal("governance.no_vote", detail)

    def _shown(self, held: Held, bench: Bench) -> Json:
        return ballot_json(held, bench, self.powers, self.context.cid)


def changed_policy(before: Policy, settings: dict[str, Any]) -> Policy:
    """Return a policy with some settings changed and the next version.

    Raises Refusal `governance.request`, naming the setting.
    """
    known = set(Policy.__struct_fields__) - {"version"}
    for key in settings:
        if key not in known:
            raise _wrong(f"settings of {', '.join(sorted(known))}, got {key!r}")
    fields = {**structs.asdict(before), **settings, "version": before.version + 1}
    try:
        return msgspec.convert(fields, Policy)
    except msgspec.ValidationError as exc:
        fault, _, setting = str(exc).partition(" - at `$.")
        raise _wrong(f"another value of `{setting}: {fault}") from exc


def _wish(body: bytes) -> Wish:
    try:
        return msgspec.json.decode(body, type=Wish)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise _wrong(f"a proposal as JSON: {exc}") from exc


def _from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as exc:
        raise _wrong("bytes in hex") from exc


def _treaty(text: str, bench: Bench) -> Digest:
    ids = [treaty.id for treaty in bench.federation.charter.treaties]
    found = [id_ for id_ in ids if text and id_.hex().startswith(text.lower())]
    if len(found) != 1:
        raise _wrong(f"the start of the id of one treaty in force, got {text!r}")
    return found[0]


def _require_fits(change: Change, bench: Bench) -> None:
    """Refuse a change that no certificate could make, before anybody votes on it."""
    federation = bench.federation
    before = federation.charter
    lines = [CoopLines(cid=cid, logs=[]) for cid in touched(before, change)]
    next_charter(before, federation.id, federation.fid, change, lines=lines)


def _require_long_enough(open_ms: int, bench: Bench) -> None:
    policy = bench.federation.charter.policy
    if open_ms < policy.ballot_ms:
        detail = f"expected a ballot of {policy.ballot_ms} ms or longer by policy version"
        raise Refusal("ballot.short", f"{detail} {policy.version}, got {open_ms} ms")


def _wrong(expected: str) -> Refusal:
    return Refusal("governance.request", f"expected {expected}")
