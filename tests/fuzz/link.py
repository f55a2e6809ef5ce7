"""Links: whatever comes, a link raises nothing, ends with a listed code and keeps little (spec 07).

The attacker has real keys. It goes through the handshake by hand, so that what the input chooses
lies behind each check in turn: in the clear, inside a box, inside a frame, inside a message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, get_args

import msgpack
import msgspec
from msgspec import inspect
from nacl import bindings
from tests.fuzz.choice import Choices
from tests.fuzz.shape import plain
from tests.fuzz.target import require, require_listed

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import CoopId, digest, tag
from sheaf_protocol.limits import CREDIT_BYTES, HANDSHAKE_MS, MAX_FRAME, MAX_HANDSHAKE
from sheaf_protocol.link import Dial, Link, LinkClosed, Listen, Phase
from sheaf_protocol.link.cipher import derive, public_of, shared_secret
from sheaf_protocol.link.handshake import Hello, Initiator, Proof, Reply
from sheaf_protocol.link.messages import ControlHave, Message, Scope, encode_message
from sheaf_protocol.testing.author import START_MS, make_coop, make_federation
from sheaf_protocol.testing.link_pair import AUDIENCE, fresh, identity_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sheaf_protocol.link.cipher import Sealer

_HILL, _DALE, _MOOR = (make_coop(name) for name in ("Hill", "Dale", "Moor"))
_FID: Final = make_federation([(_HILL, ["member"]), (_DALE, ["member"])]).fid
_MESSAGES: Final = inspect.multi_type_info(get_args(Message))
_HELLO, _REPLY, _COOP = inspect.multi_type_info([Hello, Reply, CoopId])
_STORE: Final = bytes(16)
_MOST_STEPS: Final = 40
NAMES: Final = tuple(str(getattr(struct, "tag", "")) for struct in _MESSAGES)
TOKENS: Final = tuple(msgpack.packb(name) for name in NAMES)


def run(data: bytes) -> None:
    """Attack a link in the way that the first byte names."""
    choices = Choices(data)
    choices.of((_hello, _reply, _proof, _frames, _frames, _plaintexts, _messages))(choices)


def seeds() -> Iterator[bytes]:
    """Give each attack its plain case, and each message its turn."""
    for way in range(7):
        yield bytes([way])
        yield bytes([way]) + bytes(range(1, 60))
        yield bytes([way, 0xFF, 0xFF]) + bytes(60)
    for at in range(len(NAMES)):
        yield bytes([6, 1, at]) + bytes(40)
        yield bytes([6, 1, at]) + bytes(range(40)) + bytes([1, at]) + bytes(40)


class Victim:
    """A link under attack, and what it must keep to whatever comes."""

    def __init__(self, part: Dial | Listen) -> None:
        self.link = Link(part, identity_of(_HILL), fresh(b"victim"), START_MS)
        self.sent: list[bytes] = self.link.data_to_send()
        self._came = self._told = 0

    def take(self, frame: bytes) -> None:
        """Give it one frame."""
        was_closed = self.link.phase is Phase.CLOSED
        self.link.receive_data(frame, START_MS)
        self._came += 1
        out = self.link.data_to_send()
        self.sent += out
        require(len(out) <= 1, "a frame is answered by one frame at most")
        require(not (was_closed and out), "a closed link says nothing")
        while (event := self.link.next_event()) is not None:
            self._told += 1
            if isinstance(event, LinkClosed) and not event.is_by_peer:
                require_listed(event.code)
        require(self._told <= self._came + 1, "a frame is told by one event, and the end by one")
        require(0 <= self.link.credit <= CREDIT_BYTES, "credit keeps its bounds")

    def end(self) -> None:
        """Let the time of a handshake pass: what is not open by then has ended."""
        self.link.handle_timer(START_MS + HANDSHAKE_MS)
        require(self.link.phase in {Phase.OPEN, Phase.CLOSED}, "no handshake outlasts its time")
        require(self.link.next_timer_ms() is None, "nothing is left to wait for")


@dataclass(frozen=True)
class Attacker:
    """The other end of an open link: it can seal whatever it likes."""

    sealer: Sealer
    scope: bytes

    def greet(self, victim: Victim) -> None:
        """Go as far as data, as an honest peer would."""
        for message in self.greeting():
            victim.take(self.sealer.seal(encode_message(message)))
        require(victim.link.is_ready, "both sides are ready for data")

    def greeting(self) -> list[Message]:
        """Return the messages that lead to data."""
        return [ControlHave([], [], [], True), Scope([self.scope], _STORE)]


def _hello(choices: Choices) -> None:
    """Send the listening side anything in place of M1, and then of M3."""
    victim = Victim(Listen(public_names=(AUDIENCE,)))
    for _ in range(2):
        made = _packed(plain(choices.of((_HELLO, _HELLO, _REPLY)), choices))
        victim.take(choices.rest() if choices.below(4) == 3 else made)
    victim.end()


def _reply(choices: Choices) -> None:
    """Answer the dialling side's M1 with a box of our making under the right key."""
    victim = Victim(Dial(audience=AUDIENCE))
    hello, seed = victim.sent[0], fresh(b"attacker")
    bare = Reply(box=b"", eph=public_of(seed.seed), nonce=seed.nonce, version=1)
    theirs = decode(hello, Hello).eph
    opened = digest("link-opened", digest("link-hello", hello), digest("link-reply", encode(bare)))
    key = derive(shared_secret(seed.seed, theirs), opened, "link-responder-box")
    box = _box(_identification(choices, "handshake-responder", opened), key)
    victim.take(_altered(encode(msgspec.structs.replace(bare, box=box)), choices))
    victim.take(_altered(choices.some(), choices))
    victim.end()


def _proof(choices: Choices) -> None:
    """Answer the listening side's M2 with a box of our making under the right key."""
    victim = Victim(Listen(public_names=(AUDIENCE,)))
    seed = fresh(b"attacker")
    hello = encode(
        Hello(audience=AUDIENCE, eph=public_of(seed.seed), nonce=seed.nonce, versions=[1, 2])
    )
    victim.take(hello)
    reply = decode(victim.sent[0], Reply, limit=MAX_HANDSHAKE)
    secret = shared_secret(seed.seed, reply.eph)
    bare = encode(msgspec.structs.replace(reply, box=b""))
    opened = digest("link-opened", digest("link-hello", hello), digest("link-reply", bare))
    proven = digest("link-proven", opened, digest("link-box", reply.box), _HILL.wid)
    box = _box(
        _identification(choices, "handshake-initiator", proven),
        derive(secret, proven, "link-initiator-box"),
    )
    victim.take(_altered(encode(Proof(box=box)), choices))
    victim.take(_altered(choices.some(), choices))
    victim.end()


def _frames(choices: Choices) -> None:
    """Send sealed frames doubled, dropped, altered, or in another order."""
    victim, attacker = _opened()
    frames = [attacker.sealer.seal(encode_message(m)) for m in attacker.greeting()]
    frames += [attacker.sealer.seal(choices.some()) for _ in range(choices.below(4))]
    for _ in range(min(_MOST_STEPS, 1 + choices.byte())):
        if not choices:
            break
        victim.take(_altered(choices.of(frames), choices))
    victim.end()


def _plaintexts(choices: Choices) -> None:
    """Send any bytes under a right seal."""
    victim, attacker = _opened()
    if choices.below(2):
        attacker.greet(victim)
    while choices and victim.link.phase is not Phase.CLOSED:
        victim.take(attacker.sealer.seal(choices.some() if choices.below(2) else choices.rest()))
    victim.end()


def _messages(choices: Choices) -> None:
    """Send messages in every shape and turn."""
    victim, attacker = _opened()
    if choices.below(2):
        attacker.greet(victim)
    for _ in range(_MOST_STEPS):
        if not choices or victim.link.phase is Phase.CLOSED:
            break
        made = plain(choices.of(_MESSAGES), choices)
        if isinstance(made, list) and choices.often():
            # Or no data message would get past the scope.
            head = [attacker.scope if isinstance(part, bytes) else part for part in made[:2]]
            made = [*head, *made[2:]]
        packed = _packed(made)
        require(len(packed) < MAX_FRAME, "a made-up message stays small")
        victim.take(attacker.sealer.seal(packed))
    victim.end()


def _opened() -> tuple[Victim, Attacker]:
    """Return a listening link after an honest handshake, ready for data on its side."""
    victim = Victim(Listen(public_names=(AUDIENCE,)))
    initiator = Initiator(identity_of(_DALE), AUDIENCE, fresh(b"attacker"))
    victim.take(initiator.hello())
    proof, session = initiator.receive_reply(victim.sent[0], START_MS)
    victim.take(proof)
    require(victim.link.phase is Phase.OPEN, "an honest handshake opens the link")
    victim.link.send(ControlHave([], [], [], True))
    victim.link.offer([_FID], _STORE)
    victim.link.data_to_send()
    scope = digest("scope-initiator", session.secret, _FID)[:16]
    return victim, Attacker(session.sealer, scope)


def _identification(choices: Choices, purpose: str, transcript: bytes) -> bytes:
    """Return a box's inside: a co-op's own, with parts of another's, or any bytes."""
    if not choices.often():
        return choices.rest()
    coop, other = choices.of((_DALE, _MOOR)), choices.of((_DALE, _MOOR, _HILL))
    shown = coop if choices.often() else other
    ops = list(shown.key_ops) if choices.often() else shown.key_ops[: choices.below(4)]
    wid = coop.wid if choices.often() else other.wid
    signed = transcript + (coop if choices.often() else other).cid
    made: dict[str, object] = {
        "cid": (coop if choices.often() else other).cid,
        "key_log": [msgspec.to_builtins(op, builtin_types=(bytes,)) for op in ops],
        "sig": coop.writer.sign(purpose if choices.often() else "key-op", signed),
        "wid": wid,
    }
    if not choices.often():
        made[choices.of(tuple(made))] = plain(_COOP, choices)
    return _packed(made)


def _box(inside: bytes, key: bytes) -> bytes:
    sealed = bindings.crypto_aead_chacha20poly1305_ietf_encrypt(
        inside, tag("link-box"), bytes(12), key
    )
    return bytes(sealed)


def _packed(value: object) -> bytes:
    """Return the bytes of a value that our encoder may refuse to write."""
    return bytes(msgpack.packb(value, use_bin_type=True))


def _altered(frame: bytes, choices: Choices) -> bytes:
    """Return the frame, seldom cut, lengthened or with another byte in it."""
    if choices.often():
        return frame
    at = choices.byte()
    return choices.of(
        (frame[:at], frame + choices.some(), frame[:at] + choices.take(1) + frame[at + 1 :])
    )
