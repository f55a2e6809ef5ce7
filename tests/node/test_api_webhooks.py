"""Webhooks at the local API: who may make them, what is shown of them, what is refused."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.node.local_port import START_MS, Port, local_port

from sheaf_node.api.route import Scope
from sheaf_node.clock import ManualClock
from sheaf_node.store import Store
from sheaf_node.webhooks import Desk, Ledger
from sheaf_protocol.digest import FederationId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PATH = "/api/v1/webhooks"
WISH = {"url": "https://erp.example/sheaf?key=abc", "kinds": ["demand.submit", "x.acme.price"]}
PROGRAM = "ab" * 32
ROUTES = [
    ("GET", PATH),
    ("POST", PATH),
    ("DELETE", f"{PATH}/0a"),
    ("GET", f"{PATH}/0a/deliveries"),
    ("POST", f"{PATH}/0a/replay"),
]


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Port]:
    (folder / "desk").mkdir()
    ledger, store = Ledger(folder), Store.open(folder / "desk" / "sheaf.db", random=os.urandom)
    desk = Desk(
        ledger,
        store,
        lambda prefix: FederationId(bytes(32)),
        clock=ManualClock(START_MS),
        random=os.urandom,
    )
    grants = {PROGRAM: frozenset({Scope.READ, Scope.WRITE, Scope.SERVICE})}
    try:
        async with local_port(folder, webhooks=desk, grants=grants) as port:
            yield port
    finally:
        ledger.close()
        await store.close()


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[Port]:
    async with opened(tmp_path) as each:
        yield each


async def add(port: Port, **changes: object) -> Any:
    return await port.ask("POST", PATH, json={**WISH, **changes})


async def test_the_secret_is_in_the_first_answer_and_in_no_other(port: Port) -> None:
    made = await add(port)
    listed = await port.get(PATH)
    removed = await port.ask("DELETE", f"{PATH}/{made.body['id'][:4]}")

    assert (made.status, made.headers["Cache-Control"]) == (201, "no-store")
    assert made.body["secret"].startswith("whsec_")
    assert listed.body["webhooks"] == [
        {key: value for key, value in made.body.items() if key != "secret"}
    ]
    assert removed.body == listed.body["webhooks"][0]
    assert (await port.get(PATH)).body == {"webhooks": []}


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a_token_that_was_given_to_a_program_opens_none_of_it(
    port: Port, method: str, path: str
) -> None:
    answer = await port.ask(method, path, token=PROGRAM, json=WISH)

    assert (answer.status, answer.code) == (403, "api.scope")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"url": "http://169.254.169.254/latest"}, "peer.inside"),
        ({"url": "https://127.0.0.1/"}, "peer.inside"),
        ({"url": "http://1.1.1.1/"}, "webhook.url"),
        ({"url": "gopher://erp.example/"}, "webhook.url"),
        ({"url": ""}, "api.json"),
        ({"kinds": []}, "api.json"),
        ({"kinds": ["demand.submitt"]}, "webhook.kind"),
        ({"kinds": ["order.place"]}, "webhook.kind"),
        ({"federation": "zz"}, "api.json"),
        ({"secret": "whsec_mine"}, "api.json"),
    ],
)
async def test_a_wish_that_cannot_be_is_refused(
    port: Port, changes: dict[str, object], code: str
) -> None:
    answer = await add(port, **changes)

    assert (answer.status, answer.code) == (422, code)
    assert (await port.get(PATH)).body == {"webhooks": []}


@pytest.mark.parametrize(("method", "path"), ROUTES[2:])
async def test_a_webhook_that_is_not_there_is_not_found(port: Port, method: str, path: str) -> None:
    answer = await port.ask(method, path, json={})

    assert (answer.status, answer.code) == (404, "webhook.unknown")


async def test_a_node_that_sends_nothing_says_so(tmp_path: Path) -> None:
    async with local_port(tmp_path) as port:
        answer = await port.get(PATH)

    assert (answer.status, answer.code) == (422, "webhook.off")
