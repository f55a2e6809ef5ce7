"""The course of the demo: what each operator asks of the own node, in order.

Only public doors are used: the local API that `sheaf import` and any other program use. Each step
waits for what the nodes themselves say, never for time to pass.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sheaf_protocol.codec import decode
from sheaf_protocol.errors import Refusal
from sheaf_protocol.json_view import to_json
from sheaf_protocol.records import OK, Award
from sheaf_services.demo.cast import (
    BUYERS,
    CARRIER,
    CAST,
    COORDINATOR,
    MATCHER,
    SUPPLIER,
)
from sheaf_services.demo.scenario import delivery_day_ms
from sheaf_services.demo.story import WITHDRAWN, doctor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sheaf_services.demo.fleet import Fleet
    from sheaf_services.demo.progress import Progress
    from sheaf_services.demo.scenario import Scenario

_PURCHASING: Final = "/api/v1/services/pooled_purchasing"
_MATCHING: Final = "/api/v1/services/shipment_matching"
KEYS: Final = tuple(player.key for player in CAST)


class Play:
    """One run of a scenario on running nodes."""

    def __init__(self, fleet: Fleet, scenario: Scenario, progress: Progress) -> None:
        self._fleet = fleet
        self._scenario = scenario
        self._progress = progress
        self._day_ms = delivery_day_ms()
        self.false_award: str | None = None

    def run(self) -> None:
        """Play all steps to the end."""
        self._await("Eight nodes start and link up", KEYS, self._is_linked)
        if self._scenario.purchases:
            self._buy()
        self._ship()
        self._await_same("All nodes hold the same logs")

    def report(self, key: str) -> Any:
        """Return a node's purchasing report."""
        return self._fleet.get(key, f"{_PURCHASING}/report")

    def matching(self, key: str) -> Any:
        """Return a node's transport report."""
        return self._fleet.get(key, f"{_MATCHING}/report")

    def status(self, key: str) -> Any:
        """Return a node's status."""
        return self._fleet.get(key, "/api/v1/status")

    # --- purchasing ---------------------------------------------------------------------------

    def _buy(self) -> None:
        scenario = self._scenario
        self._fleet.post(SUPPLIER.key, f"{_PURCHASING}/import_prices", scenario.prices)
        self._each("Purchase lists are published", scenario.purchases, self._import_purchases)
        if scenario.has_plot:
            key, ref = WITHDRAWN
            self._fleet.post(key, f"{_PURCHASING}/withdraw", query={"ref": ref})
        self._await_same("Lists reach every node")
        path = f"{_PURCHASING}/open_pools"
        self._fleet.post(COORDINATOR.key, path, query=dict(scenario.pool_options))
        self._await_same("Pools open")
        self._fleet.post(COORDINATOR.key, f"{_PURCHASING}/close_pools")
        self._await("Every node checks every award itself", KEYS, self._has_checked)
        if scenario.has_plot:
            self._publish_false_award()
        self._await("Co-ops order, the wholesaler accepts", KEYS, self._has_ordered)

    def _import_purchases(self, key: str) -> None:
        content = self._scenario.purchases[key]
        self._fleet.post(key, f"{_PURCHASING}/import_purchases", content)

    def _has_checked(self, key: str) -> bool:
        pools = self.report(key)["pools"]
        return bool(pools) and all(pool["outcome"] is not None for pool in pools)

    def _publish_false_award(self) -> None:
        """The coordinator's node is made to publish a second award, dearer by one minor unit."""
        record = doctor(self._any_award())
        body = json.dumps({"record": to_json(record), "refs": [record.pool.hex()]}).encode()
        answer = self._fleet.post(COORDINATOR.key, "/api/v1/records/pool.award", body)
        self.false_award = answer["id"]
        self._await("Every node refuses a false award", KEYS, self._has_refused)

    def _any_award(self) -> Award:
        for pool in self.report(COORDINATOR.key)["pools"]:
            if pool["outcome"] is not None and pool["outcome"]["awarded"]:
                path = f"{_PURCHASING}/award"
                found = self._fleet.get(COORDINATOR.key, path, {"item": pool["item"]})
                return decode(bytes.fromhex(found["bytes"]), Award)
        raise Refusal("demo.no_award", "expected at least one pool to be awarded")

    def _has_refused(self, key: str) -> bool:
        return self.false_award_verdict(key) not in {None, OK}

    def false_award_verdict(self, key: str) -> str | None:
        """Return what a node found of the false award."""
        for pool in self.report(key)["pools"]:
            for decision in pool["decisions"]:
                if decision["id"] == self.false_award:
                    return str(decision["verdict"]) if decision["verdict"] else None
        return None

    def _has_ordered(self, key: str) -> bool:
        """Return whether a co-op has an accepted order for each item it was awarded."""
        report = self.report(key)
        if key == SUPPLIER.key or not report["lines"]:
            return bool(report["orders"] == report["orders_accepted"])
        items = {line["item"] for line in report["lines"] if line["got"]}
        return bool(len(items) == report["orders"] == report["orders_accepted"])

    # --- transport ----------------------------------------------------------------------------

    def _ship(self) -> None:
        scenario = self._scenario
        if scenario.fleet is not None:
            self._fleet.post(CARRIER.key, f"{_MATCHING}/publish_capacity", scenario.fleet)
            self._await("Orders ask for transport", [p.key for p in BUYERS], self._has_requested)
        elif scenario.pdptw is not None:
            self._import_transport(CARRIER.key, {"as": "carrier"})
            self._each("Transport requests are published", range(len(BUYERS)), self._import_part)
        else:
            return
        self._await_same("Requests reach every node")
        self._await("Trips are planned", [MATCHER.key], self._has_proposed)
        self._await("Every node checks the trips; vehicles are booked", KEYS, self._is_booked)

    def _import_part(self, index: int) -> None:
        of = str(len(BUYERS))
        self._import_transport(BUYERS[index].key, {"as": "buyer", "of": of, "is": str(index)})

    def _import_transport(self, key: str, options: dict[str, object]) -> None:
        query = {**options, "day_ms": self._day_ms}
        content = self._scenario.pdptw or b""
        self._fleet.post(key, f"{_MATCHING}/import_transport", content, query)

    def _has_requested(self, key: str) -> bool:
        """Return whether every accepted order of the buyers is asked to be carried."""
        wanted = self.report(SUPPLIER.key)["orders_accepted"]
        return bool(self.matching(key)["requests"] == wanted)

    def _has_proposed(self, key: str) -> bool:
        answer = self._fleet.post(key, f"{_MATCHING}/match")
        return bool(answer["state"] in {"proposed", "idle"})

    def _is_booked(self, key: str) -> bool:
        proposals = self.matching(key)["proposals"]
        return bool(proposals) and all(p["verdict"] and p["is_booked"] for p in proposals)

    # --- waiting ------------------------------------------------------------------------------

    def _is_linked(self, key: str) -> bool:
        peers = self.status(key)["peers"]
        return len(peers) >= len(CAST) - 1 and all(peer["in_sync"] for peer in peers)

    def _await_same(self, label: str) -> None:
        """Wait until all nodes hold the same logs, which two looks in a row must show."""
        before: set[str] = set()

        def is_same(key: str) -> bool:
            nonlocal before
            roots = {self._root(k) for k in KEYS}
            is_stable, before = roots == before and len(roots) == 1, roots
            return is_stable

        self._await(label, ["all"], is_same)

    def _root(self, key: str) -> str:
        [federation] = self.status(key)["federations"]
        return f"{federation['root']}/{federation['entries']}"

    def _each(self, label: str, items: Iterable[Any], act: Callable[[Any], None]) -> None:
        work = list(items)
        with self._progress.step(label, len(work)) as done:
            for item in work:
                act(item)
                done(1)

    def _await(self, label: str, keys: Iterable[str], is_done: Callable[[str], bool]) -> None:
        open_keys = list(keys)
        with self._progress.step(label, len(open_keys)) as done:
            while open_keys:
                still = [key for key in open_keys if not is_done(key)]
                done(len(open_keys) - len(still))
                open_keys = still
                if open_keys:
                    self._fleet.tend(label)
