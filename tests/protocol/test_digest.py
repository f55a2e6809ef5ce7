import hashlib

from sheaf_protocol.digest import ZERO, CoopId, FederationId, WriterId, digest, log_id, short, tag


def test_digest_is_sha256_over_tag_zero_byte_and_parts() -> None:
    expected = hashlib.sha256(b"sheaf/1/entry\x00ab").digest()

    assert digest("entry", b"a", b"b") == expected


def test_one_input_under_two_purposes_has_two_digests() -> None:
    assert digest("entry", b"x") != digest("payload", b"x")


def test_tag_ends_in_a_zero_byte_so_that_none_is_a_prefix_of_another() -> None:
    assert tag("key") == b"sheaf/1/key\x00"
    assert not tag("key-op").startswith(tag("key"))


def test_log_id_depends_on_federation_coop_and_writer() -> None:
    fid, cid, wid = FederationId(b"f" * 32), CoopId(b"c" * 32), WriterId(b"w" * 32)

    assert log_id(fid, cid, wid) == digest("log", fid + cid + wid)
    assert log_id(fid, cid, wid) != log_id(FederationId(cid), CoopId(fid), wid)


def test_short_is_eight_hex_digits() -> None:
    assert short(ZERO) == "00000000"
