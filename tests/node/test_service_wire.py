"""Services of other processes over HTTP: what they are shown, may say, and cannot harm."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.node.service_apart import (
    CERTIFICATE,
    EXAMPLES,
    HILL,
    WATCH,
    Apart,
    Listener,
    apart,
    demand,
    offer,
    published,
    until,
    write_service,
)

from sheaf_node.api.route import Scope
from sheaf_node.kinds import Kinds
from sheaf_node.plugins import ServiceHost
from sheaf_node.plugins.inside import load_inside
from sheaf_node.plugins.installed import Installed
from sheaf_node.plugins.service import Call
from sheaf_node.remote.host import MAX_BODY, PING_MS
from sheaf_node.remote.steps import MOST_WAITING, STEP_MS
from sheaf_protocol.codec import encode
from sheaf_protocol.errors import Refusal
from sheaf_protocol.testing.author import LogAuthor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PRICE_ALERT = EXAMPLES / "price_alert"


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Apart]:
    async with apart(tmp_path) as made:
        yield made


@pytest.fixture
def plain(node: Apart, tmp_path: Path) -> str:
    """The token of a service that is shown demands and publishes them."""
    return node.add(write_service(tmp_path / "plain"))


async def begun(node: Apart, token: str) -> tuple[Listener, Any]:
    """Return a listener after the records of its first turn, and that turn."""
    listener = node.listen("plain", token)
    _, turn = await listener.until_step()
    return listener, turn


# --- what it is shown


async def test_a_feed_welcomes_then_shows_what_is_followed_and_asks_for_a_turn(
    node: Apart, plain: str
) -> None:
    await node.publish(demand("r1"), offer("o1"), demand("r2"))

    listener = node.listen("plain", plain)
    name, welcome = await listener.next()
    records, turn = await listener.until_step()

    assert (name, welcome["cid"], welcome["begins_anew"]) == (
        "welcome",
        node.parts.keyring.cid.hex(),
        True,
    )
    assert records == ["r1", "r2"]
    assert [head["seq"] for head in turn["heads"]] == [3]


async def test_a_connection_goes_on_behind_its_last_id(node: Apart, plain: str) -> None:
    await node.publish(demand("r1"))
    first, _ = await begun(node, plain)
    await first.close()
    await node.publish(demand("r2"))

    again = node.listen("plain", plain, first.last)
    _, welcome = await again.next()
    records, _ = await again.until_step()

    assert (welcome["begins_anew"], records) == (False, ["r2"])


@pytest.mark.parametrize("last", ["1.00000000", "99999.9f86d081", "nonsense", ""])
async def test_a_connection_with_an_id_of_nobody_begins_anew(
    node: Apart, plain: str, last: str
) -> None:
    await node.publish(demand("r1"))

    listener = node.listen("plain", plain, last)
    _, welcome = await listener.next()
    records, _ = await listener.until_step()

    assert (welcome["begins_anew"], records) == (True, ["r1"])


async def test_a_service_forgets_what_lost_its_effect(node: Apart, plain: str) -> None:
    author, rival = LogAuthor(HILL, CERTIFICATE.fid), LogAuthor(HILL, CERTIFICATE.fid)
    await node.parts.ingest.receive([author.append("demand.submit", encode(demand("one")))])
    listener = node.listen("plain", plain)
    assert (await listener.until_step())[0] == ["one"]

    await node.parts.ingest.receive([rival.append("demand.submit", encode(demand("other")))])
    names = [await listener.next() for _ in range(2)]

    assert names[-1][0] == "reset" or names[0][0] == "reset"
    assert listener.last == "" or names[-1][0] != "reset"


async def test_a_newer_connection_ends_the_older(node: Apart, plain: str) -> None:
    older, turn = await begun(node, plain)

    newer, _ = await begun(node, plain)

    with pytest.raises((StopAsyncIteration, Refusal)):
        await older.to_the_end()
    with pytest.raises(Refusal, match=r"service\.step"):
        await newer.answer(turn)


# --- what it says


async def test_an_answer_publishes_and_is_told_again_when_its_reply_was_lost(
    node: Apart, plain: str
) -> None:
    listener, turn = await begun(node, plain)

    said = await listener.answer(turn, publications=published(demand("r1"), demand("r2")))
    again = await listener.answer(turn, publications=published(demand("r1"), demand("r2")))

    assert said == again
    assert node.refs() == ["r1", "r2"]


async def test_the_turn_after_an_answer_comes_once_its_entries_were_shown(
    node: Apart, plain: str
) -> None:
    listener, turn = await begun(node, plain)

    await listener.answer(turn, publications=published(demand("r1")))
    records, _ = await listener.until_step()

    assert records == ["r1"]


@pytest.mark.parametrize(
    ("publications", "code"),
    [
        (published(offer("o1")), "service.kind"),
        ([{"kind": "writer.lost", "record": {}}], "service.kind"),
        ([{"kind": "demand.submit", "record": {"ref": 5}}], "schema.invalid"),
        (published(demand("r1")) * 61, "service.rate"),
        (published(demand("r1")) * 257, "api.json"),
        ([{"kind": "demand.submit", "record": {}, "more": 1}], "api.json"),
    ],
)
async def test_an_answer_that_may_not_be_publishes_nothing(
    node: Apart, tmp_path: Path, publications: Any, code: str
) -> None:
    token = node.add(write_service(tmp_path / "plain", entries_per_minute=60))
    listener, turn = await begun(node, token)

    with pytest.raises(Refusal) as refusal:
        await listener.answer(turn, publications=publications)

    assert (refusal.value.code, node.refs()) == (code, [])


async def test_a_flood_is_cut_to_what_was_granted(node: Apart, tmp_path: Path) -> None:
    token = node.add(write_service(tmp_path / "plain", entries_per_minute=100))
    listener, turn = await begun(node, token)

    await listener.answer(turn, publications=published(*(demand(f"r{n}") for n in range(100))))
    _, turn = await listener.until_step()
    with pytest.raises(Refusal) as refusal:
        await listener.answer(turn, publications=published(demand("more")))
    node.clock.advance(60_000)
    _, turn = await listener.until_step()
    await listener.answer(turn, publications=published(demand("later")))

    assert refusal.value.code == "service.rate"
    assert (len(node.refs()), node.refs()[-1]) == (101, "later")


async def test_an_answer_after_its_time_is_refused(node: Apart, plain: str) -> None:
    listener, turn = await begun(node, plain)

    node.clock.advance(STEP_MS)
    await listener.until_step()
    with pytest.raises(Refusal) as refusal:
        await listener.answer(turn, publications=published(demand("late")))

    assert (refusal.value.code, node.refs()) == ("service.step", [])


async def test_steps_that_a_service_lets_go_by_are_counted_until_it_answers_one(
    node: Apart, plain: str
) -> None:
    listener, _ = await begun(node, plain)
    host = node.remotes.get(CERTIFICATE.fid, "plain")

    for _ in range(3):
        node.clock.advance(STEP_MS)
        _, turn = await listener.until_step()
    missed = host.missed
    await listener.answer(turn)

    assert (missed, host.missed) == (3, 0)


# --- calls


async def test_a_turn_follows_a_command(node: Apart, plain: str) -> None:
    listener, turn = await begun(node, plain)
    await listener.answer(turn)

    asking = node.asking("POST", "services/plain/any", data=b"")
    _, step = await listener.until_step("command")
    await listener.answer(step, reply="kept")
    _, after = await listener.until_step("turn")

    assert await asking == (200, "kept")
    assert after["step"] != turn["step"]


async def test_a_command_is_answered_once_what_it_published_is_kept(
    node: Apart, plain: str
) -> None:
    listener, turn = await begun(node, plain)
    await listener.answer(turn)

    asked = node.asking("POST", "services/plain/order?of=5", data=b"body")
    _, step = await listener.until_step("command")
    await listener.answer(step, reply={"said": 1}, publications=published(demand("r1")))

    assert await asked == (200, {"said": 1})
    assert (step["name"], step["options"], base64.b64decode(step["body"])) == (
        "order",
        {"of": "5"},
        b"body",
    )
    assert node.refs() == ["r1"]


@pytest.mark.parametrize(
    ("code", "status", "told"),
    [
        ("alert.watch", 422, "alert.watch"),
        ("service.no_view", 404, "service.no_view"),
        ("api.unauthorized", 422, "service.refused"),
        ("store.failed", 422, "service.refused"),
    ],
)
async def test_a_refusal_is_passed_on_unless_it_is_the_nodes_to_say(
    node: Apart, plain: str, code: str, status: int, told: str
) -> None:
    listener, turn = await begun(node, plain)
    await listener.answer(turn)

    asked = node.asking("GET", "services/plain/any")
    _, step = await listener.until_step("view")
    await listener.answer(step, refusal={"code": code, "detail": "no"})
    got, body = await asked

    assert (got, body["code"]) == (status, told)


async def test_a_view_publishes_nothing(node: Apart, plain: str) -> None:
    listener, turn = await begun(node, plain)
    await listener.answer(turn)

    asked = node.asking("GET", "services/plain/any")
    _, step = await listener.until_step("view")
    with pytest.raises(Refusal, match="no publications"):
        await listener.answer(step, reply=1, publications=published(demand("r1")))

    assert (await asked)[0] == 409
    assert node.refs() == []


async def test_a_body_that_no_event_holds_is_refused(node: Apart, plain: str) -> None:
    listener, turn = await begun(node, plain)
    await listener.answer(turn)

    status, body = await node.ask(
        "POST", "services/plain/order", data=io.BytesIO(bytes(MAX_BODY + 1))
    )

    assert (status, body["code"]) == (413, "api.too_large")


async def test_a_service_that_is_not_there_is_said_so_at_once(node: Apart, plain: str) -> None:
    status, body = await node.ask("GET", "services/plain/any")

    assert (status, body["code"]) == (503, "service.unreachable")


async def test_a_service_that_goes_away_leaves_nobody_waiting(node: Apart, plain: str) -> None:
    listener, turn = await begun(node, plain)
    await listener.answer(turn)
    asked = node.asking("GET", "services/plain/any")
    await listener.until_step("view")

    await listener.close()
    node.clock.advance(STEP_MS)
    status, body = await asked

    assert (status, body["code"]) == (503, "service.unreachable")


async def test_a_service_that_does_not_answer_holds_up_nobody_for_long(
    node: Apart, plain: str
) -> None:
    await begun(node, plain)  # and never answers its turn

    host = node.remotes.get(CERTIFICATE.fid, "plain")
    asked = [node.asking("GET", "services/plain/any") for _ in range(MOST_WAITING)]
    await until(lambda: len(host._steps._calls) == MOST_WAITING)
    at_once = await node.ask("GET", "services/plain/any")
    status = await node.ask("GET", "status")
    node.clock.advance(STEP_MS)
    late = await asyncio.gather(*asked)

    assert (at_once[0], at_once[1]["code"]) == (503, "service.unreachable")
    assert status[0] == 200
    assert {(status, body["code"]) for status, body in late} == {(503, "service.unreachable")}


# --- who it is


async def test_a_service_opens_its_own_addresses_and_no_others(
    node: Apart, tmp_path: Path, plain: str
) -> None:
    other = node.add(write_service(tmp_path / "other", name="other"))
    reader = node.tokens.create("reader", [Scope.READ, Scope.WRITE])
    tries = [
        ("GET", "remote/plain/feed", other),
        ("POST", "remote/plain/answers", other),
        ("GET", "remote/plain/storage", other),
        ("GET", "remote/plain/storage", reader),
        ("GET", "log", plain),
        ("GET", "status", plain),
        ("GET", "services/plain/any", plain),
        ("POST", "records/demand.submit", plain),
    ]

    got = [await node.ask(m, path, token=token, json={"step": "x"}) for m, path, token in tries]

    assert {(status, body["code"]) for status, body in got} == {(403, "api.scope")}


async def test_a_service_that_was_removed_is_over_at_once(node: Apart, plain: str) -> None:
    listener, turn = await begun(node, plain)

    Installed(node.home).remove("plain")
    with pytest.raises(Refusal) as refusal:
        await listener.answer(turn, publications=published(demand("r1")))

    assert (refusal.value.code, node.refs()) == ("service.unknown", [])
    with pytest.raises((StopAsyncIteration, Refusal)):
        await listener.to_the_end()


async def test_a_token_that_was_revoked_ends_the_feed(node: Apart, plain: str) -> None:
    listener, turn = await begun(node, plain)
    await listener.answer(turn)

    node.tokens.revoke("service-plain")
    ending = asyncio.ensure_future(listener.to_the_end())
    while not ending.done():
        node.clock.advance(PING_MS)
        await asyncio.wait([ending], timeout=0.05)

    with pytest.raises((StopAsyncIteration, Refusal)):
        await ending


@pytest.mark.parametrize("name", ["nobody", "..", "%2e%2e", "plain%2f..", "PLAIN"])
async def test_no_other_name_leads_to_a_service(node: Apart, plain: str, name: str) -> None:
    status, body = await node.ask("GET", f"remote/{name}/storage")

    assert (status, body["code"]) in {(404, "service.unknown"), (404, "api.not_found")}


# --- its storage


async def test_values_are_kept_within_the_quota_all_or_none(node: Apart, plain: str) -> None:
    path = "remote/plain/storage"
    kept = await node.ask("POST", path, token=plain, json={"put": {"a": [1], "b": None}})
    too_much = {"put": {"c": 1, "d": "x" * 2_000}}
    refused = await node.ask("POST", path, token=plain, json=too_much)
    value = await node.ask("GET", f"{path}/value?key=a", token=plain)
    after = await node.ask("GET", path, token=plain)

    assert (kept[0], kept[1]["values"]) == (200, {"a": [1], "b": None})
    assert (refused[0], refused[1]["code"]) == (422, "service.quota")
    assert value == (200, {"key": "a", "value": [1]})
    assert after[1]["values"] == {"a": [1], "b": None}


async def test_values_of_a_later_version_are_not_touched(node: Apart, tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    newer = node.add(write_service(folder, schema_version=3))
    path = "remote/plain/storage"
    await node.ask("POST", path, token=newer, json={"put": {"a": 1}, "schema_version": 3})
    older = node.add(write_service(folder, schema_version=2))

    refused = await node.ask("POST", path, token=older, json={"schema_version": 2})

    assert (refused[0], refused[1]["code"]) == (422, "service.schema")


# --- the class that runs both ways


async def test_a_class_publishes_the_same_in_the_node_and_apart(
    node: Apart, tmp_path: Path
) -> None:
    token = node.add(PRICE_ALERT)
    running = await node.run(PRICE_ALERT, token)
    watched = await node.ask("POST", "services/price_alert/watch", data=json.dumps(WATCH))
    [seen] = await node.publish(offer("o1"))
    await until(lambda: len(node.refs()) == 1)
    alerts = await node.ask("GET", "services/price_alert/alerts")
    await node.stop()

    node.add(PRICE_ALERT, shares_process=True)
    factory = load_inside(node.home)["price_alert"]
    federation = node.parts.ingest.federations[CERTIFICATE.fid]
    host = ServiceHost("price_alert", factory, {}, federation=federation, parts=node.parts)
    inside = await host.view("alerts", Call())
    await host.take_turn()

    assert running is not None
    assert watched == (200, {"watching": "feed"})
    assert node.refs() == [f"alert-{seen.id.hex()[:12]}"]
    assert alerts == (200, inside)


async def test_a_class_goes_on_where_it_was_after_a_broken_connection(node: Apart) -> None:
    token = node.add(PRICE_ALERT)
    await node.run(PRICE_ALERT, token)
    await node.ask("POST", "services/price_alert/watch", data=json.dumps(WATCH))

    other = node.listen("price_alert", token)  # takes its place
    await other.until_step()
    await other.close()
    await node.publish(offer("o1"))
    await until(lambda: len(node.refs()) == 1)

    assert await node.ask("GET", "services/price_alert/alerts") == (
        200,
        [{"item": "feed", "by": "Mill", "amount": 800, "base": 1}],
    )


async def test_a_command_that_is_no_good_is_refused_with_the_classs_own_words(
    node: Apart,
) -> None:
    await node.run(PRICE_ALERT, node.add(PRICE_ALERT))

    refused = await node.ask("POST", "services/price_alert/watch", data=b'{"item": "feed"}')
    unknown = await node.ask("POST", "services/price_alert/nothing")

    assert (refused[0], refused[1]["code"]) == (422, "alert.watch")
    assert (unknown[0], unknown[1]["code"]) == (404, "service.no_command")


# --- kinds of extensions


HIT = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:sheaf:1:x.alert.hit",
    "type": "object",
    "required": ["ref"],
    "properties": {"ref": {"type": "string", "maxLength": 8}},
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("record", "code"),
    [({"ref": "far too long"}, "schema.invalid"), ({}, "schema.invalid"), ([1], "schema.invalid")],
)
async def test_a_record_of_an_extension_is_held_to_the_schema_installed_here(
    node: Apart, tmp_path: Path, record: Any, code: str
) -> None:
    asked = {"follows": ["x.alert.hit"], "publishes": ["x.alert.hit"]}
    token = node.add(write_service(tmp_path / "plain", **asked))
    said = {"kind": "x.alert.hit", "record": {"ref": "r1"}}
    listener, turn = await begun(node, token)

    with pytest.raises(Refusal, match=r"^kind\.unknown"):
        await listener.answer(turn, publications=[said])
    Kinds(node.home).add(json.dumps(HIT).encode())
    node.clock.advance(1_000)
    _, turn = await listener.until_step()
    await listener.answer(turn, publications=[said])
    shown, turn = await listener.until_step()
    with pytest.raises(Refusal) as refusal:
        await listener.answer(turn, publications=[{"kind": "x.alert.hit", "record": record}])

    assert (shown, refusal.value.code) == (["r1"], code)


EXTENDED = """
from sheaf_node.plugins import Extension
from sheaf_protocol.records import Demand

class Hits:
    follows = frozenset({"demand.submit", "x.alert.hit"})
    commands = {}

    def __init__(self, context, settings):
        self.context, self.wanted, self.hits = context, [], []
        self.views = {"hits": lambda call: self.hits}

    def fold(self, seen):
        if isinstance(seen.record, Extension):
            self.hits.append(seen.record.value["ref"])
        else:
            self.wanted.append(seen.record.ref)

    def decide(self):
        for ref in self.wanted:
            if ref not in self.hits:
                self.context.publish(Extension("x.alert.hit", {"ref": ref}))
"""


async def test_a_class_publishes_and_folds_kinds_of_extensions_both_ways(
    node: Apart, tmp_path: Path
) -> None:
    asked = {"follows": ["demand.submit", "x.alert.hit"], "publishes": ["x.alert.hit"]}
    folder = write_service(tmp_path / "hits", name="hits", python="hits:Hits", **asked)
    (folder / "hits.py").write_text(EXTENDED)
    Kinds(node.home).add(json.dumps(HIT).encode())
    token = node.add(folder)
    await node.publish(demand("r1"))
    await node.run(folder, token)
    await until(lambda: node.refs("x.alert.hit") == ["r1"])
    apart_shows = await node.ask("GET", "services/hits/hits")
    await node.stop()

    node.add(folder, shares_process=True)
    factory = load_inside(node.home)["hits"]
    federation = node.parts.ingest.federations[CERTIFICATE.fid]
    host = ServiceHost("hits", factory, {}, federation=federation, parts=node.parts)
    await node.publish(demand("r2"))
    await host.take_turn()

    assert apart_shows == (200, ["r1"])
    assert node.refs("x.alert.hit") == ["r1", "r2"]
    assert await host.view("hits", Call()) == ["r1", "r2"]
