"""The market as a mixed-integer program in HiGHS: which tiers sell, and how much.

One binary and one quantity for each option, at most one option of each offer, and one row for each
rate: what sells at it or above is no more than can pay it. Demands are in the rows alone, however
many they are, so the program is as large as the offers. HiGHS reckons in floats: what it finds is
a choice of tiers and prices of rows, and everything that is told of them is worked out in integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import highspy
import numpy as np

from sheaf_protocol.clearing import MOST_WINNERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_protocol.clearing import Market, Option

_SCALE: Final = 1_000.0
"""The largest gain and the largest demand in the program: floats far from the tolerances."""


@dataclass(frozen=True, slots=True)
class Relaxed:
    """A solution without integers: how far each option is chosen, and the price of each row."""

    shares: tuple[float, ...]
    prices: tuple[int, ...]


class Program:
    """HiGHS with one market in it."""

    def __init__(self, market: Market, seed: int = 0) -> None:
        self._market = market
        self.options: tuple[Option, ...] = tuple(o for of_one in market.offers for o in of_one)
        self._unit = max(market.demand[0], 1) / _SCALE
        self._worth = max((option.gain for option in self.options), default=1) / _SCALE
        self._highs = highspy.Highs()  # type: ignore[no-untyped-call]  # its stub has no types
        for name, value in (("output_flag", False), ("threads", 1), ("random_seed", seed)):
            self._highs.setOptionValue(name, value)
        self._highs.setOptionValue("mip_rel_gap", 0.0)
        self._highs.passModel(self._model())

    def choose(
        self, seconds: float, ranges: Sequence[tuple[int, int]] | None = None
    ) -> list[Option] | None:
        """Return the options of the best award found in so many seconds; None where none was."""
        count = len(self.options)
        self._set_integrality(highspy.HighsVarType.kInteger)
        self._hold(ranges or [(0, len(options)) for options in self._market.offers])
        self._highs.setOptionValue("time_limit", self._highs.getRunTime() + seconds)
        self._highs.run()
        info = self._highs.getInfo()
        if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
            return None
        chosen = self._highs.getSolution().col_value[:count]
        return [option for option, share in zip(self.options, chosen, strict=True) if share > 0.5]

    def relaxed(self, ranges: Sequence[tuple[int, int]]) -> Relaxed | None:
        """Return the program without integers, each offer held to a range of its options.

        0 is to sell nothing and 1 the first option; None where no solution is left.
        """
        self._set_integrality(highspy.HighsVarType.kContinuous)
        self._hold(ranges)
        self._highs.run()
        if self._highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None
        solution = self._highs.getSolution()
        duals = solution.row_dual[-len(self._market.rows) :]
        worth = self._worth
        prices = tuple(max(0, round(abs(dual) * worth)) for dual in duals)
        return Relaxed(tuple(solution.col_value[: len(self.options)]), prices)

    def _hold(self, ranges: Sequence[tuple[int, int]]) -> None:
        column = 0
        for offer, (options, (first, last)) in enumerate(
            zip(self._market.offers, ranges, strict=True)
        ):
            for place in range(1, len(options) + 1):
                self._highs.changeColBounds(column, 0.0, 1.0 if first <= place <= last else 0.0)
                column += 1
            self._highs.changeRowBounds(offer, 1.0 if first else 0.0, 1.0)

    def _set_integrality(self, kind: Any) -> None:
        count = len(self.options)
        indices = np.arange(count, dtype=np.int32)
        kinds = np.full(count, int(kind), dtype=np.uint8)
        self._highs.changeColsIntegrality(count, indices, kinds)

    def _model(self) -> highspy.HighsLp:
        """Return the program: columns are the choices and then the quantities of all options."""
        options, market = self.options, self._market
        count, infinite = len(options), highspy.kHighsInf
        caps = [min(option.high, market.demand[option.row]) / self._unit for option in options]
        model = highspy.HighsLp()
        model.sense_ = highspy.ObjSense.kMaximize
        model.num_col_ = 2 * count
        model.col_cost_ = np.array(
            [0.0] * count + [option.gain / self._worth for option in options]
        )
        model.col_lower_ = np.zeros(2 * count)
        model.col_upper_ = np.array([1.0] * count + [max(cap, 0.0) for cap in caps])
        rows = _Rows()
        for number in range(len(market.offers)):
            mine = [(c, 1.0) for c, option in enumerate(options) if option.offer == number]
            rows.add(mine, 0.0, 1.0)
        for column, (option, cap) in enumerate(zip(options, caps, strict=True)):
            low = option.low / self._unit
            rows.add([(column, -low), (count + column, 1.0)], 0.0, infinite)
            rows.add([(column, -cap), (count + column, 1.0)], -infinite, 0.0)
        if len(market.offers) > MOST_WINNERS:
            rows.add([(column, 1.0) for column in range(count)], 0.0, float(MOST_WINNERS))
        if market.least > 1:
            every = [(count + column, 1.0) for column in range(count)]
            rows.add(every, market.least / self._unit, infinite)
        for row, demand in enumerate(market.demand):
            taking = [(count + c, 1.0) for c, option in enumerate(options) if option.row >= row]
            rows.add(taking, -infinite, demand / self._unit)
        rows.put(model)
        return model


class _Rows:
    """Rows of a program, written as HiGHS takes them."""

    def __init__(self) -> None:
        self.starts, self.columns, self.values = [0], list[int](), list[float]()
        self.lower, self.upper = list[float](), list[float]()

    def add(self, cells: Sequence[tuple[int, float]], lower: float, upper: float) -> None:
        self.columns += [column for column, _ in cells]
        self.values += [value for _, value in cells]
        self.starts.append(len(self.columns))
        self.lower.append(lower)
        self.upper.append(upper)

    def put(self, model: highspy.HighsLp) -> None:
        model.num_row_ = len(self.lower)
        model.row_lower_, model.row_upper_ = np.array(self.lower), np.array(self.upper)
        model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        model.a_matrix_.start_ = np.array(self.starts, dtype=np.int32)
        model.a_matrix_.index_ = np.array(self.columns, dtype=np.int32)
        model.a_matrix_.value_ = np.array(self.values)
