"""What was seen, by its ETag: `If-Match` before a change, `If-None-Match` before a look (RFC 9110).

A tag names one version of one thing. A change needs the tag of what its sender saw, so that of two
people at one draft neither overwrites what the other did unseen.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sheaf_node.api.route import Reply
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

MAX_HEADER: Final = 1_024
"""Letters of such a header: a few dozen tags, of which one is ours."""
_TAG: Final = re.compile(r'(W/)?"([\x21\x23-\x7e]*)"')


def quoted(tag: str) -> dict[str, str]:
    """Return a tag as a header of an answer."""
    return {"ETag": f'"{tag}"'}


def required_match(request: web.Request) -> list[str]:
    """Return the tags that `If-Match` names. Raises Refusal `draft.match` where it names none.

    `*` says that whatever is there was seen, which nobody knows. A weak tag is no match (RFC 9110,
    8.8.3.2).
    """
    found = [tag for is_weak, tag in _tags(request, "If-Match") if not is_weak]
    if not request.headers.getall("If-Match", []) or "*" in _words(request, "If-Match"):
        detail = "expected If-Match with the ETag of what you saw"
        raise Refusal("draft.match", f"{detail}: read it first")
    return found


def is_known(request: web.Request, tag: str) -> bool:
    """Return whether `If-None-Match` says that whoever asks has this version."""
    known = [each for _, each in _tags(request, "If-None-Match")]
    return tag in known or "*" in _words(request, "If-None-Match")


def not_modified(tag: str) -> Reply:
    """Return the answer to who has this version."""
    return Reply(value=None, status=304, headers=quoted(tag))


def _tags(request: web.Request, name: str) -> Sequence[tuple[str, str]]:
    return _TAG.findall(_text(request, name))


def _words(request: web.Request, name: str) -> list[str]:
    return [word.strip() for word in _text(request, name).split(",")]


def _text(request: web.Request, name: str) -> str:
    return ",".join(request.headers.getall(name, []))[:MAX_HEADER]
