"""A pool from its lines to its decision, right and wrong: every node signs what it finds of that.

The effect shows on the wire: the verdict of the node under test, an entry of its own log. A node
that runs no purchasing service signs none and fails these cases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import structs

from sheaf_node.conform.model import case
from sheaf_node.conform.pool_faults import LAPSES, WRONG_AWARDS, Lapsed, Wrong
from sheaf_node.conform.pooling import Story
from sheaf_node.conform.reading import read_until
from sheaf_node.conform.records import NOBODYS
from sheaf_protocol.records import Verdict

if TYPE_CHECKING:
    from sheaf_node.conform.model import Steps
    from sheaf_node.conform.peer import KitPeer
    from sheaf_node.conform.scene import Scene
    from sheaf_protocol.digest import EntryId
    from sheaf_protocol.records import Record


async def verdict_on(peer: KitPeer, subject: EntryId) -> str:
    """Return the code of the node's verdict on an entry, once it signed one."""
    found: list[str] = []

    def is_it(record: Record) -> bool:
        if isinstance(record, Verdict) and record.subject == subject:
            found.append(record.code)
        return bool(found)

    await read_until(peer, {"verdict"}, is_it)
    return found[0]


def _close_changes(story: Story, wrong: Wrong) -> dict[str, Any]:
    """Return the changes to a close: a number stands for what only the story knows."""
    changes = dict(wrong.close)
    if changes.get("demands") == 1:
        changes["demands"] = sorted([*story.demands, NOBODYS])
    elif changes.get("demands") == -1:
        changes["demands"] = sorted(story.demands, reverse=True)
    return changes


def _wrong_award(wrong: Wrong) -> Steps:
    async def steps(scene: Scene) -> None:
        peer = await scene.ready()
        story = Story(peer.author)
        before = [*story.lines(), story.offer(), story.open(**wrong.opening)]
        changes = _close_changes(story, wrong)
        if changes.get("cut") == 2:
            changes["cut"] = _cut_twice(story)
        closing = story.close(**changes)
        award = dict(wrong.award)
        if award.get("certificate") == 1:
            award["certificate"] = story.bounds()[:1]
        decision = story.award(line=dict(wrong.line), **award)
        await peer.push(*before, closing, decision)
        found = await verdict_on(peer, decision.id)
        scene.saw(found)
        scene.expect(wrong.code, found, "the verdict")

    return steps


def _cut_twice(story: Story) -> list[Any]:
    cut = story.cut()
    return [cut, structs.replace(cut)]


for _wrong in WRONG_AWARDS:
    case(
        f"pool-{_wrong.code.replace('.', '-').replace('_', '-')}",
        _wrong.clause,
        f"An award that {_wrong.why} gets the verdict {_wrong.code}",
        codes=(_wrong.code,),
    )(_wrong_award(_wrong))


@case("pool-awarded", ("AWD-7", "AWD-3"), "A right award gets the verdict ok")
async def _(scene: Scene) -> None:
    peer = await scene.ready()
    story = Story(peer.author)
    before = [*story.lines(), story.offer(), story.open(), story.close()]
    decision = story.award()
    await peer.push(*before, decision)
    scene.expect("ok", await verdict_on(peer, decision.id), "the verdict")


@case(
    "pool-awarded-twice",
    ("LIF-1", "POOL-4"),
    "A second award on one pool gets the verdict award.second",
    codes=("award.second",),
)
async def _(scene: Scene) -> None:
    peer = await scene.ready()
    story = Story(peer.author)
    before = [*story.lines(), story.offer(), story.open(), story.close()]
    first, second = story.award(), story.award()
    await peer.push(*before, first, second)
    scene.expect("ok", await verdict_on(peer, first.id), "the first verdict")
    found = await verdict_on(peer, second.id)
    scene.saw(found)
    scene.expect("award.second", found, "the second verdict")


@case(
    "pool-award-of-another",
    ("LIF-2", "POOL-1"),
    "An award by another than the pool's owner gets the verdict award.not_owner",
    codes=("award.not_owner",),
    coops=2,
)
async def _(scene: Scene) -> None:
    peer, other = await scene.ready(), await scene.ready(scene.coops[1])
    story = Story(peer.author)
    await peer.push(*story.lines(), story.offer(), story.open(), story.close())
    decision = story.award(by=other.author)
    await other.push(decision)
    found = await verdict_on(peer, decision.id)
    scene.saw(found)
    scene.expect("award.not_owner", found, "the verdict")


@case(
    "pool-award-not-best",
    "AWD-3",
    "An award where another offer is worth more gets the verdict award.not_best",
    codes=("award.not_best",),
)
async def _(scene: Scene) -> None:
    peer = await scene.ready()
    story = Story(peer.author)
    offers = [story.offer(), story.offer([(1, 690)])]
    before = [*offers, *story.lines(), story.open(), story.close()]
    decision = story.award()
    await peer.push(*before, decision)
    found = await verdict_on(peer, decision.id)
    scene.saw(found)
    scene.expect("award.not_best", found, "the verdict")


@case(
    "pool-close-cuts-elsewhere",
    "POOL-2",
    "A close whose cut names another entry than the log has there gets close.cut_head",
    codes=("close.cut_head",),
)
async def _(scene: Scene) -> None:
    peer = await scene.ready()
    story = Story(peer.author)
    before = [*story.lines(), story.open(), story.offer()]
    wrong = structs.replace(story.cut(), head=NOBODYS)
    closing = story.close(cut=[wrong])
    decision = story.award()
    await peer.push(*before, closing, decision)
    found = await verdict_on(peer, decision.id)
    scene.saw(found)
    scene.expect("close.cut_head", found, "the verdict")


def _lapse(lapsed: Lapsed) -> Steps:
    async def steps(scene: Scene) -> None:
        peer = await scene.ready()
        story = Story(peer.author)
        before = story.lines()
        if lapsed.has_offer:
            before.append(story.offer())
        before.append(story.open())
        wrong = Wrong(code="", clause="", why="", close=lapsed.close)
        closing = story.close(**_close_changes(story, wrong))
        decision = story.lapse(lapsed.reason, **lapsed.lapse)
        await peer.push(*before, closing, decision)
        found = await verdict_on(peer, decision.id)
        scene.saw(found)
        scene.expect(lapsed.code, found, "the verdict")

    return steps


for _lapsed in LAPSES:
    case(
        f"pool-{_lapsed.id}",
        _lapsed.clause,
        f"A lapse {_lapsed.why} gets the verdict {_lapsed.code}",
        codes=() if _lapsed.code == "ok" else (_lapsed.code,),
    )(_lapse(_lapsed))


@case(
    "pool-lapse-after-award",
    ("LIF-1", "POOL-4"),
    "A lapse of a pool that was awarded gets the verdict lapse.second or that it is unfounded",
    codes=("lapse.unfounded",),
)
async def _(scene: Scene) -> None:
    peer = await scene.ready()
    story = Story(peer.author)
    before = [*story.lines(), story.offer(), story.open(), story.close()]
    award, lapse = story.award(), story.lapse("pool.no_offer")
    await peer.push(*before, award, lapse)
    scene.expect("ok", await verdict_on(peer, award.id), "the verdict on the award")
    found = await verdict_on(peer, lapse.id)
    scene.saw(found)
    scene.expect(True, found in {"lapse.second", "lapse.unfounded"}, "the verdict on the lapse")


@case(
    "pool-lapse-twice",
    ("LIF-1", "POOL-4"),
    "A second lapse of one pool gets the verdict lapse.second",
    codes=("lapse.second",),
)
async def _(scene: Scene) -> None:
    peer = await scene.ready()
    story = Story(peer.author)
    before = [*story.lines(), story.open(), story.close()]
    first, second = story.lapse("pool.no_offer"), story.lapse("pool.no_offer")
    await peer.push(*before, first, second)
    scene.expect("ok", await verdict_on(peer, first.id), "the first verdict")
    found = await verdict_on(peer, second.id)
    scene.saw(found)
    scene.expect("lapse.second", found, "the second verdict")


@case(
    "pool-lapse-of-another",
    ("LIF-2", "POOL-1"),
    "A lapse by another than the pool's owner gets the verdict lapse.not_owner",
    codes=("lapse.not_owner",),
    coops=2,
)
async def _(scene: Scene) -> None:
    peer, other = await scene.ready(), await scene.ready(scene.coops[1])
    story = Story(peer.author)
    await peer.push(*story.lines(), story.open(), story.close())
    decision = story.lapse("pool.no_offer", by=other.author)
    await other.push(decision)
    found = await verdict_on(peer, decision.id)
    scene.saw(found)
    scene.expect("lapse.not_owner", found, "the verdict")
