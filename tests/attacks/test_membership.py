"""Attacks by who is a member of what: made-up federations, admissions unasked, endless chains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from sheaf_node.peering.policy import BURST
from sheaf_protocol.charter import Chain
from sheaf_protocol.codec import encode
from sheaf_protocol.identity import signing_key
from sheaf_protocol.limits import CREDIT_BYTES, WRITER_LIFETIME_MS
from sheaf_protocol.link.messages import (
    Compare,
    ControlItems,
    ControlWant,
    Credit,
    DataMessage,
    Have,
    KeyOps,
    Scope,
)
from sheaf_protocol.testing.author import make_coop, make_federation
from sheaf_protocol.testing.epoch import about, admission, keys_of, make_epoch

if TYPE_CHECKING:
    from tests.federation.conftest import EvilPeer, Scene

    from sheaf_protocol.charter import Certificate

LARGE = 60_000
"""Bytes of an entry, of which four make a batch."""


async def test_federations_made_up_without_end_are_neither_kept_nor_free(scene: Scene) -> None:
    # Bring one founding after another of co-ops that nobody else knows.
    before = set(scene.victim.store.key_logs)
    async with scene.evil() as evil:
        await evil.become_ready()
        for number in range(BURST):
            coop = make_coop(f"Made up {number}", now_ms=evil.now_ms)
            founding = make_federation([(coop, ["member"])], nonce=number.to_bytes(16))
            await evil.send(control_items(founding, coop_ops=[KeyOps(coop.cid, coop.key_ops)]))

        assert await evil.ending() == "link.flood"

    assert list(scene.victim.store.chains) == [scene.world.certificate.fid]
    assert set(scene.victim.store.key_logs) == before
    await scene.require_unharmed()


async def test_admission_to_a_made_up_federation_is_not_taken_up(scene: Scene) -> None:
    # Found a federation alone, admit the victim to it, and fill its disk with what is said there.
    async with scene.evil() as evil:
        await evil.become_ready()
        founding = make_federation([(evil.coop, ["member"])], nonce=bytes(15) + b"1")
        keys = keys_of([evil.coop, scene.victim.coop])
        federation = Chain.found(founding, keys).federation
        admitted = make_epoch(federation, admission(scene.victim.coop, ["member"]), [evil.coop])
        await evil.send(control_items(founding, admitted))

        assert await is_alive(evil)

    assert list(scene.victim.store.chains) == [scene.world.certificate.fid]
    await scene.require_unharmed()


async def test_certificates_on_an_unknown_one_leave_nothing_and_end_nothing(scene: Scene) -> None:
    # Bring the end of a chain whose beginning is kept back.
    coops = scene.world.coops
    chain = Chain.found(scene.world.certificate, keys_of(coops))
    for action in ("suspend", "restore"):
        made = make_epoch(chain.federation, about(action, coops[2]), coops)
        chain = chain.add(made, keys_of(coops))
    async with scene.evil() as evil:
        await evil.become_ready()
        for _ in range(2 * BURST):
            await evil.send(ControlItems([], [chain.certificates[-1]] * 12, [], True))

        assert await is_alive(evil)

    assert len(scene.victim.store.chains[evil.fid].certificates) == 1
    await scene.require_unharmed()


async def test_epoch_that_the_members_did_not_certify_ends_the_link(scene: Scene) -> None:
    # Admit a friend with the signature of one co-op in place of three.
    friend = make_coop("Friend", now_ms=scene.world.now_ms)
    async with scene.evil() as evil:
        await evil.become_ready()
        chain = Chain.found(scene.world.certificate, keys_of(scene.world.coops))
        made = make_epoch(chain.federation, admission(friend, ["member"]), [evil.coop])
        await evil.send(control_items(made, coop_ops=[KeyOps(friend.cid, friend.key_ops)]))

        assert await evil.ending() == "charter.quorum"

    assert len(scene.victim.store.chains[evil.fid].certificates) == 1
    assert friend.cid not in scene.victim.store.key_logs
    await scene.require_unharmed()


async def test_epoch_judged_in_vain_is_paid_for(scene: Scene) -> None:
    # Certify an admission whose key log nobody has, and have three signatures checked each time.
    ghost, coops = make_coop("Ghost", now_ms=scene.world.now_ms), scene.world.coops
    chain = Chain.found(scene.world.certificate, keys_of(coops))
    made = make_epoch(chain.federation, admission(ghost, ["member"]), coops)
    async with scene.evil() as evil:
        await evil.become_ready()
        for _ in range(BURST):
            await evil.send(ControlItems([], [made] * 12, [], True))

        assert await evil.ending() == "link.flood"

    assert len(scene.victim.store.chains[evil.fid].certificates) == 1
    await scene.require_unharmed()


async def test_key_logs_of_an_epoch_on_an_unknown_one_are_not_even_checked(scene: Scene) -> None:
    # Bring key logs that nothing calls for, and epochs of a chain kept back that name them.
    friend, coops = make_coop("Friend", now_ms=scene.world.now_ms), scene.world.coops
    chain = Chain.found(scene.world.certificate, keys_of(coops))
    kept_back = make_epoch(chain.federation, about("suspend", coops[2]), coops)
    before = chain.add(kept_back, keys_of(coops)).federation
    made = make_epoch(before, admission(friend, ["member"]), coops)
    forged = [
        structs.replace(op, signatures=coops[0].key_ops[0].signatures) for op in friend.key_ops
    ]
    async with scene.evil() as evil:
        await evil.become_ready()
        await evil.send(control_items(made, coop_ops=[KeyOps(friend.cid, forged)]))

        assert await is_alive(evil)

    assert friend.cid not in scene.victim.store.key_logs
    await scene.require_unharmed()


async def test_key_logs_checked_in_vain_with_an_epoch_are_paid_for(scene: Scene) -> None:
    # Have a long key log checked again and again, with an epoch that waits for another one.
    now_ms, coops = scene.world.now_ms, scene.world.coops
    friend, ahead = make_coop("Friend", now_ms=now_ms), coops[2].twin()
    for number in range(200):
        friend.delegate(signing_key(number.to_bytes(32)), now_ms + WRITER_LIFETIME_MS)
    ahead.delegate(signing_key(b"h" * 32), now_ms + WRITER_LIFETIME_MS)
    federation = Chain.found(scene.world.certificate, keys_of(coops)).federation
    made = make_epoch(federation, admission(friend, ["member"]), coops, heads=[ahead])
    async with scene.evil() as evil:
        await evil.become_ready()
        await evil.send(control_items(coop_ops=[KeyOps(friend.cid, friend.key_ops)]))
        for _ in range(2 * BURST // len(friend.key_ops)):
            await evil.send(ControlItems([], [made] * 4, [], True))

        assert await evil.ending() == "link.flood"

    assert len(scene.victim.store.chains[evil.fid].certificates) == 1
    await scene.require_unharmed()


async def test_old_quorum_undoes_nothing_and_leaves_one_certificate_as_evidence(
    scene: Scene,
) -> None:
    # Keep the keys of the founders, and sign one rival of the first epoch after another.
    coops, victim = scene.world.coops, scene.victim
    founded = chain = Chain.found(scene.world.certificate, keys_of(coops))
    for action in ("suspend", "restore"):
        chain = chain.add(
            make_epoch(chain.federation, about(action, coops[2]), coops), keys_of(coops)
        )
    rivals = [
        make_epoch(founded.federation, about(action, coop), coops)
        for coop in coops
        for action in ("expel", "leave")
    ]
    async with scene.evil() as evil:
        await evil.become_ready()
        for certificate in chain.certificates[1:]:
            await victim.ingest.receive_certificate(certificate)
        for rival in rivals * 12:
            await evil.send(control_items(rival))

        assert await is_alive(evil)

    held = victim.store.chains[evil.fid]
    assert held.federation == chain.federation
    assert held.late == rivals[:1]
    await scene.require_unharmed()


async def test_data_after_an_expulsion_is_passed_over_and_costs_its_sender(scene: Scene) -> None:
    # Go on sending as if nothing had happened.
    coops = scene.world.coops
    federation = Chain.found(scene.world.certificate, keys_of(coops)).federation
    async with scene.evil() as evil:
        await evil.become_ready()
        expelled = make_epoch(federation, about("expel", evil.coop), coops)
        await scene.victim.ingest.receive_certificate(expelled)
        await evil.hear(Scope)
        for _ in range(2 * CREDIT_BYTES // LARGE):
            await evil.push(evil.author.append("x.note", encode({"text": bytes(LARGE)})))
        for _ in range(8):
            await evil.hear(Credit)  # so nothing that it sent is held

        await evil.send(ControlWant([], [], []))
        assert isinstance(await evil.hear(ControlItems), ControlItems)

    await scene.require_unharmed()


async def test_questions_after_an_expulsion_are_not_answered(scene: Scene) -> None:
    # Ask for what was published since, over the link that is still up.
    coops = scene.world.coops
    federation = Chain.found(scene.world.certificate, keys_of(coops)).federation
    async with scene.evil() as evil:
        await evil.become_ready()
        expelled = make_epoch(federation, about("expel", evil.coop), coops)
        await scene.victim.ingest.receive_certificate(expelled)
        await evil.hear(Scope)
        heard = len(evil.heard)
        log = scene.victim.store.frontier(evil.fid).keys()
        await evil.send(evil.want(next(iter(log))))
        await evil.send(Compare(evil.scope, evil.author.fid, 0))
        await evil.send(ControlWant([], [], []))
        await evil.hear(ControlItems)

        assert not any(isinstance(message, DataMessage) for message in evil.heard[heard:])

    await scene.require_unharmed()


def control_items(*certificates: Certificate, coop_ops: list[KeyOps] | None = None) -> ControlItems:
    """Return certificates as they are sent, and the key logs that come with them."""
    return ControlItems(coop_ops or [], list(certificates), [], True)


async def is_alive(evil: EvilPeer) -> bool:
    """Return once the victim has answered a question: it took all that came before."""
    await evil.send(Compare(evil.scope, evil.author.fid, 0))
    return isinstance(await evil.hear(Have), Have)
