"""Attacks by services of third parties: by their folders, their schemas, and what they send."""

from __future__ import annotations

import asyncio
import io
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.node.service_apart import Apart, apart, demand, published, write_service

from sheaf_node.kinds import Kinds, misfits, read_kind
from sheaf_node.plugins.service_folder import read_folder
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

DEAR = "x.evil.dear"
LONGEST_S = 5.0
"""Of work in one turn of the event loop, by a slow machine; a usual one takes a tenth of it, and
the attacks here took from 8 s to minutes. What the machine does for others does not count."""


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Apart]:
    async with apart(tmp_path) as made:
        yield made


async def test_a_flood_of_values_beyond_a_quota_holds_up_nobody(
    node: Apart, tmp_path: Path
) -> None:
    # 13 MiB of a million values, of which the quota takes thirty; each was read before it was told.
    token = node.add(write_service(tmp_path / "plain"))
    tiny = b'{"put":{' + b",".join(b'"%x":0' % n for n in range(1_300_000)) + b"}}"

    late_s, (status, code) = await lateness(sent(node, token, tiny))

    assert (status, code) == (422, "service.quota")
    assert late_s < LONGEST_S


async def test_one_value_of_many_parts_holds_up_nobody(node: Apart, tmp_path: Path) -> None:
    # Seven million zeros under one key: a value is measured before it is taken apart.
    token = node.add(write_service(tmp_path / "plain"))
    large = b'{"put":{"a":[' + b"0," * 7_000_000 + b"0]}}"

    late_s, (status, code) = await lateness(sent(node, token, large))

    assert (status, code) == (422, "service.quota")
    assert late_s < LONGEST_S


async def test_large_bodies_one_after_another_are_counted_as_many(
    node: Apart, tmp_path: Path
) -> None:
    # Each is refused, and the next would keep the node busy again; the home's own goes on.
    token = node.add(write_service(tmp_path / "plain"))
    other = node.add(write_service(tmp_path / "other", name="other"))
    large = b'{"put":{"a":[' + b"0," * 7_000_000 + b"0]}}"
    await sent(node, token, large)

    again = await sent(node, token, large)

    assert again == (429, "api.rate")
    assert (await node.ask("GET", "remote/other/storage", token=other))[0] == 200
    assert (await node.ask("GET", "remote/plain/storage"))[0] == 200


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "9" * 5_000,  # more digits than Python makes a number of
        "x = " + "[" * 30_000,
        'name = "plain"\nversion = "1"\ntitle = "' + "\\u202e" * 20_000 + '"',
        "x = 1e999999999",
        ".".join("a" * 500) + " = 1",
    ],
)
def test_a_manifest_written_to_break_its_reader_is_refused(tmp_path: Path, text: str) -> None:
    # It is TOML, or nearly, and within its 64 KiB; whoever adds the service is told in a sentence.
    folder = write_service(tmp_path / "plain")
    (folder / "sheaf-service.toml").write_text(text)

    with pytest.raises(Refusal) as refused:
        read_folder(folder)

    assert refused.value.code == "service.manifest"


@pytest.mark.parametrize(
    "pattern", ["^.*[a-z]{8192}!$", "^.*" + "[a-y]{512}" * 16 + "!$", "^[a-z]*a{16000}!$"]
)
def test_an_expression_that_looks_at_all_from_each_place_is_not_paid_by_the_node(
    pattern: str,
) -> None:
    # Few ways to share out the text, but each compares thousands of characters: 0.06 s, 300 times.
    text = {"allOf": [{"pattern": pattern}] * 300}
    schema = {"$id": "urn:sheaf:1:x.evil.thing", "type": "object", "properties": {"t": text}}
    kind = read_kind(json.dumps(schema).encode())
    began_s = time.process_time()

    with pytest.raises(Refusal) as refused:
        misfits(kind, {"t": "a" * 16_384})

    assert refused.value.code == "kind.costly"
    assert time.process_time() - began_s < LONGEST_S


async def test_a_reply_without_end_is_neither_kept_nor_passed_on(
    node: Apart, tmp_path: Path
) -> None:
    # Whoever asks under a key has the reply kept for a week: four such, and no command has room.
    token = node.add(write_service(tmp_path / "plain"))
    listener = node.listen("plain", token)
    _, turn = await listener.until_step()
    await listener.answer(turn)
    asked = node.asking("POST", "services/plain/order", data=b"body")
    _, step = await listener.until_step("command")

    answer = {"step": step["step"], "reply": "x" * 2_000_000}
    answer |= {"publications": published(demand("r1"))}
    refused = await sent(node, token, json.dumps(answer).encode(), "answers")

    assert refused == (409, "service.step")
    assert (await asked)[1]["code"] == "service.step"
    assert node.refs() == []


async def test_an_answer_of_many_dear_records_is_not_looked_at_for_long(
    node: Apart, tmp_path: Path
) -> None:
    # 256 records, each just within what one may cost to check: 12 s in which nobody else is served.
    lines = {"type": "array", "items": {"allOf": [{"minimum": 0}] * 100}}
    schema = {"$id": f"urn:sheaf:1:{DEAR}", "type": "object", "properties": {"lines": lines}}
    Kinds(node.home).add(json.dumps(schema).encode())
    token = node.add(write_service(tmp_path / "plain", publishes=[DEAR]))
    listener = node.listen("plain", token)
    _, turn = await listener.until_step()
    many = [{"kind": DEAR, "record": {"lines": [1] * 190}}] * 256

    late_s, refused = await lateness(refusal_of(listener.answer(turn, publications=many)))

    assert refused == "kind.costly"
    assert late_s < LONGEST_S


async def refusal_of(work: Any) -> str:
    """Return the code by which something is refused."""
    with pytest.raises(Refusal) as refused:
        await work
    return refused.value.code


async def sent(node: Apart, token: str, body: bytes, where: str = "storage") -> tuple[int, str]:
    """Return the status and code of the answer to a change of storage, or to an answer."""
    url, headers = f"{node.url}/api/v1/remote/plain/{where}", {"Authorization": f"Bearer {token}"}
    async with node.session.post(url, data=io.BytesIO(body), headers=headers) as response:
        return response.status, (await response.json(content_type=None)).get("code", "")


async def lateness(work: Any) -> tuple[float, Any]:
    """Return the most work for which the event loop kept others waiting meanwhile, and what was
    done."""
    longest_s, task = 0.0, asyncio.ensure_future(work)
    while not task.done():
        began_s = time.process_time()
        await asyncio.sleep(0.005)
        longest_s = max(longest_s, time.process_time() - began_s)
    return longest_s, task.result()
