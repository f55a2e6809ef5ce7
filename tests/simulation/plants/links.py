"""Bugs of links and of what is asked and told over them."""

from __future__ import annotations

import itertools
from typing import Any

from nacl import bindings
from tests.simulation.planted import around, change, mutant, ran

from sheaf_node.peering.dialer import Dialer
from sheaf_node.peering.exchange import Exchange
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.link import cipher
from sheaf_protocol.link.cipher import Opener
from sheaf_protocol.link.data_sync import DataSync


@mutant("I7")
def never_asks_for_what_it_lacks() -> None:
    """A node takes what is pushed to it and asks for nothing else."""
    change(DataSync, "ask", around("never_asks_for_what_it_lacks", lambda *_: []))


@mutant("I7", profiles=("general", "disk", "expiry-race"), budget=64)
def takes_what_it_did_not_push_for_pushed() -> None:
    """A node takes it that a peer has what it did not push, and never tells of it."""

    def push(original: Any, exchange: Exchange, live: Any, now_ms: int) -> bool:
        exchange.sync.assume(live.last, now_ms)
        return True

    change(Exchange, "push", around("takes_what_it_did_not_push_for_pushed", push))
    change(Exchange, "tick", lambda _: lambda *_, **__: False)
    change(Exchange, "recheck", lambda _: lambda *_: None)


@mutant("I7", budget=64)
def never_dials_again() -> None:
    """A node dials each peer once, and not again when the link has ended."""

    def make(original: Any) -> Any:
        async def keep(dialer: Dialer, url: str) -> None:
            ran("never_dials_again")
            dialer._note(url, await dialer._dial(*_address(url)))
            await dialer._clock.sleep_ms(10**9)

        return keep

    from sheaf_node.address import link_address as _address  # noqa: PLC0415

    change(Dialer, "keep", make)


@mutant("I7", profiles=("general", "expiry-race"), budget=32)
def waits_for_ever_for_an_answer() -> None:
    """A node never gives up a link on which an answer is overdue, of peers that owe many."""
    asked = itertools.count()

    def serve(original: Any, exchange: Exchange, now_ms: int) -> bool:
        if exchange._is_served_due and next(asked) % 4 == 3:
            exchange._is_served_due = False
        return bool(original(exchange, now_ms))

    change(Exchange, "_serve", lambda original: lambda *args: serve(original, *args))
    change(DataSync, "is_stalled", around("waits_for_ever_for_an_answer", lambda *_: False))


@mutant("I5", budget=32)
def frames_out_of_order_are_taken() -> None:
    """A link finds the counter of a frame by trying, so that a replayed or lost frame passes."""

    def opened(original: Any, opener: Opener, frame: bytes) -> bytes:
        count = opener._count
        for at in (*range(count, count + 8), *range(max(0, count - 64), count)):
            opener._count = at
            try:
                plaintext: bytes = original(opener, frame)
            except RemoteProtocolError:
                continue
            ran("frames_out_of_order_are_taken")
            opener._count = max(count, at + 1)
            return plaintext
        opener._count = count
        return bytes(original(opener, frame))

    change(Opener, "open", lambda original: lambda *args: opened(original, *args))


@mutant("I5 I8", budget=32)
def altered_frames_are_taken() -> None:
    """A link deciphers a frame without looking at its tag, so that flipped bits pass."""

    def opened(original: Any, opener: Opener, frame: bytes) -> bytes:
        try:
            return bytes(original(opener, frame))
        except RemoteProtocolError:
            ran("altered_frames_are_taken")
            nonce, opener._count = cipher._nonce(opener._count), opener._count + 1
            sealed = frame[: -cipher.OVERHEAD]
            # The key stream, from what sealing as many zeros gives.
            zeros = bindings.crypto_aead_chacha20poly1305_ietf_encrypt(
                bytes(len(sealed)), cipher._FRAME, nonce, opener._key
            )
            return bytes(a ^ b for a, b in zip(sealed, zeros, strict=False))

    change(Opener, "open", lambda original: lambda *args: opened(original, *args))
