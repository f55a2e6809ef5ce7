"""Pools and awards as entries tell them: what the ledger counts again with its own few rules.

Each entry is taken when its own author has synced it, and so after all that it rests on. Prices in
runs are whole and there is neither fee nor carriage, so that all sums are exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.simulation.rows import Violation, short

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.simulation.rows import Row


class Awards:
    """Pools, what was decided on them, and what each co-op found of that."""

    def __init__(self) -> None:
        self.faults: list[Violation] = []
        self._pools: dict[bytes, Row] = {}
        self._closes: dict[bytes, Row] = {}
        """By pool."""
        self._decided: dict[bytes, bytes] = {}
        """The decision on each pool."""
        self._lines: dict[bytes, Row] = {}
        """Demands and offers."""
        self._found: dict[bytes, dict[bytes, str]] = {}
        """The verdict of each co-op on each decision."""

    def take(self, row: Row) -> None:
        """Learn an entry from its author."""
        match row.kind:
            case "demand.submit" | "offer.submit":
                self._lines[row.id] = row
            case "pool.open":
                self._pools[row.id] = row
            case "pool.close":
                self._close(row)
            case "pool.award" | "pool.lapse":
                self._decide(row)
            case "verdict":
                self._judge(row)
            case _:
                return

    def owed(self, cids: Iterable[bytes]) -> list[str]:
        """Return which of these co-ops have still to say what they find of a decision."""
        wanted = sorted(cids)
        return [
            f"{short(cid)} on {short(decision)}"
            for decision in self._decided.values()
            for cid in wanted
            if cid not in self._found.get(decision, {})
        ]

    def _close(self, row: Row) -> None:
        pool = self._pools.get(row.body["pool"])
        if pool is None or pool.place.cid != row.place.cid:
            self._fault("I11", f"{short(row.id)} closes a pool that its author did not open")
            return
        if pool.id in self._closes:
            self._fault("I11", f"pool {short(pool.id)} was closed twice")
            return
        elsewhere = {id_ for close in self._closes.values() for id_ in close.body["demands"]}
        self._closes[pool.id] = row
        listed = set(row.body["demands"])
        wanted = {line.id for line in self._in_cut(pool, row)}
        if missing := wanted - listed - elsewhere:
            self._fault("I11", f"pool {short(pool.id)} leaves out {len(missing)} of its demands")
        if odd := listed - wanted:
            self._fault("I11", f"pool {short(pool.id)} counts {len(odd)} demands beyond its cut")

    def _in_cut(self, pool: Row, close: Row) -> Iterator[Row]:
        """Yield the demands for a pool's item that stand within its owner's cut."""
        cut = {each["wid"]: each["seq"] for each in close.body["cut"]}
        for line in self._lines.values():
            is_here = line.place.seq <= cut.get(line.place.wid, 0)
            if line.kind == "demand.submit" and is_here and _key(line) == _key(pool):
                yield line

    def _decide(self, row: Row) -> None:
        pool, close = self._pools.get(row.body["pool"]), self._closes.get(row.body["pool"])
        if pool is None or close is None or row.body["close"] != close.id:
            self._fault("I11", f"{short(row.id)} decides on what is not closed")
            return
        if pool.id in self._decided:
            self._fault("I11", f"pool {short(pool.id)} was decided twice")
            return
        self._decided[pool.id] = row.id
        if row.kind == "pool.award":
            self._add_up(row, pool)
            self._count(row, close)

    def _add_up(self, row: Row, pool: Row) -> None:
        """Amounts are integers; goods are quantity times price, and the value what that saves."""
        award, where = row.body, f"award {short(row.id)}"
        if odd := [name for name, value in _numbers(award) if type(value) is not int]:
            self._fault("I15", f"{where} has numbers that are no integers: {', '.join(odd)}")
            return
        lines = award["lines"]
        for name, total in (("quantity", award["quantity"]), ("lines", award["leaves"])):
            if sum(line[name] for line in lines) != total:
                self._fault("I15", f"{where}: its {name} are not the sum of its parts, {total}")
        saved = _cost(pool.body["reference"]["amount"], pool.body["reference"]["base"], award)
        for line in lines:
            offer = self._lines[line["offer"]].body
            amount = _cost(offer["tiers"][line["tier"]]["amount"], offer["base"], line)
            if line["amount"] != amount:
                self._fault("I15", f"{where}: {line['amount']} for goods of {amount}")
            saved -= amount + line["fee"] + line["carriage"]
        if award["value"] != saved:
            self._fault("I15", f"{where} says that it is worth {award['value']}, not {saved}")

    def _count(self, row: Row, close: Row) -> None:
        """All that can pay get what they want, or together all that there is."""
        [line, *_] = row.body["lines"]
        offer = self._lines[line["offer"]].body
        tier = offer["tiers"][line["tier"]]
        able = [
            demand
            for demand in (self._lines[id_].body for id_ in close.body["demands"])
            if tier["amount"] * demand["max_price"]["base"]
            <= demand["max_price"]["amount"] * offer["base"]
        ]
        most = min(sum(d["quantity"] for d in able), offer.get("max_quantity", 10**12))
        got, where = row.body["quantity"], f"award {short(row.id)}"
        if got > most or got < tier["from_quantity"]:
            self._fault(
                "I11", f"{where} of {got} units, expected {tier['from_quantity']} to {most}"
            )
        elif got < most and all(demand["min_quantity"] == 1 for demand in able):
            self._fault("I11", f"{where} of {got} units leaves {most - got} that are wanted")

    def _judge(self, row: Row) -> None:
        found, subject = self._found.setdefault(row.body["subject"], {}), row.body["subject"]
        if row.place.cid in found:
            self._fault("I11", f"{short(row.place.cid)} judged {short(subject)} twice")
        found[row.place.cid] = row.body["code"]
        if row.body["code"] != "ok":
            code = row.body["code"]
            self._fault("I11", f"{short(row.place.cid)} found {short(subject)} wrong: {code}")

    def _fault(self, invariant: str, what: str) -> None:
        self.faults.append(Violation(invariant, what))


def _key(row: Row) -> tuple[str, str, int]:
    item = row.body["item"]
    return item["code"], item["unit"], item["scale"]


def _numbers(award: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    for name in ("quantity", "leaves", "value"):
        yield name, award[name]
    for line in award["lines"]:
        for name in ("amount", "carriage", "fee", "lines", "quantity"):
            yield name, line[name]


def _cost(price: int, base: int, what: Mapping[str, Any]) -> int:
    """Return what so many units cost; runs have prices of which no unit has a part of a cent."""
    return int(price * what["quantity"] // base)
