"""What the co-ops do while the weather is bad: publish lines, ask for holds, answer grants.

Everything has a name of its own before it is first asked for, and what got no answer is asked for
again under the same name, and with the same `Idempotency-Key`. Each attempt goes into the history
with its outcome.
"""

from __future__ import annotations

import asyncio
import hashlib
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tests.chaos.api import WRITING_S, new_key
from tests.chaos.history import Operation, Outcome, Scarce, Shown

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable

    from tests.chaos.api import Answer
    from tests.chaos.history import History
    from tests.chaos.town import Town, TownNode

ATTEMPTS: Final = 6
WRITERS: Final = 2
"""Clients of one node that publish lines side by side."""
GRANT_S: Final = 4.0
"""How long an asker of the rolling capacity waits for an answer."""
ASKERS: Final = 50
SCARCE_TOTAL, SCARCE_QUANTITY = 100, 6
"""Sixteen of fifty fit, and four are left over."""
ROLLING_TOTAL: Final = 40
ROLLING_MS: Final = (1_500, 4_000)
"""Short, so that some run out while their asker is cut off."""
LONG_MS: Final = 86_400_000
IMPORT: Final = "services/pooled_purchasing/import_purchases"
LINES: Final = "ref,item,quantity,unit,max_price,currency\n"


class Workload:
    """The clients of a town. The first node owns what is asked for."""

    def __init__(self, town: Town, history: History, dice: random.Random) -> None:
        self.patience_s = WRITING_S
        """How long a client waits for the answer to what it asks a node to do."""
        self._town, self._history, self._dice = town, history, dice
        self._shown: dict[str, list[Shown]] = {node.name: [] for node in town.nodes}
        self._rolling = ""
        self._started_s = asyncio.get_running_loop().time()
        self._until_s = 0.0

    def now_s(self) -> float:
        """Return the seconds since the workload was made."""
        return asyncio.get_running_loop().time() - self._started_s

    @property
    def _is_open(self) -> bool:
        """Whether clients still begin anything."""
        return self.now_s() < self._until_s

    async def offer(self) -> None:
        """Let the first node publish both capacities; before anything goes wrong."""
        owner = self._town.nodes[0]
        scarce = await publish_capacity(owner, "scarce", SCARCE_TOTAL)
        self._history.scarce = [Scarce(capacity=scarce, quantity=SCARCE_QUANTITY)]
        self._rolling = await publish_capacity(owner, "rolling", ROLLING_TOTAL)

    async def run(self, seconds: float) -> None:
        """Let all clients do their part for so long, and wait for the answers that are due."""
        nodes = self._town.nodes
        self._until_s = self.now_s() + seconds
        async with asyncio.TaskGroup() as clients:
            for node in nodes:
                clients.create_task(self._watch(node))
                for writer in range(WRITERS):
                    clients.create_task(self._write_lines(node, f"{node.name}-{writer}"))
                clients.create_task(self._roll(node))
            for number in range(ASKERS):
                asker = nodes[number % len(nodes)]
                clients.create_task(self._ask_scarce(asker, number, seconds))

    async def ask(
        self, node: TownNode, capacity: str, hold: str, quantity: int, hold_ms: int
    ) -> None:
        """Ask for a quantity of a capacity, all of it or nothing."""
        wanted = {"load": quantity}
        asked: dict[str, Any] = {
            "capacity": capacity,
            "group": hold,
            "hold": hold,
            "hold_for_ms": hold_ms,
        }
        asked |= {"max": wanted, "min": wanted}
        body = {"record": asked, "refs": [capacity]}
        await self._insist(
            node, "hold.request", hold, partial(node.api.post, "records/hold.request", json=body)
        )

    async def write_line(self, node: TownNode, ref: str) -> None:
        """Publish a demand under a reference."""
        line = f"{LINES}{ref},oats,{len(ref)},KGM,9.50,GBP\n"
        await self._insist(node, "demand.submit", ref, partial(node.api.post, IMPORT, data=line))

    # --- clients ----------------------------------------------------------------------------

    async def _write_lines(self, node: TownNode, writer: str) -> None:
        """Publish demands, one after another; now and then one that is published already."""
        refs: list[str] = []
        while self._is_open:
            if refs and self._dice.random() < 0.1:
                ref = self._dice.choice(refs)
            else:
                ref = f"{writer}-{len(refs)}"
                refs.append(ref)
            await self.write_line(node, ref)
            await self._rest(0.4)

    async def _ask_scarce(self, node: TownNode, number: int, seconds: float) -> None:
        """Ask once for the part of the scarce capacity that all askers want, at any time."""
        await asyncio.sleep(self._dice.uniform(0, seconds / 2))
        capacity = self._history.scarce[0].capacity
        await self.ask(node, capacity, hold_name("scarce", number), SCARCE_QUANTITY, LONG_MS)

    async def _roll(self, node: TownNode) -> None:
        """Ask for parts of the other capacity; confirm, give back or forget what is granted."""
        number = 0
        while self._is_open:
            number += 1
            hold = hold_name(node.name, number)
            hold_ms = self._dice.choice(ROLLING_MS)
            await self.ask(node, self._rolling, hold, self._dice.randint(1, 15), hold_ms)
            grant = await self._granted(node, hold)
            if grant is not None:
                await self._answer(node, hold, grant)
            await self._rest(1.0)

    async def _answer(self, node: TownNode, hold: str, grant: str) -> None:
        kind = self._dice.choice(("hold.confirm", "hold.release", "hold.release", ""))
        # What is confirmed stays taken; a few of those and nothing would roll any more.
        if kind == "hold.confirm" and self._dice.random() < 0.7:
            kind = "hold.release"
        if kind:
            body = {"record": {"grant": grant, "hold": hold}, "refs": [grant]}
            await self._insist(
                node, kind, hold, partial(node.api.post, f"records/{kind}", json=body)
            )

    async def _granted(self, node: TownNode, hold: str) -> str | None:
        """Return the grant of a hold once its node shows it, or None where it takes too long."""
        given_up_s = self.now_s() + GRANT_S
        while self._is_open and self.now_s() < given_up_s:
            for entry in reversed(self._shown[node.name]):
                if entry.kind in {"hold.grant", "hold.refuse"} and entry.key == hold:
                    return entry.id if entry.kind == "hold.grant" else None
            await asyncio.sleep(0.1)
        return None

    async def _watch(self, node: TownNode) -> None:
        """Read on in what a node shows, and remember all of it."""
        shown, seen = self._shown[node.name], self._history.seen.setdefault(node.name, {})
        while self._is_open:
            last = shown[-1].arrival if shown else 0
            for item in await node.api.log_after(last) or ():
                shown.append(Shown.of(item))
                seen[shown[-1].arrival] = shown[-1].id
            await asyncio.sleep(0.5)

    # --- attempts ---------------------------------------------------------------------------

    async def _insist(
        self, node: TownNode, kind: str, key: str, call: Callable[..., Awaitable[Answer]]
    ) -> None:
        """Ask under one key until it is ok or refused by a rule; give up after a few times."""
        request = new_key()
        for _ in range(ATTEMPTS):
            invoked_s = self.now_s()
            answer = await call(key=request, within_s=self.patience_s)
            self._history.operations.append(
                Operation(
                    kind=kind,
                    node=node.name,
                    key=key,
                    outcome=answer.outcome,
                    invoked_s=invoked_s,
                    ended_s=self.now_s(),
                    said=answer.said,
                )
            )
            if answer.outcome is Outcome.OK or answer.is_refused:
                return
            await self._rest(1.0)

    async def _rest(self, most_s: float) -> None:
        await asyncio.sleep(self._dice.uniform(0.05, most_s))


def hold_name(of: str, number: int) -> str:
    """Return the name of a hold: the same for the same asker and number, whenever it asks."""
    return hashlib.sha256(f"{of} {number}".encode()).hexdigest()


async def publish_capacity(owner: TownNode, ref: str, total: int) -> str:
    """Let a node publish a capacity of its own; return the entry's id."""
    record = {
        "depot": 0,
        "owner": owner.wid,
        "ref": ref,
        "resource": {"load": total},
        "table": "00" * 32,
        "table_ref": ref,
        "tariff": {"amount": 1, "base_s": 60, "currency": "GBP", "per_trip": 0},
        "vehicle": {"load": total},
        "window": {"from_ms": 0, "to_ms": 2**50},
    }
    body = {"record": record, "refs": []}
    path = "records/capacity.publish"
    answer = await owner.api.post(path, key=new_key(), json=body, within_s=30.0)
    if answer.outcome is not Outcome.OK:
        raise RuntimeError(f"expected a capacity to be published, got {answer.said}")
    return str(answer.value["id"])
