import json
from pathlib import Path
from typing import Any

import pytest

from sheaf_protocol.errors import LocalProtocolError
from sheaf_protocol.identity import is_valid_key, signing_key, verify
from sheaf_protocol.identity.keys import verify_untagged

CRYPTO = Path(__file__).resolve().parents[3] / "shared" / "data" / "crypto"
KEY = signing_key(bytes(range(32)))
ORDER = 2**252 + 27742317777372353535851937790883648493
IDENTITY = b"\x01" + bytes(31)


def vectors(name: str) -> Any:
    path = CRYPTO / name
    if not path.exists():
        pytest.skip(f"PUBLIC EDGE VECTORS NOT RUN: {path} is absent")
    return json.loads(path.read_text())


def hexes(case: dict[str, str], *names: str) -> list[bytes]:
    return [bytes.fromhex(case[name]) for name in names]


def test_signature_verifies_under_its_own_purpose_only() -> None:
    signature = KEY.sign("key-op", b"message")

    assert verify(KEY.public, "key-op", b"message", signature)
    assert not verify(KEY.public, "entry-signature", b"message", signature)
    assert not verify(KEY.public, "key-op", b"another", signature)


def test_malleated_signature_is_refused() -> None:
    signature = KEY.sign("key-op", b"message")
    scalar = int.from_bytes(signature[32:], "little") + ORDER

    assert not verify(
        KEY.public, "key-op", b"message", signature[:32] + scalar.to_bytes(32, "little")
    )


@pytest.mark.parametrize("size", [0, 63, 65])
def test_signature_of_another_length_is_refused(size: int) -> None:
    assert not verify(KEY.public, "key-op", b"m", bytes(size))


@pytest.mark.parametrize("size", [0, 31, 33])
def test_key_of_another_length_is_refused(size: int) -> None:
    assert not verify(bytes(size), "key-op", b"m", bytes(64))
    assert not is_valid_key(bytes(size))


def test_identity_point_signs_nothing_and_is_no_key() -> None:
    assert not verify(IDENTITY, "key-op", b"m", IDENTITY + bytes(32))
    assert not is_valid_key(IDENTITY)


def test_secret_shows_in_no_repr() -> None:
    seed = bytes(range(32))

    assert repr(signing_key(seed)) == f"SigningKey(public={KEY.public.hex()[:8]})"
    assert seed.hex() not in repr(KEY)


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_seed_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        signing_key(bytes(size))

    assert caught.value.code == "key.seed"


def test_of_914_cctv_vectors_strict_1_accepts_43() -> None:
    cases = vectors("cctv_ed25519.json")

    accepted = [
        case
        for case in cases
        if verify_untagged(
            bytes.fromhex(case["key"]), case["msg"].encode(), bytes.fromhex(case["sig"])
        )
    ]

    assert (len(cases), len(accepted)) == (914, 43)


def test_of_the_43_accepted_registration_leaves_one() -> None:
    registered = [
        case["number"]
        for case in vectors("cctv_ed25519.json")
        if verify_untagged(
            bytes.fromhex(case["key"]), case["msg"].encode(), bytes.fromhex(case["sig"])
        )
        and is_valid_key(bytes.fromhex(case["key"]))
    ]

    assert registered == [305]


def test_wycheproof_agrees_on_all_151() -> None:
    groups = vectors("ed25519_test.json")["testGroups"]

    results = [
        (verify_untagged(bytes.fromhex(g["publicKey"]["pk"]), *hexes(t, "msg", "sig")), t["result"])
        for g in groups
        for t in g["tests"]
    ]

    assert len(results) == 151
    assert [pair for pair in results if pair[0] != (pair[1] == "valid")] == []


def test_of_12_speccheck_vectors_only_the_cofactorless_mixed_order_one_passes() -> None:
    cases = [hexes(c, "pub_key", "message", "signature") for c in vectors("speccheck_ed25519.json")]

    accepted = [number for number, case in enumerate(cases) if verify_untagged(*case)]

    assert accepted == [3]
    assert not is_valid_key(cases[3][0])
