import msgspec
import pytest

from sheaf_protocol.charter import (
    DEFAULT_POLICY,
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
from sheaf_protocol.digest import CoopId, Digest, FederationId, WriterId, digest
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.identity import fold_key_log, signing_key
from sheaf_protocol.records.governance import Change, CoopLines
from sheaf_protocol.testing.author import make_coop, make_federation

HILL, DALE = make_coop("Hill Farm"), make_coop("Dale Supplies")
KEYS = {HILL.cid: HILL.keys, DALE.cid: DALE.keys}


def certificate() -> Certificate:
    return make_federation([(HILL, ["member"]), (DALE, ["supplier", "coordinator"])])


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

    assert federation.id == digest("federation", certificate().body)
    assert federation.is_member(HILL.cid)
    assert not federation.is_member(CoopId(bytes(32)))
    assert list(federation.with_role("supplier")) == [DALE.cid]
    assert not federation.is_forked


def test_federation_id_does_not_depend_on_who_signed() -> None:
    unsigned = msgspec.structs.replace(certificate(), approvals=[])

    assert unsigned.fid == certificate().fid


def test_members_are_listed_in_the_order_of_their_ids() -> None:
    members = [
        Member(cid=c.cid, is_suspended=False, key_head=c.keys.head, roles=["member"])
        for c in (HILL, DALE)
    ]

    forward = genesis_body("Fed", members, bytes(16))

    assert forward == genesis_body("Fed", members[::-1], bytes(16))


def test_roles_are_listed_in_their_order() -> None:
    given: list[list[Role]] = [["member", "coordinator"], ["coordinator", "member", "member"]]
    one, other = (
        [Member(cid=HILL.cid, is_suspended=False, key_head=HILL.keys.head, roles=roles)]
        for roles in given
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


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": 1},
        {"prev": Digest(b"p" * 32)},
        {"fid": FederationId(b"f" * 32)},
        {"change": Change(action="anchor")},
        {"lines": [CoopLines(cid=HILL.cid, logs=[])]},
        {"policy": msgspec.structs.replace(DEFAULT_POLICY, version=1)},
    ],
)
def test_certificate_that_is_no_genesis_founds_nothing(change: dict[str, object]) -> None:
    charter = msgspec.structs.replace(read_charter(certificate()), **change)

    assert refusal(signed(charter)).code == "charter.genesis"


def test_members_out_of_order_or_twice_are_refused() -> None:
    charter = read_charter(certificate())
    backwards = msgspec.structs.replace(charter, members=charter.members[::-1])
    twice = msgspec.structs.replace(charter, members=[*charter.members, charter.members[-1]])

    assert refusal(signed(backwards)).code == "charter.members"
    assert refusal(signed(twice)).code == "charter.members"


def founded_with(**fields: object) -> Certificate:
    """Return a genesis in which the first member has other fields."""
    charter = read_charter(certificate())
    first = msgspec.structs.replace(charter.members[0], **fields)
    return signed(msgspec.structs.replace(charter, members=[first, *charter.members[1:]]))


def test_founder_is_not_suspended() -> None:
    assert refusal(founded_with(is_suspended=True)).code == "charter.genesis"


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"roles": ["seat"]}, id="seat-without-sponsor"),
        pytest.param({"sponsor": HILL.cid}, id="sponsor-of-no-seat"),
        pytest.param({"roles": ["seat"], "sponsor": CoopId(bytes(32))}, id="sponsor-unknown"),
    ],
)
def test_seat_has_a_sponsor_with_a_vote_and_nobody_else_has(fields: dict[str, object]) -> None:
    assert refusal(founded_with(**fields)).code == "charter.sponsor"


def test_seat_is_founded_with_its_sponsor() -> None:
    seated, sponsor = (member.cid for member in read_charter(certificate()).members)

    federation = found(founded_with(roles=["seat"], sponsor=sponsor), KEYS)

    assert federation.voters == (sponsor,)
    assert federation.members[seated].sponsor == sponsor


def test_federation_in_which_nobody_has_a_vote_is_not_founded() -> None:
    cert = make_federation([(HILL, ["observer"]), (DALE, ["service"])])

    assert refusal(cert).code == "charter.voters"


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param({"modes": ["sealed", "open"]}, id="unordered"),
        pytest.param({"modes": ["open", "open"], "privacy": "open"}, id="twice"),
        pytest.param({"modes": ["open"]}, id="without-the-default"),
    ],
)
def test_policy_lists_its_modes_once_in_order_with_the_default(rules: dict[str, object]) -> None:
    policy = msgspec.structs.replace(DEFAULT_POLICY, **rules)
    charter = msgspec.structs.replace(read_charter(certificate()), policy=policy)

    assert refusal(signed(charter)).code == "charter.policy"


def test_founders_approve_neither_twice_nor_as_nodes_do() -> None:
    cert = certificate()
    twice = [*cert.approvals, cert.approvals[0]]
    as_node = [msgspec.structs.replace(a, wid=WriterId(bytes(32))) for a in cert.approvals]

    assert refusal(msgspec.structs.replace(cert, approvals=twice)).code == "charter.approvals"
    assert refusal(msgspec.structs.replace(cert, approvals=as_node)).code == "charter.approvals"
    assert refusal(msgspec.structs.replace(cert, round=0)).code == "charter.approvals"


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
