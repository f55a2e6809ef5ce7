"""What a look-back asks and answers (spec chapter 08, section 8), and how rarely one is done.

A peer dials the asker, and says whether it met the asker there. Whoever asks names its own
addresses and signs with the key that must answer at them, so nobody has a third party dialled.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from sheaf_node.address import own_urls
from sheaf_protocol.codec import encode
from sheaf_protocol.identity import verify
from sheaf_protocol.limits import MAX_INT, MAX_MEMBERS, SIGNATURE_BYTES

if TYPE_CHECKING:
    from sheaf_node.config import Config
    from sheaf_protocol.digest import CoopId
    from sheaf_protocol.identity import SigningKey

LOOK_BACK_PATH: Final = "/sheaf/1/look-back"
MAX_REQUEST: Final = 1_024
MAX_ANSWER: Final = 4_096
EVERY_MS: Final = 60_000
"""Between two look-backs for one co-op."""
GLANCE_MS: Final = 250
"""Between two signatures that are checked at all: anybody can send a request."""
DIAL_MS: Final = 5_000
"""For one address to answer, handshake included."""
MAX_URLS: Final = 3
OK: Final = "ok"
_PURPOSE: Final = "look-back"
_Id = Annotated[bytes, Meta(min_length=32, max_length=32)]
_Url = Annotated[str, Meta(pattern=r"\A(ws|wss)://[!-~]{1,190}\Z")]
_Code = Annotated[str, Meta(pattern=r"\A([a-z0-9_]{1,32}\.[a-z0-9_]{1,32}|ok)\Z")]


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is signed: to be dialled at these addresses by whoever is called `audience`."""

    audience: Annotated[str, Meta(pattern=r"\A[!-~]{1,255}\Z")]
    cid: _Id
    time_ms: Annotated[int, Meta(ge=0, le=MAX_INT)]
    urls: Annotated[list[_Url], Meta(min_length=1, max_length=MAX_URLS)]
    wid: _Id


class LookBackRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A wish and its writer's signature."""

    sig: Annotated[bytes, Meta(min_length=SIGNATURE_BYTES, max_length=SIGNATURE_BYTES)]
    wish: Wish

    @property
    def is_signed(self) -> bool:
        """Whether the writer that the wish names signed it."""
        return verify(self.wish.wid, _PURPOSE, encode(self.wish), self.sig)


class LookBackAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`ok` and one code for each address, `ok` where the asker proved itself there; or why not."""

    code: _Code
    met: Annotated[list[_Code], Meta(max_length=MAX_URLS)]


def sign_wish(wish: Wish, key: SigningKey) -> bytes:
    """Return the bytes of a request."""
    return encode(LookBackRequest(sig=key.sign(_PURPOSE, encode(wish)), wish=wish))


def own_addresses(config: Config) -> list[str]:
    """Return the addresses under which this node says it can be dialled, three at most."""
    return own_urls(config.public_names, config.peer_host, config.peer_port)[:MAX_URLS]


class Times:
    """When look-backs were done, so that they stay rare."""

    def __init__(self) -> None:
        self._glanced_ms: int | None = None
        self._looked: OrderedDict[CoopId, int] = OrderedDict()

    def may_glance(self, now_ms: int) -> bool:
        """Return whether one more signature is checked, and count it if so."""
        if self._glanced_ms is not None and 0 <= now_ms - self._glanced_ms < GLANCE_MS:
            return False
        self._glanced_ms = now_ms
        return True

    def may_look(self, cid: CoopId, now_ms: int) -> bool:
        """Return whether to look back for a co-op, and count it if so."""
        last = self._looked.get(cid)
        if last is not None and 0 <= now_ms - last < EVERY_MS:
            return False
        self._looked[cid] = now_ms
        self._looked.move_to_end(cid)
        if len(self._looked) > MAX_MEMBERS:
            self._looked.popitem(last=False)
        return True
