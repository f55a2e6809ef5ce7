import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl import bindings

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import CoopId, Digest, EntryId, FederationId, WriterId, digest, tag
from sheaf_protocol.errors import Fault, LocalProtocolError, RemoteProtocolError
from sheaf_protocol.sealing import (
    MAX_SLOTS,
    Author,
    Private,
    Sealed,
    Slot,
    open_private,
    padded_size,
    seal_private,
)

AUTHOR = Author(FederationId(b"f" * 32), CoopId(b"c" * 32), WriterId(b"w" * 32))
RANDOM = bytes(range(56))
BUYER = bindings.crypto_box_seed_keypair(b"b" * 32)
SELLER = bindings.crypto_box_seed_keypair(b"s" * 32)
STRANGER = bindings.crypto_box_seed_keypair(b"x" * 32)


def sealed(body: bytes = b"\x80", **kwargs: object) -> Sealed:
    recipients = [BUYER[0], SELLER[0]]
    raw = seal_private("order.place", [], body, recipients, author=AUTHOR, random=RANDOM)
    return msgspec.structs.replace(decode(raw, Sealed), **kwargs)


def opened(box: Sealed, pair: tuple[bytes, bytes], author: Author = AUTHOR) -> Private | None:
    return open_private(box, author=author, public=pair[0], secret=pair[1])


def refusal(box: Sealed, author: Author = AUTHOR) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        opened(box, BUYER, author)
    return caught.value


@pytest.mark.parametrize("pair", [BUYER, SELLER])
def test_every_recipient_opens_the_same_body(pair: tuple[bytes, bytes]) -> None:
    private = opened(sealed(), pair)

    assert private is not None
    assert (private.kind, private.refs, private.body) == ("order.place", [], b"\x80")


def test_who_has_no_slot_sees_nothing() -> None:
    assert opened(sealed(), STRANGER) is None


@given(st.binary(max_size=9_000), st.lists(st.binary(min_size=32, max_size=32), max_size=16))
def test_body_and_refs_survive_and_the_inside_has_a_length_of_the_steps(
    body: bytes, refs: list[bytes]
) -> None:
    entries = [EntryId(ref) for ref in refs]
    raw = seal_private("x.y", entries, body, [BUYER[0]], author=AUTHOR, random=RANDOM)
    box = decode(raw, Sealed)

    private = opened(box, BUYER)

    assert private is not None
    assert (private.body, private.refs) == (body, refs)
    inside = len(box.box) - 16
    assert inside == padded_size(inside)


def test_one_input_makes_one_output() -> None:
    assert sealed() == sealed()


def test_box_moved_into_another_log_does_not_open() -> None:
    other = Author(AUTHOR.fid, AUTHOR.cid, WriterId(b"o" * 32))

    error = refusal(sealed(), other)

    assert (error.code, error.fault) == ("seal.opening", Fault.AUTHOR)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"commitment": Digest(bytes(32))}, "another content key is committed to"),
        ({"box": bytes(64)}, "the box is not what was sealed"),
    ],
)
def test_box_that_does_not_fit_its_slot_is_refused(change: dict[str, bytes], reason: str) -> None:
    assert refusal(sealed(**change)).code == "seal.opening"


@pytest.mark.parametrize("plain", [b"\xc1", b"\x80"])
def test_inside_that_is_no_private_body_is_the_authors_fault(plain: bytes) -> None:
    key = bindings.crypto_box_seal_open(slot_of(BUYER, sealed()).key, *BUYER)
    nonce = RANDOM[32:]
    bound = tag("sealed") + AUTHOR.fid + AUTHOR.cid + AUTHOR.wid
    box = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(plain, bound, nonce, key)

    error = refusal(sealed(box=box))

    assert (error.code, error.fault) == ("seal.opening", Fault.AUTHOR)


def test_slot_with_our_hint_and_another_key_is_passed_over() -> None:
    box = sealed()
    ours = slot_of(BUYER, box)
    broken = Slot(hint=ours.hint, key=ours.key[:32] + bytes(48))

    assert opened(msgspec.structs.replace(box, slots=[broken, *box.slots]), BUYER) is not None
    assert opened(msgspec.structs.replace(box, slots=[broken]), BUYER) is None


@pytest.mark.parametrize(
    ("recipients", "random", "reason"),
    [
        ([], RANDOM, "nobody to seal to"),
        ([BUYER[0]], RANDOM[:55], "too little randomness"),
        ([bytes(32)], RANDOM, "a key of small order"),
        ([b"short"], RANDOM, "no key"),
    ],
)
def test_sealing_to_no_usable_key_is_our_callers_fault(
    recipients: list[bytes], random: bytes, reason: str
) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        seal_private("x.y", [], b"\x80", recipients, author=AUTHOR, random=random)

    assert caught.value.code == "seal.recipient"


def slot_of(pair: tuple[bytes, bytes], box: Sealed) -> Slot:
    shared = bindings.crypto_scalarmult(pair[1], box.slots[0].key[:32])
    return next(each for each in box.slots if each.hint == digest("hint", shared, box.nonce)[:4])


def test_slot_is_a_sealed_box_of_the_content_key() -> None:
    key = bindings.crypto_box_seal_open(slot_of(BUYER, sealed()).key, *BUYER)

    assert digest("content-key", key) == sealed().commitment


def test_sealed_body_is_canonical() -> None:
    box = sealed()

    assert decode(encode(box), Sealed) == box


def test_slots_made_to_be_tried_in_vain_are_tried_twice_at_most() -> None:
    """Sixty-four would cost a recipient thousands of times what they cost the author."""
    ours = slot_of(BUYER, sealed())
    vain = [Slot(hint=ours.hint, key=ours.key[:32] + bytes(48))] * 63

    assert opened(sealed(slots=[*vain[:1], ours]), BUYER) is not None
    assert opened(sealed(slots=[*vain, ours]), BUYER) is None


@pytest.mark.parametrize(
    ("size", "padded"),
    [
        *((1, 256), (256, 256), (257, 512), (4_096, 4_096)),
        *((4_097, 4_608), (8_192, 8_192), (8_193, 9_216), (65_536, 65_536)),
    ],
)
def test_steps_are_of_256_bytes_and_above_4_kib_of_an_eighth_at_most(
    size: int, padded: int
) -> None:
    assert padded_size(size) == padded


def test_every_length_of_a_body_reaches_a_step() -> None:
    lengths = set()
    for size in range(4_000, 6_200):
        raw = seal_private("x.y", [], bytes(size), [BUYER[0]], author=AUTHOR, random=RANDOM)
        lengths.add(len(decode(raw, Sealed).box) - 16)

    assert lengths == {4_096, 4_608, 5_120, 5_632, 6_144, 6_656}


@pytest.mark.parametrize(("recipients", "slots"), [(1, 1), (2, 2), (3, 4), (5, 8), (33, 64)])
def test_decoys_fill_the_slots_up_to_a_power_of_two(recipients: int, slots: int) -> None:
    pairs = [bindings.crypto_box_seed_keypair(bytes([at]) * 32) for at in range(recipients)]
    publics = [public for public, _ in pairs]
    raw = seal_private("x.y", [], b"\x80", publics, author=AUTHOR, random=RANDOM)
    box = decode(raw, Sealed)

    hints = [slot.hint for slot in box.slots]

    assert len(hints) == slots
    assert hints == sorted(hints)
    assert all(opened(box, pair) is not None for pair in pairs)


def test_order_of_the_slots_does_not_tell_the_order_of_the_recipients() -> None:
    orders = [[BUYER[0], SELLER[0]], [SELLER[0], BUYER[0]]]

    made = {seal_private("x.y", [], b"", who, author=AUTHOR, random=RANDOM) for who in orders}

    assert len(made) == 1


def test_recipient_named_twice_has_one_slot() -> None:
    raw = seal_private("x.y", [], b"", [BUYER[0]] * 2, author=AUTHOR, random=RANDOM)

    assert len(decode(raw, Sealed).slots) == 1


@pytest.mark.parametrize("count", [0, MAX_SLOTS + 1])
def test_no_recipient_and_more_than_fit_are_refused(count: int) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        seal_private("x.y", [], b"", [BUYER[0]] * count, author=AUTHOR, random=RANDOM)

    assert caught.value.code == "seal.recipient"


def test_who_knows_all_prekeys_cannot_tell_whose_the_slots_are() -> None:
    box = sealed()

    made_of_public = {digest("hint", public, box.nonce)[:4] for public, _ in (BUYER, SELLER)}

    assert made_of_public.isdisjoint(slot.hint for slot in box.slots)


def test_recipient_cannot_tell_the_other_slots_from_decoys() -> None:
    """What it opens its slot with gives it neither the ephemeral secret nor those of decoys."""
    box = sealed()
    key = bindings.crypto_box_seal_open(slot_of(BUYER, box).key, *BUYER)

    known = [digest("ephemeral", key, box.nonce), digest("decoy", key, (3).to_bytes(8))]

    assert box.slots[0].key[:32] not in {bindings.crypto_scalarmult_base(each) for each in known}


def test_slots_have_one_ephemeral_key() -> None:
    assert len({slot.key[:32] for slot in sealed().slots}) == 1


def test_ephemeral_key_of_small_order_is_for_nobody() -> None:
    box = sealed()
    broken = [msgspec.structs.replace(slot, key=bytes(80)) for slot in box.slots]

    assert opened(msgspec.structs.replace(box, slots=broken), BUYER) is None
