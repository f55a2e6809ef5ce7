import msgspec
import pytest

from sheaf_protocol.charter import (
    Certificate,
    Charter,
    Member,
    Role,
    approve,
    found,
    genesis_body,
    is_governed,
    read_charter,
)
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import CoopId, Digest, digest
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.identity import fold_key_log, signing_key
from sheaf_protocol.testing.author import make_coop, make_federation

HILL, DALE = make_coop("Hill Farm"), make_coop("Dale Supplies")
KEYS = {HILL.cid: HILL.keys, DALE.cid: DALE.keys}
MEMBERS: list[tuple[object, list[Role]]] = [
    (HILL, ["buyer"]),
    (DALE, ["supplier", "coordinator"]),
]


def certificate() -> Certificate:
    return make_federation([(HILL, ["buyer"]), (DALE, ["supplier", "coordinator"])])


def signed(charter: Charter) -> Certificate:
    body = encode(charter)
    return Certificate(
        approvals=[approve(body, coop.cid, coop.manager) for coop in (HILL, DALE)], body=body
    )


def refusal(cert: Certificate, keys: object = KEYS) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        found(cert, keys)  # type: ignore[arg-type]  # a mapping in every row
    return caught.value


def test_federation_is_founded_by_all_its_members() -> None:
    federation = found(certificate(), KEYS)

    assert federation.fid == digest("federation", certificate().body)
    assert federation.is_member(HILL.cid)
    assert not federation.is_member(CoopId(bytes(32)))
    assert list(federation.with_role("supplier")) == [DALE.cid]


def test_federation_id_does_not_depend_on_who_signed() -> None:
    unsigned = msgspec.structs.replace(certificate(), approvals=[])

    assert unsigned.fid == certificate().fid


def test_members_are_listed_in_the_order_of_their_ids() -> None:
    members = [Member(cid=c.cid, key_head=c.keys.head, roles=["buyer"]) for c in (HILL, DALE)]

    forward = genesis_body("Fed", members, bytes(16))

    assert forward == genesis_body("Fed", members[::-1], bytes(16))


def test_roles_are_listed_in_their_order() -> None:
    one, other = (
        [Member(cid=HILL.cid, key_head=HILL.keys.head, roles=roles)]
        for roles in (["buyer", "coordinator"], ["coordinator", "buyer", "buyer"])
    )

    assert genesis_body("Fed", one, bytes(16)) == genesis_body("Fed", other, bytes(16))


@pytest.mark.parametrize(
    ("coop", "kind", "may"),
    [
        (HILL, "demand.submit", True),
        (HILL, "offer.submit", False),
        (DALE, "offer.submit", True),
        (DALE, "pool.open", True),
        (DALE, "demand.submit", False),
        (HILL, "verdict", True),
        (HILL, "x.extension", True),
    ],
)
def test_roles_decide_what_a_member_may_publish(coop: object, kind: str, may: bool) -> None:
    assert found(certificate(), KEYS).may(coop.cid, kind) is may  # type: ignore[attr-defined]  # TestCoop


@pytest.mark.parametrize("kind", ["demand.submit", "verdict", "x.extension"])
def test_stranger_may_publish_nothing(kind: str) -> None:
    assert not found(certificate(), KEYS).may(CoopId(bytes(32)), kind)


def test_kind_of_an_extension_is_not_governed_by_roles() -> None:
    assert is_governed("demand.submit")
    assert not is_governed("x.extension")


@pytest.mark.parametrize("change", [{"epoch": 1}, {"prev": Digest(b"p" * 32)}])
def test_certificate_that_is_no_genesis_founds_nothing(change: dict[str, object]) -> None:
    charter = msgspec.structs.replace(read_charter(certificate()), **change)

    assert refusal(signed(charter)).code == "charter.genesis"


def test_members_out_of_order_or_twice_are_refused() -> None:
    charter = read_charter(certificate())
    backwards = msgspec.structs.replace(charter, members=charter.members[::-1])
    twice = msgspec.structs.replace(charter, members=[*charter.members, charter.members[-1]])

    assert refusal(signed(backwards)).code == "charter.members"
    assert refusal(signed(twice)).code == "charter.members"


def test_certificate_waits_for_a_founders_key_log() -> None:
    error = refusal(certificate(), {HILL.cid: HILL.keys})

    assert (error.code, error.fault) == ("charter.unknown_member", Fault.NOT_YET)


def test_founders_key_log_may_have_grown_since() -> None:
    cert, dale = certificate(), make_coop("Dale Supplies")
    dale.delegate(signing_key(b"n" * 32), 0)

    assert found(cert, {**KEYS, DALE.cid: dale.keys}).is_member(DALE.cid)


def test_certificate_waits_for_the_operation_that_it_names() -> None:
    shorter = fold_key_log(DALE.key_ops[:-1])

    error = refusal(certificate(), {**KEYS, DALE.cid: shorter})

    assert (error.code, error.fault) == ("charter.key_head", Fault.NOT_YET)


def test_operation_of_another_founder_is_no_head_of_ones_own() -> None:
    charter = read_charter(certificate())
    heads = [member.key_head for member in reversed(charter.members)]
    members = [
        msgspec.structs.replace(member, key_head=head)
        for member, head in zip(charter.members, heads, strict=True)
    ]

    cert = signed(msgspec.structs.replace(charter, members=members))

    assert refusal(cert).code == "charter.key_head"


def test_missing_approval_is_refused() -> None:
    cert = certificate()

    lacking = msgspec.structs.replace(cert, approvals=cert.approvals[:1])

    assert refusal(lacking).code == "charter.signature"


def test_approval_by_a_writer_key_is_refused() -> None:
    body = certificate().body
    approvals = [approve(body, coop.cid, coop.writer) for coop in (HILL, DALE)]

    assert refusal(Certificate(approvals=approvals, body=body)).code == "charter.signature"


def test_body_that_is_no_charter_is_refused() -> None:
    assert refusal(Certificate(approvals=[], body=b"\x80")).code == "schema.invalid"
