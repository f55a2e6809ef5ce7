"""Plaintexts that are no message, and messages out of turn (chapter 07, sections 4 and 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sheaf_node.conform.model import case
from sheaf_node.conform.peer import NOTHING, STORE_ID
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import Digest, EntryId, digest
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.limits import CREDIT_BYTES
from sheaf_protocol.link.messages import (
    Compare,
    ControlItems,
    ControlWant,
    Credit,
    Entries,
    Idle,
    Lagged,
    Reject,
    Scope,
    Served,
    Subscribe,
    encode_message,
)
from sheaf_protocol.subscription import Filter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.conform.model import Steps
    from sheaf_node.conform.scene import Scene
    from sheaf_protocol.link.messages import Message


def _entry() -> EntryId:
    return EntryId(digest("test", b"nobody's entry"))


_S: Final = bytes(16)
_H: Final = bytes(32)
_PLAIN: Final = (
    ("empty", "nothing", b"", "enc.malformed"),
    ("garbage", "a byte that MessagePack does not use", b"\xc1", "enc.malformed"),
    ("trailing", "a byte behind the message", encode(["lagged", _S]) + b"\x00", "enc.trailing"),
    (
        "long-array",
        "an array longer than it need be",
        b"\xdc\x00\x02\xa3bye\xa8link.bye",
        "enc.not_shortest",
    ),
    ("nil", "a nil in place of a root", b"\x94\xa7compare\xc4\x10" + _S + b"\xc0\x00", "enc.nil"),
    ("unknown", "an unknown message", encode(["sing", "song"]), "link.message"),
    ("a-map", "a map", b"\x80", "link.message"),
    ("no-name", "an array that begins with a number", encode([1, 2]), "link.message"),
    ("short", "a message that lacks an element", encode(["compare", _S, _H]), "link.message"),
    ("long", "a message with an element too many", encode(["lagged", _S, 1]), "link.message"),
    ("scope-short", "a scope of 15 bytes", encode(["lagged", bytes(15)]), "link.message"),
    ("root-short", "a root of 31 bytes", encode(["compare", _S, bytes(31), 0]), "link.message"),
    ("since-negative", "a number below 0", encode(["compare", _S, _H, -1]), "link.message"),
    (
        "head-of-9",
        "a head of 9 bytes",
        encode(["have", _S, _H, 1, [[_H, 1, bytes(9)]]]),
        "link.message",
    ),
    ("range-from-0", "a range from 0", encode(["want", _S, [[_H, 0, 1]]]), "link.message"),
    ("ranges-none", "no ranges", encode(["want", _S, []]), "link.message"),
    ("ranges-many", "1,001 ranges", encode(["want", _S, [[_H, 1, 1]] * 1_001]), "link.message"),
    (
        "prefix-long",
        "a prefix of 9 digits",
        encode(["tree_want", _S, ["012345678"]]),
        "link.message",
    ),
    ("prefix-capital", "a prefix in capitals", encode(["tree_want", _S, ["A"]]), "link.message"),
    (
        "tree-narrow",
        "a node of 15 digests",
        encode(["tree", _S, [["", [_H] * 15]]]),
        "link.message",
    ),
    ("credit-none", "a grant of nothing", encode(["credit", 0]), "link.message"),
    (
        "credit-large",
        "a grant of more than there is",
        encode(["credit", CREDIT_BYTES + 1]),
        "link.message",
    ),
    ("reject-code", "a code that is none", encode(["reject", _H, "No Code"]), "link.message"),
    (
        "filter-empty-list",
        "a filter with an empty list",
        encode(["subscribe", _S, {"kinds": []}]),
        "link.message",
    ),
    (
        "filter-kind",
        "a filter with a kind that is none",
        encode(["subscribe", _S, {"kinds": ["A B"]}]),
        "link.message",
    ),
    (
        "filter-many",
        "a filter of 65 kinds",
        encode(["subscribe", _S, {"kinds": [f"x.{n}" for n in range(65)]}]),
        "link.message",
    ),
    (
        "payload-short",
        "a payload without its salt",
        encode(["payloads", _S, [[_H, 1, bytes(15)]]]),
        "link.message",
    ),
    (
        "payloads-beyond",
        "a question for 2,049 payloads",
        encode(["payload_want", _S, [[_H, 1, 2_049]]]),
        "link.batch",
    ),
    (
        "piece-256",
        "a piece beyond the largest blob",
        encode(["blob_want", _S, _H, 0, 256]),
        "link.message",
    ),
    (
        "piece-empty",
        "a piece of no bytes",
        encode(["blob_piece", _S, _H, 1, 0, [], b""]),
        "link.message",
    ),
    (
        "key-logs-511",
        "an operation number of 512",
        encode(["control_want", [[_H, 512]], [], []]),
        "link.message",
    ),
    ("store-id-short", "a store id of 15 bytes", encode(["scope", [], bytes(15)]), "link.message"),
    (
        "batch-bytes",
        "a batch of more than MAX_BATCH_BYTES",
        encode_message(Entries(_S, True, [Envelope(_S, b"", bytes(65_536))] * 5, [])),
        "link.batch",
    ),
    (
        "batch-many",
        "a batch of 257 entries",
        encode_message(Entries(_S, True, [Envelope(_S, b"", b"")] * 257, [])),
        "link.message",
    ),
)


def _plain(plaintext: bytes, code: str) -> Steps:
    async def steps(scene: Scene) -> None:
        peer = await scene.ready()
        await peer.send_plain(plaintext)

        await peer.ended(code)

    return steps


def _clause(name: str, code: str) -> str:
    if code == "link.batch" or name == "batch-many":
        return "LNK-18"
    if name == "head-of-9":
        return "SYN-18"
    return "SYN-70" if name.startswith("filter") else "LNK-16"


for _id, _words, _data, _code in _PLAIN:
    _rule = "SYN-78" if _id == "payloads-beyond" else _clause(_id, _code)
    case(f"message-{_id}", _rule, f"A frame around {_words} ends the link", codes=(_code,))(
        _plain(_data, _code)
    )


_EARLY: Final[Sequence[tuple[str, Message]]] = (
    ("idle", Idle(bytes(16))),
    ("credit", Credit(1)),
    ("control-want", ControlWant([], [], [])),
    ("control-items", ControlItems([], [], [], True)),
    ("scope", Scope([], STORE_ID)),
    ("reject", Reject(_entry(), "x.test")),
    ("compare", Compare(_S, Digest(_H), 0)),
    ("entries", Entries(_S, True, [Envelope(b"", b"", b"")], [])),
    ("served", Served(_S)),
)


def _early(message: Message) -> Steps:
    async def steps(scene: Scene) -> None:
        peer = await scene.link()
        await peer.send(message)

        await peer.ended("link.order")

    return steps


for _id, _message in _EARLY:
    case(
        f"turn-{_id}-first",
        "LNK-20",
        f"A {_id} before any control_have ends the link",
        codes=("link.order",),
    )(_early(_message))


def _between(message: Message) -> Steps:
    async def steps(scene: Scene) -> None:
        peer = await scene.link()
        await peer.send(NOTHING)
        await peer.send(message)

        await peer.ended("link.order")

    return steps


_SOON: Final[Sequence[tuple[str, Message]]] = (
    ("idle", Idle(bytes(16))),
    ("compare", Compare(_S, Digest(_H), 0)),
    ("lagged", Lagged(_S)),
    ("subscribe", Subscribe(_S, Filter())),
    ("entries", Entries(_S, True, [Envelope(b"", b"", b"")], [])),
)
for _id, _message in _SOON:
    case(
        f"turn-{_id}-before-scope",
        "LNK-20",
        f"A {_id} before the sender's scope ends the link",
        codes=("link.order",),
    )(_between(_message))
