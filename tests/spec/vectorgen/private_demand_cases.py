"""The vectors of chapter 17, part by part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import commitment_cases
import curve_record_cases
import disclosure_cases
import sum_tree_cases
import totals_cases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kit import Case

PARTS = (curve_record_cases, commitment_cases, totals_cases, disclosure_cases, sum_tree_cases)


def cases() -> Iterator[Case]:
    """Yield the vectors on private demand."""
    for part in PARTS:
        yield from part.cases()
