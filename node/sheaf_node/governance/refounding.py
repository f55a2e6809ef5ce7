"""Drafting a re-foundation, which people sign by hand (spec 09)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET, structs

from sheaf_protocol.charter import moved
from sheaf_protocol.codec import encode
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from sheaf_protocol.charter import Chain
    from sheaf_protocol.digest import CoopId
    from sheaf_protocol.identity import KeyHistory
    from sheaf_protocol.records.governance import CoopLines


def refounding_body(
    chain: Chain,
    histories: Mapping[CoopId, KeyHistory],
    lines: Callable[[CoopId], CoopLines],
    *,
    without: Collection[CoopId],
) -> bytes:
    """Return the body of a re-foundation that leaves all as it was, but for who is left out.

    Members are at the newest heads of their key logs, so that today's manager keys sign. Raises
    Refusal `charter.refounding` where nothing is forked.
    """
    federation = chain.federation
    before = federation.charter
    if not chain.is_forked:
        detail = "expected certificates that contradict one another, got a federation that is whole"
        raise Refusal("charter.refounding", detail)
    members = [
        structs.replace(member, key_head=histories[member.cid].state.heads[-1])
        for member in before.members
        if member.cid not in without
    ]
    after = structs.replace(
        before,
        ballot=UNSET,
        change=UNSET,
        epoch=before.epoch + 1,
        fid=federation.fid,
        lines=[],
        members=members,
        prev=federation.id,
        refounds=sorted(certificate.id for certificate in chain.fork),
    )
    return encode(structs.replace(after, lines=[lines(cid) for cid in moved(before, after)]))
