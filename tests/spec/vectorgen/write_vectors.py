"""Write every vector below a folder: `python write_vectors.py spec/vectors`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import charter_cases
import encoding_cases
import envelope_cases
import identity_cases
import log_cases
import merkle_cases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kit import Case


def all_cases() -> Iterator[Case]:
    """Yield the vectors of all chapters."""
    for module in (
        identity_cases,
        encoding_cases,
        envelope_cases,
        log_cases,
        charter_cases,
        merkle_cases,
    ):
        yield from module.cases()


def to_json(case: Case) -> str:
    """Return the file of one vector."""
    fields = {
        "id": case.id,
        "clause": case.clause,
        "expect": case.expect,
        "comment": case.comment,
        "input": case.input.hex(),
    }
    if case.output is not None:
        fields["output"] = case.output.hex()
    return json.dumps(fields, indent=2, ensure_ascii=True) + "\n"


def write(folder: Path) -> int:
    """Write one file per vector; return their number."""
    cases = list(all_cases())
    for case in cases:
        path = folder / f"{case.id}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(to_json(case))
    return len(cases)


if __name__ == "__main__":
    sys.stdout.write(f"{write(Path(sys.argv[1]))} vectors written\n")
