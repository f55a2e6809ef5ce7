import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl import bindings

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import CoopId, Digest, EntryId, FederationId, WriterId, digest, tag
from sheaf_protocol.errors import Fault, LocalProtocolError, RemoteProtocolError
from sheaf_protocol.sealing import PAD_TO, Author, Private, Sealed, Slot, open_private, seal_private

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


@given(st.binary(max_size=600), st.lists(st.binary(min_size=32, max_size=32), max_size=16))
def test_body_and_refs_survive_in_multiples_of_the_padding(body: bytes, refs: list[bytes]) -> None:
    entries = [EntryId(ref) for ref in refs]
    raw = seal_private("x.y", entries, body, [BUYER[0]], author=AUTHOR, random=RANDOM)
    box = decode(raw, Sealed)

    private = opened(box, BUYER)

    assert private is not None
    assert (private.body, private.refs) == (body, refs)
    assert (len(box.box) - 16) % PAD_TO == 0


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
    key, nonce = RANDOM[:32], RANDOM[32:]
    bound = tag("sealed") + AUTHOR.fid + AUTHOR.cid + AUTHOR.wid
    box = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(plain, bound, nonce, key)

    error = refusal(sealed(box=box))

    assert (error.code, error.fault) == ("seal.opening", Fault.AUTHOR)


def test_slot_with_our_hint_and_another_key_is_passed_over() -> None:
    box = sealed()
    broken = Slot(hint=box.slots[0].hint, key=bytes(80))

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


def test_slot_is_a_sealed_box_of_the_content_key() -> None:
    key = bindings.crypto_box_seal_open(sealed().slots[0].key, *BUYER)

    assert key == RANDOM[:32]
    assert digest("content-key", key) == sealed().commitment


def test_sealed_body_is_canonical() -> None:
    box = sealed()

    assert decode(encode(box), Sealed) == box


def test_slots_made_to_be_tried_in_vain_are_tried_twice_at_most() -> None:
    """Sixty-four would cost a recipient thousands of times what they cost the author."""
    box = sealed()
    ours = box.slots[0]
    vain = [Slot(hint=ours.hint, key=bytes(80))] * 63

    assert opened(sealed(slots=[*vain[:1], ours]), BUYER) is not None
    assert opened(sealed(slots=[*vain, ours]), BUYER) is None
