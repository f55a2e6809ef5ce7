"""One link of the kit to the node under test: says what a case wants said, hears what comes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeVar

import aiohttp
from nacl.exceptions import CryptoError

from sheaf_node.conform.handshake import Shaking
from sheaf_node.conform.model import Failed
from sheaf_node.conform.trace import words
from sheaf_protocol.digest import LogId, digest
from sheaf_protocol.errors import ProtocolError
from sheaf_protocol.link.messages import (
    Bye,
    ControlHave,
    Entries,
    Have,
    Message,
    RangeItem,
    Reject,
    Scope,
    Served,
    Subscribe,
    TreeWant,
    Want,
    decode_message,
    encode_message,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sheaf_protocol.digest import FederationId
    from sheaf_protocol.envelope import Envelope
    from sheaf_protocol.frontier import FrontierItem
    from sheaf_protocol.link.handshake import Session
    from sheaf_protocol.proof import Tail
    from sheaf_protocol.subscription import Filter
    from sheaf_protocol.testing.author import LogAuthor, TestCoop

M = TypeVar("M", bound=Message)

STORE_ID: Final = bytes(16)
"""The kit holds nothing between links, so it says each time that its store is this one."""
NOTHING: Final = ControlHave([], [], [], True)
"""The first word of a side that tells of no control items."""
_CODE: Final = re.compile(r"[a-z0-9_]{1,32}\.[a-z0-9_]{1,32}\Z")
_ENDED: Final = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED)


class Ended(Failed):
    """The node ended the link while the case waited for something else."""


class KitPeer:
    """A WebSocket to the node under test, and the co-op that speaks on it."""

    def __init__(
        self,
        coop: TestCoop,
        author: LogAuthor,
        socket: aiohttp.ClientWebSocketResponse,
        audience: str,
        *,
        say: Callable[[str], None],
        saw: Callable[[str], None],
    ) -> None:
        self.coop, self.author, self.socket = coop, author, socket
        self.shaking = Shaking(coop, audience)
        self.session: Session
        self.heard: list[Message] = []
        """All that came, in order."""
        self.ending: str | None = None
        """The code with which the node ended the link, "" for none; None while it lives."""
        self._is_shaken = False
        self._ready: set[FederationId] = set()
        self._name = coop.name
        self._say, self._saw = say, saw

    async def shake_hands(self) -> None:
        """Authenticate as the co-op."""
        await self.send_frame(self.shaking.hello(), "M1")
        await self.reply()
        await self.send_frame(self.shaking.proof(), "M3")
        self.agree()

    async def reply(self, *, hello: bytes | None = None) -> None:
        """Take M2; Failed where it is not as chapter 07 has it."""
        data = await self.receive()
        try:
            self.shaking.hear(data, hello=hello)
        except (ProtocolError, CryptoError) as exc:
            raise Failed(expected="a right M2", got=str(exc)) from exc
        self._say(f"{self._name} <- M2 of {len(data)} bytes")

    def agree(self) -> None:
        """Begin with frames: the handshake is done on our side."""
        self.session = self.shaking.session()
        self._is_shaken = True

    async def become_ready(
        self, fid: FederationId | None = None, filter_: Filter | None = None
    ) -> None:
        """Go as far as data: tell of no control items, and be ready for one federation."""
        await self.shake_hands()
        await self.send(NOTHING)
        await self.open_scope(fid)
        if filter_ is not None:
            await self.send(Subscribe(self.scope(fid), filter_))

    async def open_scope(self, fid: FederationId | None = None) -> None:
        """Say that we are ready for a federation, and wait until the node is."""
        await self.send(Scope([self.scope(fid)], STORE_ID))
        theirs = self.their_scope(fid)
        await self.hear(Scope, lambda message: theirs in message.scopes)
        self._ready.add(fid or self.author.fid)

    def is_ready_for(self, fid: FederationId) -> bool:
        """Whether both sides said that they are ready for a federation's data."""
        return fid in self._ready

    def scope(self, fid: FederationId | None = None) -> bytes:
        """Return our name of a federation on this link."""
        return digest("scope-initiator", self.session.secret, fid or self.author.fid)[:16]

    def their_scope(self, fid: FederationId | None = None) -> bytes:
        """Return the node's name of a federation on this link."""
        return digest("scope-responder", self.session.secret, fid or self.author.fid)[:16]

    async def send(self, message: Message) -> None:
        """Send a message, right or wrong."""
        await self._send_plain(encode_message(message), words(message))

    async def send_plain(self, plaintext: bytes) -> None:
        """Send a frame around any bytes."""
        await self._send_plain(plaintext, f"a frame around {plaintext[:24].hex()}")

    async def send_frame(self, data: bytes, name: str = "") -> None:
        """Send a binary message as it stands."""
        self._say(f"{self._name} -> {name or data[:24].hex()} ({len(data)} bytes)")
        try:
            await self.socket.send_bytes(data)
        except (ConnectionError, aiohttp.ClientError):
            self._say(f"{self._name} -> nothing: the connection is gone")

    async def send_text(self, text: str) -> None:
        """Send a text message, which no link knows."""
        self._say(f"{self._name} -> text {text!r}")
        await self.socket.send_str(text)

    async def push(
        self,
        *envelopes: Envelope,
        is_live: bool = True,
        tails: Sequence[Tail] = (),
        fid: FederationId | None = None,
    ) -> None:
        """Send entries: as new ones of our own, or as an answer."""
        await self.send(Entries(self.scope(fid), is_live, list(envelopes), list(tails)))

    async def want(
        self, log: LogId, first: int = 1, last: int = 1, fid: FederationId | None = None
    ) -> None:
        """Ask for a range."""
        await self.send(Want(self.scope(fid), [RangeItem(log, first, last)]))

    async def heads(self, log: LogId, fid: FederationId | None = None) -> FrontierItem | None:
        """Return what the node says that it holds of a log, by a `tree_want` (SYN-27).

        A `have` may come unasked, so that one without items says nothing; whether there is a log is
        known by a `want` for its first entry, which `served` closes. That comes first: a log may
        begin between two questions, and none ends.
        """
        return await self.place(log, fid) if await self.sync(log, fid) else None

    async def place(self, log: LogId, fid: FederationId | None = None) -> FrontierItem:
        """Return the same of a log that is known to be there; no entry is sent for it."""
        await self.send(TreeWant(self.scope(fid), [log.hex()[:8]]))
        theirs = self.their_scope(fid)
        while True:
            have = await self.hear(Have, lambda message: message.scope == theirs)
            items = [item for item in have.items if item.log == log]
            if items:
                return items[-1]

    async def sync(self, log: LogId | None = None, fid: FederationId | None = None) -> bool:
        """Wait until the node has answered a question; return whether it sent an entry of a log."""
        at = len(self.heard)
        theirs = self.their_scope(fid)
        await self.want(log or LogId(digest("test", b"a log that nobody writes")), 1, 1, fid)
        await self.hear(Served, lambda message: message.scope == theirs)
        batches = [each for each in self.heard[at:] if isinstance(each, Entries)]
        return any(not each.is_live and each.scope == theirs for each in batches)

    async def hear(
        self, kind: type[M], where: Callable[[M], bool] | None = None, *, since: int | None = None
    ) -> M:
        """Return the next message of a kind for which `where` holds; others are passed over.

        `since` is a place in `heard`: what has come from there on is looked at first. Raises Failed
        where the link ends before.
        """
        for message in () if since is None else self.heard[since:]:
            if isinstance(message, kind) and (where is None or where(message)):
                return message
        while True:
            frame = await self.receive(f"a {getattr(kind, '__name__', kind)}")
            message = self.opened(frame)
            if isinstance(message, kind) and (where is None or where(message)):
                return message

    async def ended(self, *codes: str, is_coded: bool | None = None) -> str:
        """Return the code with which the node ends the link.

        Raises Failed for another one than these. Before the handshake is done a node need not give
        one, so that none is right, too; `is_coded` says otherwise.
        """
        expected = f"the end of the link with {' or '.join(codes) or 'any code'}"
        while self.ending is None:
            try:
                frame = await self.receive(expected)
                if self._is_shaken:
                    self.opened(frame)
            except Ended:
                break
        code = self.ending or ""
        must = self._is_shaken if is_coded is None else is_coded
        if codes and code not in codes and (code or must):
            raise Failed(expected=expected, got=f"its end with {code or 'no code'}")
        return code

    async def still_open(self, fid: FederationId | None = None) -> None:
        """Show that the link lives: a question is answered. Raises Failed where it is not."""
        await self.sync(None, fid)

    async def receive(self, expected: str = "a message") -> bytes:
        """Return the next binary message. Raises Ended where the link is over."""
        message = await self.socket.receive()
        if message.type is aiohttp.WSMsgType.BINARY:
            data: bytes = message.data
            return data
        reason = str(message.extra or "") if message.type in _ENDED else ""
        if not self.ending:
            self.ending = reason if _CODE.match(reason) else ""
            self._see(self.ending)
        self._say(f"{self._name} <- the end of the connection {reason or self.socket.close_code}")
        raise Ended(expected=expected, got=f"the end of the link with {self.ending or 'no code'}")

    async def close(self) -> None:
        """End the connection."""
        await self.socket.close()

    async def _send_plain(self, plaintext: bytes, name: str) -> None:
        self._say(f"{self._name} -> {name}")
        try:
            await self.socket.send_bytes(self.session.sealer.seal(plaintext))
        except (ConnectionError, aiohttp.ClientError):
            self._say(f"{self._name} -> nothing: the connection is gone")

    def opened(self, frame: bytes) -> Message:
        """Return the message of the node's next frame, and keep it. Raises Failed for none."""
        try:
            message = decode_message(self.session.opener.open(frame))
        except ProtocolError as exc:
            raise Failed(expected="a frame with a message", got=f"{exc} [{exc.code}]") from exc
        self._say(f"{self._name} <- {words(message)}")
        self.heard.append(message)
        if isinstance(message, Bye):
            self.ending = message.code
        if isinstance(message, Bye | Reject):
            self._see(message.code)
        return message

    def _see(self, code: str) -> None:
        if code:
            self._saw(code)


def rejected(messages: Iterable[Message]) -> list[str]:
    """Return the codes of the refusals among messages."""
    return [message.code for message in messages if isinstance(message, Reject)]
