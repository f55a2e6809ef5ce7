"""What people do in a run. Each operation has a name that its user chose once, and asks under it
until it has an answer: a node that died may have done it or not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from tests.simulation.ballots import begin_ballots
from tests.simulation.holdings import NAME
from tests.simulation.markets import begin_pools
from tests.simulation.world import Unknown

from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    import random

    from tests.simulation.plan import Plan
    from tests.simulation.world import World

_FINAL = frozenset({"CONFIRMED", "CONSUMED", "REFUSED", "EXPIRED", "RELEASED", "REVOKED"})
PALLETS = 10
OWNERS = 2


@dataclass
class Users:
    """The people at all nodes."""

    world: World
    plan: Plan
    waiting: set[str] = field(default_factory=set)
    """The operations that have no answer yet."""
    asked_at: dict[str, tuple[str, str]] = field(default_factory=dict)
    """The node of each operation, and the capacity that it is about."""

    def begin(self) -> None:
        """Let everybody do their work."""
        work = self.plan.profile.work
        if "holds" in work:
            self._begin_holds()
        if "pools" in work:
            begin_pools(self.world, self.plan, self.waiting)
        if "ballots" in work:
            begin_ballots(self.world, self.plan, self.waiting)

    @property
    def unanswered(self) -> set[str]:
        """The operations without an answer, but for those that were asked of a liar, or by one."""
        ledger = self.world.ledger
        return {
            op
            for op in self.waiting
            if op not in self.asked_at
            or not (
                ledger.cids[self.asked_at[op][0]] in ledger.liars
                or ledger.owner_is_excused(bytes.fromhex(self.asked_at[op][1]))
            )
        }

    def _begin_holds(self) -> None:
        names = self.world.names
        askers = self.plan.profile.askers or names
        dice = self.world.dice("users")
        span = self.plan.profile.safety_s
        for owner in names[:OWNERS]:
            self.world.loop.spawn(None, self._offer(owner))
        for number in range(self.plan.ops):
            name = f"op{number}"
            self.waiting.add(name)
            at = 3 + (span - 3) * dice.random()
            self.world.loop.schedule(None, at, self._begin_hold, name, dice.choice(askers), dice)

    def _begin_hold(self, op: str, name: str, dice: random.Random) -> None:
        least, most = self.plan.profile.hold_ms
        hold_ms = dice.randint(least, most)
        pallets, wanted = dice.randint(1, 4), dice.random()
        gives_up = dice.random() < 0.15
        doing = self._hold(
            op, name, pallets=pallets, hold_ms=hold_ms, wanted=wanted, gives_up=gives_up
        )
        self.world.loop.spawn(None, doing)

    async def _offer(self, name: str) -> None:
        """Offer a capacity, once however often it is asked."""

        async def offered() -> str | None:
            done = await self.world.command(name, NAME, "offer", ref="shed", pallets=str(PALLETS))
            return cast("str | None", done["id"])

        await self.world.until(offered, most_s=1, is_counted=False)

    async def _hold(
        self, op: str, name: str, *, pallets: int, hold_ms: int, wanted: float, gives_up: bool
    ) -> None:
        """Ask for a hold until its state is final; give it back now and then."""
        capacity = await self._some_capacity(name, wanted)
        self.asked_at[op] = (name, capacity)
        self.world.ledger.asked(op, name)
        wish = {"capacity": capacity, "pallets": str(pallets), "hold_for_ms": str(hold_ms)}
        is_sent = False

        async def ended() -> dict[str, str] | None:
            nonlocal is_sent
            shown = await self.world.view(name, NAME, "hold", hold=op)
            if shown["state"] in _FINAL:
                return cast("dict[str, str]", shown)
            if shown["state"] == "none":
                self.world.seen["asked again"] += is_sent
                is_sent = True
                await self.world.command(name, NAME, "ask", hold=op, **wish)
            elif gives_up:
                await self.world.command(name, NAME, "give_back", hold=op)
            return None

        self._answered(op, name, await self.world.until(ended))

    async def _some_capacity(self, name: str, wanted: float) -> str:
        async def found() -> str | None:
            known = await self.world.view(name, NAME, "capacities")
            return str(sorted(known)[int(wanted * len(known))]) if known else None

        return await self.world.until(found, wait_s=2, most_s=2, is_counted=False)

    def _answered(self, op: str, name: str, shown: dict[str, str]) -> None:
        world, state = self.world, shown["state"]
        world.trace.note("answer", op, name, state)
        world.seen[f"hold {state.lower()}"] += 1
        world.ledger.answered(op, name, state)
        self.waiting.discard(op)
        if state in {"CONFIRMED", "CONSUMED"}:
            evidence = [bytes.fromhex(shown[each]) for each in ("request", "grant", "word")]
            world.ledger.acknowledge(op, name, evidence[1], evidence)


async def use_twin(world: World, name: str, op: str) -> None:
    """Ask for a hold at a node that should not run, once."""
    try:
        known = await world.view(name, NAME, "capacities")
        if known:
            await world.command(
                name, NAME, "ask", hold=op, capacity=known[0], pallets="1", hold_for_ms="20000"
            )
            world.seen["twin signed"] += 1
    except (Unknown, Refusal) as exc:
        world.seen[f"twin refused: {getattr(exc, 'code', 'unknown')}"] += 1
