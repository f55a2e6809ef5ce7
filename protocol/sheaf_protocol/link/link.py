"""The link: frames in, events out; messages in, frames out (spec chapter 07).

    link.receive_data(frame, now_ms)      what the socket gave
    link.next_event()                     until None: what it means
    link.send(message)                    what the owner answers
    link.data_to_send()                   what the socket is to carry
    link.next_timer_ms(), handle_timer()  when to call although nothing came

It holds no socket, clock or dice. It knows nothing of stores either: it checks form, order, scope
and credit, and leaves the meaning of messages to its owner. After any fault of the peer it is
closed for good, and the last event says why.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sheaf_protocol.digest import FederationId, digest
from sheaf_protocol.errors import LocalProtocolError, RemoteProtocolError
from sheaf_protocol.limits import CREDIT_BYTES, HANDSHAKE_MS, MAX_FRAME
from sheaf_protocol.link.cipher import OVERHEAD
from sheaf_protocol.link.events import Event, LinkClosed, MessageReceived, PeerAuthenticated
from sheaf_protocol.link.handshake import Fresh, Identity, Initiator, Responder, Session
from sheaf_protocol.link.messages import (
    Bye,
    Credit,
    DataMessage,
    Message,
    Scope,
    cost,
    decode_message,
    encode_message,
)
from sheaf_protocol.link.state import Phase, Turn, after

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sheaf_protocol.link.handshake import Admits, Peer


@dataclass(frozen=True, kw_only=True, slots=True)
class Dial:
    """The initiator's part: the name dialled, as its address has it."""

    audience: str
    admits: Admits | None = None
    """Whom to say who we are; None for anybody who proves to be a co-op's writer there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Listen:
    """The responder's part: the names by which peers may have dialled this node."""

    public_names: Sequence[str]
    admits: Admits | None = None
    """Whom to let prove who it is, before its key log is folded; None for anybody."""


class Link:
    """One end of an authenticated session between two nodes."""

    def __init__(self, part: Dial | Listen, identity: Identity, fresh: Fresh, now_ms: int) -> None:
        self.phase = Phase.AWAIT_HELLO
        self.credit = CREDIT_BYTES
        """Bytes that may still be sent before the peer grants more."""
        self._handshake: Initiator | Responder
        self._session: Session | None = None
        self._deadline_ms = now_ms + HANDSHAKE_MS
        self._events: deque[Event] = deque()
        self._outgoing: list[bytes] = []
        self._our_turn = self._their_turn = Turn.GREETING
        self._allowance = CREDIT_BYTES
        self._offered: set[FederationId] = set()
        self._withdrawn: set[FederationId] = set()
        self._named: set[bytes] = set()
        self._scopes: dict[bytes, FederationId] = {}
        self.is_initiator = isinstance(part, Dial)
        if isinstance(part, Dial):
            self._handshake = Initiator(identity, part.audience, fresh, part.admits)
            self._outgoing.append(self._handshake.hello())
            self.phase = Phase.AWAIT_REPLY
        else:
            self._handshake = Responder(identity, part.public_names, fresh, part.admits)

    @property
    def peer(self) -> Peer | None:
        """Who is at the other end, once it proved it."""
        return None if self._session is None else self._session.peer

    @property
    def common(self) -> frozenset[FederationId]:
        """The federations that both sides are ready to exchange data of."""
        return frozenset(self._scopes.values())

    @property
    def in_order(self) -> list[FederationId]:
        """The common federations in an order that both sides see: of the initiator's scopes."""
        return sorted(self.common, key=lambda fid: self._blind(fid, is_initiator=True))

    @property
    def is_ready(self) -> bool:
        """Whether both sides said that they are ready for data."""
        return self._our_turn is Turn.DATA and self._their_turn is Turn.DATA

    def receive_data(self, frame: bytes, now_ms: int) -> None:
        """Take one frame. Never raises for what the peer did: it closes, and an event says why."""
        if self.phase is Phase.CLOSED:
            return
        try:
            if self._session is None:
                self._receive_handshake(frame, now_ms)
            else:
                self._receive_frame(frame, self._session)
        except RemoteProtocolError as exc:
            self.close(exc.code, exc.detail)

    def next_event(self) -> Event | None:
        """Return the next event, or None."""
        return self._events.popleft() if self._events else None

    def data_to_send(self) -> list[bytes]:
        """Return the frames to send, in order, each once."""
        frames, self._outgoing = self._outgoing, []
        return frames

    def next_timer_ms(self) -> int | None:
        """Return when `handle_timer` is due, or None: the handshake alone has a deadline."""
        return None if self.phase in {Phase.OPEN, Phase.CLOSED} else self._deadline_ms

    def handle_timer(self, now_ms: int) -> None:
        """Close a link whose handshake took too long."""
        due = self.next_timer_ms()
        if due is not None and now_ms >= due:
            self.close("link.timeout", f"expected a handshake within {HANDSHAKE_MS} ms")

    def send(self, message: Message) -> None:
        """Queue a message.

        Raises LocalProtocolError: `link.not_open`, `link.order`, `link.credit`,
        `link.frame_size`. Nothing is queued then.
        """
        if self.phase is not Phase.OPEN or self._session is None:
            raise LocalProtocolError("link.not_open", f"expected an open link, got {self.phase}")
        turn = after(self._our_turn, message)
        if turn is None:
            detail = f"{type(message).__name__} may not be sent in turn {self._our_turn.value}"
            raise LocalProtocolError("link.order", detail)
        spent = cost(message)
        if spent > self.credit:
            detail = f"expected at most {self.credit} bytes, got {spent}"
            raise LocalProtocolError("link.credit", detail)
        plaintext = encode_message(message)
        if len(plaintext) + OVERHEAD > MAX_FRAME:
            detail = f"expected at most {MAX_FRAME - OVERHEAD} bytes, got {len(plaintext)}"
            raise LocalProtocolError("link.frame_size", detail)
        self.credit -= spent
        self._our_turn = turn
        self._outgoing.append(self._session.sealer.seal(plaintext))

    def offer(self, fids: Iterable[FederationId], store_id: bytes) -> None:
        """Say that we are ready for these federations' data. Later offers add to earlier ones."""
        self._offered.update(fids)
        self._withdrawn.difference_update(fids)
        self._tell_scopes(store_id)

    def withdraw(self, fids: Iterable[FederationId], store_id: bytes) -> None:
        """Say that we exchange no more data of these federations, which we had offered.

        What the peer sent of them before it heard so comes as a message without a federation; to
        end the link for it would punish a peer for the time that frames take (LNK-30).
        """
        self._withdrawn.update(self._offered.intersection(fids))
        self._offered.difference_update(fids)
        self._tell_scopes(store_id)

    def grant(self, size: int) -> None:
        """Let the peer send this many bytes more: what it sent is stored."""
        self.send(Credit(size))
        self._allowance += size

    def blind(self, fid: FederationId) -> bytes:
        """Return our name of a federation on this link.

        The two sides' names differ, so a peer that sends ours back has proved no knowledge.
        """
        return self._blind(fid, is_initiator=self.is_initiator)

    def close(self, code: str, detail: str = "", *, is_by_peer: bool = False) -> None:
        """End the link and tell the peer why, where it can be told under seal."""
        if self.phase is Phase.CLOSED:
            return
        if self.phase is Phase.OPEN and not is_by_peer:
            self.send(Bye(code))
        self.phase = Phase.CLOSED
        self._events.append(LinkClosed(code=code, detail=detail, is_by_peer=is_by_peer))

    def _receive_handshake(self, frame: bytes, now_ms: int) -> None:
        if isinstance(self._handshake, Initiator):
            proof, session = self._handshake.receive_reply(frame, now_ms)
            self._outgoing.append(proof)
            self._authenticated(session)
        elif self.phase is Phase.AWAIT_HELLO:
            self._outgoing.append(self._handshake.receive_hello(frame))
            self.phase = Phase.AWAIT_PROOF
        else:
            self._authenticated(self._handshake.receive_proof(frame, now_ms))

    def _authenticated(self, session: Session) -> None:
        self._session = session
        self.phase = Phase.OPEN
        self._events.append(PeerAuthenticated(peer=session.peer))

    def _receive_frame(self, frame: bytes, session: Session) -> None:
        message = decode_message(session.opener.open(frame))
        turn = after(self._their_turn, message)
        if turn is None:
            detail = f"{type(message).__name__} came in turn {self._their_turn.value}"
            raise RemoteProtocolError("link.order", detail)
        self._their_turn = turn
        self._charge(cost(message))
        match message:
            case Bye():
                self.close(message.code, "the peer ended the link", is_by_peer=True)
                return
            case Credit():
                self._credited(message.size)
            case Scope():
                self._named = set(message.scopes)
                self._match()
            case _:
                pass
        self._events.append(MessageReceived(message=message, fid=self._federation(message)))

    def _charge(self, spent: int) -> None:
        # Without this a peer could make us buffer without bound: a grant follows the commit.
        if spent > self._allowance:
            detail = f"expected at most {self._allowance} bytes, got {spent}"
            raise RemoteProtocolError("link.credit", detail)
        self._allowance -= spent

    def _credited(self, size: int) -> None:
        if self.credit + size > CREDIT_BYTES:
            detail = f"expected a grant of at most {CREDIT_BYTES - self.credit}, got {size}"
            raise RemoteProtocolError("link.credit", detail)
        self.credit += size

    def _tell_scopes(self, store_id: bytes) -> None:
        scopes = sorted(self.blind(fid) for fid in self._offered)
        self.send(Scope(scopes, store_id))
        self._match()

    def _match(self) -> None:
        theirs = {self._blind(f, is_initiator=not self.is_initiator): f for f in self._offered}
        self._scopes = {name: fid for name, fid in theirs.items() if name in self._named}

    def _federation(self, message: Message) -> FederationId | None:
        if not isinstance(message, DataMessage):
            return None
        fid = self._scopes.get(message.scope)
        if fid is None and not self._is_withdrawn(message.scope):
            raise RemoteProtocolError("link.scope", "expected a federation that both sides offered")
        return fid

    def _is_withdrawn(self, scope: bytes) -> bool:
        theirs = not self.is_initiator
        return any(self._blind(fid, is_initiator=theirs) == scope for fid in self._withdrawn)

    def _blind(self, fid: FederationId, *, is_initiator: bool) -> bytes:
        if self._session is None:
            raise LocalProtocolError("link.not_open", "expected an open link")
        purpose = "scope-initiator" if is_initiator else "scope-responder"
        return bytes(digest(purpose, self._session.secret, fid)[:16])
