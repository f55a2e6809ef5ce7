"""Which federations treaties lead to."""

from msgspec import structs

from sheaf_node.ingest.reach import next_end_ms, reachable
from sheaf_protocol.charter import Charter, TreatyInForce, read_charter
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import FederationId
from sheaf_protocol.limits import MAX_INT
from sheaf_protocol.testing.author import make_coop, make_federation
from sheaf_protocol.treaty import Direction, Treaty

COOP = make_coop("Hill")
PLAIN = read_charter(make_federation([(COOP, ["member"])]))
NOW, END = 1_000, 2_000
A, B, C, D, E = (FederationId(letter * 32) for letter in (b"a", b"b", b"c", b"d", b"e"))
OPEN = Direction(categories=[], hops=3, ids=[], kinds=[], per_day=1, regions=[], removed=[])


def treaty(one: FederationId, other: FederationId, expires_ms: int = END) -> TreatyInForce:
    made = Treaty(
        bridges=[COOP.cid],
        directions=[OPEN, OPEN],
        expires_ms=expires_ms,
        nonce=bytes(16),
        parties=sorted([one, other]),
        title="Any",
        v=1,
    )
    return TreatyInForce(body=encode(made), level="allow")


def charters(*pairs: tuple[FederationId, FederationId]) -> dict[FederationId, Charter]:
    """Return charters of federations that have these treaties with one another."""
    found: dict[FederationId, list[TreatyInForce]] = {}
    for one, other in pairs:
        for side in (one, other):
            found.setdefault(side, []).append(treaty(one, other))
    return {fid: structs.replace(PLAIN, treaties=listed) for fid, listed in found.items()}


def test_partners_of_partners_are_found_the_nearest_first() -> None:
    row = charters((A, B), (B, C), (C, D))

    assert list(reachable(A, row, NOW).items()) == [(B, 1), (C, 2), (D, 3)]


def test_nothing_is_found_beyond_three_treaties() -> None:
    row = charters((A, B), (B, C), (C, D), (D, E))

    assert E not in reachable(A, row, NOW)
    assert E in reachable(A, row, NOW, hops=4)


def test_ring_is_walked_once_by_the_shorter_way() -> None:
    ring = charters((A, B), (B, C), (C, A))

    assert reachable(A, ring, NOW) == {B: 1, C: 1}


def test_partner_is_found_before_its_charter_is_held() -> None:
    held = {A: charters((A, B), (B, C))[A]}

    assert reachable(A, held, NOW) == {B: 1}


def test_treaty_that_expired_leads_nowhere() -> None:
    row = charters((A, B))

    assert reachable(A, row, END - 1) == {B: 1}
    assert reachable(A, row, END) == {}


def test_treaty_of_others_leads_nowhere() -> None:
    listed = {A: structs.replace(PLAIN, treaties=[treaty(B, C)])}

    assert reachable(A, listed, NOW) == {}


def test_next_end_is_the_first_that_is_still_to_come() -> None:
    listed = {A: structs.replace(PLAIN, treaties=[treaty(A, B), treaty(A, C, 3_000)])}

    ends = [next_end_ms(listed, now_ms) for now_ms in (NOW, END, 3_000)]

    assert ends == [END, 3_000, MAX_INT]
