"""Filters of payloads, and payloads asked for later (chapter 06, section 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sheaf_node.conform.cases.entry import BODY, KIND, in_side
from sheaf_node.conform.model import case
from sheaf_protocol.codec import encode
from sheaf_protocol.link.messages import (
    Payloads,
    PayloadWant,
    RangeItem,
    Served,
    Subscribe,
)
from sheaf_protocol.subscription import Filter

if TYPE_CHECKING:
    from sheaf_node.conform.model import Steps
    from sheaf_node.conform.peer import KitPeer
    from sheaf_node.conform.scene import Scene
    from sheaf_protocol.testing.author import LogAuthor

_BODIES: Final = (
    ("kind-wanted", Filter(kinds=[KIND]), KIND, {"a": 1}, True),
    ("kind-unwanted", Filter(kinds=["x.other"]), KIND, {"a": 1}, False),
    ("category-wanted", Filter(categories=["flour"]), KIND, {"category": "flour"}, True),
    ("category-unwanted", Filter(categories=["flour"]), KIND, {"category": "salt"}, False),
    ("category-of-item", Filter(categories=["flour"]), KIND, {"item": {"category": "salt"}}, False),
    ("category-none", Filter(categories=["flour"]), KIND, {"a": 1}, True),
    ("category-number", Filter(categories=["flour"]), KIND, {"category": 7}, True),
    ("region-zone", Filter(regions=["north"]), KIND, {"zone": "south"}, False),
    ("region-none", Filter(regions=["north"]), KIND, {"a": 1}, True),
    ("region-wanted", Filter(regions=["north"]), KIND, {"region": "north"}, True),
    ("body-no-map", Filter(categories=["flour"]), KIND, [1, 2], True),
    ("erase-wanted", Filter(kinds=["x.other"]), "entry.erase", {"a": 1}, True),
)


def _filtered(filter_: Filter, kind: str, body: object, is_wanted: bool) -> Steps:
    async def steps(scene: Scene) -> None:
        author = await _stored(scene, kind, body)
        reader = await scene.ready(scene.coops[1], filter_=filter_)
        [got] = await scene.entries(author, 1, 1)

        scene.expect(is_wanted, bool(got.payload), "payload sent")
        scene.expect(True, bool(got.header), "header sent")
        scene.expect(None, reader.ending, "end of the link")

    return steps


def _rule(name: str) -> tuple[str, ...]:
    if name.startswith("erase"):
        return ("SYN-73",)
    is_bare = name.endswith(("none", "number", "no-map"))
    return ("SYN-72", "SYN-76") if is_bare else ("SYN-71", "SYN-75", "SYN-76")


for _name, _filter, _kind, _body, _is_wanted in _BODIES:
    _words = "comes with its payload" if _is_wanted else "comes without its payload"
    case(
        f"filter-{_name}",
        _rule(_name),
        f"Under a filter, {_name.replace('-', ' ')}: the entry {_words}",
        coops=2,
    )(_filtered(_filter, _kind, _body, _is_wanted))


async def _stored(scene: Scene, kind: str, body: object) -> LogAuthor:
    peer = await scene.ready()
    await peer.push(peer.author.append(kind, encode(body)))
    await scene.await_held(peer.author)
    await peer.close()
    peer.ending = ""
    return peer.author


async def _payloads(
    peer: KitPeer, log: LogAuthor, first: int, last: int
) -> list[tuple[int, bytes]]:
    at = len(peer.heard)
    await peer.send(PayloadWant(peer.scope(log.fid), [RangeItem(log.log, first, last)]))
    await peer.hear(Served)
    batches = [each for each in peer.heard[at:] if isinstance(each, Payloads)]
    return [(item.seq, item.payload) for each in batches for item in each.items]


@case(
    "payload-want-answered",
    ("SYN-79", "SYN-80"),
    "Payloads asked for come in order, and then served",
    coops=2,
)
async def _answered(scene: Scene) -> None:
    peer = await scene.ready()
    sent = [peer.author.append(KIND, encode({"n": n})) for n in range(3)]
    await peer.push(*sent)
    await scene.await_held(peer.author)
    reader = await scene.ready(scene.coops[1])
    got = await _payloads(reader, peer.author, 1, 3)

    scene.expect([(n, e.payload) for n, e in enumerate(sent, 1)], got, "payloads")


@case(
    "payload-want-of-nothing",
    "SYN-79",
    "A question for payloads that are not held is answered with served",
)
async def _nothing(scene: Scene) -> None:
    peer = await scene.ready()

    scene.expect([], await _payloads(peer, scene.author(), 1, 5), "payloads")


@case(
    "payload-want-filtered",
    "SYN-79",
    "Payloads that our filter does not want do not come when asked for",
    coops=2,
)
async def _unwanted(scene: Scene) -> None:
    author = await _stored(scene, KIND, {"a": 1})
    reader = await scene.ready(scene.coops[1], filter_=Filter(kinds=["x.other"]))

    scene.expect([], await _payloads(reader, author, 1, 1), "payloads")


@case("filter-replaced", "SYN-74", "A later filter takes the place of the first", coops=2)
async def _replaced(scene: Scene) -> None:
    author = await _stored(scene, KIND, {"a": 1})
    reader = await scene.ready(scene.coops[1], filter_=Filter(kinds=["x.other"]))
    await reader.send(Subscribe(reader.scope(), Filter(kinds=[KIND])))
    [got] = await scene.entries(author, 1, 1)

    scene.expect(True, bool(got.payload), "payload sent")


@case(
    "entry-left-out-holds-up-none",
    "ENV-38",
    "An entry without its payload does not stop the next from being held",
    sides=1,
)
async def _holds_up(scene: Scene) -> None:
    peer = await in_side(scene)
    first, second = peer.author.append(KIND, BODY), peer.author.append(KIND, BODY)
    await peer.push(type(first)(first.header, first.signature, b""), second)

    await scene.require_held(peer.author, 2)
