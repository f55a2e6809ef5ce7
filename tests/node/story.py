"""What a co-op of bad faith signs: branches of logs, of key logs, and signatures left out.

Its writers sign only some entries of their branches, the ends at least, so that most are proven by
later ones. Its key log divides too: manager, guardians and rotation keys override one another, end
writers at other cuts and let in what was closed. Everything is drawn from one seed.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

from sheaf_protocol.digest import CoopId, FederationId
from sheaf_protocol.envelope import Envelope, open_header
from sheaf_protocol.errors import ProtocolError
from sheaf_protocol.fork import Branch, ForkProof, make_branch, make_fork_proof
from sheaf_protocol.identity import KeyOp, SigningKey, signing_key
from sheaf_protocol.log import Head
from sheaf_protocol.proof import Tail, tail_of
from sheaf_protocol.testing.author import (
    START_MS,
    LogAuthor,
    TestCoop,
    make_coop,
    make_federation,
    unsigned,
)


@dataclass(frozen=True)
class Piece:
    """Entries of one branch that follow each other, as a relay might bring them."""

    envelopes: Sequence[Envelope]
    tails: Sequence[Tail] = ()


@dataclass(frozen=True)
class KeyPath:
    """A run of operations of a key log."""

    cid: CoopId
    ops: Sequence[KeyOp]


Item: TypeAlias = Piece | KeyPath | ForkProof


class Growth:
    """One log with its branches: the author at each tip, and the whole path that leads there."""

    def __init__(self, author: LogAuthor) -> None:
        self.tips: list[tuple[LogAuthor, list[Envelope]]] = [(author, [])]
        self.heads: list[Head] = []
        """Every place that was a head once."""


class Story:
    """What an evil co-op signs in two federations, and how it is told."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)  # noqa: S311  # repeatable, not secret
        guardians = [signing_key(b"guardian".ljust(32))]
        self.mill, self.evil = make_coop("Mill"), make_coop("Evil", guardians=guardians)
        self.certificates = [
            make_federation([(self.mill, ["member"]), (self.evil, ["member"])], name)
            for name in ("One", "Two")
        ]
        self.known = [KeyPath(coop.cid, list(coop.key_ops)) for coop in (self.mill, self.evil)]
        self._writers = [self.evil.writer]
        if self.often(0.6):
            self._writers.append(signing_key(b"second".ljust(32)))
            # The last entries of this one are later than that: only an adoption lets them in.
            expires_ms = START_MS + 2 if self.often(0.6) else START_MS + 10**9
            self.evil.delegate(self._writers[1], expires_ms)
        self._growths: dict[tuple[SigningKey, FederationId], Growth] = {}
        for key in self._writers:
            for certificate in self.certificates:
                if self.often(0.75):
                    author = LogAuthor(self.evil, certificate.fid, writer=key, now_ms=START_MS + 1)
                    self._growths[key, certificate.fid] = self._grown(author)
        self._signed = self._signed_entries()
        self.paths = [path for growth in self._growths.values() for _, path in growth.tips if path]
        self.key_paths = [KeyPath(self.evil.cid, ops) for ops in self._key_paths()]
        self.proofs = [proof for proof in self._all_proofs() if self.often(0.3)]

    def often(self, share: float) -> bool:
        return self.rng.random() < share

    def first_tellings(self) -> list[Item]:
        """Return most of it, in pieces and in any order, beside some that are spoilt."""
        told: list[Item] = [*self.proofs, *self.key_suffixes()]
        for path in self.paths:
            for piece in (*self.pieces(path), *self.pieces(path)):
                told.append(self._spoilt(piece) if self.often(0.2) else piece)
        return self.rng.sample(told, len(told) * 2 // 3)

    def pieces(self, path: Sequence[Envelope]) -> Iterator[Piece]:
        """Yield a branch in pieces of random size, each with what proves its end."""
        first = 0
        while first < len(path):
            end = self.rng.randint(first + 1, min(first + 6, len(path)))
            yield self._piece(path, first, end)
            first = end

    def key_suffixes(self) -> Iterator[KeyPath]:
        """Yield each key path whole, and its end."""
        for path in self.key_paths:
            yield path
            yield KeyPath(path.cid, path.ops[self.rng.randrange(len(path.ops)) :])

    def _grown(self, author: LogAuthor) -> Growth:
        growth = Growth(author)
        for _ in range(self.rng.randint(1, 9)):
            tip, path = self.rng.choice(growth.tips)
            if self.often(0.3) and len(growth.tips) < 3:
                path = list(path)
                tip = tip.twin()
                growth.tips.append((tip, path))
            tip.now_ms += self.rng.randrange(2)
            path.append(tip.append("x.note", b"\x81\xa1n" + bytes([self.rng.randrange(99)])))
            growth.heads.append(tip.head)
        return growth

    def _signed_entries(self) -> set[bytes]:
        """Return the entries whose signature anybody was shown: the tips, and some others."""
        share = self.rng.choice([0.0, 0.0, 0.3, 1.0])
        paths = [path for growth in self._growths.values() for _, path in growth.tips if path]
        ends = {path[-1].id for path in paths}
        return ends | {e.id for path in paths for e in path if self.often(share)}

    def _chain(self, path: Sequence[Envelope], start: int) -> tuple[list[bytes], bytes]:
        """Return the headers from a place of a branch to a signature, and that."""
        ends = (at for at in range(start, len(path)) if path[at].id in self._signed)
        end = next(ends)
        return [envelope.header for envelope in path[start : end + 1]], path[end].signature

    def _piece(self, path: Sequence[Envelope], first: int, end: int) -> Piece:
        envelopes = [
            envelope if envelope.id in self._signed and self.often(0.7) else unsigned(envelope)
            for envelope in path[first:end]
        ]
        if envelopes[-1].signature:
            return Piece(envelopes)
        if path[end - 1].id in self._signed:
            return Piece([*envelopes[:-1], path[end - 1]])
        return Piece(envelopes, [tail_of(*self._chain(path, end))])

    def _spoilt(self, piece: Piece) -> Piece:
        """Return a piece without its proof, with one that is none, with a signature that is none
        where none is needed, or without its payloads.
        """
        whole = piece.envelopes
        match self.rng.randrange(5):
            case 0:
                return Piece([unsigned(envelope) for envelope in whole])
            case 1:
                return Piece([Envelope(e.header, bytes(64), e.payload) for e in whole])
            case 2:
                return Piece(whole, [Tail(tail.headers, bytes(64)) for tail in piece.tails])
            case 3:
                needless = [Envelope(e.header, bytes(64), e.payload) for e in whole[:-1]]
                return Piece([*needless, whole[-1]], piece.tails)
            case _:
                bare = [Envelope(e.header, e.signature, b"") for e in whole]
                return Piece(bare, piece.tails)

    def _all_proofs(self) -> Iterator[ForkProof]:
        """Yield a proof for each two entries of one place."""
        sides: defaultdict[tuple[bytes, int], dict[bytes, Branch]] = defaultdict(dict)
        for path in self.paths:
            for at, envelope in enumerate(path):
                header = open_header(envelope)
                sides[header.log, header.seq][envelope.id] = make_branch(*self._chain(path, at))
        for branches in sides.values():
            for one, other in combinations(branches.values(), 2):
                yield make_fork_proof(one, other)

    def _key_paths(self) -> list[list[KeyOp]]:
        """Return key logs that divide: each but the first on another, at any place."""
        grown = [self.evil.twin()]
        for _ in range(self.rng.randint(0, 4)):
            before = self.rng.choice(grown)
            # Members' inception and first delegations are anchored: nothing below comes to count.
            size = self.rng.randint(3, len(before.key_ops))
            coop = before.twin(size) if size < len(before.key_ops) else before
            if coop is not before:
                grown.append(coop)
            # A twin holds keys that are not in force everywhere; then it can do nothing.
            with suppress(ProtocolError):
                self._continue_key_log(coop)
        return [list(coop.key_ops) for coop in grown]

    def _continue_key_log(self, coop: TestCoop) -> None:
        ended = {key: self._cuts(key) for key in self._writers if self.often(0.6)}
        match self.rng.randrange(5):
            case 0:
                is_open = {wid for wid, writer in coop.keys.writers.items() if not writer.is_closed}
                for key in self._writers:
                    if key.public in is_open and self.often(0.7):
                        coop.close(self._cuts(key), key)
            case 1:
                coop.delegate(signing_key(bytes([self.rng.randrange(9)]) * 32), START_MS + 10**9)
            case 2:
                coop.revoke(ended)
            case 3:
                coop.rotate(ended)
            case _:
                coop.recover(ended)

    def _cuts(self, key: SigningKey) -> dict[FederationId, Head]:
        return {
            fid: self.rng.choice(growth.heads)
            for (writer, fid), growth in self._growths.items()
            if writer is key and self.often(0.8)
        }
