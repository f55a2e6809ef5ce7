"""What the routes of drafts take and answer."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from sheaf_node.drafts import Answers, Maker
from sheaf_node.seats.model import DAY_MS


class DraftQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an uploaded list is to be."""

    name: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=120,
            pattern=r"\A[^\x00-\x1f\x7f]+\Z",
            description="What people call it.",
        ),
    ]
    what: Annotated[
        str, Meta(pattern=r"\A(purchases|prices)\Z", description="`purchases` or `prices`.")
    ]
    federation: Annotated[str, Meta(max_length=64, pattern=r"\A[0-9a-f]+\Z")] | None = None
    sheet: Annotated[str, Meta(max_length=200, description="Of a workbook; else its first.")] = ""
    numbers: Annotated[
        str,
        Meta(
            pattern=r"\A(auto|comma|point)\Z",
            description="What stands before decimals, in numbers with two readings.",
        ),
    ] = "auto"
    decimal: Annotated[
        str,
        Meta(max_length=1_000, description="The same for columns: `max_price=comma,..`."),
    ] = ""
    items: Annotated[
        str,
        Meta(max_length=8_000, description="Items of lines without a code: `4=HAY,..`."),
    ] = ""


class SentBack(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A word to the seat whose draft is sent back, and how long its new link holds."""

    word: Annotated[
        str,
        Meta(min_length=1, max_length=500, pattern=r"\A[^\x00-\x09\x0b-\x1f\x7f]+\Z"),
    ]
    expires_in_ms: Annotated[int, Meta(ge=60_000, le=30 * DAY_MS)] = 7 * DAY_MS


class DraftSeat(msgspec.Struct, frozen=True, kw_only=True):
    """The seat that a draft is for."""

    cid: str
    name: str
    by: str
    """How it agreed: `link`, or `list` where its sponsor changed what it sent."""
    word: str
    """What it was told as the draft was sent back, newest."""


class KeptDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A draft without its lines."""

    id: str
    etag: str
    """As `If-Match` takes it."""
    name: str
    what: str
    """`records`, `purchases` or `prices`."""
    federation: str
    made_by: Maker
    seat: DraftSeat | None
    state: str
    """`ready`, `faulty`, or `away` while its seat is at it."""
    lines: int
    faulty: int
    """Lines that are wrong."""
    created_ms: int
    changed_ms: int


class DraftRow(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a list as it was written, by column."""

    line: int
    cells: dict[str, str]
    understood: dict[str, str]
    """What cells were taken for, where that is not what stands there."""


class DraftQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What only a person can say: what a number of a column means. `answers` settles it."""

    column: str
    line: int
    """The first line with such a number."""
    came: str
    point: str
    comma: str


class DraftProposal(msgspec.Struct, frozen=True, kw_only=True):
    """An item that a name may stand for."""

    code: str
    name: str
    unit: str
    score: int
    """How alike the names are, of 100."""


class DraftMatch(msgspec.Struct, frozen=True, kw_only=True):
    """What only a person can say: which item a line without a code means. `answers` settles it."""

    line: int
    name: str
    proposals: tuple[DraftProposal, ...]
    """The names most like it, best first; none for lines beyond the first 50 that are asked."""


class DraftNote(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of how a list was read."""

    code: str
    message: str


class DraftRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A record as it would be published."""

    kind: str
    record: Any
    refs: list[str]


class DraftFault(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a line."""

    line: int
    """As the list's spreadsheet counts, of records from 1; 0 for the whole."""
    column: str
    code: str
    message: str


class WholeDraft(KeptDraft, frozen=True, kw_only=True):
    """A draft with its lines, and what keeps it from being published."""

    list: str
    """The list as text, without columns that are of persons; empty for records."""
    answers: Answers
    rows: tuple[DraftRow, ...]
    records: tuple[DraftRecord, ...]
    """Empty where a list has faults."""
    faults: tuple[DraftFault, ...]
    """The first 200 of them."""
    questions: tuple[DraftQuestion, ...]
    matches: tuple[DraftMatch, ...]
    notes: tuple[DraftNote, ...]


class DraftList(msgspec.Struct, frozen=True, kw_only=True):
    """All drafts, oldest first."""

    drafts: list[KeptDraft]


class PublishedDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A draft that was published, and is no draft any more."""

    id: str
    name: str
    published: int
    """Entries."""
    known: int
    """Records that were published before as they are, and were left."""
