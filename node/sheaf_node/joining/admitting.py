"""Having a joiner admitted: proposed and voted for by the co-op that invited it."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sheaf_node.charter_file import make_card
from sheaf_node.plugins import Call
from sheaf_protocol.errors import Refusal
from sheaf_protocol.identity import fold_key_log

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sheaf_node.plugins import ServiceHost
    from sheaf_node.plugins.host import Parts
    from sheaf_protocol.digest import CoopId, FederationId
    from sheaf_protocol.identity import KeyOp
    from sheaf_protocol.records.governance import Role

CERTIFIED_S: Final = 10.0
"""How long a joiner is kept waiting for the certificate that admits it: where the inviter alone
decides that takes some commits to disk."""
_GOVERNANCE: Final = "governance"
_LIVE: Final = frozenset({"open", "passed"})


@dataclass(frozen=True, slots=True)
class Admission:
    """How the admission of a joiner stands."""

    is_member: bool
    closes_at_ms: int


async def admit(
    parts: Parts,
    hosts: Mapping[str, ServiceHost],
    fid: FederationId,
    key_ops: Sequence[KeyOp],
    roles: Sequence[Role],
) -> Admission:
    """Propose a joiner, vote for it, and wait a little for its certificate. Safe to repeat.

    Raises Refusal `service.unknown`, `governance.*`, `charter.*`.
    """
    cid = fold_key_log(key_ops).cid
    if parts.ingest.federations[fid].is_member(cid):
        return Admission(True, 0)
    host = hosts.get(_GOVERNANCE)
    if host is None:
        raise Refusal("service.unknown", "expected governance to run in the federation")
    ballot = await _ballot(host, cid)
    if ballot is None:
        wish = {"action": "admit", "card": make_card(key_ops).hex(), "roles": list(roles)}
        await host.command("propose", Call(body=json.dumps(wish).encode()))
        ballot = await _ballot(host, cid)
    if ballot is None:
        raise Refusal("governance.ballot", "expected a ballot on the admission, got none")
    if ballot["state"] == "open" and ballot["own"] is None:
        options = {"proposal": ballot["id"], "choice": "yes"}
        await host.command("vote", Call(options=options))
    with suppress(TimeoutError):
        async with asyncio.timeout(CERTIFIED_S if _is_alone(parts, fid) else 0.0):
            await _until_member(parts, fid, cid)
    is_member = parts.ingest.federations[fid].is_member(cid)
    return Admission(is_member, int(ballot["closes_at_ms"]))


def _is_alone(parts: Parts, fid: FederationId) -> bool:
    return parts.ingest.federations[fid].voters == (parts.keyring.cid,)


async def _ballot(host: ServiceHost, cid: CoopId) -> dict[str, Any] | None:
    """Return the ballot under way on the admission of a co-op."""
    view: Any = await host.view("ballots", Call())
    fit = (
        ballot
        for ballot in view["ballots"]
        if ballot["change"]["action"] == "admit"
        and ballot["change"].get("cid") == cid.hex()
        and ballot["state"] in _LIVE
    )
    return next(fit, None)


async def _until_member(parts: Parts, fid: FederationId, cid: CoopId) -> None:
    while True:
        seen = parts.arrivals.control
        if parts.ingest.federations[fid].is_member(cid):
            return
        await parts.arrivals.wait_control_beyond(seen)
