"""Links of the node with one bug each: what `broken_parts.py` is for entries."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tests.conform.running import Build

from sheaf_node.peering import Peering
from sheaf_protocol.codec import decode
from sheaf_protocol.limits import CREDIT_BYTES, MAX_HELLO
from sheaf_protocol.link import Fresh, Identity, Link, Listen
from sheaf_protocol.link.handshake import Hello, Responder
from sheaf_protocol.link.messages import DataMessage, Message

if TYPE_CHECKING:
    from sheaf_protocol.digest import FederationId
    from sheaf_protocol.link import Dial


class _Linking(Peering):
    """A peering whose links are of another class."""

    end: type[Link] = Link

    def _link(self, part: Dial | Listen) -> Link:
        ops = self._store.key_ops(self._keyring.cid)
        identity = Identity(cid=self._keyring.cid, key_log=list(ops), writer=self._keyring.writer)
        fresh = Fresh(seed=self._random(32), nonce=self._random(16))
        return type(self).end(part, identity, fresh, self._clock.now_ms())


class _AnyAudience(Responder):
    """Takes whichever name was dialled for its own."""

    def receive_hello(self, data: bytes) -> bytes:
        self._names = frozenset({decode(data, Hello, limit=MAX_HELLO).audience})
        return super().receive_hello(data)


class TakesAnyAudience(Link):
    """The name that was dialled is not looked at."""

    def __init__(self, part: Dial | Listen, identity: Identity, fresh: Fresh, now_ms: int) -> None:
        super().__init__(part, identity, fresh, now_ms)
        if isinstance(part, Listen):
            self._handshake = _AnyAudience(identity, part.public_names, fresh, part.admits)


class _GoesOn(Link):
    """A link that one code does not end."""

    passed_over: ClassVar[str]

    def close(self, code: str, detail: str = "", *, is_by_peer: bool = False) -> None:
        if code != self.passed_over:
            super().close(code, detail, is_by_peer=is_by_peer)


class SkipsFrames(_GoesOn):
    """A frame that does not open is passed over."""

    passed_over = "link.frame"


class IgnoresCredit(Link):
    """Sends as if there were no end to its credit."""

    @property
    def credit(self) -> int:
        """Bytes that may still be sent."""
        return CREDIT_BYTES

    @credit.setter
    def credit(self, value: int) -> None:
        return


class GrantsNothing(Link):
    """Never lets the other send more than at first."""

    def grant(self, size: int) -> None:
        return


class TakesAnyGrant(Link):
    """Lets its credit grow beyond the limit."""

    def _credited(self, size: int) -> None:
        self.credit += size


class NamesAsTheOther(Link):
    """Names federations as the other side does, so that its own names come back as good."""

    def _federation(self, message: Message) -> FederationId | None:
        if isinstance(message, DataMessage) and message.scope not in self._scopes:
            ours = {self.blind(fid): fid for fid in self._offered}
            return ours.get(message.scope) or super()._federation(message)
        return super()._federation(message)


class OutOfTurn(_GoesOn):
    """Takes data before the other said that it is ready."""

    passed_over = "link.order"


def ends(link: type[Link]) -> Build:
    """Return a node whose links are of this class."""

    class LoosePeering(_Linking):
        end = link

    return Build(peering=LoosePeering)


def same_bytes(count: int) -> bytes:
    return bytes(range(count))
