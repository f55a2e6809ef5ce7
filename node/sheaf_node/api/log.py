"""Handlers for the log: pages of what arrived, and records that are published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sheaf_node.api.extension import Fitting, extension_from_json
from sheaf_node.api.idempotency import receipt_for
from sheaf_node.api.json_view import entry_json, record_from_json
from sheaf_node.api.models import Entry, LogPage
from sheaf_node.api.page import Place, read_cursor, write_cursor
from sheaf_node.api.reading import one_of
from sheaf_node.ingest import Draft
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import EntryId
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import KINDS, PRIVATE
from sheaf_protocol.records.extension import is_extension

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_node.api.models import FederationQuery, LogQuery, NewRecord
    from sheaf_node.api.parts import ApiParts
    from sheaf_node.api.route import Asked
    from sheaf_node.store import Store, StoredEntry

MAX_PAGE_BYTES: Final = 4 << 20
"""4 MiB, four times a page of a thousand entries as they are: a page of a thousand of the largest
would keep all others waiting for seconds."""
_STEP: Final = 16
"""Entries read at once: 1 MiB of the largest."""


async def get_log(parts: ApiParts, asked: Asked[LogQuery, None]) -> LogPage:
    """Return a page of entries in the order of arrival.

    Those of other federations than the one named are left out of the page.
    """
    begin = _begin(parts, asked.query)
    entries = entries_for_page(parts.store, begin.arrival, asked.query.limit)
    last = entries[-1].arrival if entries else None
    end = Place(begin.arrival if last is None else last, begin.fid)
    fitting = Fitting(parts.kinds)
    return LogPage(
        items=[
            entry_json(each, fitting) for each in entries if begin.fid in {None, each.header.fid}
        ],
        next=last,
        cursor=write_cursor(end, parts.store.store_id),
    )


def entries_for_page(
    store: Store, after: int, most: int, max_bytes: int = MAX_PAGE_BYTES
) -> list[StoredEntry]:
    """Return the next entries, `most` at most, and no more once they reach so many bytes.

    One comes at least where there is one, so that whoever asks for page after page gets on.
    """
    found: list[StoredEntry] = []
    size = 0
    while len(found) < most and size < max_bytes:
        part = store.entries_after(after, min(_STEP, most - len(found)))
        if not part:
            break
        found += part
        after, size = part[-1].arrival, size + sum(each.envelope.size for each in part)
    return found


def _begin(parts: ApiParts, query: LogQuery) -> Place:
    """Return where a page begins. Raises Refusal `api.query`, `api.cursor`."""
    fid = None if query.federation is None else parts.federation(query.federation)
    one_of({"cursor": query.cursor, "since": query.since, "after": query.after})
    if query.cursor is None:
        return Place(query.since or query.after or 0, fid)
    place = read_cursor(query.cursor, parts.store.store_id)
    if query.federation is not None and place.fid != fid:
        raise Refusal("api.cursor", "expected a cursor of a page of this federation")
    return place


def require_kind(path: Mapping[str, str]) -> None:
    """Refuse a kind that nobody posts (`api.kind`).

    Private kinds are published by their services, which know whom to seal them to.
    """
    kind = path["kind"]
    if (kind not in KINDS or kind in PRIVATE) and not is_extension(kind):
        raise Refusal("api.kind", f"expected a public record kind, got {kind!r}")


async def post_record(parts: ApiParts, asked: Asked[FederationQuery, NewRecord]) -> Entry:
    """Publish one record under this node's writer; return its entry once it is on disk."""
    draft = _draft(parts, asked.path["kind"], asked.body)
    fid = parts.federation(asked.query.federation)
    receipt = receipt_for(asked.http, lambda told: entry_json(told.entries[-1]))
    [entry] = await parts.ingest.publish(fid, [draft], receipt=receipt)
    return entry_json(entry)


def _draft(parts: ApiParts, kind: str, posted: NewRecord) -> Draft:
    """Return what is to be published. Raises Refusal `schema.invalid`, `kind.*`."""
    refs = [EntryId(bytes.fromhex(ref)) for ref in posted.refs]
    if is_extension(kind):
        body = extension_from_json(parts.kinds, kind, bytes(posted.record))
    else:
        body = encode(record_from_json(kind, posted))
    return Draft(kind=kind, refs=refs, body=body)
