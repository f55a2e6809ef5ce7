from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.node.commons import SEVEN, Commons
from tests.node.epochs import Growing, Site
from tests.node.straits import Straits
from tests.node.taking import Bench, make_ingest

from sheaf_node.clock import ManualClock
from sheaf_node.events import Arrivals
from sheaf_node.store import Store
from sheaf_protocol.testing.author import START_MS, make_coop, make_federation


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    mill, hill, dale = (make_coop(name) for name in ("Mill", "Hill Farm", "Dale Supplies"))
    certificate = make_federation([(mill, ["member"]), (hill, ["member"]), (dale, ["supplier"])])
    store = Store.open(tmp_path / "sheaf.db", random=bytes)
    clock, arrivals = ManualClock(START_MS), Arrivals()
    ingest = make_ingest(store, mill, clock, arrivals)
    for coop in (mill, hill, dale):
        await ingest.receive_key_ops(coop.cid, coop.key_ops)
    await ingest.receive_certificate(certificate)
    yield Bench(ingest, store, arrivals, clock, mill, hill, dale, certificate)
    await store.close()


@pytest.fixture
def growing() -> Growing:
    return Growing()


@pytest.fixture
async def site(growing: Growing, tmp_path: Path) -> AsyncIterator[Site]:
    """The node of Mill in a federation that grows."""
    made = Site(growing, growing.mill, tmp_path)
    await made.begin()
    yield made
    await made.store.close()


@pytest.fixture
async def commons(tmp_path: Path) -> AsyncIterator[Commons]:
    """Seven members that govern a federation; a file of tests that needs others makes its own."""
    made = Commons(tmp_path, SEVEN)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def straits(tmp_path: Path) -> AsyncIterator[Straits]:
    """Two federations with a treaty in force; a file of tests about another makes its own."""
    made = Straits(tmp_path)
    await made.open()
    yield made
    await made.close()
