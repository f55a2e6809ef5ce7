"""Lists that seats make themselves: drafts of their sponsor, which bear their names.

A link that asks for a list is used up by a list that is sent, not by looking, reading a file or
mending a line: until then the draft is `away`, with its seat. What is sent is the sponsor's to
publish, or to send back with a word, under a new link (SEAT-10).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from msgspec import structs

from sheaf_node.drafts import Answers, Maker, NewDraft, OfSeat, Place, ReadList
from sheaf_node.drafts.desk import require_sent
from sheaf_node.seats.pace import Pace
from sheaf_node.seats.typed import joined
from sheaf_protocol.digest import FederationId
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import BY_LINK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sheaf_node.clock import Clock
    from sheaf_node.drafts import Draft, Drafts
    from sheaf_node.seats.model import KeptLink, KeptSeat, ListOf
    from sheaf_node.seats.seating import MadeLink, Seating
    from sheaf_node.seats.shelf import SeatShelf

MOST_OF_ONE: Final = 8
"""Lists of one seat that are in hand: it is not to take the room of others."""
_SAMPLE: Final = {
    "purchases": b"item,quantity,unit,max_price,currency\nfeed,1,piece,1,GBP\n",
    "prices": b"item,unit,min_quantity,price,currency,valid_until\nfeed,piece,1,1,GBP,2999-01-01\n",
}
_LOG = logging.getLogger("sheaf.seats")


class SeatLists:
    """What seats do with their lists, and how a sponsor sends one back."""

    def __init__(self, seating: Seating, shelf: SeatShelf, drafts: Drafts, clock: Clock) -> None:
        self._seating, self._shelf, self._drafts, self._clock = seating, shelf, drafts, clock
        self._pace = Pace()

    async def settle(self) -> None:
        """Take over lists whose links were used up when the node broke off."""
        for head in await self._drafts.listed():
            link = None if head.seat is None else self._shelf.link(head.seat.link)
            if head.seat is not None and head.seat.is_away and link and link.published:
                async with self._drafts.turn:
                    await self._hand_over(await self._drafts.read(head.id))

    async def require_welcome(self, seat: KeptSeat, what: str, fid: FederationId) -> None:
        """Return if such a list could be published for a seat now. Raises Refusal as that does."""
        await self._drafts.checked(fid, what, _SAMPLE[what], _of(seat, ""))

    # --- for whoever has a link -----------------------------------------------------------------

    def may_go_on(self, link: KeptLink) -> bool:
        """Return whether a link may change its list once more now, and count that."""
        return self._pace.take(link.id, self._clock.now_ms())

    async def of(self, link: KeptLink) -> Draft | None:
        """Return the list as far as it is; None where nothing was read or typed yet."""
        for head in await self._drafts.listed():
            if head.seat is not None and head.seat.link == link.id:
                return await self._drafts.find(head.id)
        return None

    async def read(self, token: str, data: bytes) -> None:
        """Put a file in the place of what is there. Raises Refusal `seat.*`, `import.*`, `draft.*`;
        what is there stays.
        """
        seat, link = self._open(token)
        read = await self._drafts.read_list(link.what, data, link.federation)
        await self._keep(seat, link, read)

    async def add(self, token: str, form: Mapping[str, str]) -> None:
        """Add typed lines to what is there. Raises Refusal as `read` does."""
        seat, link = self._open(token)
        before = await self.of(link)
        rows = () if before is None else before.content.checked.rows
        if before is not None and not rows:
            detail = "expected a list that lines can be added to: mend the file, or start again"
            raise Refusal("seat.answer", detail)
        today_ms = self._clock.now_ms()
        text = joined([row.cells for row in rows], form, link.what, today_ms)
        answers = Answers() if before is None else before.content.answers
        await self._keep(seat, link, ReadList(text, []), answers)

    async def settle_numbers(self, token: str, form: Mapping[str, str]) -> None:
        """Take what the seat says of columns whose numbers have two readings.

        Raises Refusal as `read` does.
        """
        seat, link = self._open(token)
        before = await self.of(link)
        if before is None:
            raise Refusal("seat.answer", "expected a list that something was asked of")
        asked = [question.column for question in before.content.checked.questions]
        said = [
            f"{column}={form[f'mark-{column}']}" for column in asked if f"mark-{column}" in form
        ]
        if not said:
            raise Refusal("seat.answer", "expected one of the two for each column")
        known = before.content.answers.decimal
        answers = Answers(decimal=",".join([*filter(None, [known]), *said]))
        read = ReadList(before.content.text, before.content.notes)
        await self._keep(seat, link, read, answers)

    async def start_again(self, token: str) -> None:
        """Forget what is there. Raises Refusal `seat.*`, `draft.file`."""
        _, link = self._open(token)
        await self.drop(link)

    async def send(self, token: str, seen: str) -> None:
        """Hand the list over to the sponsor, once: as it was `seen`, by its tag.

        The link is used up before the list is the sponsor's: a crash in between leaves one that
        `settle` hands over. Raises Refusal `seat.*`, `draft.*`; the link is then as it was.
        """
        async with self._seating.turn:
            _, link = self._open(token)
            before = await self.of(link)
            draft = None if before is None else await self._drafts.check(before.head.id)
            if draft is None or draft.head.faulty:
                raise Refusal("seat.answer", "expected a list without anything to be mended")
            if draft.head.tag != seen:
                raise Refusal("seat.answer", "the list changed since you saw it: look again")
            async with self._drafts.turn:
                await self._drafts.matched(draft.head.id, [draft.head.tag])
                now_ms, lines = self._clock.now_ms(), draft.head.lines
                self._shelf.note(structs.replace(link, answered_ms=now_ms, published=lines))
                await self._hand_over(draft)
            _LOG.info("seat %s sent a list: %d lines", link.seat[:8], draft.head.lines)

    async def drop(self, link: KeptLink) -> None:
        """Forget what was made under a link."""
        async with self._drafts.turn:
            for head in await self._drafts.heads():
                if head.seat is not None and head.seat.is_away and head.seat.link == link.id:
                    await self._drafts.drop(head.id)

    # --- for the sponsor's people -----------------------------------------------------------

    async def send_back(
        self, prefix: str, tags: Sequence[str], word: str, expires_in_ms: int
    ) -> MadeLink:
        """Give a list back to its seat with a word, under a new link.

        Raises Refusal `draft.changed`, `draft.seat`, `draft.away`, `seat.*`; the draft is then as
        it was.
        """
        async with self._seating.turn, self._drafts.turn:
            draft = await self._drafts.matched(prefix, tags)
            head = draft.head
            if head.seat is None:
                raise Refusal("draft.seat", f"expected a seat's draft, got {head.name!r}")
            require_sent(head)
            seat = self._shelf.find(head.seat.cid)
            fid = FederationId(bytes.fromhex(head.fid))
            what: ListOf = "prices" if head.what == "prices" else "purchases"
            made = self._seating.open_link(seat, fid, expires_in_ms, what=what)
            away = structs.replace(
                head.seat, link=made.kept.id, is_away=True, word=word, by=BY_LINK
            )
            await self._drafts.put(structs.replace(head, seat=away), draft.content)
            return made

    async def forget(self, cid: str) -> None:
        """Forget the lists that a seat has not sent."""
        async with self._drafts.turn:
            for head in await self._drafts.heads():
                if head.seat is not None and head.seat.is_away and head.seat.cid == cid:
                    await self._drafts.drop(head.id)

    # --- inside -----------------------------------------------------------------------------

    def _open(self, token: str) -> tuple[KeptSeat, KeptLink]:
        """Return a link that asks for a list and holds. Raises Refusal `seat.*`."""
        seat, link = self._seating.find(token)
        if link.asks != "list" or self._seating.state(link) != "open":
            raise Refusal("seat.ended", "expected a link that was not answered and is in time")
        return seat, link

    async def _keep(
        self, seat: KeptSeat, link: KeptLink, read: ReadList, answers: Answers | None = None
    ) -> None:
        new = NewDraft(
            name=f"{seat.name}: {link.what}"[:120],
            what=link.what or "prices",
            list=read.text,
            answers=answers or Answers(),
        )
        async with self._drafts.turn:
            now = self._shelf.link(link.id)
            if now is None or self._seating.state(now) != "open":
                raise Refusal("seat.ended", "expected a link that was not answered meanwhile")
            place = await self._place(seat, link)
            maker = Maker(sort="seat", name=seat.name)
            await self._drafts.keep(place, new, maker, read.notes)

    async def _place(self, seat: KeptSeat, link: KeptLink) -> Place:
        """Return where a link's list is kept, with the word that was said of it.

        What others left under links that are over makes room. Raises Refusal `draft.full`.
        """
        count = 0
        for head in await self._drafts.heads():
            if head.seat is None:
                continue
            if head.seat.link == link.id:
                return Place(
                    id=head.id,
                    fid=link.federation,
                    seat=head.seat,
                    created_ms=head.created_ms,
                )
            if head.seat.is_away and self._is_over(head.seat.link):
                await self._drafts.drop(head.id)
            elif head.seat.cid == seat.cid:
                count += 1
        if count >= MOST_OF_ONE:
            raise Refusal("draft.full", f"expected at most {MOST_OF_ONE} lists of one seat in hand")
        return Place(id=self._drafts.new_id(), fid=link.federation, seat=_of(seat, link.id))

    def _is_over(self, id_: str) -> bool:
        link = self._shelf.link(id_)
        return link is None or self._seating.state(link) in {"expired", "declined"}

    async def _hand_over(self, draft: Draft) -> None:
        seat = draft.head.seat
        if seat is not None:
            here = structs.replace(draft.head, seat=structs.replace(seat, is_away=False))
            await self._drafts.put(here, draft.content)


def _of(seat: KeptSeat, link: str) -> OfSeat:
    return OfSeat(cid=seat.cid, name=seat.name, by="link", link=link, is_away=True)
