"""The drafts of one home: who changes one says which one it saw, and one at a time is changed.

Publishing in two files, the store's and our own, in an order that a crash may break anywhere:

1. The draft is marked with the receipt under which it will be published.
2. Its entries and that receipt become durable in one transaction of the store.
3. The draft is removed.

Whoever looks at a marked draft later asks the store for the receipt. It is there: the draft was
published, and goes. It is not: the draft is as it was.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import structs

from sheaf_node.drafts.checking import body_of_record, checked_list, checked_records
from sheaf_node.drafts.model import (
    AWAY,
    MAX_LIST_BYTES,
    Answers,
    Checked,
    Content,
    Draft,
    DraftHead,
    NewDraft,
    OfSeat,
    Place,
    Published,
    ReadList,
)
from sheaf_node.hosting import choose_federation, require_host
from sheaf_node.ingest import Draft as Entry
from sheaf_node.plugins import Call
from sheaf_node.short_ids import fitting, only
from sheaf_protocol.digest import EntryId, FederationId
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sheaf_node.clock import Clock, Randomness
    from sheaf_node.drafts.ledger import DraftLedger
    from sheaf_node.drafts.model import ListNote, Maker
    from sheaf_node.ingest import Ingest
    from sheaf_node.plugins import Json, ServiceHost
    from sheaf_node.store import Store
    from sheaf_node.store.receipt import NewReceipt

SERVICE: Final = "pooled_purchasing"
CHECKS: Final = {"purchases": "check_purchases", "prices": "check_prices"}
IMPORTS: Final = {"purchases": "import_purchases", "prices": "import_prices"}
READS: Final = {"purchases": "read_purchases", "prices": "read_prices"}
_WORKBOOK: Final = b"PK\x03\x04"
"""How a workbook begins: as long as the service takes one; the text of it is what is kept."""
_DRAFT: Final = "the start of one draft's id"


class Drafts:
    """The drafts of one home."""

    def __init__(
        self,
        ledger: DraftLedger,
        *,
        store: Store,
        ingest: Ingest,
        hosts: Mapping[FederationId, Mapping[str, ServiceHost]],
        clock: Clock,
        random: Randomness,
    ) -> None:
        self._ledger, self._store, self._ingest, self._hosts = ledger, store, ingest, hosts
        self._clock, self._random = clock, random
        self.turn = asyncio.Lock()
        """Held by whoever changes a draft."""
        self._is_settled = False

    # --- looking ----------------------------------------------------------------------------

    async def listed(self) -> list[DraftHead]:
        """Return all drafts without their lines, oldest first."""
        await self._settle_if_idle()
        return await asyncio.to_thread(self._ledger.heads)

    async def find(self, prefix: str) -> Draft:
        """Return the draft whose id begins so. Raises Refusal `draft.unknown`, `draft.file`."""
        await self._settle_if_idle()
        return await self.read(prefix)

    # --- changing ---------------------------------------------------------------------------

    async def create(
        self,
        new: NewDraft,
        maker: Maker,
        seat: OfSeat | None = None,
        notes: Sequence[ListNote] = (),
    ) -> Draft:
        """Keep a new draft, with what was found of it. One that has faults is kept as well.

        `notes` are of the file that its list was read from.

        Raises Refusal `draft.full`, `draft.file`, `node.no_federation`, `service.*`, and whatever a
        service refuses that is no fault of the list.
        """
        fid = choose_federation(self._ingest.federations, new.federation or None)
        async with self.turn:
            place = Place(id=self.new_id(), fid=fid, seat=seat)
            return await self.keep(place, new, maker, notes)

    async def replace(self, prefix: str, tags: Sequence[str], new: NewDraft, maker: Maker) -> Draft:
        """Put other lines in a draft's place, if it is the one that was seen.

        Of a seat's draft the seat has not confirmed what is new in it, so it is published as agreed
        otherwise (SEAT-8). Raises Refusal `draft.changed`, `draft.away` and as `create`.
        """
        async with self.turn:
            before = (await self.matched(prefix, tags)).head
            require_sent(before)
            fid = FederationId(bytes.fromhex(before.fid))
            if new.federation and not before.fid.startswith(new.federation):
                detail = f"expected the federation {before.fid[:8]}, got {new.federation!r}"
                raise Refusal("draft.federation", detail)
            if before.seat is not None and new.what == "records":
                raise Refusal("draft.away", "expected a list in place of a seat's list")
            seat = None if before.seat is None else structs.replace(before.seat, by="list")
            place = Place(id=before.id, fid=fid, seat=seat, created_ms=before.created_ms)
            return await self.keep(place, new, maker)

    async def check(self, prefix: str) -> Draft:
        """Look at a draft's lines anew; it changes if something else is found than before."""
        async with self.turn:
            await self._settle()
            draft = await self.read(prefix)
            return await self._looked_at(draft)

    async def remove(self, prefix: str, tags: Sequence[str]) -> DraftHead:
        """Forget a draft, if it is the one that was seen. Raises Refusal `draft.changed` also."""
        async with self.turn:
            head = (await self.matched(prefix, tags)).head
            await asyncio.to_thread(self._ledger.remove, head.id)
            return head

    async def publish(
        self, prefix: str, tags: Sequence[str], receipt_of: Callable[[Published], NewReceipt]
    ) -> Published:
        """Publish all lines of a draft or none, and forget it.

        Nothing else is published than what was seen: lines that would come out otherwise by now
        are kept, as another version. `receipt_of` makes the receipt of the reply.
        Raises Refusal `draft.changed`, `draft.faults`, `draft.away`, and what refuses the lines.
        """
        async with self.turn:
            draft = await self.matched(prefix, tags)
            require_sent(draft.head)
            again = await self._looked_at(draft)
            if again.head.faulty:
                detail = f"expected lines without faults, got {again.head.faulty} that have some"
                raise Refusal("draft.faults", f"{detail}; `sheaf draft show` names them")
            if again.head.tag != draft.head.tag:
                raise _changed(again.head)
            id_ = draft.head.id
            mark = receipt_of(Published(id=id_, name=draft.head.name, published=0, known=0)).id
            await asyncio.to_thread(self._ledger.mark, id_, mark)
            self._is_settled = False
            done = await self._carry_out(draft, receipt_of)
            await asyncio.to_thread(self._ledger.remove, id_)
            return done

    async def read_list(
        self, what: str, data: bytes, fid: FederationId, sheet: str = ""
    ) -> ReadList:
        """Return a file as a list that may be kept: as text, without what is of persons.

        Raises Refusal `import.*` in the words of the service for a file that is no list.
        """
        if not data.strip():
            raise Refusal("import.empty", "expected a header and lines, got an empty file")
        if not data.startswith(_WORKBOOK):
            _require_short(len(data))
        options = {"brief": "1", **({"sheet": sheet} if sheet else {})}
        call = Call(body=data, options=options)
        read = msgspec.convert(await self._host(fid).command(READS[what], call), ReadList)
        _require_short(len(read.text.encode()))
        return read

    # --- for whoever has the turn -----------------------------------------------------------

    async def read(self, prefix: str) -> Draft:
        """Return the draft whose id begins so."""
        heads = await asyncio.to_thread(self._ledger.heads)
        found = fitting(heads, lambda head: head.id, prefix)
        head = only(found, "draft.unknown", _DRAFT, prefix)
        draft = await asyncio.to_thread(self._ledger.draft, head.id)
        # It may be gone by now.
        return only([] if draft is None else [draft], "draft.unknown", _DRAFT, prefix)

    async def matched(self, prefix: str, tags: Sequence[str]) -> Draft:
        """Return a draft if it is the one that was seen, by one of these tags."""
        await self._settle()
        draft = await self.read(prefix)
        if draft.head.tag not in tags:
            raise _changed(draft.head)
        return draft

    async def keep(
        self, place: Place, new: NewDraft, maker: Maker, notes: Sequence[ListNote] = ()
    ) -> Draft:
        """Check lines and keep them as the draft of a place."""
        if new.what == "records":
            content = Content(text="", checked=checked_records(new.records))
        else:
            content = await self._content(place, new, notes)
        checked = content.checked
        now_ms = self._clock.now_ms()
        head = DraftHead(
            id=place.id,
            tag=self._random(8).hex(),
            name=new.name,
            what=new.what,
            fid=place.fid.hex(),
            maker=maker,
            seat=place.seat,
            lines=len(checked.rows) or len(checked.records),
            faulty=checked.faulty,
            created_ms=now_ms if place.created_ms is None else place.created_ms,
            changed_ms=now_ms,
        )
        draft = Draft(head=head, content=content)
        await asyncio.to_thread(self._ledger.put, draft)
        return draft

    async def heads(self) -> list[DraftHead]:
        """Return all drafts without their lines, for whoever has the turn."""
        await self._settle()
        return await asyncio.to_thread(self._ledger.heads)

    def new_id(self) -> str:
        """Return an id that no draft has."""
        return self._random(8).hex()

    async def put(self, head: DraftHead, content: Content) -> Draft:
        """Keep a draft as another version of itself."""
        changed = structs.replace(head, tag=self._random(8).hex(), changed_ms=self._clock.now_ms())
        draft = Draft(head=changed, content=content)
        await asyncio.to_thread(self._ledger.put, draft)
        return draft

    async def drop(self, id_: str) -> None:
        """Forget a draft, whatever it is by now."""
        await asyncio.to_thread(self._ledger.remove, id_)

    async def checked(
        self,
        fid: FederationId,
        what: str,
        data: bytes,
        seat: OfSeat | None,
        answers: Answers | None = None,
    ) -> Checked:
        """Return what is found of a list."""
        call = Call(body=data, options=_options(seat, answers or Answers()))
        told = await self._host(fid).command(CHECKS[what], call)
        is_of_stranger = seat is not None and seat.by == "link"
        return checked_list(told, is_of_stranger=is_of_stranger)

    # --- inside -----------------------------------------------------------------------------

    async def _content(self, place: Place, new: NewDraft, notes: Sequence[ListNote]) -> Content:
        read = await self.read_list(new.what, new.list.encode(), place.fid)
        checked = await self.checked(
            place.fid, new.what, read.text.encode(), place.seat, new.answers
        )
        told = list(notes) or read.notes
        return Content(text=read.text, checked=checked, answers=new.answers, notes=told)

    async def _looked_at(self, draft: Draft) -> Draft:
        """Return a draft as it is found now, kept as another version if that is something else."""
        head, content = draft.head, draft.content
        if head.what == "records":
            checked = checked_records(content.checked.records)
            if any(record.record is None for record in checked.records):
                return draft  # what it was refused for is not kept
        else:
            fid = FederationId(bytes.fromhex(head.fid))
            checked = await self.checked(
                fid, head.what, content.text.encode(), head.seat, content.answers
            )
        if checked == content.checked:
            return draft
        lines = len(checked.rows) or len(checked.records)
        return await self.put(
            structs.replace(head, lines=lines, faulty=checked.faulty),
            structs.replace(content, checked=checked),
        )

    async def _carry_out(
        self, draft: Draft, receipt_of: Callable[[Published], NewReceipt]
    ) -> Published:
        head, records = draft.head, draft.content.checked.records
        fid = FederationId(bytes.fromhex(head.fid))
        if head.what != "records":
            return await self._import(draft, fid, receipt_of)
        entries = [
            Entry(
                kind=record.kind,
                refs=[EntryId(bytes.fromhex(ref)) for ref in record.refs],
                body=body_of_record(record),
            )
            for record in records
        ]
        done = Published(id=head.id, name=head.name, published=len(entries), known=0)
        await self._ingest.publish(fid, entries, receipt=receipt_of(done))
        return done

    async def _import(
        self, draft: Draft, fid: FederationId, receipt_of: Callable[[Published], NewReceipt]
    ) -> Published:
        head, total = draft.head, len(draft.content.checked.records)

        def done(reply: Json) -> Published:
            new = int(reply["published"])
            return Published(id=head.id, name=head.name, published=new, known=total - new)

        options = _options(head.seat, draft.content.answers)
        call = Call(body=draft.content.text.encode(), options=options)
        told = await self._host(fid).command(
            IMPORTS[head.what], call, lambda reply: receipt_of(done(reply))
        )
        return done(told)

    def _host(self, fid: FederationId) -> ServiceHost:
        return require_host(self._hosts, fid, SERVICE)

    async def _settle_if_idle(self) -> None:
        if not self._is_settled and not self.turn.locked():
            async with self.turn:
                await self._settle()

    async def _settle(self) -> None:
        """Remove what was published, of drafts at which the node or a request broke off."""
        if self._is_settled:
            return
        for id_, mark in await asyncio.to_thread(self._ledger.marked):
            receipt: Any = mark
            if self._store.receipts.receipt(receipt) is not None:
                await asyncio.to_thread(self._ledger.remove, id_)
            elif self._store.is_planned(receipt):
                detail = "expected no publication of a draft that is on its way to the disk"
                raise Refusal("api.idempotency_busy", f"{detail}; ask again")
            else:
                await asyncio.to_thread(self._ledger.mark, id_, None)
        self._is_settled = True


def _options(seat: OfSeat | None, answers: Answers) -> dict[str, str]:
    """Return the options of the service's commands: whose list it is, and what was said of it."""
    if seat is None:
        return answers.options
    return {**answers.options, "seat": seat.cid, "seat_name": seat.name, "seat_by": seat.by}


def _require_short(size: int) -> None:
    if size > MAX_LIST_BYTES:
        detail = f"expected at most {MAX_LIST_BYTES >> 10} KiB of list, got {size >> 10}"
        raise Refusal("import.too_large", detail)


def require_sent(head: DraftHead) -> None:
    """Refuse a draft that is still with its seat. Raises Refusal `draft.away`."""
    if head.state == AWAY:
        raise Refusal("draft.away", f"expected a draft that was sent, got {head.name!r}")


def _changed(head: DraftHead) -> Refusal:
    detail = f"expected the draft {head.name!r} as it was seen, got a newer one"
    return Refusal("draft.changed", f"{detail}: look at it again")
