"""The seats of one node, for its own people: taking them on, publishing for them, asking them.

What is published is a list that the purchasing service takes, under the seat's name. So a link is
a list that was tried before it was sent, and an answer is that list once more, for good.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from msgspec import structs

from sheaf_node.hosting import choose_federation, require_host
from sheaf_node.plugins import Call
from sheaf_node.seats.listing import SeatLists
from sheaf_node.seats.model import SECRET_BYTES, KeptLink, KeptSeat, link_id
from sheaf_node.seats.question import (
    asked_lines,
    prices_of,
    read_lines,
    trial_prices,
    write_lines,
)
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import BY_LINK, BY_LIST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_node.clock import Clock, Randomness
    from sheaf_node.drafts import Drafts
    from sheaf_node.ingest import Ingest
    from sheaf_node.plugins import Json, ServiceHost
    from sheaf_node.seats.model import Asks, LinkWish, ListOf, ListWish, NewSeat
    from sheaf_node.seats.shelf import SeatShelf
    from sheaf_protocol.digest import FederationId

SERVICE: Final = "pooled_purchasing"
COMMANDS: Final = {"purchases": "import_purchases", "prices": "import_prices"}
WHAT: Final = {"approve": "purchases", "quote": "prices"}
PATH: Final = "/seat/"
_LOG = logging.getLogger("sheaf.seats")


@dataclass(frozen=True, kw_only=True, slots=True)
class MadeLink:
    """A new link; its address stands nowhere else."""

    address: str
    kept: KeptLink
    lines: int


class Seating:
    """What a sponsor does for its seats, and what a seat's answer does."""

    def __init__(
        self,
        shelf: SeatShelf,
        *,
        ingest: Ingest,
        hosts: Mapping[FederationId, Mapping[str, ServiceHost]],
        clock: Clock,
        random: Randomness,
        sponsor: str,
        drafts: Drafts,
        url: str = "",
    ) -> None:
        """`sponsor` is this co-op's name; `url` where pages are reached, empty where nowhere."""
        self._shelf, self._ingest, self._hosts = shelf, ingest, hosts
        self._clock, self._random = clock, random
        self.sponsor, self._url = sponsor, url.rstrip("/")
        self.turn = asyncio.Lock()
        """Held by whoever uses a link up."""
        self.lists = SeatLists(self, shelf, drafts, clock)
        """The lists that seats make themselves."""

    # --- for the sponsor's people ---------------------------------------------------------------

    def add(self, new: NewSeat) -> dict[str, Any]:
        """Take on a seat. Raises Refusal `seat.exists`, `seat.full`, `seat.file`."""
        kept = KeptSeat(cid=new.cid, name=new.name, added_ms=self._clock.now_ms())
        return self._told(self._shelf.add(kept))

    def listed(self) -> list[dict[str, Any]]:
        """Return the seats by name, with their links."""
        return [self._told(seat) for seat in self._shelf]

    def counts(self) -> tuple[int, int]:
        """Return how many seats there are, and how many links wait for an answer."""
        return len(list(self._shelf)), self._shelf.open_links(self._clock.now_ms())

    async def remove(self, text: str) -> dict[str, Any]:
        """End a seat, its links, and the lists that it has not sent. What was published stays.

        Raises Refusal `seat.*`, `draft.file`.
        """
        seat = self._shelf.find(text)
        told = self._told(seat)
        self._shelf.remove(seat)
        await self.lists.forget(seat.cid)
        return told

    async def publish(self, text: str, wish: ListWish, prefix: str | None) -> Json:
        """Publish a list for a seat by its word; return what the service answers.

        Raises Refusal `seat.*`, `import.*` and what the service refuses.
        """
        seat = self._shelf.find(text)
        body = wish.list.encode()
        options = _whose(seat, BY_LIST) | wish.answers.options
        options |= {"dry_run": "1"} if wish.dry_run else {}
        return await self._command(self._choose(prefix), wish.what, body, options)

    async def make_link(self, text: str, wish: LinkWish, prefix: str | None) -> MadeLink:
        """Make a link for a seat, once its list was tried and would be taken.

        Raises Refusal `seat.off`, `seat.*`, `import.*` and what the service refuses; no link is
        kept then.
        """
        if not self._url:
            detail = "expected a port for seats: set `port` under [seats] in sheaf.toml"
            raise Refusal("seat.off", detail)
        seat, now_ms, fid = self._shelf.find(text), self._clock.now_ms(), self._choose(prefix)
        if wish.what:
            await self.lists.require_welcome(seat, wish.what, fid)
            return self.open_link(seat, fid, wish.expires_in_ms, what=wish.what)
        lines = read_lines(wish.list) if wish.asks == "approve" else asked_lines(wish.list)
        again = write_lines(lines)
        trial = again if wish.asks == "approve" else trial_prices(lines, now_ms)
        options = _whose(seat, BY_LINK) | {"dry_run": "1"}
        await self._command(fid, WHAT[wish.asks], trial.encode(), options)
        made = self.open_link(seat, fid, wish.expires_in_ms, asks=wish.asks, text=again)
        return replace(made, lines=len(lines))

    def open_link(
        self,
        seat: KeptSeat,
        fid: FederationId,
        expires_in_ms: int,
        *,
        asks: Asks = "list",
        text: str = "",
        what: ListOf = "",
    ) -> MadeLink:
        """Keep a new link of a seat. Raises Refusal `seat.off`, `seat.full`, `seat.file`."""
        if not self._url:
            detail = "expected a port for seats: set `port` under [seats] in sheaf.toml"
            raise Refusal("seat.off", detail)
        secret, now_ms = self._random(SECRET_BYTES), self._clock.now_ms()
        kept = KeptLink(
            id=link_id(secret),
            seat=seat.cid,
            asks=asks,
            list=text,
            what=what,
            fid=fid.hex(),
            created_ms=now_ms,
            expires_ms=now_ms + expires_in_ms,
        )
        self._shelf.put_link(kept, now_ms)
        token = base64.urlsafe_b64encode(secret).rstrip(b"=").decode()
        return MadeLink(address=f"{self._url}{PATH}{token}", kept=kept, lines=0)

    # --- for whoever has a link -----------------------------------------------------------------

    def find(self, token: str) -> tuple[KeptSeat, KeptLink]:
        """Return whose link it is, in whatever state. Raises Refusal `seat.link`."""
        link = self._shelf.link(link_id(_secret(token)))
        seat = None if link is None else self._shelf.seat_of(link)
        if link is None or seat is None:
            raise Refusal("seat.link", "expected a link that this node made")
        return seat, link

    def state(self, link: KeptLink) -> str:
        """Return in what state a link is now."""
        return link.state(self._clock.now_ms())

    async def answer(self, token: str, form: Mapping[str, str]) -> KeptLink:
        """Carry out an answer, once; return the link as it is then.

        The list is published before the link is noted as answered: a crash in between leaves a link
        that publishes nothing anew, for the same lines are the same.

        Raises Refusal `seat.link`, `seat.ended`, `seat.answer`, `seat.moved` and what the service
        refuses; the link is then as it was.
        """
        async with self.turn:
            seat, link = self.find(token)
            now_ms = self._clock.now_ms()
            if link.state(now_ms) != "open":
                raise Refusal("seat.ended", "expected a link that was not answered and is in time")
            published = 0
            match form.get("answer"):
                case "yes" if link.asks != "list":
                    published = await self._carry_out(seat, link, form, now_ms)
                case "no":
                    await self.lists.drop(link)
                case _:
                    raise Refusal("seat.answer", "expected a yes or a no")
            ended = structs.replace(link, answered_ms=now_ms, published=published)
            self._shelf.note(ended)
            _LOG.info("seat %s answered a link: %d lines", seat.cid[:8], published)
            return ended

    async def _carry_out(
        self, seat: KeptSeat, link: KeptLink, form: Mapping[str, str], now_ms: int
    ) -> int:
        """Publish what a seat said yes to; return how many lines or offers that is."""
        lines = read_lines(link.list)
        text = link.list if link.asks == "approve" else prices_of(lines, form, now_ms)
        what = WHAT[link.asks]
        whose = _whose(seat, BY_LINK)
        told = await self._command(link.federation, what, text.encode(), whose)
        return int(told.get("offers", told["lines"]))

    async def _command(
        self, fid: FederationId, what: str, body: bytes, options: Mapping[str, str]
    ) -> Json:
        host = require_host(self._hosts, fid, SERVICE)
        return await host.command(COMMANDS[what], Call(body=body, options=options))

    def _choose(self, prefix: str | None) -> FederationId:
        return choose_federation(self._ingest.federations, prefix)

    def _told(self, seat: KeptSeat) -> dict[str, Any]:
        return {
            "cid": seat.cid,
            "name": seat.name,
            "added_ms": seat.added_ms,
            "state": "moved" if self._has_moved(seat) else "here",
            "links": [
                {
                    "id": link.id,
                    "asks": link.asks,
                    "state": self.state(link),
                    "expires_ms": link.expires_ms,
                    "answered_ms": link.answered_ms,
                    "published": link.published,
                }
                for link in self._shelf.links(seat)
            ],
        }

    def _has_moved(self, seat: KeptSeat) -> bool:
        """Return whether a federation of ours lists it as one that speaks for itself."""
        found = (each.members.get(seat.id) for each in self._ingest.federations.values())
        return any(member is not None and "seat" not in member.roles for member in found)


def _whose(seat: KeptSeat, by: str) -> dict[str, str]:
    """Return the options of the service's commands that name a seat."""
    return {"seat": seat.cid, "seat_name": seat.name, "seat_by": by}


def _secret(token: str) -> bytes:
    """Return the secret in an address; none for what is no such text, which names no link."""
    try:
        secret = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (binascii.Error, ValueError):
        return b""
    # One spelling for one secret: what else decodes to it is no address that we made.
    again = base64.urlsafe_b64encode(secret).rstrip(b"=").decode()
    return secret if again == token and len(secret) == SECRET_BYTES else b""
