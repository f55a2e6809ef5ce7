"""What is kept of a draft, and what may be asked for; all of it JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from sheaf_protocol.limits import MAX_INT

if TYPE_CHECKING:
    from sheaf_protocol.digest import FederationId

MOST_LINES: Final = 2_000
"""Lines of one draft: what somebody looks through before it is signed."""
MAX_LIST_BYTES: Final = 262_144
"""256 KiB of a list: two thousand lines of 130 characters."""
MAX_RECORD_BYTES: Final = 65_536
"""64 KiB of one record as JSON; an entry holds no more."""
AWAY: Final = "away"
"""The state of a draft that its seat is still at."""

What: TypeAlias = Literal["records", "purchases", "prices"]
_Hash = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
_TimeMs = Annotated[int, Meta(ge=0, le=MAX_INT)]
_Name = Annotated[str, Meta(min_length=1, max_length=120, pattern=r"\A[^\x00-\x1f\x7f]+\Z")]


class NewLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A record to be published: its kind, its JSON view, the entries that it refers to."""

    kind: Annotated[str, Meta(min_length=1, max_length=64)]
    record: Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "object"})]
    refs: Annotated[list[_Hash], Meta(max_length=64)] = []


_NewLines: TypeAlias = Annotated[list[NewLine], Meta(max_length=MOST_LINES)]


class Answers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody said of a list, where only a person can know."""

    numbers: Literal["auto", "comma", "point"] = "auto"
    """What stands before the decimals of numbers that have two readings; `auto` asks."""
    decimal: Annotated[str, Meta(max_length=1_000)] = ""
    """The same for single columns, such as `max_price=comma,quantity=point`."""
    items: Annotated[str, Meta(max_length=8_000)] = ""
    """The items of lines that have a name alone, such as `4=EWE-NUTS-25,7=HAY`."""

    @property
    def options(self) -> dict[str, str]:
        """Return them as the service's commands take them."""
        return {name: text for name, text in msgspec.structs.asdict(self).items() if text}


class NewDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is prepared: records as they are, or a list as `sheaf import` takes it."""

    name: _Name
    what: What
    list: Annotated[str, Meta(max_length=MAX_LIST_BYTES)] = ""
    """CSV; of `purchases` and `prices`."""
    records: _NewLines = []
    """Of `records`."""
    answers: Answers = Answers()
    """Of `purchases` and `prices`."""
    federation: Annotated[str, Meta(max_length=64, pattern=r"\A[0-9a-f]*\Z")] = ""
    """The first digits of a federation's id; the first one joined where it is empty. A draft stays
    in the federation that it was made for."""

    def __post_init__(self) -> None:
        """Refuse a draft of both sorts, or of neither."""
        if (self.what == "records") != bool(self.records) or (
            (self.what == "records") == bool(self.list)
        ):
            raise ValueError("expected records alone where they are meant, else a list alone")
        if len(self.list.encode(errors="replace")) > MAX_LIST_BYTES:
            raise ValueError(f"expected at most {MAX_LIST_BYTES} bytes of list")


class Maker(msgspec.Struct, frozen=True, kw_only=True):
    """Who made a draft, or changed it last."""

    sort: Literal["home", "token", "session", "seat"]
    name: str
    """Of a token or a seat its name, of a session the beginning of its id."""


class OfSeat(msgspec.Struct, frozen=True, kw_only=True):
    """The seat that a draft is for, and how it agreed (SEAT-8)."""

    cid: _Hash
    name: _Name
    by: Literal["link", "list"]
    link: str
    """The newest link under which it was made, by the hash of its secret."""
    is_away: bool
    """Whether the seat is still at it."""
    word: str = ""
    """What the sponsor said as it sent it back."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """What of a draft stays whatever is in it."""

    id: str
    fid: FederationId
    seat: OfSeat | None = None
    created_ms: int | None = None
    """None for a new one."""


class Row(msgspec.Struct, frozen=True):
    """A line of a list as it was written, by column."""

    line: int
    cells: dict[str, str]
    understood: dict[str, str] = {}
    """What cells were taken for, where that is not what stands there."""


class Question(msgspec.Struct, frozen=True):
    """What only a person can say of a column: what a number of it means."""

    column: str
    line: int
    came: str
    point: str
    """What it means if a point stands before its decimals."""
    comma: str


class Proposal(msgspec.Struct, frozen=True):
    """An item that a name may stand for, and how alike they are, of 100."""

    code: str
    name: str
    unit: str
    score: int


class Match(msgspec.Struct, frozen=True):
    """What only a person can say of a line without a code: which item its name means."""

    line: int
    name: str
    proposals: list[Proposal]


class ListNote(msgspec.Struct, frozen=True):
    """What is told of how a list was read; nothing that was to be mended."""

    code: str
    message: str


class ReadList(msgspec.Struct, frozen=True):
    """A list as it may be kept: as text, without what is of persons."""

    text: str
    notes: list[ListNote]


class PreparedRecord(msgspec.Struct, frozen=True):
    """A record as it is to be published, in its JSON view."""

    kind: str
    record: Any
    refs: list[str] = []


class LineFault(msgspec.Struct, frozen=True):
    """What is wrong with a line: of a list as its spreadsheet counts, of records from 1; 0 for
    what is wrong with the whole."""

    line: int
    column: str
    """The column of a list; of a record, a JSON Pointer into it. Empty for the line as a whole."""
    code: str
    message: str


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What was found at the newest look: what it would be published as, and what keeps it."""

    rows: list[Row]
    records: list[PreparedRecord]
    """Empty where a list has faults."""
    faults: list[LineFault]
    """The first of them."""
    faulty: int
    """Lines that are wrong."""
    questions: list[Question] = []
    matches: list[Match] = []
    notes: list[ListNote] = []


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What a draft consists of, and what was found of it."""

    text: str
    checked: Checked
    answers: Answers = Answers()
    notes: list[ListNote] = []
    """Of the file, which is not kept itself."""

    @property
    def all_notes(self) -> list[ListNote]:
        """Return what is told of the reading, of the file and of its text."""
        return [*self.notes, *(note for note in self.checked.notes if note not in self.notes)]


class DraftHead(msgspec.Struct, frozen=True, kw_only=True):
    """A draft without its lines."""

    id: str
    tag: str
    """A new one with each change: what its ETag is made of."""
    name: _Name
    what: What
    fid: _Hash
    maker: Maker
    seat: OfSeat | None
    lines: int
    faulty: int
    created_ms: _TimeMs
    changed_ms: _TimeMs

    @property
    def state(self) -> str:
        """Return `away` (with its seat), `faulty` or `ready`."""
        if self.seat is not None and self.seat.is_away:
            return AWAY
        return "faulty" if self.faulty else "ready"


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A draft whole."""

    head: DraftHead
    content: Content


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a draft that was published."""

    id: str
    name: str
    published: int
    """Entries."""
    known: int
    """Records that were there before as they are, and were left."""
