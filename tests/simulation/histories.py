"""Histories made by hand, good and bad, to show that each invariant can fail."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import msgpack
from nacl.signing import SigningKey
from tests.simulation.ledger import Ledger

if TYPE_CHECKING:
    from pathlib import Path

FID = b"f" * 32
OWNER, ASKER, OTHER = "hill", "dale", "moor"
NAMES = (OWNER, ASKER, OTHER)
CIDS = {name: name.encode() * 8 for name in NAMES}
NOW_MS = 1_000_000
_TABLES = (
    "CREATE TABLE entries (arrival INTEGER PRIMARY KEY, log INTEGER, seq INTEGER, id BLOB,"
    " header BLOB, proof BLOB, payload BLOB, void TEXT, fault TEXT)",
    "CREATE TABLE refs (target BLOB, arrival INTEGER)",
    "CREATE TABLE certificates (epoch INTEGER, data BLOB)",
)


@dataclass
class Log:
    """A writer that signs what it is told to."""

    name: str
    seq: int = 0
    prev: bytes = bytes(32)
    key: SigningKey = field(init=False)

    def __post_init__(self) -> None:
        self.key = SigningKey(self.name.encode() * 8)

    def write(
        self, kind: str, body: dict[str, Any], refs: tuple[bytes, ...] = (), **odd: Any
    ) -> Any:
        """Return the next entry; `odd` puts something else at the place of a header's part."""
        payload = bytes(16) + msgpack.packb(body)
        header = msgpack.packb(
            [
                1,
                FID,
                CIDS[self.name],
                bytes(self.key.verify_key),
                odd.get("seq", self.seq + 1),
                odd.get("prev", self.prev),
                kind,
                odd.get("time_ms", NOW_MS),
                0,
                odd.get("hashed", hashlib.sha256(b"sheaf/1/payload\0" + payload).digest()),
                len(payload),
                list(refs),
                0,
            ]
        )
        id_ = hashlib.sha256(b"sheaf/1/entry\0" + header).digest()
        if "seq" not in odd:
            self.seq, self.prev = self.seq + 1, id_
        proof = self.key.sign(b"sheaf/1/entry-signature\0" + header).signature
        envelope = SimpleNamespace(header=header, payload=payload, signature=proof)
        return SimpleNamespace(
            id=id_, envelope=envelope, void=None, fault=None, proof=proof, refs=refs, name=self.name
        )


class History:
    """Three co-ops, and a ledger that watches them."""

    def __init__(self) -> None:
        self.logs = {name: Log(name) for name in NAMES}
        self.ledger = Ledger(CIDS)
        self.held: dict[str, list[Any]] = {name: [] for name in NAMES}

    def at(self, name: str, *entries: Any, latest_ms: int = NOW_MS) -> None:
        """Let a site sync entries."""
        self.held[name] += entries
        self.ledger.durable(name, entries, latest_ms)

    def everywhere(self, *entries: Any) -> None:
        """Let all sites sync entries, their authors first."""
        for entry in entries:
            for name in sorted(NAMES, key=lambda each: each != entry.name):
                self.at(name, entry)

    def own(self, name: str, kind: str, body: dict[str, Any], *refs: bytes, **odd: Any) -> bytes:
        """Let a co-op write an entry, and all sync it; return its id."""
        entry = self.logs[name].write(kind, body, refs, **odd)
        self.everywhere(entry)
        return bytes(entry.id)

    def offer(self, pallets: int = 10, ref: str = "shed") -> bytes:
        return self.own(OWNER, "capacity.publish", {"ref": ref, "resource": {"pallets": pallets}})

    def ask(self, capacity: bytes, pallets: int = 4, op: str = "op0", **odd: Any) -> bytes:
        self.ledger.asked(op, ASKER)
        amount = {"pallets": pallets}
        body = {
            "capacity": capacity,
            "hold": hashlib.sha256(b"sheaf/1/sim\0" + op.encode()).digest(),
            "hold_for_ms": 1_000,
            "max": amount,
            "min": amount,
        }
        return self.own(ASKER, "hold.request", {**body, **odd}, capacity)

    def grant(self, request: bytes, pallets: int = 4, **odd: Any) -> bytes:
        body = {"request": request, "locked": {"pallets": pallets}, "until_ms": NOW_MS + 1_000}
        return self.own(odd.pop("name", OWNER), "hold.grant", {**body, **odd}, request)

    def confirm(self, grant: bytes, name: str = ASKER) -> bytes:
        return self.own(name, "hold.confirm", {"grant": grant}, grant)

    def confirmed(self, confirm: bytes, **odd: Any) -> bytes:
        return self.own(OWNER, "hold.confirmed", {"confirm": confirm}, confirm, **odd)

    @property
    def broken(self) -> set[str]:
        """The invariants that were found broken so far."""
        return {violation.invariant for violation in self.ledger.violations}

    def stored(self, name: str, folder: Path, *, without_refs: bool = False) -> Path:
        """Return the file of a site as its store would have it."""
        path = folder / f"{name}.db"
        with closing(sqlite3.connect(path)) as connection:
            for table in _TABLES:
                connection.execute(table)
            for arrival, entry in enumerate(self.held[name], 1):
                _, _, _, _, seq, *_ = msgpack.unpackb(entry.envelope.header)
                row = (arrival, [*self.logs].index(entry.name), seq, entry.id)
                stored = (entry.envelope.header, entry.proof, entry.envelope.payload)
                connection.execute(
                    "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)",
                    (*row, *stored, entry.void),
                )
                if not without_refs:
                    for target in entry.refs:
                        connection.execute("INSERT INTO refs VALUES (?, ?)", (target, arrival))
            connection.commit()
        return path

    def settle(self, folder: Path, **how: Any) -> set[str]:
        """Settle the asker's site; return the invariants found broken."""
        self.ledger.settle(ASKER, self.stored(ASKER, folder, **how), self.order)
        return self.broken

    def reopen(self, folder: Path, **how: Any) -> set[str]:
        """Let the asker's site start again on its file; return the invariants found broken."""
        self.ledger.reopened(ASKER, self.stored(ASKER, folder, **how), self.order)
        return self.broken

    @property
    def order(self) -> dict[bytes, list[bytes]]:
        return {CIDS[name]: [bytes(log.key.verify_key)] for name, log in self.logs.items()}


class Market(History):
    """A pool of one item that one co-op runs, another sells to and two buy from."""

    item: ClassVar[dict[str, Any]] = {"code": "feed", "unit": "H87", "scale": 0}

    def open(self) -> bytes:
        """Let prices be published and a pool be opened; return the pool."""
        tiers = [{"amount": 200, "from_quantity": 1}]
        body = {"base": 1, "item": self.item, "max_quantity": 50, "tiers": tiers}
        self.offered = self.own(OTHER, "offer.submit", body)
        reference = {"amount": 250, "base": 1}
        return self.own(OWNER, "pool.open", {"item": self.item, "reference": reference})

    def want(self, quantity: int = 40) -> bytes:
        price = {"amount": 220, "base": 1}
        body = {"max_price": price, "min_quantity": 1, "quantity": quantity, "item": self.item}
        return self.own(ASKER, "demand.submit", body)

    def close(self, pool: bytes, *demands: bytes) -> bytes:
        log = self.logs[ASKER]
        cut = [{"wid": bytes(log.key.verify_key), "seq": log.seq}]
        body = {"cut": cut, "demands": list(demands), "offers": [self.offered], "pool": pool}
        return self.own(OWNER, "pool.close", body)

    def award(self, pool: bytes, close: bytes, quantity: int = 40, **odd: Any) -> bytes:
        """Award so many units; `odd` puts something else at the place of a number of its line."""
        sums = {"amount": 200 * quantity, "carriage": 0, "fee": 0, "lines": 1, "quantity": quantity}
        body = {
            "close": close,
            "leaves": 1,
            "lines": [{**sums, "offer": self.offered, "tier": 0, **odd}],
            "pool": pool,
            "quantity": quantity,
            "value": 50 * quantity,
        }
        return self.own(OWNER, "pool.award", body)

    def find(self, award: bytes, code: str = "ok", name: str = ASKER) -> bytes:
        return self.own(name, "verdict", {"code": code, "subject": award})


class Council(History):
    """A federation of three co-ops that changes its rules by ballots, one co-op, one vote."""

    # Two of three are enough for an ordinary change, and too few for one of the rules themselves.
    policy: ClassVar[dict[str, Any]] = {
        "charter_bps": 6_700,
        "pass_bps": 5_000,
        "turnout_bps": 5_000,
    }
    closes_ms: ClassVar[int] = NOW_MS + 1_000

    def __init__(self, *suspended: str, certify: str = "two_thirds") -> None:
        super().__init__()
        members = [
            {"cid": CIDS[name], "is_suspended": name in suspended, "roles": ["member"]}
            for name in NAMES
        ]
        self.genesis = {
            "epoch": 0,
            "members": members,
            "policy": {**self.policy, "certify": certify},
            "prev": bytes(32),
        }
        self.first = self.certify(self.genesis)

    def propose(self, title: str = "Lower the fee") -> bytes:
        return self.own(OWNER, "ballot.propose", {"title": title, "closes_at_ms": self.closes_ms})

    def vote(self, proposal: bytes, name: str, choice: str = "yes") -> bytes:
        return self.own(name, "ballot.vote", {"choice": choice, "proposal": proposal}, proposal)

    def votes(self, proposal: bytes, *choices: str) -> list[bytes]:
        """Let the co-ops vote, in their order; return their votes."""
        return [self.vote(proposal, *each) for each in zip(NAMES, choices, strict=False)]

    def next_one(self, proposal: bytes, votes: list[bytes], **odd: Any) -> dict[str, Any]:
        """Return the charter that follows on the first; `odd` puts other parts into it."""
        return {
            **self.genesis,
            "ballot": {"proposal": proposal, "votes": votes},
            "change": {"action": "policy"},
            "epoch": 1,
            "fid": self.first,
            "prev": self.first,
            **odd,
        }

    def certify(
        self,
        charter: dict[str, Any],
        by: tuple[str, ...] = NAMES,
        *,
        latest_ms: int = NOW_MS,
        signed_round: int = 0,
    ) -> bytes:
        """Let a site sync a certificate of round 0 that these co-ops approved; return its id."""
        body = msgpack.packb(charter)
        id_ = hashlib.sha256(b"sheaf/1/federation\0" + body).digest()
        signed = b"sheaf/1/certify\0" + id_ + signed_round.to_bytes(8, "big")
        approvals = [
            {
                "cid": CIDS[log.name],
                "signature": log.key.sign(signed).signature,
                "wid": bytes(log.key.verify_key),
            }
            for log in map(self.logs.__getitem__, by)
        ]
        told = {"approvals": approvals, "body": body, "round": 0}
        self.ledger.certified(msgpack.packb(told), latest_ms)
        return id_
