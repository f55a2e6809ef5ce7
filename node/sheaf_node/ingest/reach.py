"""Which federations may be known of through treaties: those a few treaties away (spec chapter 06).

What crosses a treaty is judged by the charter of where it comes from, so members of a federation
keep the chains of its partners, and of the partners' partners as far as an entry may travel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sheaf_protocol.limits import MAX_INT
from sheaf_protocol.treaty import Treaty, read_treaty

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sheaf_protocol.charter import Charter
    from sheaf_protocol.digest import FederationId

MAX_HOPS: Final = 3
"""Treaties that an entry may cross at most."""


def reachable(
    fid: FederationId,
    charters: Mapping[FederationId, Charter],
    now_ms: int,
    hops: int = MAX_HOPS,
) -> dict[FederationId, int]:
    """Return how many treaties away other federations are, the nearest first.

    `charters` are the newest ones held; a federation whose charter is not held is found, but none
    behind it.
    """
    found = {fid: 0}
    edge = [fid]
    for distance in range(1, hops + 1):
        partners = [each for at in edge for each in _partners(at, charters, now_ms)]
        edge = [each for each in dict.fromkeys(partners) if each not in found]
        found.update(dict.fromkeys(edge, distance))
    del found[fid]
    return found


def next_end_ms(charters: Mapping[FederationId, Charter], now_ms: int) -> int:
    """Return when the next of all treaties ends by itself, `MAX_INT` where none does."""
    ends = (treaty.expires_ms for charter in charters.values() for treaty in _treaties(charter))
    return min((end for end in ends if end > now_ms), default=MAX_INT)


def _partners(
    fid: FederationId, charters: Mapping[FederationId, Charter], now_ms: int
) -> Iterator[FederationId]:
    charter = charters.get(fid)
    for treaty in () if charter is None else _treaties(charter):
        # A charter may list what is none of its own, which leads nowhere.
        if treaty.expires_ms > now_ms and fid in treaty.parties:
            yield from (party for party in treaty.parties if party != fid)


def _treaties(charter: Charter) -> Iterator[Treaty]:
    return (read_treaty(listed.body) for listed in charter.treaties)
