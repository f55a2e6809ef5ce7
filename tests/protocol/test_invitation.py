"""Links, codes and exchanges of invitations: what comes through whole, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from sheaf_protocol.digest import CoopId, FederationId
from sheaf_protocol.errors import Refusal, RemoteProtocolError
from sheaf_protocol.invitation import (
    Ask,
    Asking,
    Offering,
    Terms,
    Welcome,
    code_of,
    link_of,
    proof_key,
    read_invitation,
    read_request,
    require_asker,
)
from sheaf_protocol.link import Fresh
from sheaf_protocol.testing.author import START_MS, make_coop
from sheaf_protocol.testing.link_pair import flipped, identity_of

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = bytes(range(16))
DALE, HILL = make_coop("Dale"), make_coop("Hill")
NOW_MS = START_MS + 1_000
TERMS = Terms(
    expires_ms=NOW_MS + 1,
    fid=FederationId(b"f" * 32),
    is_alone=True,
    members=1,
    name="Borders",
    now_ms=NOW_MS,
    roles=["member"],
)
CHARTER = b"charter"


def asking(secret: bytes = SECRET) -> Asking:
    return Asking(secret, Fresh(seed=b"j" * 32, nonce=b"j" * 16))


def offering(ask: bytes) -> Offering:
    request = read_request(ask)
    assert isinstance(request, Ask)
    key = proof_key(SECRET)
    require_asker(request, key)
    fresh = Fresh(seed=b"i" * 32, nonce=b"i" * 16)
    return Offering(request, key, identity_of(DALE), TERMS, fresh)


def exchange(spoil: Callable[[int, bytes], bytes], *, cid: CoopId | None = None) -> Welcome:
    """Carry out an exchange in which `spoil` gets hold of each message by its number."""
    joiner = asking()
    inviter = offering(spoil(0, joiner.ask()))
    joiner.receive_offer(spoil(1, inviter.reply), NOW_MS, cid)
    join = read_request(spoil(2, joiner.join(identity_of(HILL))))
    assert not isinstance(join, Ask)
    assert inviter.receive_join(join, NOW_MS).cid == HILL.cid
    welcome = inviter.welcome(Welcome(charter=CHARTER, is_member=True))
    return joiner.receive_welcome(spoil(3, welcome))


def test_an_exchange_ends_with_the_charter() -> None:
    assert exchange(lambda _, data: data, cid=DALE.cid).charter == CHARTER


@given(turn=st.integers(0, 3), at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_no_bit_of_any_message_can_be_turned_over(turn: int, at: float, bit: int) -> None:
    def spoil(number: int, data: bytes) -> bytes:
        if number != turn:
            return data
        place = int(at * len(data))
        return data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]

    with pytest.raises(RemoteProtocolError):
        exchange(spoil)


def test_a_message_of_another_exchange_opens_nothing() -> None:
    other = Asking(SECRET, Fresh(seed=b"k" * 32, nonce=b"k" * 16))
    reply = offering(other.ask()).reply

    with pytest.raises(RemoteProtocolError) as refused:
        asking().receive_offer(reply, NOW_MS)

    assert refused.value.code == "invite.box"


def test_who_has_another_invitation_is_refused_by_its_proof() -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        offering(asking(b"x" * 16).ask())

    assert refused.value.code == "invite.unknown"


@given(secret=st.binary(min_size=16, max_size=16), cid=st.binary(min_size=32, max_size=32))
def test_links_and_codes_are_read_as_they_were_written(secret: bytes, cid: bytes) -> None:
    link = read_invitation(link_of("https://mill.example", secret, CoopId(cid)))
    code = read_invitation(code_of(secret))

    assert (link.secret, link.url, link.cid) == (secret, "https://mill.example", cid)
    assert (code.secret, code.url, code.cid) == (secret, None, None)


@given(text=st.text(max_size=120))
def test_any_other_text_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        read_invitation(text)

    assert refused.value.code in {"invite.link", "invite.code"}
    assert len(text) < 8 or text not in refused.value.detail


def test_an_invitation_does_not_print_its_secret() -> None:
    shown = repr(read_invitation(code_of(SECRET)))

    assert SECRET.hex() not in shown
    assert repr(SECRET) not in shown


def test_a_link_that_was_altered_anywhere_is_refused_or_is_another() -> None:
    link = link_of("https://mill.example", SECRET, DALE.cid).encode()

    for place in range(len(link)):
        try:
            read = read_invitation(flipped(link, place).decode(errors="replace"))
        except Refusal:
            continue
        assert (read.secret, read.url, read.cid) != (SECRET, "https://mill.example", DALE.cid)
