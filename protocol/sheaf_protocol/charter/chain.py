"""The certificates of one federation, and which of them are in force (spec chapter 09).

Usually one follows on each. Where two do, both together prove that a third of the voters or more
signed twice, and the federation halts where it was before. It goes on where the one that was there
first is built upon, by members who had not heard of the other, or by a re-foundation that its
members sign.

What has been built upon stays: keys of an old epoch may be stolen or sold years later, and whoever
has enough of them could else take back all that came since. A rival that comes so late is kept as
evidence and changes nothing. So a chain follows from its certificates in the order in which they
came, and a newcomer takes that of the members who invite it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from msgspec import UNSET

from sheaf_protocol.charter.founding import federation_of, found
from sheaf_protocol.charter.judging import fid_of, judge
from sheaf_protocol.charter.model import read_charter
from sheaf_protocol.digest import short
from sheaf_protocol.errors import Fault, RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sheaf_protocol.charter.model import Certificate, Charter
    from sheaf_protocol.charter.standing import Federation
    from sheaf_protocol.digest import CoopId, Digest
    from sheaf_protocol.identity import KeyLog


@dataclass(frozen=True, kw_only=True, slots=True)
class _Link:
    """A valid certificate and where it stands; its charter is read again when it is needed."""

    certificate: Certificate
    id: Digest
    epoch: int
    prev: Digest
    refounds: frozenset[Digest]
    rank: int
    """0, or for a re-foundation one more than the highest of what it refounds."""
    is_late: bool
    """Whether another than its side was built upon, or took its side's place, when it came."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chain:
    """A federation's certificates. Immutable: one more makes a new chain."""

    links: Mapping[Digest, _Link]
    """All valid certificates by id, in the order in which they came."""
    federation: Federation
    """The federation as the newest certificate in force has it."""
    fork: tuple[Certificate, ...] = ()
    """The certificates that follow on the newest in force and contradict one another."""
    anchors: Mapping[CoopId, frozenset[Digest]]
    """The key heads that the certificates name, in force or not, but for late ones."""

    @classmethod
    def found(cls, genesis: Certificate, keys: Mapping[CoopId, KeyLog]) -> Chain:
        """Return the chain of a genesis certificate; raises as `found` does."""
        found(genesis, keys)
        return cls.of([genesis])

    @classmethod
    def of(cls, certificates: Iterable[Certificate]) -> Chain:
        """Return the chain of certificates that were verified before, the genesis first.

        Each comes after its predecessor. Raises RemoteProtocolError `charter.unknown_epoch`.
        """
        genesis, *later = certificates
        federation = federation_of(genesis)
        link = _link(genesis, federation.charter, {}, is_late=False)
        chain = cls(
            links={link.id: link},
            federation=federation,
            anchors=_with_anchors({}, federation.charter),
        )
        for certificate in later:
            charter = read_charter(certificate)
            chain.require_known(charter)
            chain = chain._with(certificate, charter)
        return chain

    @property
    def certificates(self) -> Sequence[Certificate]:
        """All valid certificates, each after its predecessor, forks included."""
        return [link.certificate for link in self.links.values()]

    @property
    def late(self) -> Sequence[Certificate]:
        """The certificates that contradict what was built upon when they came (`charter.late`)."""
        return [link.certificate for link in self.links.values() if link.is_late]

    @property
    def told(self) -> Mapping[Digest, Certificate]:
        """The certificates for those who lack some, by id: whoever adds them in order has this one.

        Left out are late ones that name key heads which no other certificate does: the key logs
        that they are judged by are not passed on.
        """
        return {
            link.id: link.certificate
            for link in self.links.values()
            if not link.is_late or self._names(read_charter(link.certificate))
        }

    def _names(self, charter: Charter) -> bool:
        return all(each.key_head in self.anchors.get(each.cid, ()) for each in charter.members)

    @property
    def is_forked(self) -> bool:
        """Whether certificates contradict one another, and no re-foundation settled it."""
        return self.federation.is_forked

    def add(self, certificate: Certificate, keys: Mapping[CoopId, KeyLog]) -> Chain:
        """Return the chain with one more certificate, the same object where it is known.

        Raises RemoteProtocolError `charter.fid`, `charter.refounding`, `charter.late` where one as
        late is held, not yet `charter.unknown_epoch`, and those of `judge`.
        """
        if certificate.id in self.links:
            return self
        charter = read_charter(certificate)
        fid = fid_of(charter, certificate.id)
        if fid != self.federation.fid:
            detail = f"expected federation {short(self.federation.fid)}, got {short(fid)}"
            raise RemoteProtocolError("charter.fid", detail)
        self.require_known(charter)
        self._require_timely(charter)
        judge(certificate, self._charter(charter.prev), charter.prev, keys)
        return self._with(certificate, charter)

    def require_one(self) -> Federation:
        """Return the federation if it can go on.

        Raises RemoteProtocolError, not yet, `charter.forked`.
        """
        if self.is_forked:
            ids = ", ".join(short(certificate.id) for certificate in self.fork)
            detail = f"expected one certificate on {short(self.federation.id)}, got {ids}"
            raise RemoteProtocolError("charter.forked", detail, Fault.NOT_YET)
        return self.federation

    def _charter(self, id_: Digest) -> Charter:
        if id_ == self.federation.id:
            return self.federation.charter
        return read_charter(self.links[id_].certificate)

    def require_known(self, charter: Charter) -> None:
        """Return if the certificates that one follows on, or refounds, are known.

        Raises RemoteProtocolError `charter.refounding`, and not yet `charter.unknown_epoch`.
        """
        refounds = [] if charter.refounds is UNSET else charter.refounds
        for id_ in (charter.prev, *refounds):
            if id_ not in self.links:
                detail = f"expected certificate {short(id_)} of epoch {charter.epoch - 1} or before"
                raise RemoteProtocolError("charter.unknown_epoch", detail, Fault.NOT_YET)
        if any(self.links[id_].prev != charter.prev for id_ in refounds):
            detail = f"expected to refound certificates that follow on {short(charter.prev)}"
            raise RemoteProtocolError("charter.refounding", detail)

    def _require_timely(self, charter: Charter) -> None:
        """Refuse a second late certificate on one predecessor, and what follows on a late one."""
        # On a predecessor of a late one all that comes is late, so there is no need to look again.
        late = [link for link in self.links.values() if link.is_late]
        if any(charter.prev in (link.id, link.prev) for link in late):
            detail = f"expected what follows on {short(self.federation.id)}, which was there first"
            raise RemoteProtocolError("charter.late", detail, Fault.AUTHOR)

    def _is_late(self, charter: Charter) -> bool:
        """Return whether a certificate leaves the path where that was built upon already.

        One on a side that no longer contends is late as well: it could be in force nowhere, and
        there would be no end of them.
        """
        if charter.prev == self.federation.id:
            return False  # as nearly all are, and looking at the whole path takes a while
        path, fork = _in_force(list(self.links.values()))
        side, below = None, charter.prev
        while below not in path:
            side, below = below, self.links[below].prev
        if below == path[-1]:
            # Of those that contend the first alone is built upon: it was in force when they came.
            return side is not None and [side] != [link.id for link in fork[:1]]
        heir = path[path.index(below) + 1]
        is_built_upon = any(each.prev == heir and not each.is_late for each in self.links.values())
        return side is not None or is_built_upon

    def _with(self, certificate: Certificate, charter: Charter) -> Chain:
        link = _link(certificate, charter, self.links, is_late=self._is_late(charter))
        links = {**self.links, link.id: link}
        path, fork = _in_force(list(links.values()))
        federation = self.federation
        if federation.id not in path:
            # A fork takes the newest one back, on which nothing was built.
            federation = federation_of(links[path[0]].certificate)
        for id_ in path[path.index(federation.id) + 1 :]:
            newest = charter if id_ == link.id else read_charter(links[id_].certificate)
            federation = federation.after(id_, newest)
        return Chain(
            links=links,
            federation=replace(federation, is_forked=bool(fork)),
            fork=tuple(each.certificate for each in fork),
            # What comes late changes nothing, or old keys could anchor branches of key logs.
            anchors=self.anchors if link.is_late else _with_anchors(self.anchors, charter),
        )


def _link(
    certificate: Certificate, charter: Charter, links: Mapping[Digest, _Link], *, is_late: bool
) -> _Link:
    refounds = frozenset(() if charter.refounds is UNSET else charter.refounds)
    return _Link(
        certificate=certificate,
        id=certificate.id,
        epoch=charter.epoch,
        prev=charter.prev,
        refounds=refounds,
        rank=max((links[id_].rank + 1 for id_ in refounds), default=0),
        is_late=is_late,
    )


def _in_force(links: Sequence[_Link]) -> tuple[list[Digest], Sequence[_Link]]:
    """Return the ids in force from the genesis on, and what contends for the next place.

    The links are in the order in which they came, and so is what contends.
    """
    heirs: dict[Digest, list[_Link]] = {}
    for link in links:
        if not link.is_late:
            heirs.setdefault(link.prev, []).append(link)
    path = [links[0].id]
    while path[-1] in heirs:
        contending = _contending(heirs[path[-1]])
        if len(contending) > 1 and contending[0].id not in heirs:
            return path, contending
        path.append(contending[0].id)
    return path, ()


def _contending(heirs: Sequence[_Link]) -> Sequence[_Link]:
    """Return which of the certificates on one predecessor nothing else takes the place of."""
    # What people signed to settle a fork is not undone by one more side of it that turns up.
    highest = [link for link in heirs if link.rank] or heirs
    refounded = {id_ for link in highest for id_ in link.refounds}
    return [link for link in highest if link.id not in refounded]


def _with_anchors(
    anchors: Mapping[CoopId, frozenset[Digest]], charter: Charter
) -> Mapping[CoopId, frozenset[Digest]]:
    named = {member.cid: member.key_head for member in charter.members}
    moved = {cid: head for cid, head in named.items() if head not in anchors.get(cid, ())}
    return {
        **anchors,
        **{cid: anchors.get(cid, frozenset()) | {head} for cid, head in moved.items()},
    }
