"""Entries that are stored and have no effect, and the reason that the node's own people are given.

The reason does not show on the wire: nobody but the author is at fault, and every replica finds the
same. So these are for nodes with the local API of this implementation, where the log tells it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from sheaf_node.conform.cases.evil_charter import forged_import
from sheaf_node.conform.honest import require_place
from sheaf_node.conform.model import Failed, case
from sheaf_node.conform.pooling import Story
from sheaf_node.conform.records import NOBODYS, Clerk
from sheaf_protocol.codec import encode
from sheaf_protocol.envelope import body_of
from sheaf_protocol.records import OrderResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sheaf_node.conform.model import Steps
    from sheaf_node.conform.scene import Scene
    from sheaf_protocol.envelope import Envelope
    from sheaf_protocol.testing.author import LogAuthor

ANSWER: Final = OrderResponse(code="AP", order=NOBODYS)
_PAGE: Final = 1_000
_PAGES: Final = 100


async def no_effect(scene: Scene, entry: Envelope) -> str | None:
    """Return why the node passes over an entry, as its log says; None where it counts."""
    after: int | None = 0
    for _ in range(_PAGES):
        path = f"/api/v1/log?limit={_PAGE}&after={after}"
        _, page = await scene.api.ask(scene.client, "GET", path, say=scene.say)
        for item in page["items"]:
            if item["id"] == entry.id.hex():
                reason: str | None = item["no_effect"]
                return reason
        after = page["next"]
        if after is None:
            break
    raise Failed(expected="the entry in the node's log", got="a log without it")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """An entry that its author should not have written, and why the node passes it over."""

    id: str
    code: str
    clause: str
    why: str
    entry: Callable[[LogAuthor], Envelope]
    is_plain: bool = False
    """Whether its author is a member in the role `member` alone."""


def _demand(**changes: object) -> Callable[[LogAuthor], Envelope]:
    """Return an author of a demand with some keys changed, or left out where None is given."""

    def written(author: LogAuthor) -> Envelope:
        [sound, *_] = Story(author.twin()).lines()
        fields: Mapping[str, Any] = _view(sound) | changes
        kept = {key: value for key, value in fields.items() if value is not None}
        return author.append("demand.submit", encode(kept))

    return written


def _view(entry: Envelope) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.msgpack.decode(body_of(entry.payload))
    return decoded


FAULTS: Final = (
    Fault(
        id="key-missing",
        code="schema.invalid",
        clause="ENV-9",
        why="A demand without a key that it needs",
        entry=_demand(zone=None),
    ),
    Fault(
        id="key-of-another-type",
        code="schema.invalid",
        clause="ENV-9",
        why="A demand with a text for a number",
        entry=_demand(quantity="20"),
    ),
    Fault(
        id="number-too-small",
        code="schema.invalid",
        clause="ENV-9",
        why="A demand of nothing",
        entry=_demand(quantity=0),
    ),
    Fault(
        id="number-too-large",
        code="schema.invalid",
        clause="ENV-9",
        why="A demand beyond the bound of its quantity",
        entry=_demand(quantity=10**12 + 1),
    ),
    Fault(
        id="text-of-another-form",
        code="schema.invalid",
        clause="ENV-9",
        why="A demand whose reference is no code",
        entry=_demand(ref="not a code"),
    ),
    Fault(
        id="numbers-at-odds",
        code="schema.invalid",
        clause="ENV-9",
        why="A demand whose least is more than its most",
        entry=_demand(min_quantity=21),
    ),
    Fault(
        id="capacity-of-a-buyer",
        code="policy.role",
        clause="CHR-5",
        why="A capacity of a co-op that is no carrier",
        entry=lambda author: author.publish(Clerk(author).record("capacity.publish")),
        is_plain=True,
    ),
    Fault(
        id="pool-of-a-buyer",
        code="policy.role",
        clause="CHR-5",
        why="A pool of a co-op that is no coordinator",
        entry=lambda author: Story(author).open(),
        is_plain=True,
    ),
    Fault(
        id="import-of-no-bridge",
        code="policy.role",
        clause="CHR-5",
        why="An import of a co-op that is no bridge",
        entry=lambda author: author.publish(forged_import(author)),
    ),
    Fault(
        id="fee-too-high",
        code="policy.fee",
        clause="CHR-61",
        why="A pool with a fee beyond the policy",
        entry=lambda author: Story(author).open(fee_bps=501),
    ),
    Fault(
        id="private-kind-in-the-open",
        code="policy.unsealed",
        clause="ENV-7",
        why="An answer to an order that was not sealed",
        entry=lambda author: author.append("order.response", encode(ANSWER)),
    ),
)


def _faulty(fault: Fault) -> Steps:
    async def steps(scene: Scene) -> None:
        coop = scene.plain[0] if fault.is_plain else scene.coops[0]
        peer = await scene.ready(coop)
        entry = fault.entry(peer.author)
        await peer.push(entry)
        await require_place(peer, peer.author, 1, entry.id)
        found = await no_effect(scene, entry)
        scene.saw(found or "")
        scene.expect(fault.code, found, "why it has no effect")

    return steps


for _fault in FAULTS:
    case(
        f"effect-{_fault.id}",
        _fault.clause,
        f"{_fault.why} is stored and passed over as {_fault.code}",
        codes=(_fault.code,),
        coops=0 if _fault.is_plain else 1,
        plain=1 if _fault.is_plain else 0,
        surface="api",
    )(_faulty(_fault))


@case("effect-none-missing", "ENV-9", "A right entry counts", surface="api")
async def _(scene: Scene) -> None:
    peer = await scene.ready()
    [entry, *_] = Story(peer.author).lines()
    await peer.push(entry)
    await require_place(peer, peer.author, 1, entry.id)
    scene.expect(None, await no_effect(scene, entry), "why it has no effect")
