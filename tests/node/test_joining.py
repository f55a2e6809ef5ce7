"""Invitations at the node that makes them: what is kept, who is answered, and what follows."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec
import pytest

from sheaf_node.app import open_node
from sheaf_node.cli.join import _enter
from sheaf_node.clock import SystemClock
from sheaf_node.config import CONFIG_FILE, initial_config
from sheaf_node.joining import Shelf, Welcoming, Wish
from sheaf_node.joining.attempts import MOST_ADDRESSES, MOST_WRONG, WINDOW_MS, Attempts
from sheaf_node.joining.inviting import DAY_MS, own_url, public_url
from sheaf_node.joining.shelf import FOLDER, MOST_OPEN
from sheaf_node.joining.welcoming import MOST_EXCHANGES
from sheaf_node.keyring import create_keyring
from sheaf_node.linking import make_inviting
from sheaf_protocol.errors import Refusal, RemoteProtocolError
from sheaf_protocol.invitation import Asking, read_invitation
from sheaf_protocol.link import Fresh, Identity

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from sheaf_node.app import Node
    from sheaf_node.clock import Clock
    from sheaf_protocol.invitation import Offered, Welcome

HERE = "192.0.2.1"


class Off(SystemClock):
    """The machine's clock, moved by a test."""

    def __init__(self) -> None:
        self.by_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.by_ms


def make_home(home: Path, name: str) -> Path:
    create_keyring(home, name=name, country="GB", random=os.urandom, now_ms=SystemClock().now_ms())
    (home / CONFIG_FILE).write_text(initial_config(name=name, peer_port=8440, local_port=8441))
    return home


class Hill:
    """A node that invites, without sockets."""

    def __init__(self, node: Node, home: Path, clock: Clock) -> None:
        self.node, self.home = node, home
        self.shelf = Shelf(home)
        self.inviting = make_inviting(node, home, self.shelf)
        self.door = Welcoming(node.parts, self.shelf, node.hosts.by_federation)

    async def invite(self, **wish: object) -> bytes:
        """Make an invitation; return its secret."""
        made = await self.inviting.create(msgspec.convert(wish, Wish))
        return read_invitation(made.link).secret

    async def post(self, body: bytes, address: str = HERE) -> bytes:
        posted = await self.door.post(body, address)
        if posted.status != 200:
            raise Refusal(posted.body.decode(), "refused")
        return posted.body

    @property
    def members(self) -> int:
        [federation] = self.node.parts.ingest.federations.values()
        return len(federation.charter.members)


class Joiner:
    """A co-op with a home, and what it says."""

    def __init__(self, home: Path) -> None:
        self.keyring = create_keyring(
            home, name=home.name, country="GB", random=os.urandom, now_ms=SystemClock().now_ms()
        )
        own = self.keyring
        self.identity = Identity(cid=own.cid, key_log=list(own.key_ops), writer=own.writer)

    async def look(self, hill: Hill, secret: bytes) -> tuple[Asking, Offered]:
        asking = Asking(secret, Fresh(seed=os.urandom(32), nonce=os.urandom(16)))
        answer = await hill.post(asking.ask())
        return asking, asking.receive_offer(answer, SystemClock().now_ms())

    async def join(self, hill: Hill, secret: bytes) -> Welcome:
        asking, _ = await self.look(hill, secret)
        return asking.receive_welcome(await hill.post(asking.join(self.identity)))


@asynccontextmanager
async def opened(folder: Path, clock: Clock | None = None) -> AsyncIterator[Hill]:
    home = make_home(folder / "hill", "Hill")
    clock = clock or SystemClock()
    async with open_node(home, clock=clock, random=os.urandom) as node:
        running = asyncio.create_task(node.hosts.run())
        try:
            yield Hill(node, home, clock)
        finally:
            running.cancel()
            await asyncio.wait([running])


async def code_of(refused: Callable[[], object]) -> str:
    with pytest.raises(Refusal) as refusal:
        await refused()  # type: ignore[misc]
    return refusal.value.code


async def test_a_joiner_is_a_member_at_once_where_the_inviter_alone_decides(tmp_path: Path) -> None:
    async with opened(tmp_path) as hill:
        secret = await hill.invite(federation="Borders", roles=["supplier", "member"])
        dale = Joiner(tmp_path / "dale")
        _, offered = await dale.look(hill, secret)

        welcome = await dale.join(hill, secret)

        assert (offered.terms.name, offered.terms.is_alone) == ("Borders", True)
        assert offered.terms.roles == ["member", "supplier"]
        assert welcome.is_member
        assert hill.members == 2


async def test_an_invitation_alone_makes_nobody_a_member_where_others_vote(tmp_path: Path) -> None:
    async with opened(tmp_path) as hill:
        first, second = await hill.invite(), await hill.invite()
        assert (await Joiner(tmp_path / "dale").join(hill, first)).is_member
        moor = Joiner(tmp_path / "moor")

        _, offered = await moor.look(hill, second)
        welcome = await moor.join(hill, second)

        [federation] = hill.node.parts.ingest.federations.values()
        assert not offered.terms.is_alone
        assert not welcome.is_member
        assert not federation.is_member(moor.keyring.cid)
        assert hill.members == 2
        assert _enter(welcome, offered, tmp_path / "moor").is_member(moor.keyring.cid) is False


async def test_the_charter_that_a_joiner_gets_makes_it_a_member_of_what_it_was_offered(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as hill:
        secret, dale = await hill.invite(), Joiner(tmp_path / "dale")
        _, offered = await dale.look(hill, secret)
        welcome = await dale.join(hill, secret)

    federation = _enter(welcome, offered, tmp_path / "dale")

    assert federation.is_member(dale.keyring.cid)


async def test_the_charter_of_another_federation_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as hill:
        secret, dale = await hill.invite(), Joiner(tmp_path / "dale")
        _, offered = await dale.look(hill, secret)
        welcome = await dale.join(hill, secret)
    terms = msgspec.structs.replace(offered.terms, fid=bytes(32))
    other = type(offered)(terms, offered.peer)

    with pytest.raises(Refusal) as refused:
        _enter(welcome, other, tmp_path / "dale")

    assert refused.value.code == "charter.file"
    assert not (tmp_path / "dale" / "federations").exists()


async def test_an_invitation_admits_one_co_op(tmp_path: Path) -> None:
    async with opened(tmp_path) as hill:
        secret = await hill.invite()
        await Joiner(tmp_path / "dale").join(hill, secret)

        code = await code_of(lambda: Joiner(tmp_path / "moor").join(hill, secret))

        assert code == "invite.used"
        assert hill.members == 2


async def test_two_that_join_at_once_by_one_invitation_are_told_apart(tmp_path: Path) -> None:
    async with opened(tmp_path) as hill:
        secret = await hill.invite()
        joiners = [Joiner(tmp_path / name) for name in ("dale", "moor", "fell")]

        ends = await asyncio.gather(
            *(each.join(hill, secret) for each in joiners), return_exceptions=True
        )

        assert sum(isinstance(end, Refusal) and end.code == "invite.used" for end in ends) == 2
        assert hill.members == 2


async def test_who_used_an_invitation_is_answered_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as hill:
        secret, dale = await hill.invite(), Joiner(tmp_path / "dale")
        await dale.join(hill, secret)
        # The node may have started anew meanwhile: what was used is read from the disk.
        hill.door = Welcoming(hill.node.parts, Shelf(hill.home), hill.node.hosts.by_federation)

        again = await dale.join(hill, secret)

        assert again.is_member
        assert hill.members == 2


async def test_an_invitation_that_expired_admits_nobody(tmp_path: Path) -> None:
    clock = Off()
    async with opened(tmp_path, clock) as hill:
        secret, dale = await hill.invite(expires_in_ms=60_000), Joiner(tmp_path / "dale")
        asking, _ = await dale.look(hill, secret)
        clock.by_ms = 61_000

        late = await code_of(lambda: hill.post(asking.join(dale.identity)))
        later = await code_of(lambda: dale.look(hill, secret))

        assert (late, later) == ("invite.expired", "invite.expired")
        assert hill.members == 1


async def test_an_invitation_that_was_revoked_meanwhile_admits_nobody(tmp_path: Path) -> None:
    async with opened(tmp_path) as hill:
        secret, dale = await hill.invite(), Joiner(tmp_path / "dale")
        asking, _ = await dale.look(hill, secret)
        [kept] = hill.inviting.listed()
        hill.inviting.revoke(kept["id"][:8])

        code = await code_of(lambda: hill.post(asking.join(dale.identity)))

        assert (code, hill.members) == ("invite.unknown", 1)


async def test_an_ask_without_the_secret_is_refused_like_one_for_no_invitation(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as hill:
        secret, dale = await hill.invite(), Joiner(tmp_path / "dale")
        asking = Asking(secret, Fresh(seed=os.urandom(32), nonce=os.urandom(16)))
        forged = asking.ask()[:-32] + bytes(32)

        known = await code_of(lambda: hill.post(forged))
        unknown = await code_of(lambda: dale.look(hill, bytes(16)))

        assert (known, unknown) == ("invite.unknown", "invite.unknown")


async def test_a_join_is_answered_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as hill:
        secret, dale = await hill.invite(), Joiner(tmp_path / "dale")
        asking, _ = await dale.look(hill, secret)
        join = asking.join(dale.identity)
        await hill.post(join)

        assert await code_of(lambda: hill.post(join)) == "invite.exchange"


async def test_the_co_op_that_invites_does_not_join(tmp_path: Path) -> None:
    async with opened(tmp_path) as hill:
        secret, dale, own = await hill.invite(), Joiner(tmp_path / "dale"), hill.node.parts.keyring
        dale.identity = Identity(cid=own.cid, key_log=list(own.key_ops), writer=own.writer)

        assert await code_of(lambda: dale.join(hill, secret)) == "invite.member"
        assert hill.inviting.listed()[0]["state"] == "open"


async def test_each_invitation_has_a_secret_of_its_own(tmp_path: Path) -> None:
    async with opened(tmp_path) as hill:
        assert await hill.invite() != await hill.invite()


async def test_no_file_of_a_home_holds_the_secret(tmp_path: Path) -> None:
    async with opened(tmp_path) as hill:
        secret = await hill.invite(note="for Dale")

    files = [path for path in (tmp_path / "hill").rglob("*") if path.is_file()]
    forms = (secret, secret.hex().encode())
    assert not [path for path in files for form in forms if form in path.read_bytes()]
    assert (tmp_path / "hill" / FOLDER).stat().st_mode & 0o777 == 0o700


async def test_a_node_keeps_sixty_four_invitations_open(tmp_path: Path) -> None:
    async with opened(tmp_path) as hill:
        for _ in range(MOST_OPEN):
            await hill.invite()

        assert await code_of(hill.invite) == "invite.full"
        assert len(hill.inviting.listed()) == MOST_OPEN


@pytest.mark.parametrize("expires_in_ms", [59_999, 90 * DAY_MS + 1])
def test_an_invitation_ends_within_ninety_days(expires_in_ms: int) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"expires_in_ms": expires_in_ms}, Wish)


async def test_a_file_that_is_no_invitation_is_named(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "x.json").write_text("{")

    with pytest.raises(Refusal, match=r"x\.json") as refused:
        Shelf(tmp_path)

    assert refused.value.code == "invite.file"


async def test_an_address_that_asks_wrongly_too_often_is_told_nothing_for_a_minute(
    tmp_path: Path,
) -> None:
    clock = Off()
    async with opened(tmp_path, clock) as hill:
        for _ in range(MOST_WRONG):
            assert await code_of(lambda: hill.post(b"\x80")) == "schema.invalid"

        assert await code_of(lambda: hill.post(b"\x80")) == "invite.busy"
        clock.by_ms = WINDOW_MS
        assert await code_of(lambda: hill.post(b"\x80")) == "schema.invalid"


async def test_who_guesses_does_not_keep_out_who_was_invited_and_shares_the_address(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as hill:
        secret, dale = await hill.invite(), Joiner(tmp_path / "dale")
        for _ in range(MOST_WRONG):
            await code_of(lambda: dale.look(hill, os.urandom(16)))

        assert await code_of(lambda: dale.look(hill, os.urandom(16))) == "invite.busy"
        assert (await dale.join(hill, secret)).is_member


async def test_who_begins_many_exchanges_ends_none_of_another_invitation(tmp_path: Path) -> None:
    async with opened(tmp_path) as hill:
        dales, fells = await hill.invite(), await hill.invite()
        dale, fell = Joiner(tmp_path / "dale"), Joiner(tmp_path / "fell")
        asking, _ = await dale.look(hill, dales)

        for _ in range(2 * MOST_EXCHANGES):
            await fell.look(hill, fells)

        welcome = asking.receive_welcome(await hill.post(asking.join(dale.identity)))
        assert welcome.is_member


async def test_an_invitation_leads_into_a_federation_of_this_co_op(tmp_path: Path) -> None:
    async with opened(tmp_path) as hill:
        await hill.invite(federation="Borders")

        assert await code_of(lambda: hill.invite(federation="Fells")) == "invite.federation"
        assert [each["federation"]["name"] for each in hill.inviting.listed()] == ["Borders"]


async def test_two_invitations_asked_for_at_once_found_one_federation(tmp_path: Path) -> None:
    async with opened(tmp_path) as hill:
        made = await asyncio.gather(*(hill.inviting.create(Wish()) for _ in range(3)))

        assert [each.founded for each in made] == [True, False, False]
        assert {each.kept.fid for each in made} == {hill.inviting.listed()[0]["federation"]["fid"]}
        assert hill.members == 1


def test_addresses_are_remembered_in_bounds() -> None:
    attempts = Attempts()

    for number in range(3 * MOST_ADDRESSES):
        attempts.note_wrong(str(number), 0)

    assert len(attempts._wrong) == MOST_ADDRESSES


async def test_a_clock_that_is_wrong_is_found_before_anything_is_signed(tmp_path: Path) -> None:
    async with opened(tmp_path) as hill:
        secret = await hill.invite()
        asking = Asking(secret, Fresh(seed=os.urandom(32), nonce=os.urandom(16)))
        answer = await hill.post(asking.ask())

        with pytest.raises(RemoteProtocolError) as refused:
            asking.receive_offer(answer, SystemClock().now_ms() - 3_600_000)

        assert refused.value.code == "invite.clock"
        assert "behind" in refused.value.detail


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("mill.example", "https://mill.example"),
        ("wss://mill.example", "https://mill.example"),
        ("http://192.168.1.5:8440/", "http://192.168.1.5:8440"),
        ("http://[fd00::1]:8440", "http://[fd00::1]:8440"),
    ],
)
def test_an_address_is_taken_as_people_type_it(typed: str, url: str) -> None:
    assert public_url(typed) == url


@pytest.mark.parametrize(
    "typed", ["", "http://", "ftp://a", "http://a/b", "http://u@a", "http://a?b", "http://a:x"]
)
def test_a_text_that_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(Refusal) as refused:
        public_url(typed)

    assert refused.value.code == "invite.address"


@pytest.mark.parametrize(
    ("names", "host", "url"),
    [
        (["127.0.0.1"], "127.0.0.1", "http://127.0.0.1:8440"),
        (["mill.example"], "127.0.0.1", "https://mill.example"),
        (["192.168.1.5"], "0.0.0.0", "http://192.168.1.5:8440"),  # noqa: S104 - a setting
    ],
)
async def test_a_link_leads_where_the_settings_say(
    tmp_path: Path, names: list[str], host: str, url: str
) -> None:
    async with opened(tmp_path) as hill:
        config = msgspec.structs.replace(hill.node.config, public_names=names, peer_host=host)

    assert own_url(config) == url
