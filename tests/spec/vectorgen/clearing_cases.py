"""The vectors of chapter 21, part by part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import award_cases
import award_faults
import award_proof_faults
import clearing_record_cases
import own_cases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kit import Case

PARTS = (clearing_record_cases, award_cases, award_faults, award_proof_faults, own_cases)


def cases() -> Iterator[Case]:
    """Yield the vectors on clearing."""
    for part in PARTS:
        yield from part.cases()
