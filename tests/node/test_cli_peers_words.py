"""Which peer an argument means, and what is said of it: decided without a node."""

import pytest

from sheaf_node.cli import peers
from sheaf_node.cli.peers_known import Known, choose
from sheaf_node.config import Config, CoopRule, PeerAddress
from sheaf_protocol.errors import Refusal

OWN, MILL, DALE, OTHER_DALE = (bytes([n]) * 32 for n in range(1, 5))
NAMES = {OWN: "Hill", MILL: "Mill", DALE: "Dale", OTHER_DALE: "dale"}
MILL_URL, GONE_URL = "wss://mill.example", "wss://gone.example:9000"


def linked(cid: bytes, url: str = "", *, is_dialled: bool = True) -> dict[str, object]:
    return {"cid": cid.hex(), "url": url, "is_dialled": is_dialled, "in_sync": True}


def known(*links: dict[str, object], rules: dict[bytes, CoopRule] | None = None) -> Known:
    """What a node knows that has two peers in its settings, and these links."""
    config = Config(
        name="Hill",
        peers=[PeerAddress(url=MILL_URL), PeerAddress(url=GONE_URL)],
        coops={cid.hex(): rule for cid, rule in (rules or {}).items()},
    )
    status = {"peers": list(links), "dials": []} if links else {}
    return Known(config=config, own=OWN, names=NAMES, status=status)


MILL_LINK = linked(MILL, "wss://mill.example/sheaf/1/link")


@pytest.mark.parametrize("text", ["Mill", "mILL", MILL.hex()[:8], MILL.hex().upper(), MILL_URL])
def test_a_peer_is_named_by_name_id_or_address(text: str) -> None:
    chosen = choose(known(MILL_LINK), text)

    assert (chosen.cid, chosen.urls) == (MILL, [MILL_URL])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nobody", "which is no co-op that this node knows; `sheaf peers list`"),
        ("ab", "no co-op that this node knows"),
        ("fe" * 32, "no co-op that this node knows"),
        ("wss://nowhere.example", "got 'wss://nowhere.example'; `sheaf peers list` shows them"),
        ("Dale", "2 co-ops: say one by the digits of its id (0303030303030303, 0404040404040404)"),
    ],
)
def test_what_is_no_peer_or_two_is_told_with_what_to_do(text: str, said: str) -> None:
    with pytest.raises(Refusal, match=r"peer\.unknown") as refused:
        choose(known(MILL_LINK), text)

    assert said in refused.value.detail


def test_two_of_one_name_are_told_apart() -> None:
    told = known(linked(DALE), linked(MILL))

    assert [told.called(cid) for cid in (DALE, OTHER_DALE, MILL, b"\x09" * 32)] == [
        "Dale (03030303)",
        "dale (04040404)",
        "Mill",
        "09090909",
    ]


def test_an_address_that_no_link_proves_is_not_taken_for_a_co_ops() -> None:
    stopped = known()
    chosen = choose(stopped, "Mill")

    refusal = peers._without_address(stopped, chosen, "Mill")

    assert chosen.urls == []
    assert f"which of these is its ({MILL_URL}, {GONE_URL})" in refusal.detail
    assert "Pause its address as well" in " ".join(peers._paused(stopped, chosen))


def test_a_peer_that_is_gone_is_paused_by_its_address() -> None:
    told = known(MILL_LINK)
    chosen = choose(told, GONE_URL)

    said = peers._paused(told, chosen)

    assert (chosen.title, chosen.cid) == (GONE_URL, None)
    assert said[0] == f"This node does not dial {GONE_URL}."
    assert "if that co-op dials us, it is let in" in said[1]


def test_what_is_left_after_a_removal_is_counted() -> None:
    told = known(MILL_LINK, linked(DALE, is_dialled=False))

    alone = known(MILL_LINK).left_without(choose(known(MILL_LINK), "Mill"), is_dial_only=True)

    mill = choose(told, "Mill")
    assert told.left_without(mill, is_dial_only=True) == ["1 other co-op is linked at this moment."]
    assert alone == ["WARNING: no other link is up. This node would hear nothing of anybody."]


def test_rules_that_stay_are_named() -> None:
    told = known(MILL_LINK, rules={MILL: CoopRule(paused=True, kib_per_s=64)})

    assert told.rules_of(MILL) == ["its pause", "its limit of 64 KiB a second"]
    assert told.rules_of(DALE) == []
    assert told.rules_of(None) == []
