"""A peer whose entries are not proven, or no entries at all: signatures, tails, headers, bodies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.conform.cases.evil_push import told
from sheaf_node.conform.honest import (
    EMPTY_MAP,
    NOTE,
    notes,
    require_no_log,
    require_place,
    require_refused,
    require_unharmed,
    signed_by,
)
from sheaf_node.conform.model import Failed, case
from sheaf_protocol.envelope import Envelope, open_header, verify_header
from sheaf_protocol.errors import ProtocolError
from sheaf_protocol.limits import MAX_UNSIGNED
from sheaf_protocol.link.messages import Entries, RangeItem, Served, Want
from sheaf_protocol.testing.author import unsigned

if TYPE_CHECKING:
    from sheaf_node.conform.scene import Scene


@case(
    "evil-push-unsigned",
    "LOG-23",
    "An entry pushed as new without its own signature ends the link",
    codes=("env.signature",),
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    first, second = notes(evil.author, 2)
    await evil.push(unsigned(first), second)
    await evil.ended("env.signature")
    await require_no_log(await require_unharmed(scene), evil.author)


@case(
    "evil-signature-of-another-purpose",
    "ENV-5",
    "The writer's signature over the same bytes for another purpose proves no entry",
    codes=("env.signature",),
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    [entry] = notes(evil.author, 1)
    await evil.push(signed_by(entry, evil.author.key, "handshake-initiator"))
    await evil.ended("env.signature")
    await require_no_log(await require_unharmed(scene), evil.author)


@case(
    "evil-signature-of-another-key",
    ("ENV-5", "LOG-7"),
    "A valid signature of another member proves no entry",
    codes=("env.signature",),
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    [entry] = notes(evil.author, 1)
    await evil.push(signed_by(entry, scene.coops[1].writer))
    await evil.ended("env.signature")
    await require_no_log(await require_unharmed(scene), evil.author)


@case(
    "evil-signature-too-far-on",
    "LOG-6",
    "A signature proves what stands at most 63 places before it",
    codes=("env.signature",),
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    entries = notes(evil.author, MAX_UNSIGNED + 1)
    await told(evil, entries, evil.author)
    await evil.push(*(unsigned(entry) for entry in entries[:-1]), entries[-1], is_live=False)
    await evil.ended("env.signature")
    await require_unharmed(scene)


@case(
    "evil-unverified-signature-inside",
    ("LOG-17", "LOG-8", "LOG-15"),
    "What the node passes on is proven by signatures that hold, whatever came inside a stretch",
    coops=3,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    entries = notes(evil.author, 3)
    await told(evil, entries, evil.author)
    forged = signed_by(entries[1], scene.coops[1].writer)
    await evil.push(entries[0], forged, entries[2], is_live=False)
    await require_unharmed(scene)
    held = await scene.held(evil.author)
    count = 0 if held is None else held.seq
    for served in await scene.entries(evil.author, 1, 3) if count else []:
        _require_no_forgery(served)


def _require_no_forgery(served: Envelope) -> None:
    if served.signature:
        try:
            verify_header(open_header(served).wid, served.header, served.signature)
        except ProtocolError as exc:
            raise Failed(expected="signatures that hold", got=f"{exc} [{exc.code}]") from exc


@case(
    "evil-tail-left-off",
    ("LOG-8", "LOG-15"),
    "Of unsigned entries the node gives out any range with what proves it",
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    entries = notes(evil.author, 5)
    await told(evil, entries, evil.author)
    await evil.push(*(unsigned(entry) for entry in entries[:-1]), entries[-1], is_live=False)
    honest = await require_unharmed(scene)
    await require_place(honest, evil.author, 5, entries[-1].id)
    await honest.send(Want(honest.scope(), [RangeItem(evil.author.log, 2, 3)]))
    batch = await honest.hear(Entries)
    scene.expect([e.id for e in entries[1:3]], [e.id for e in batch.envelopes], "the range")
    _require_proven(batch)
    await honest.hear(Served)


def _require_proven(batch: Entries) -> None:
    last = batch.envelopes[-1]
    wid = open_header(last).wid
    if not last.signature and not batch.tails:
        raise Failed(expected="a signature or a tail on the last entry", got="neither")
    try:
        if last.signature:
            verify_header(wid, last.header, last.signature)
        else:
            verify_header(wid, batch.tails[0].headers[-1], batch.tails[0].signature)
    except ProtocolError as exc:
        raise Failed(expected="a proof that holds", got=f"{exc} [{exc.code}]") from exc


@case(
    "evil-seq-0",
    "ENV-1",
    "An entry of number 0 is none",
    codes=("env.header",),
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    [entry] = notes(evil.author, 1)
    elements = entry.header.split(evil.author.key.public)
    zeroed = elements[0] + evil.author.key.public + b"\x00" + elements[1][1:]
    await evil.push(signed_by(Envelope(zeroed, b"", entry.payload), evil.author.key))
    await evil.ended("env.header")
    await require_no_log(await require_unharmed(scene), evil.author)


@case(
    "evil-float-inside",
    "ENV-10",
    "An entry with a fraction in its body is the sender's fault and is not stored",
    codes=("enc.float",),
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    entry = evil.author.append(NOTE, b"\x81\xa1x\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00")
    await evil.push(entry)
    await evil.ended("enc.float")
    await require_no_log(await require_unharmed(scene), evil.author)


@case(
    "evil-prev-of-nowhere",
    "LOG-4",
    "An entry that names another predecessor than the head is not stored",
    codes=("log.bad_prev",),
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    [first] = notes(evil.author, 1)
    stray = scene.author()
    stray.append("x.stray", EMPTY_MAP)
    await evil.push(first)
    await require_place(evil, evil.author, 1, first.id)
    await evil.push(*notes(stray, 1))
    await require_refused(evil, "log.bad_prev")
    honest = await require_unharmed(scene)
    await require_place(honest, evil.author, 1, first.id)


@case(
    "evil-time-that-runs-back",
    "LOG-5",
    "An entry of an earlier time than the one before it is not stored",
    codes=("log.bad_time",),
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    [first] = notes(evil.author, 1)
    back = evil.author.append(NOTE, EMPTY_MAP, time_ms=scene.now_ms - 1)
    await evil.push(first, back)
    await require_refused(evil, "log.bad_time")
    honest = await require_unharmed(scene)
    await require_place(honest, evil.author, 1, first.id)
