"""Entries that a node takes, and those that it does not (chapters 03 to 05)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sheaf_node.conform.model import case
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import EntryId, digest
from sheaf_protocol.envelope import Envelope, make_payload, payload_hash
from sheaf_protocol.limits import MAX_CLOCK_AHEAD_MS, MAX_PAYLOAD, MAX_REFS
from sheaf_protocol.link.messages import PayloadItem, Payloads, PayloadWant, Served
from sheaf_protocol.testing.link_pair import flipped

if TYPE_CHECKING:
    from sheaf_node.conform.peer import KitPeer
    from sheaf_node.conform.scene import Scene
    from sheaf_protocol.testing.author import LogAuthor

BODY: Final = b"\x80"
KIND: Final = "x.note"


def signed(author: LogAuthor, fields: list[Any], payload: bytes) -> Envelope:
    """Return an envelope around any header at all, signed by the author's writer."""
    header = encode(fields)
    return Envelope(header, author.key.sign("entry-signature", header), payload)


def fields_of(author: LogAuthor, payload: bytes, **changes: object) -> list[Any]:
    """Return the thirteen elements of the author's next header, some of them changed."""
    names = (
        "v",
        "fid",
        "cid",
        "wid",
        "seq",
        "prev",
        "kind",
        "time_ms",
        "expires_ms",
        "payload_hash",
    )
    right = [
        1,
        author.fid,
        author.cid,
        author.key.public,
        author.head.seq + 1,
        author.head.id,
        KIND,
        author.now_ms,
        0,
        payload_hash(payload),
        len(payload),
        [],
        0,
    ]
    places = {name: at for at, name in enumerate((*names, "payload_len", "refs", "flags"))}
    for name, value in changes.items():
        right[places[name]] = value
    return right


def payload_of(body: bytes = BODY) -> bytes:
    """Return a payload with a salt that follows from the body."""
    return make_payload(body, digest("test-salt", body)[:16])


@case("entry-taken", ("ENV-1", "ENV-5", "LOG-1"), "A right entry of a member is stored")
async def _taken(scene: Scene) -> None:
    peer = await scene.ready()
    await peer.push(peer.author.append(KIND, BODY))

    await scene.require_held(peer.author, 1)


@case("entry-relayed", ("ENV-8", "SYN-10"), "What was stored is relayed byte for byte", coops=2)
async def _relayed(scene: Scene) -> None:
    peer = await scene.ready()
    sent = [peer.author.append(KIND, encode({"n": n})) for n in range(3)]
    await peer.push(*sent)
    await scene.await_held(peer.author)
    await peer.close()
    other = await scene.ready(scene.coops[1])
    got = await scene.entries(peer.author, 1, 3)

    require_same(scene, sent, got)
    scene.expect(sent[-1].signature, got[-1].signature, "the last signature")
    scene.expect(None, other.ending, "end of the link")


@case("entry-again", "LOG-2", "An entry that comes twice is taken once and ends nothing")
async def _twice(scene: Scene) -> None:
    peer = await scene.ready()
    entry = peer.author.append(KIND, BODY)
    await peer.push(entry)
    await peer.push(entry)

    await scene.require_held(peer.author, 1)
    await peer.still_open()


@case(
    "entry-unknown-kind",
    "VER-2",
    "An entry of a kind that nobody knows is stored and relayed",
    coops=2,
)
async def _unknown_kind(scene: Scene) -> None:
    await _kept(scene, "x.zeal.report", {"a": [1, {"b": b"\x00" * 40}], "zeal": True})


@case(
    "entry-unknown-family",
    "VER-2",
    "A kind without the x. of an extension is stored as well",
    coops=2,
)
async def _unknown_family(scene: Scene) -> None:
    await _kept(scene, "zeal.report", {"zeal": 1})


@case(
    "entry-extra-key",
    ("VER-3", "ENC-16"),
    "A key that a record does not have is kept and relayed",
    coops=2,
)
async def _extra_key(scene: Scene) -> None:
    await _kept(
        scene, "verdict", {"code": "ok", "level": "totals", "subject": bytes(32), "zeal": 2}
    )


@case("entry-body-no-map", "VER-2", "A body of an unknown kind may be any value", coops=2)
async def _no_map(scene: Scene) -> None:
    await _kept(scene, KIND, [1, -1, "text", b"bytes", True])


@case(
    "entry-schema-fault",
    ("ENV-9", "ENV-19"),
    "A record that lacks its keys is its author's fault: stored and relayed",
    coops=2,
)
async def _schema(scene: Scene) -> None:
    await _kept(scene, "verdict", {"code": "ok"})


@case(
    "entry-reserved-kind",
    ("VER-6", "VER-2"),
    "An entry of a reserved kind is stored and relayed",
    coops=2,
)
async def _reserved(scene: Scene) -> None:
    await _kept(scene, "pool.settle", {})


@case(
    "entry-private-kind-open",
    ("ENV-7", "ENV-9"),
    "A private kind in the open is its author's fault: stored",
    coops=2,
)
async def _unsealed(scene: Scene) -> None:
    await _kept(scene, "order.place", {})


@case(
    "entry-sealed-garbage",
    ("ENV-11", "ENV-9"),
    "A sealed body that opens for nobody is stored and relayed",
    coops=2,
)
async def _sealed(scene: Scene) -> None:
    slot = {"hint": bytes(4), "key": bytes(80)}
    await _kept(
        scene,
        "sealed",
        {"box": bytes(300), "commitment": bytes(32), "nonce": bytes(24), "slots": [slot]},
    )


async def _kept(scene: Scene, kind: str, body: object) -> None:
    """Push an entry, and find the same bytes at another member's."""
    peer = await scene.ready()
    entry = peer.author.append(kind, encode(body))
    await peer.push(entry)
    await scene.await_held(peer.author)
    await peer.close()
    await scene.ready(scene.coops[1])

    require_same(scene, [entry], await scene.entries(peer.author, 1, 1))


@case("entry-largest-payload", "ENV-1", "A payload of MAX_PAYLOAD bytes is taken")
async def _largest(scene: Scene) -> None:
    peer = await scene.ready()
    texts = ["a" * 16_000] * 4
    short = MAX_PAYLOAD - 16 - len(encode(texts))
    entry = peer.author.append(KIND, encode([*texts, bytes(short - 3)]))
    scene.expect(MAX_PAYLOAD, len(entry.payload), "bytes")
    await peer.push(entry)

    await scene.require_held(peer.author, 1)


@case("entry-sixteen-refs", "ENV-1", "Sixteen refs are taken, to entries that nobody knows")
async def _refs(scene: Scene) -> None:
    peer = await scene.ready()
    refs = [EntryId(digest("test", bytes([n]))) for n in range(MAX_REFS)]
    await peer.push(peer.author.append(KIND, BODY, refs=refs))

    await scene.require_held(peer.author, 1)


@case(
    "entry-old-time", "ENV-1", "An entry of a year ago is taken: no rule judges by its time alone"
)
async def _old(scene: Scene) -> None:
    peer = await scene.ready()
    await peer.push(peer.author.append(KIND, BODY, time_ms=scene.now_ms - 365 * 86_400_000))

    await scene.require_held(peer.author, 1)


@case(
    "entry-withheld-payload",
    ("ENV-4", "ENV-38", "SYN-77"),
    "An entry without its payload is stored, and the payload asked for",
    sides=1,
)
async def _withheld(scene: Scene) -> None:
    peer = await in_side(scene)
    await peer.push(without_payload(peer.author.append(KIND, BODY)))

    await scene.require_held(peer.author, 1)
    log = peer.author.log
    await peer.hear(PayloadWant, lambda want: want.ranges[0].log == log, since=0)


@case(
    "entry-late-payload-wrong",
    "ENV-41",
    "A payload that comes later and is not the header's is refused",
    sides=1,
    codes=("env.payload_hash",),
)
async def _late_wrong(scene: Scene) -> None:
    peer = await in_side(scene)
    good = peer.author.append(KIND, BODY)
    await peer.push(without_payload(good))
    await peer.hear(PayloadWant)
    wrong = PayloadItem(peer.author.log, 1, flipped(good.payload, 0))
    await peer.send(Payloads(peer.scope(), [wrong]))

    await peer.ended("env.payload_hash")


@case(
    "entry-late-payload-taken",
    ("ENV-41", "SYN-77"),
    "A payload that comes later is taken and relayed",
    sides=1,
)
async def _late_taken(scene: Scene) -> None:
    peer = await in_side(scene)
    good = peer.author.append(KIND, BODY)
    await peer.push(without_payload(good))
    await peer.hear(PayloadWant)
    await peer.send(Payloads(peer.scope(), [PayloadItem(peer.author.log, 1, good.payload)]))
    await peer.send(Served(peer.scope()))
    await peer.still_open()
    await peer.close()
    await in_side(scene, 1)

    require_same(scene, [good], await scene.entries(peer.author, 1, 1))


@case(
    "payloads-not-asked-for",
    "SYN-80",
    "A payload that nobody asked for ends the link",
    codes=("link.range",),
)
async def _not_asked(scene: Scene) -> None:
    peer = await scene.ready()
    good = peer.author.append(KIND, BODY)
    await peer.send(Payloads(peer.scope(), [PayloadItem(peer.author.log, 1, good.payload)]))

    await peer.ended("link.range")


@case(
    "payloads-of-another-range",
    "SYN-80",
    "A payload of another entry than those asked for ends the link",
    sides=1,
    codes=("link.range",),
)
async def _other_range(scene: Scene) -> None:
    peer = await in_side(scene)
    good = peer.author.append(KIND, BODY)
    await peer.push(without_payload(good))
    await peer.hear(PayloadWant)
    await peer.send(Payloads(peer.scope(), [PayloadItem(peer.author.log, 2, good.payload)]))

    await peer.ended("link.range")


async def in_side(scene: Scene, at: int = 0) -> KitPeer:
    """Return a link that is ready for the case's own federation, of one of its four co-ops."""
    side = scene.sides[0]
    return await scene.ready(side.coops[at], side.fid)


def without_payload(envelope: Envelope) -> Envelope:
    """Return the envelope with its payload left out."""
    return Envelope(envelope.header, envelope.signature, b"")


def require_same(scene: Scene, sent: list[Envelope], got: list[Envelope]) -> None:
    """Raise Failed unless headers and payloads came back byte for byte, and the end proven."""
    scene.expect([e.id.hex() for e in sent], [e.id.hex() for e in got], "entries relayed")
    scene.expect([len(e.payload) for e in sent], [len(e.payload) for e in got], "payload bytes")
    scene.expect(
        True,
        sent
        == [Envelope(e.header, s.signature, e.payload) for e, s in zip(got, sent, strict=True)],
        "same bytes",
    )


@case(
    "entry-of-another-coop",
    "ENV-5",
    "An entry in another co-op's name is refused",
    coops=2,
    codes=("env.signature",),
)
async def _anothers(scene: Scene) -> None:
    peer = await scene.ready()
    victim = scene.author(scene.coops[1])
    fields = fields_of(victim, payload_of())
    forged = encode(fields)
    signature = peer.author.key.sign("entry-signature", forged)
    await peer.push(Envelope(forged, signature, payload_of()), is_live=True)

    await peer.ended("env.signature", "link.range")
    await scene.require_not_held(victim)


@case(
    "entry-ahead-of-the-clock",
    "ENV-13",
    "An entry an hour ahead of the clock is not taken, and costs its sender no link",
)
async def _ahead(scene: Scene) -> None:
    peer = await scene.ready()
    await peer.push(peer.author.append(KIND, BODY, time_ms=scene.now_ms + 12 * MAX_CLOCK_AHEAD_MS))

    await peer.still_open()
    await scene.require_not_held(peer.author)


@case("entry-a-minute-ahead", "ENV-13", "An entry a minute ahead of the clock is taken")
async def _little_ahead(scene: Scene) -> None:
    peer = await scene.ready()
    await peer.push(peer.author.append(KIND, BODY, time_ms=scene.now_ms + 60_000))

    await scene.require_held(peer.author, 1)
