"""The same pools by HiGHS and nothing else: what `clearing.py` compares itself with.

One program for each item, as textbooks have it: a column for each class of equal demands and each
tier that it can pay, a binary for each tier, at most one tier of each offer, and the tight rows
x <= min(want, most) y. Solved to a relative gap of 1e-6 on one thread.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import highspy
import numpy as np

from sheaf_protocol.clearing import rate_of

if TYPE_CHECKING:
    from sheaf_protocol.clearing import Case

LIMIT_S = 60.0


def solve_plain(case: Case) -> float:
    """Return the objective that HiGHS finds for one pool, in millionths of a minor unit."""
    market = case.market
    options = [option for of_one in market.offers for option in of_one]
    wants: Counter[int] = Counter()
    for _, demand in case.demands.values():
        wants[rate_of(demand.max_price)] += demand.quantity
    classes = list(wants.items())
    columns = [
        (number, at)
        for at, (rate, _) in enumerate(classes)
        for number, option in enumerate(options)
        if option.rate <= rate
    ]
    if not columns:
        return 0.0
    infinite, count = highspy.kHighsInf, len(options)
    starts, indices, values = [0], list[int](), list[float]()
    lower, upper = list[float](), list[float]()

    def row(cells: list[tuple[int, float]], low: float, high: float) -> None:
        indices.extend(column for column, _ in cells)
        values.extend(value for _, value in cells)
        starts.append(len(indices))
        lower.append(low)
        upper.append(high)

    by_option: dict[int, list[int]] = {number: [] for number in range(count)}
    by_class: dict[int, list[int]] = {at: [] for at in range(len(classes))}
    for column, (number, at) in enumerate(columns, start=count):
        by_option[number].append(column)
        by_class[at].append(column)
        most = min(classes[at][1], options[number].high)
        row([(column, 1.0), (number, -float(most))], -infinite, 0.0)
    for number, option in enumerate(options):
        cells = [(column, 1.0) for column in by_option[number]]
        row([*cells, (number, -float(option.low))], 0.0, infinite)
        row([*cells, (number, -float(option.high))], -infinite, 0.0)
    for at, (_, want) in enumerate(classes):
        row([(column, 1.0) for column in by_class[at]], -infinite, float(want))
    for of_one in market.offers:
        row([(options.index(option), 1.0) for option in of_one], 0.0, 1.0)
    model = highspy.HighsLp()
    model.sense_ = highspy.ObjSense.kMaximize
    model.num_col_, model.num_row_ = count + len(columns), len(lower)
    gains = [options[number].gain / 1e6 for number, _ in columns]
    model.col_cost_ = np.array([0.0] * count + gains)
    model.col_lower_ = np.zeros(model.num_col_)
    model.col_upper_ = np.array([1.0] * count + [infinite] * len(columns))
    model.row_lower_, model.row_upper_ = np.array(lower), np.array(upper)
    model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    model.a_matrix_.start_ = np.array(starts, dtype=np.int32)
    model.a_matrix_.index_ = np.array(indices, dtype=np.int32)
    model.a_matrix_.value_ = np.array(values)
    kinds = [highspy.HighsVarType.kInteger] * count
    model.integrality_ = kinds + [highspy.HighsVarType.kContinuous] * len(columns)
    highs = highspy.Highs()  # type: ignore[no-untyped-call]  # its stub has no types
    for name, value in (("output_flag", False), ("threads", 1), ("mip_rel_gap", 1e-6)):
        highs.setOptionValue(name, value)
    highs.setOptionValue("time_limit", LIMIT_S)
    highs.passModel(model)
    highs.run()
    found: float = highs.getInfo().objective_function_value
    return found * 1e6
