"""One run: an unsafe time with faults, then a healed one in which all has to come to an end."""

from __future__ import annotations

import gc
import logging
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.simulation import markets, planted
from tests.simulation.blows import Blows
from tests.simulation.holdings import NAME, Holdings
from tests.simulation.ledger import Ledger
from tests.simulation.plan import DIRECTED, PROFILES, Plan, draw
from tests.simulation.signatures import remember_signatures
from tests.simulation.users import Users
from tests.simulation.world import World

from sheaf_services.pooled_purchasing.service import PooledPurchasing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_node.plugins import ServiceFactory

MOST_STEPS: Final = 600_000
"""Ten times what a long run takes."""
LOOK_S: Final = 5.0
"""Between two looks whether a healed world has come to rest."""


@dataclass
class Outcome:
    """What became of a seed."""

    profile: str
    seed: int
    violations: list[tuple[str, str]]
    digest: str
    simulated_s: float
    cpu_s: float
    seen: dict[str, int]
    last: list[str] = field(default_factory=list)
    """The newest events, of a run that failed."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Stage:
    """What runs begin with: a folder with the homes of federations, by how many are in them."""

    folder: Path
    cids: Mapping[int, Mapping[str, bytes]]


def run(profile: str, seed: int, ready: Stage) -> Outcome:
    """Run a seed. Its process is to end afterwards: what died in it must not be collected."""
    began = time.process_time()
    plan = draw((PROFILES | DIRECTED)[profile], seed)
    gc.disable()
    logging.disable(logging.CRITICAL)
    remember_signatures()
    folder = Path(tempfile.mkdtemp(prefix="sheaf-sim-", dir=scratch()))
    try:
        return _Run(plan, folder, ready).outcome(began)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def scratch() -> str | None:
    """Return where homes are made: in memory where the system has such a place."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108


def _services(plan: Plan) -> dict[str, ServiceFactory]:
    services: dict[str, ServiceFactory] = {}
    if "holds" in plan.profile.work:
        services[NAME] = Holdings
    if "pools" in plan.profile.work:
        services[markets.NAME] = PooledPurchasing
    return services


class _Run:
    def __init__(self, plan: Plan, folder: Path, ready: Stage) -> None:
        count = plan.profile.nodes
        cids = ready.cids[count]
        self.plan = plan
        self.ledger = Ledger(cids)
        self.world = World(
            seed=plan.seed,
            folder=folder,
            homes={name: ready.folder / str(count) / name for name in cids},
            services=_services(plan),
            ledger=self.ledger,
        )
        if "pools" in plan.profile.work:
            for site in self.world.sites.values():
                markets.furnish(site.home)
        self.users = Users(self.world, plan)
        self.blows = Blows(self.world, plan)

    def outcome(self, began: float) -> Outcome:
        self.blows.begin()
        self.users.begin()
        loop, ledger, profile = self.world.loop, self.ledger, self.plan.profile
        loop.run_until(profile.safety_s, self._has_failed)
        if not self._has_failed():
            self.blows.heal()
            end = loop.time() + profile.heal_s
            while loop.time() < end and not self._has_failed() and not self._is_at_rest():
                self.blows.revive()
                loop.run_until(loop.time() + LOOK_S, self._has_failed)
        if not self._has_failed():
            self._settle()
        self._note_faults()
        failed = bool(ledger.violations)
        return Outcome(
            profile=profile.name,
            seed=self.plan.seed,
            violations=[(v.invariant, v.what) for v in ledger.violations[:5]],
            digest=self.world.trace.digest,
            simulated_s=loop.time(),
            cpu_s=time.process_time() - began,
            seen=dict(sorted({**self.world.seen, **planted.seen()}.items())),
            last=list(self.world.trace.last) if failed else [],
        )

    def _has_failed(self) -> bool:
        if self.world.loop.steps > MOST_STEPS and not self.ledger.violations:
            self.ledger.fault("I8", f"{MOST_STEPS} steps and no end: the nodes go in circles")
        return bool(self.ledger.violations)

    def _is_at_rest(self) -> bool:
        """Return whether users have answers, awards were judged, and all nodes hold the same."""
        is_open = self.users.unanswered or self._verdicts_owed()
        return not is_open and len(set(self._views().values())) == 1

    def _verdicts_owed(self) -> list[str]:
        cids = self.ledger.cids
        return self.ledger.awards.owed(cids[name] for name in self.world.honest)

    def _views(self) -> dict[str, frozenset[str]]:
        return {name: self.world.view_of(name) for name in self.world.honest}

    def _settle(self) -> None:
        """Check what is left when everything has been healed for long enough."""
        if left := self.users.unanswered:
            self.ledger.fault("I7", f"never answered: {', '.join(sorted(left))}")
        if owed := self._verdicts_owed():
            self.ledger.fault("I11", f"never judged: {', '.join(owed)}")
        views = self._views()
        if len(set(views.values())) > 1:
            everywhere = frozenset.intersection(*views.values())
            shown = {name: sorted(view - everywhere)[:6] for name, view in views.items()}
            self.ledger.fault("I7", f"nodes did not come to agree: {shown}")
        told = {
            name: self.ledger.settle(name, self.world.database(name), self.world.writers(name))
            for name in self.world.honest
        }
        if len({repr(each) for each in told.values()}) > 1:
            self.ledger.fault("I7", "nodes do not agree on the holds that there are")

    def _note_faults(self) -> None:
        """Whatever a task or service of a node raised and nobody took is a fault of the node."""
        for name in self.world.honest:
            for service in self.world.stopped_services(name):
                self.ledger.fault("I8", f"{name}: a fault stopped {service}")
        for fault in self.world.loop.faults:
            self.ledger.fault("I8", f"nobody took {fault.get('exception')!r}")
