"""Handlers by which people prepare what others publish."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from aiohttp import web
from msgspec import structs

from sheaf_node.api.bearer import bearer_of
from sheaf_node.api.draft_model import (
    DraftFault,
    DraftList,
    DraftMatch,
    DraftNote,
    DraftProposal,
    DraftQuestion,
    DraftRecord,
    DraftRow,
    DraftSeat,
    KeptDraft,
    PublishedDraft,
    WholeDraft,
)
from sheaf_node.api.idempotency import receipt_for
from sheaf_node.api.matching import is_known, not_modified, quoted, required_match
from sheaf_node.api.route import Reply
from sheaf_node.api.seats import link_reply
from sheaf_node.drafts import Maker, NewDraft, Published, problem_file
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from sheaf_node.api.draft_model import DraftQuery, SentBack
    from sheaf_node.api.parts import ApiParts
    from sheaf_node.api.route import Asked, NoQuery
    from sheaf_node.drafts import Draft, DraftHead, Drafts
    from sheaf_node.drafts.model import Match
    from sheaf_node.store.receipt import NewReceipt


async def get_drafts(parts: ApiParts, asked: Asked[NoQuery, None]) -> DraftList:
    """Return all drafts without their lines, oldest first."""
    return DraftList(drafts=[_kept(head) for head in await _drafts(parts).listed()])


async def post_draft(parts: ApiParts, asked: Asked[NoQuery, NewDraft]) -> Reply:
    """Keep a new draft, with what is wrong with it."""
    made = await _drafts(parts).create(asked.body, _maker(asked.http))
    return _reply(made, 201)


async def post_upload(parts: ApiParts, asked: Asked[DraftQuery, bytes]) -> Reply:
    """Keep a list as a new draft."""
    drafts, query = _drafts(parts), asked.query
    fid = parts.federation(query.federation)
    read = await drafts.read_list(query.what, asked.body, fid, query.sheet)
    given = {
        "name": query.name,
        "what": query.what,
        "list": read.text,
        "answers": {
            "numbers": query.numbers,
            "decimal": query.decimal,
            "items": query.items,
        },
    }
    try:
        new = msgspec.convert({**given, "federation": query.federation or ""}, NewDraft)
    except msgspec.ValidationError as exc:
        raise Refusal("import.too_large", str(exc)) from exc
    return _reply(await drafts.create(new, _maker(asked.http), notes=read.notes), 201)


async def get_draft(parts: ApiParts, asked: Asked[NoQuery, None]) -> Reply:
    """Return a draft with its lines; nothing to who has seen it as it is."""
    draft = await _drafts(parts).find(asked.path["draft"])
    if is_known(asked.http, draft.head.tag):
        return not_modified(draft.head.tag)
    return _reply(draft, 200)


async def get_problems(parts: ApiParts, asked: Asked[NoQuery, None]) -> web.Response:
    """Answer with the lines of a draft that are wrong, as a file."""
    draft = await _drafts(parts).find(asked.path["draft"])
    headers = {"Content-Disposition": 'attachment; filename="problems.csv"'}
    return web.Response(
        text=problem_file(draft.content.checked),
        content_type="text/csv",
        charset="utf-8",
        headers={**headers, "X-Content-Type-Options": "nosniff"},
    )


async def put_draft(parts: ApiParts, asked: Asked[NoQuery, NewDraft]) -> Reply:
    """Put other lines in the place of those that were seen."""
    tags = required_match(asked.http)
    drafts = _drafts(parts)
    return _reply(
        await drafts.replace(asked.path["draft"], tags, asked.body, _maker(asked.http)), 200
    )


async def delete_draft(parts: ApiParts, asked: Asked[NoQuery, None]) -> KeptDraft:
    """Forget the draft that was seen; return it as it was."""
    tags = required_match(asked.http)
    return _kept(await _drafts(parts).remove(asked.path["draft"], tags))


async def post_check(parts: ApiParts, asked: Asked[NoQuery, None]) -> Reply:
    """Look at a draft's lines anew."""
    return _reply(await _drafts(parts).check(asked.path["draft"]), 200)


async def post_publication(parts: ApiParts, asked: Asked[NoQuery, None]) -> PublishedDraft:
    """Publish all lines of the draft that was seen, or none."""
    tags = required_match(asked.http)

    def receipt_of(done: Published) -> NewReceipt:
        receipt = receipt_for(asked.http, lambda _: _published(done))
        if receipt is None:
            raise TypeError("expected a route that needs a key")
        return receipt

    return _published(await _drafts(parts).publish(asked.path["draft"], tags, receipt_of))


async def post_return(parts: ApiParts, asked: Asked[NoQuery, SentBack]) -> Reply:
    """Send a seat's draft back to it; the answer is the only place of the new link's address."""
    tags = required_match(asked.http)
    if parts.seating is None:
        raise Refusal("seat.off", "expected a node that was started with its seats")
    made = await parts.seating.lists.send_back(
        asked.path["draft"], tags, asked.body.word, asked.body.expires_in_ms
    )
    return link_reply(made)


def _drafts(parts: ApiParts) -> Drafts:
    if parts.drafts is None:
        raise Refusal("draft.off", "expected a node that runs for a home, which keeps drafts")
    return parts.drafts


def _maker(request: web.Request) -> Maker:
    bearer = bearer_of(request)
    return msgspec.convert({"sort": bearer.sort, "name": bearer.name}, Maker)


def _published(done: Published) -> PublishedDraft:
    return PublishedDraft(**structs.asdict(done))


def _reply(draft: Draft, status: int) -> Reply:
    return Reply(value=_whole(draft), status=status, headers=quoted(draft.head.tag))


def _kept(head: DraftHead) -> KeptDraft:
    seat = head.seat
    return KeptDraft(
        id=head.id,
        etag=quoted(head.tag)["ETag"],
        name=head.name,
        what=head.what,
        federation=head.fid,
        made_by=head.maker,
        seat=None
        if seat is None
        else DraftSeat(cid=seat.cid, name=seat.name, by=seat.by, word=seat.word),
        state=head.state,
        lines=head.lines,
        faulty=head.faulty,
        created_ms=head.created_ms,
        changed_ms=head.changed_ms,
    )


def _whole(draft: Draft) -> WholeDraft:
    found = draft.content.checked
    return WholeDraft(
        **structs.asdict(_kept(draft.head)),
        list=draft.content.text,
        answers=draft.content.answers,
        rows=tuple(DraftRow(**structs.asdict(row)) for row in found.rows),
        records=tuple(DraftRecord(**structs.asdict(record)) for record in found.records),
        faults=tuple(DraftFault(**structs.asdict(fault)) for fault in found.faults),
        questions=tuple(DraftQuestion(**structs.asdict(each)) for each in found.questions),
        matches=tuple(map(_match, found.matches)),
        notes=tuple(DraftNote(**structs.asdict(note)) for note in draft.content.all_notes),
    )


def _match(match: Match) -> DraftMatch:
    return DraftMatch(
        line=match.line,
        name=match.name,
        proposals=tuple(DraftProposal(**structs.asdict(each)) for each in match.proposals),
    )
