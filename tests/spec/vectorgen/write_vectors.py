"""Write every vector below a folder: `python write_vectors.py spec/vectors`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import address_cases
import bill_cases
import blob_cases
import charter_cases
import clearing_cases
import crossing_cases
import encoding_cases
import envelope_cases
import epoch_cases
import erasure_cases
import federation_cases
import fork_cases
import frontier_cases
import handshake_cases
import identity_cases
import invitation_cases
import json_view_cases
import key_history_cases
import lifecycle_cases
import line_cases
import log_cases
import merkle_cases
import message_cases
import order_reading_cases
import order_record_cases
import order_story_cases
import private_demand_cases
import promise_cases
import proof_cases
import record_cases
import recover_cases
import recovery_cases
import revoke_cases
import rotate_cases
import rounds_cases
import sealing_cases
import signature_cases
import standing_cases
import subscription_cases
import tally_cases
import treaty_cases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kit import Case


def all_cases() -> Iterator[Case]:
    """Yield the vectors of all chapters."""
    for module in (
        identity_cases,
        revoke_cases,
        rotate_cases,
        recover_cases,
        key_history_cases,
        signature_cases,
        encoding_cases,
        json_view_cases,
        envelope_cases,
        sealing_cases,
        erasure_cases,
        log_cases,
        proof_cases,
        fork_cases,
        frontier_cases,
        subscription_cases,
        handshake_cases,
        message_cases,
        blob_cases,
        charter_cases,
        epoch_cases,
        standing_cases,
        federation_cases,
        merkle_cases,
        record_cases,
        order_record_cases,
        bill_cases,
        address_cases,
        recovery_cases,
        lifecycle_cases,
        order_reading_cases,
        order_story_cases,
        treaty_cases,
        crossing_cases,
        tally_cases,
        rounds_cases,
        private_demand_cases,
        promise_cases,
        line_cases,
        invitation_cases,
        clearing_cases,
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
