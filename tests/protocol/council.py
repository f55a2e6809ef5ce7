"""A council of nodes that certify over a bad network: the world in which rounds are tested.

Honest nodes do what `Rounds` says and nothing else. Entries reach them late, twice, in any order
or not at all; liars sign whatever the schedule draws and show it to whom they like.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec import UNSET, structs

from sheaf_protocol.codec import encode
from sheaf_protocol.digest import CoopId, Digest, EntryId, WriterId, digest
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.governance import Decided, Rounds, Statement, Views, round_message, to_record
from sheaf_protocol.identity import SigningKey, signing_key
from sheaf_protocol.records.governance import (
    AcceptedBy,
    CertificateAbandon,
    CertificateAccept,
    CertificateApprove,
    CertificateProposal,
    Change,
    Lock,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from random import Random

PREV = Digest(bytes(32))
"""Points at the first voter: co-op `i` proposes in round `i`."""
LONGEST = 120
"""Fair rounds after which a council that has not decided never will."""


@dataclass(frozen=True)
class Coop:
    """A voter with one writer."""

    cid: CoopId
    key: SigningKey

    @property
    def wid(self) -> WriterId:
        return WriterId(self.key.public)


@dataclass(frozen=True)
class Entry:
    """A statement in its author's log."""

    id: EntryId
    author: Coop
    said: Statement


def make_coop(number: int) -> Coop:
    return Coop(CoopId(bytes([number]) * 32), signing_key(digest("test", bytes([number]))))


COOPS = [make_coop(number) for number in range(1, 14)]


def quorum_of(voters: int, rule: str) -> int:
    return 2 * voters // 3 + 1 if rule == "two_thirds" else voters // 2 + 1


def value(number: int, round_: int = 0) -> CertificateProposal:
    """Return a proposal to take in co-op `number`."""
    change = Change(action="leave", cid=CoopId(bytes([number]) * 32))
    return CertificateProposal(change=change, heads=[], lines=[], prev=PREV, round=round_)


def derive(proposal: CertificateProposal) -> Digest:
    """Return the id of the certificate that a value makes, in whichever round."""
    return digest("test", encode(structs.replace(proposal, round=0)))


def accept(coop: Coop, certificate: Digest, round_: int) -> CertificateAccept:
    signature = coop.key.sign("accept", round_message(certificate, round_))
    return CertificateAccept(certificate=certificate, prev=PREV, round=round_, signature=signature)


def approve(coop: Coop, certificate: Digest, round_: int) -> CertificateApprove:
    signature = coop.key.sign("certify", round_message(certificate, round_))
    return CertificateApprove(certificate=certificate, prev=PREV, round=round_, signature=signature)


def abandon(round_: int, lock: Lock | None = None) -> CertificateAbandon:
    return CertificateAbandon(lock=lock or UNSET, prev=PREV, round=round_)


def lock_of(coops: Iterable[Coop], certificate: Digest, round_: int) -> Lock:
    """Return the lock that the accepts of these co-ops make."""
    accepts = [
        AcceptedBy(cid=c.cid, signature=accept(c, certificate, round_).signature, wid=c.wid)
        for c in sorted(coops, key=lambda c: c.cid)
    ]
    return Lock(accepts=accepts, certificate=certificate, round=round_)


@dataclass
class Node:
    """An honest node: its own log is on its disk, all else it may have to fetch again."""

    coop: Coop
    wants: CertificateProposal | None
    council: Council
    log: list[Entry] = field(default_factory=list)
    rare: list[Entry] = field(default_factory=list)
    """Entries on one side of a fork, which others may never hear."""
    agrees: Callable[[CertificateProposal], bool] = lambda _: True

    def __post_init__(self) -> None:
        self.rounds = self._empty()

    def _empty(self) -> Rounds:
        voters = [coop.cid for coop in self.council.coops]
        writers = {(coop.cid, coop.wid) for coop in self.council.coops}
        return Rounds(
            PREV,
            voters,
            self.council.quorum,
            lambda cid, wid: (cid, wid) in writers,
            lambda certificate, cid, _: (certificate, cid) not in self.council.unheld,
        )

    def restart(self) -> None:
        """Fold the own log first, and then what nobody else can give back."""
        self.rounds = self._empty()
        self.take([*self.log, *self.rare])

    def take(self, entries: Iterable[Entry]) -> None:
        """Hear entries; those that break a rule are nothing to an honest node."""
        for entry in entries:
            if self.council.is_rare(entry) and entry not in self.rare:
                self.rare.append(entry)
            try:
                self.rounds.hear(entry.id, entry.author.cid, entry.author.wid, entry.said)
            except RemoteProtocolError:
                continue

    def views(self) -> Views:
        """Return what this node thinks."""
        own = self.coop.cid
        return Views(
            value=lambda: self.wants,
            derive=derive,
            agrees=self.agrees,
            may_approve=lambda certificate: (certificate, own) not in self.council.unheld,
        )

    def step(self, *, is_late: bool) -> bool:
        """Say one thing, if there is one to say."""
        views = self.views()
        step = self.rounds.next_step(self.coop.cid, views, is_late=is_late)
        if step is None:
            return False
        entry = self.council.publish(self.coop, to_record(step, PREV, self.coop.key.sign))
        self.log.append(entry)
        self.take([entry])
        return True

    def settle(self) -> None:
        """Say everything that is to be said without giving up."""
        while self.step(is_late=False):
            pass


class Council:
    """Voters, some of which lie, and all that was said."""

    def __init__(self, voters: int, liars: int = 0, rule: str = "two_thirds") -> None:
        self.coops = COOPS[:voters]
        self.quorum = quorum_of(voters, rule)
        self.entries: list[Entry] = []
        self.liars: Sequence[Coop] = self.coops[:liars]
        self.has_forks = False
        self.unheld: set[tuple[Digest, CoopId]] = set()
        """Certificates that cannot bear the approval of a co-op."""
        honest = self.coops[liars:]
        self.nodes = [Node(coop, value(i), self) for i, coop in enumerate(honest)]

    def publish(self, coop: Coop, said: Statement) -> Entry:
        """Put a statement into a log; whom it reaches is for the schedule to say."""
        entry = Entry(EntryId(digest("test", len(self.entries).to_bytes(8))), coop, said)
        self.entries.append(entry)
        return entry

    def show(self, said: Statement, by: Coop, to: Iterable[Node]) -> Entry:
        """Publish a statement and let some nodes hear it."""
        entry = self.publish(by, said)
        for node in to:
            node.take([entry])
        return entry

    def decidable(self) -> set[Digest]:
        """Return the certificates that can be assembled if every liar helps."""
        given: dict[tuple[int, Digest], set[CoopId]] = {}
        liars = {coop.cid for coop in self.liars}
        for entry in self.entries:
            if isinstance(entry.said, CertificateApprove):
                place = (entry.said.round, entry.said.certificate)
                given.setdefault(place, set()).add(entry.author.cid)
        return {place[1] for place, by in given.items() if len(by | liars) >= self.quorum}

    def decisions(self) -> list[Decided | None]:
        return [node.rounds.decided for node in self.nodes]

    def flow(self) -> None:
        """Let everything reach everyone, and everyone answer, until nobody has more to say.

        Of liars that forked their logs nothing does: who did not hear them never will.
        """
        said = -1
        while said != len(self.entries):
            said = len(self.entries)
            for node in self.nodes:
                node.take(e for e in self.entries if not self.is_rare(e))
                node.settle()

    def is_rare(self, entry: Entry) -> bool:
        """Return whether an entry stands in a log that its author forked."""
        return self.has_forks and entry.author in self.liars

    def conclude(self) -> int:
        """Time everyone out in turn until all have decided; return the rounds that it took.

        Where logs were forked one is enough: its certificate holds without the entries.
        """
        for taken in range(LONGEST):
            self.flow()
            decided = [found is not None for found in self.decisions()]
            if all(decided) or (self.has_forks and any(decided)):
                return taken
            for node in self.nodes:
                node.step(is_late=True)
        return LONGEST


def disturb(council: Council, random: Random, moves: int) -> None:
    """Run a random schedule: losses, delays, repeats, crashes, and lies of those who lie."""
    heard, haste = random.uniform(0.1, 0.6), random.uniform(0.05, 0.7)
    for _ in range(moves):
        node = random.choice(council.nodes)
        draw = random.random()
        if draw < heard and council.entries:
            recent = council.entries[-4 * len(council.coops) :]
            node.take(random.choices(recent, k=random.randint(1, 6)))
        elif draw < 0.8:
            node.step(is_late=random.random() < haste)
        elif draw < 0.82:
            node.restart()
        elif council.liars:
            lie(council, random)


def lie(council: Council, random: Random) -> None:
    """Let a liar say two things, each to some of the nodes."""
    liar = random.choice(council.liars)
    shuffled = random.sample(council.nodes, len(council.nodes))
    middle = random.randint(0, len(shuffled))
    for audience in (shuffled[:middle], shuffled[middle:]):
        council.show(_drawn(council, liar, random), liar, audience)


def _drawn(council: Council, liar: Coop, random: Random) -> Statement:
    highest = max(node.rounds.round_of(node.coop.cid) for node in council.nodes)
    round_ = max(0, highest - random.randint(-1, 1))
    match random.randint(0, 5):
        case 0:
            turn = next(i for i, coop in enumerate(council.coops) if coop == liar)
            turn += (
                (highest - turn + len(council.coops) - 1) // len(council.coops) * len(council.coops)
            )
            return value(random.randint(0, 22), turn)
        case 1 | 2:
            return accept(liar, _certificate(council, random, highest), highest)
        case 3:
            return approve(liar, _certificate(council, random, round_), round_)
        case 4:
            return abandon(round_)
        case _:
            return abandon(round_, _any_lock(council, random, round_))


def _certificate(council: Council, random: Random, round_: int) -> Digest:
    """Return a certificate that was put forward, in this round if there is one."""
    put = [e.said for e in council.entries if isinstance(e.said, CertificateProposal)]
    here = [said for said in put if said.round == round_]
    return derive(random.choice(here or put or [value(20)]))


def _any_lock(council: Council, random: Random, round_: int) -> Lock | None:
    """Return a lock that the accepts seen so far and those of all liars make, or a forged one."""
    given: dict[tuple[int, Digest], set[CoopId]] = {}
    for entry in council.entries:
        if isinstance(entry.said, CertificateAccept) and entry.said.round <= round_:
            place = (entry.said.round, entry.said.certificate)
            given.setdefault(place, {c.cid for c in council.liars}).add(entry.author.cid)
    if not given:
        return None
    place = random.choice(sorted(given))
    by = [coop for coop in council.coops if coop.cid in given[place]]
    if len(by) >= council.quorum:
        return lock_of(by[: council.quorum], place[1], place[0])
    return forged(lock_of(council.coops[: council.quorum], place[1], place[0]), council.liars)


def forged(lock: Lock, liars: Sequence[Coop]) -> Lock:
    """Return a lock in which only the liars' signatures are valid."""
    own = {coop.cid for coop in liars}
    accepts = [
        by if by.cid in own else structs.replace(by, signature=bytes(64)) for by in lock.accepts
    ]
    return structs.replace(lock, accepts=accepts)
