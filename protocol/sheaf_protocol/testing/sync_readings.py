"""How the vectors of folders `06-frontier`, `06-subscription` and `07-link` are read (see
`readings.py`).

An input is an array whose first element says which part of the chapter it shows, but for
`06-subscription`.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias, assert_never, cast

import msgspec
from msgspec import Meta

from sheaf_protocol.codec import check, decode, encode
from sheaf_protocol.digest import CoopId, Digest, LogId  # msgspec reads the annotations
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.frontier import Frontier, FrontierItem, LogState, compare, idle_digest
from sheaf_protocol.identity import KeyOp, signing_key
from sheaf_protocol.limits import MAX_FRAME, MAX_INT
from sheaf_protocol.link.cipher import Opener
from sheaf_protocol.link.comparison import Comparison, descend
from sheaf_protocol.link.handshake import Fresh, Identity, Initiator, Responder, Session
from sheaf_protocol.link.messages import Bye, TreeNode, decode_message, encode_message
from sheaf_protocol.link.state import Turn, after
from sheaf_protocol.subscription import Filter, matches

_Hash = Annotated[Digest, Meta(min_length=32, max_length=32)]
_Count = Annotated[int, Meta(ge=0, le=MAX_INT)]


class _Held(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    log: Annotated[LogId, Meta(min_length=32, max_length=32)]
    seq: Annotated[int, Meta(ge=1, le=MAX_INT)]
    head: _Hash
    is_forked: bool


class _Part(msgspec.Struct, frozen=True, array_like=True, tag="part"):
    prefix: Annotated[str, Meta(pattern=r"\A[0-9a-f]*\Z")]
    logs: list[_Held]


class _Idle(msgspec.Struct, frozen=True, array_like=True, tag="idle"):
    roots: list[_Hash]


class _Compare(msgspec.Struct, frozen=True, array_like=True, tag="compare"):
    logs: list[_Held]
    items: list[FrontierItem]


class _Descend(msgspec.Struct, frozen=True, array_like=True, tag="descend"):
    logs: list[_Held]
    nodes: list[TreeNode]


class _Answer(msgspec.Struct, frozen=True, array_like=True, tag="answer"):
    logs: list[_Held]
    arrival: _Count
    root: _Hash
    since: _Count


class _Message(msgspec.Struct, frozen=True, array_like=True, tag="message"):
    turn: Turn
    plaintext: bytes


class _Frames(msgspec.Struct, frozen=True, array_like=True, tag="frames"):
    key: _Hash
    frames: Annotated[list[bytes], Meta(min_length=1)]


class _Side(msgspec.Struct, frozen=True, array_like=True):
    cid: CoopId
    key_log: list[KeyOp]
    writer: _Hash
    seed: _Hash
    nonce: Annotated[bytes, Meta(min_length=16, max_length=16)]


class _Initiator(msgspec.Struct, frozen=True, array_like=True, tag="initiator"):
    side: _Side
    audience: str
    reply: bytes
    now_ms: _Count


class _Responder(msgspec.Struct, frozen=True, array_like=True, tag="responder"):
    side: _Side
    names: list[str]
    hello: bytes
    proof: bytes
    now_ms: _Count


class _Wanted(msgspec.Struct, frozen=True, kw_only=True):
    body: bytes
    filter: Filter
    kind: str


_FrontierInput: TypeAlias = _Part | _Idle | _Compare | _Descend | _Answer
_LinkInput: TypeAlias = _Message | _Frames | _Initiator | _Responder


def read_frontier(data: bytes) -> bytes:
    """Return what a frontier makes of a question about it."""
    given = decode(data, cast("type[_FrontierInput]", _FrontierInput), limit=MAX_FRAME)
    match given:
        case _Part():
            return _frontier(given.logs).tree.at(given.prefix).digest
        case _Idle():
            return idle_digest(given.roots)
        case _Compare():
            difference = compare(_frontier(given.logs).logs, given.items)
            ranges = [[r.log, r.first, r.last] for r in difference.wanted]
            return encode([ranges, list(difference.diverged)])
        case _Descend():
            descent = descend(_frontier(given.logs), given.nodes)
            nodes = [node.prefix for node in descent.nodes]
            return encode([sorted(descent.told), list(descent.wanted), nodes])
        case _Answer():
            comparison = Comparison(is_initiator=False, cursor=None)
            ours = _frontier(given.logs)
            answer = comparison.answer(given.root, given.since, ours, given.arrival)
            return answer.value.encode()
        case _:
            assert_never(given)


def read_link(data: bytes) -> bytes:
    """Return what one end of a link makes of what it receives."""
    given = decode(data, cast("type[_LinkInput]", _LinkInput), limit=MAX_FRAME)
    match given:
        case _Message():
            return _message(given)
        case _Frames():
            opener = Opener(given.key)
            return [opener.open(frame) for frame in given.frames][-1]
        case _Initiator():
            return _initiator(given)
        case _Responder():
            return _responder(given)
        case _:
            assert_never(given)


def read_subscription(data: bytes) -> bytes:
    """Return whether a payload is wanted: one byte, 1 or 0."""
    given = decode(data, _Wanted, limit=MAX_FRAME)
    return bytes([matches(given.filter, given.kind, check(given.body))])


def _frontier(logs: list[_Held]) -> Frontier:
    held = {h.log: LogState(seq=h.seq, head=h.head, is_forked=h.is_forked) for h in logs}
    return Frontier.of(held)


def _message(given: _Message) -> bytes:
    message = decode_message(given.plaintext)
    turn = after(given.turn, message)
    if turn is None:
        detail = f"expected no such message in turn {given.turn.value}"
        raise RemoteProtocolError("link.order", detail)
    return turn.value.encode()


def _initiator(given: _Initiator) -> bytes:
    initiator = Initiator(_identity(given.side), given.audience, _fresh(given.side))
    proof, session = initiator.receive_reply(given.reply, given.now_ms)
    return encode([initiator.hello(), proof, _first_frame(session)])


def _responder(given: _Responder) -> bytes:
    responder = Responder(_identity(given.side), given.names, _fresh(given.side))
    sent: list[Any] = [responder.receive_hello(given.hello)]
    if given.proof:
        sent.append(_first_frame(responder.receive_proof(given.proof, given.now_ms)))
    return encode(sent)


def _first_frame(session: Session) -> bytes:
    return session.sealer.seal(encode_message(Bye("link.bye")))


def _identity(side: _Side) -> Identity:
    return Identity(cid=side.cid, key_log=side.key_log, writer=signing_key(side.writer))


def _fresh(side: _Side) -> Fresh:
    return Fresh(seed=side.seed, nonce=side.nonce)
