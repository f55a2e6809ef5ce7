"""The rows of drafts. Looking takes `read`, preparing `draft`, and publishing `write`: so whoever
keeps the books prepares, and whoever manages signs.
"""

from __future__ import annotations

from typing import Any, Final

from sheaf_node.api import drafts
from sheaf_node.api.draft_model import (
    DraftList,
    DraftQuery,
    KeptDraft,
    PublishedDraft,
    SentBack,
    WholeDraft,
)
from sheaf_node.api.route import Bytes, BytesBody, JsonBody, NoBody, NoQuery, Nothing, Route, Scope
from sheaf_node.api.seat_model import NewSeatLink
from sheaf_node.drafts import NewDraft

_KEPT: Final = frozenset({"draft.file", "draft.off"})
_NAMED: Final = _KEPT | {"api.idempotency_busy", "draft.unknown"}
_SEEN: Final = _NAMED | {"draft.changed", "draft.match"}
_CHECKED: Final = frozenset(
    {
        "draft.full",
        "node.no_federation",
        "policy.role",
        "seat.moved",
        "service.stopped",
        "service.unknown",
    }
)
_READ: Final = frozenset(
    {
        *("import.answer", "import.empty", "import.encoding", "import.sheet", "import.too_large"),
        "import.workbook",
    }
)
_MEDIA: Final = (
    "text/csv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/octet-stream",
)
_PATH: Final = "/api/v1/drafts"

DRAFT_ROUTES: Final[tuple[Route[Any, Any], ...]] = (
    Route(
        method="GET",
        path=_PATH,
        name="getDrafts",
        summary="The drafts of this co-op and of its seats, oldest first, without their lines",
        scope=Scope.READ,
        query=NoQuery,
        body=NoBody(),
        replies={200: DraftList},
        answer=drafts.get_drafts,
        codes=_KEPT | {"api.idempotency_busy"},
    ),
    Route(
        method="POST",
        path=_PATH,
        name="createDraft",
        summary="Keeps records or a list as a draft, answers 201 with what is wrong with them",
        scope=Scope.DRAFT,
        query=NoQuery,
        body=JsonBody(NewDraft),
        replies={201: WholeDraft},
        answer=drafts.post_draft,
        codes=_KEPT | _CHECKED | {"api.json"},
        is_ruled=True,
        has_tag=True,
    ),
    Route(
        method="POST",
        path="/api/v1/uploads",
        name="uploadDraft",
        summary="Keeps an uploaded list as a draft, answers 201 with what is wrong with it",
        scope=Scope.DRAFT,
        query=DraftQuery,
        body=BytesBody("The list as a file: CSV or a workbook (.xlsx).", _MEDIA, True),
        replies={201: WholeDraft},
        answer=drafts.post_upload,
        codes=_KEPT | _CHECKED | _READ,
        is_ruled=True,
        has_tag=True,
    ),
    Route(
        method="GET",
        path=f"{_PATH}/{{draft}}",
        name="getDraft",
        summary="A draft with its lines and their faults, by the first digits of its id",
        scope=Scope.READ,
        query=NoQuery,
        body=NoBody(),
        replies={200: WholeDraft, 304: Nothing("It is as it was seen.")},
        answer=drafts.get_draft,
        codes=_NAMED,
        has_tag=True,
    ),
    Route(
        method="GET",
        path=f"{_PATH}/{{draft}}/problems",
        name="getDraftProblems",
        summary="The lines of a draft that are wrong as CSV, to be mended and imported again",
        scope=Scope.READ,
        query=NoQuery,
        body=NoBody(),
        replies={200: Bytes("The lines, and what is wrong with each in its note.", "text/csv")},
        answer=drafts.get_problems,
        codes=_NAMED,
    ),
    Route(
        method="PUT",
        path=f"{_PATH}/{{draft}}",
        name="replaceDraft",
        summary="Puts other lines in a draft's place, if it is as it was seen",
        scope=Scope.DRAFT,
        query=NoQuery,
        body=JsonBody(NewDraft),
        replies={200: WholeDraft},
        answer=drafts.put_draft,
        codes=_SEEN | _CHECKED | {"api.json", "draft.away", "draft.federation"},
        is_ruled=True,
        has_tag=True,
        needs_match=True,
    ),
    Route(
        method="DELETE",
        path=f"{_PATH}/{{draft}}",
        name="removeDraft",
        summary="Forgets a draft, if it is as it was seen",
        scope=Scope.DRAFT,
        query=NoQuery,
        body=NoBody(),
        replies={200: KeptDraft},
        answer=drafts.delete_draft,
        codes=_SEEN,
        needs_match=True,
    ),
    Route(
        method="POST",
        path=f"{_PATH}/{{draft}}/check",
        name="checkDraft",
        summary="Looks at a draft's lines anew; nothing is published",
        scope=Scope.DRAFT,
        query=NoQuery,
        body=NoBody(),
        replies={200: WholeDraft},
        answer=drafts.post_check,
        codes=_NAMED | _CHECKED,
        is_ruled=True,
        has_tag=True,
    ),
    Route(
        method="POST",
        path=f"{_PATH}/{{draft}}/publish",
        name="publishDraft",
        summary="Publishes all lines of a draft or none, if it is as it was seen",
        scope=Scope.WRITE,
        query=NoQuery,
        body=NoBody(),
        replies={200: PublishedDraft},
        answer=drafts.post_publication,
        codes=_SEEN
        | _CHECKED
        | {"api.idempotency_full", "api.idempotency_key", "api.idempotency_reused"}
        | {"draft.away", "draft.faults"},
        is_ruled=True,
        is_idempotent_by_key=True,
        needs_key=True,
        needs_match=True,
    ),
    Route(
        method="POST",
        path=f"{_PATH}/{{draft}}/return",
        name="returnDraft",
        summary="Sends a seat's draft back to it with a word, answers 201 with a new link",
        scope=Scope.WRITE,
        query=NoQuery,
        body=JsonBody(SentBack),
        replies={201: NewSeatLink},
        answer=drafts.post_return,
        codes=_SEEN
        | {"api.json", "draft.away", "draft.seat", "seat.file", "seat.full", "seat.off"}
        | {"seat.unknown"},
        needs_match=True,
    ),
)
