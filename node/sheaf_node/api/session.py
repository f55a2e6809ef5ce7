"""Sessions: how a browser, which has no token, acts for its co-op.

Whoever has the home's token asks for a link, which is opened in the browser. It has a code behind
its `#`, where no server is sent it and no log has it. The page there posts the code, once and
within a minute, and gets a cookie in its place, which no script can read.

Sessions are in the memory of the node alone, each under a hash of its secret, so they end when the
node stops. They open what a person does, never what the home's token alone does. Gap that is left:
cookies know no ports, so a server of another user of this computer is sent the cookie where
somebody who is signed in opens a page of it. `guard` keeps such pages from asking, and nothing
keeps its server; on a computer that strangers use, use tokens.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sheaf_node.api.bearer import Bearer
from sheaf_node.api.route import Scope
from sheaf_protocol.digest import Digest, digest
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from sheaf_node.clock import Randomness

LINK_MS: Final = 60_000
"""For a link to be opened: it is printed beside the browser that opens it."""
IDLE_MS: Final = 2 * 3_600_000
"""A session that nobody used for two hours is over: its computer may be anybody's by now."""
LASTS_MS: Final = 12 * 3_600_000
"""A session is over after a working day, used or not."""
MOST_LINKS: Final = 8
MOST_SESSIONS: Final = 16
"""The people of a co-op at once; beyond it the one that was used longest ago ends."""
READING: Final = frozenset({Scope.READ})
ACTING: Final = frozenset({Scope.READ, Scope.WRITE, Scope.DRAFT})
_SECRET: Final = 32


@dataclass(frozen=True, slots=True)
class _Link:
    scopes: frozenset[Scope]
    begun_ms: int


@dataclass(frozen=True, slots=True)
class _Session:
    bearer: Bearer
    begun_ms: int
    used_ms: int

    def holds(self, now_ms: int) -> bool:
        return _is_within(self.begun_ms, now_ms, LASTS_MS) and _is_within(
            self.used_ms, now_ms, IDLE_MS
        )


class Sessions:
    """The links and sessions of one node, the one that was used longest ago first.

    All are found by a hash of what is given, so the time that it takes tells nothing of them.
    """

    def __init__(self, *, now_ms: Callable[[], int], random: Randomness) -> None:
        self._now_ms, self._random = now_ms, random
        self._links: OrderedDict[Digest, _Link] = OrderedDict()
        self._sessions: OrderedDict[Digest, _Session] = OrderedDict()

    def make_code(self, scopes: frozenset[Scope]) -> tuple[str, int]:
        """Return the code of a new link, and until when it may be used."""
        code, now_ms = self._random(_SECRET).hex(), self._now_ms()
        self._links[_hash(code)] = _Link(scopes, now_ms)
        if len(self._links) > MOST_LINKS:
            self._links.popitem(last=False)
        return code, now_ms + LINK_MS

    def begin(self, code: str) -> tuple[str, Bearer]:
        """Return the secret of the session that a link's code begins. Raises `session.link`."""
        link, now_ms = self._links.pop(_hash(code), None), self._now_ms()
        if link is None or not _is_within(link.begun_ms, now_ms, LINK_MS):
            detail = "expected a link less than a minute old that nobody has used"
            raise Refusal("session.link", f"{detail}: `sheaf open` makes one")
        secret = self._random(_SECRET).hex()
        id_ = _hash(secret)
        bearer = Bearer(
            sort="session", name=id_.hex()[:8], scopes=link.scopes, expires_ms=now_ms + LASTS_MS
        )
        self._sessions[id_] = _Session(bearer, now_ms, now_ms)
        if len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return secret, bearer

    def find(self, secret: str, *, is_used: bool = True) -> Bearer | None:
        """Return whose session a secret is, or None; being found is a use of it, if it is one."""
        id_, now_ms = _hash(secret), self._now_ms()
        session = self._sessions.get(id_)
        if session is None:
            return None
        if not session.holds(now_ms):
            del self._sessions[id_]
            return None
        if is_used:
            self._sessions[id_] = _Session(session.bearer, session.begun_ms, now_ms)
            self._sessions.move_to_end(id_)
        return session.bearer

    def end(self, secret: str) -> None:
        """End a session, where there is one."""
        self._sessions.pop(_hash(secret), None)

    def end_all(self) -> int:
        """End all sessions and links; return how many sessions there were."""
        count = len(self._sessions)
        self._sessions.clear()
        self._links.clear()
        return count


def _is_within(begun_ms: int, now_ms: int, most_ms: int) -> bool:
    """Return whether so much time has not passed; a clock that was set back has it passed."""
    return begun_ms <= now_ms < begun_ms + most_ms


def _hash(secret: str) -> Digest:
    return digest("api-session", secret.encode(errors="replace"))
