"""No record that may be stored stops a service, makes it raise, or makes it publish nonsense."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.services import any_record

from sheaf_node.plugins import Call, SeenRecord
from sheaf_protocol.charter import MAY
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import Digest, EntryId, LogId, digest
from sheaf_protocol.errors import Refusal
from sheaf_protocol.log import Head
from sheaf_protocol.records import decode_record, kind_of
from sheaf_protocol.records.governance import DEFAULT_POLICY
from sheaf_services.order_fulfilment.service import OrderFulfilment
from sheaf_services.pooled_purchasing.service import PooledPurchasing
from sheaf_services.private_demand.service import PrivateDemand
from sheaf_services.shipment_matching.service import ShipmentMatching

TURNS = 60
"""Turns after which a service that still has something to say would never be done."""


class Context:
    """A node of the first author, in all roles, whose entries come back to it at once."""

    def __init__(self) -> None:
        self.cid, self.wid = any_record.AUTHORS[0]
        self.line = self.wid
        roles = {cid: frozenset(MAY) for cid, _ in any_record.AUTHORS}
        self.federation = SimpleNamespace(
            charter=SimpleNamespace(policy=DEFAULT_POLICY),
            is_member=roles.__contains__,
            may=lambda cid, kind: cid in roles,
            roles=roles,
            roles_of=roles.__getitem__,
        )
        self.said: list[tuple[str, bytes]] = []
        self.jobs: list[str] = []
        self.seqs = {author: 0 for author in any_record.AUTHORS}
        self.time_ms = 1_000

    def now_ms(self) -> int:
        return self.time_ms

    @property
    def storage(self) -> Any:
        raise Refusal("service.storage", "expected a service that was given room")

    def name_of(self, cid: bytes) -> str:
        return cid.hex()

    def heads(self) -> list[Any]:
        return [
            (cid, wid, Head(seq=seq, id=EntryId(digest("head", wid)), time_ms=0))
            for (cid, wid), seq in sorted(self.seqs.items())
            if seq
        ]

    def random(self, size: int) -> bytes:
        return bytes(range(size))

    def place_of(self, cid: bytes, wid: bytes, seq: int) -> tuple[bytes, int]:
        return wid, seq

    def has_fork(self, cid: bytes, wid: bytes) -> bool:
        return False

    def can_seal_to(self, cid: bytes) -> bool:
        return True

    def wake_at(self, time_ms: int) -> None:
        pass

    def run(self, key: str, function: object, *args: object) -> None:
        self.jobs.append(key)

    def publish(self, record: Any, *, refs: Any = (), to: Any = ()) -> None:
        kind, body = kind_of(record), encode(record)
        assert decode_record(kind, body) == record
        assert len(body) < 65_000
        self.said.append((kind, body))

    def seen(self, author: int, kind: str, record: Any, id_: EntryId | None = None) -> SeenRecord:
        """Return a record as the next entry of an author's log."""
        cid, wid = any_record.AUTHORS[author]
        self.seqs[cid, wid] += 1
        seq = self.seqs[cid, wid]
        return SeenRecord(
            id=id_ or EntryId(digest("any", wid, seq.to_bytes(4, "big"))),
            cid=cid,
            wid=wid,
            log=LogId(Digest(wid)),
            seq=seq,
            time_ms=self.time_ms,
            kind=kind,
            refs=(),
            record=record,
        )


def come_to_rest(service: Any, context: Context) -> None:
    """Take turns as a host would, until the service has nothing to say."""
    for _ in range(TURNS):
        service.decide()
        said, context.said = context.said, []
        jobs, context.jobs = context.jobs, []
        for kind, body in said:
            service.fold(context.seen(0, kind, decode_record(kind, body)))
        for key in jobs:
            service.finish(key, None)
        if not said and not jobs:
            return
    raise AssertionError("the service does not come to rest")


def ask_everything(service: Any, context: Context) -> None:
    for name in ("report", "award", "rounds", "alerts", "orders", "invoices", "statement"):
        view = service.views.get(name)
        if view is not None:
            try:
                view(Call(options={"item": "a"}))
            except Refusal as refusal:
                assert refusal.code == "pool.unknown"  # noqa: PT017  # any other is a fault
    for name, options in (("open_pools", {}), ("close_pools", {}), ("match", {})):
        if name in service.commands:
            service.commands[name](Call(options=options))
    for kind, body in context.said:
        service.fold(context.seen(0, kind, decode_record(kind, body)))
    context.said.clear()


@st.composite
def stories(draw: Any, kinds: list[str]) -> list[tuple[int, str, Any]]:
    chosen = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=14))
    return [(draw(st.integers(0, 2)), kind, draw(any_record.records(kind))) for kind in chosen]


SERVICES = [OrderFulfilment, PooledPurchasing, PrivateDemand, ShipmentMatching]


@pytest.mark.parametrize("factory", SERVICES)
@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_story_is_folded_decided_and_shown(factory: Any, data: Any) -> None:
    story = data.draw(stories(sorted(factory.follows)))
    context = Context()
    service = factory(context, {})

    ids = [*any_record.ENTRIES, *[None] * len(story)]
    for id_, (author, kind, record) in zip(ids, story, strict=False):
        service.fold(context.seen(author, kind, record, id_))
        if data.draw(st.booleans()):
            come_to_rest(service, context)
    context.time_ms = data.draw(st.integers(1, 10**13))
    come_to_rest(service, context)
    ask_everything(service, context)
    come_to_rest(service, context)
