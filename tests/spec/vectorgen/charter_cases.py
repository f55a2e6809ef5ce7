"""Founding, chapter 09: the input is [[key log...], certificate], the output the fid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import charters
from entries import (
    BEGUN,
    CID,
    DELEGATED,
    DELEGATED_ID,
    INCEPTION_ID,
    MANAGER,
    MANAGER_2,
    ROTATION,
    STRANGER,
    WRITER,
    inception,
    key_op,
    revoke,
    sorted_map,
)
from kit import Case, Key, array, blob, hashed, integer, mapping, text

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY_LOG: Final = array(BEGUN, DELEGATED)
REVOKED: Final = key_op(revoke(DELEGATED_ID, 2, 0, 1), *ROTATION[:2])
"""Names a later manager."""
OTHER: Final = Key.of(b"o")
"""The manager of a second co-op."""
OTHER_INCEPTION: Final = inception(manager=blob(OTHER.public), name=text("Dale Mill"))
OTHER_CID: Final = hashed("coop", OTHER_INCEPTION)
OTHER_LOG: Final = array(key_op(OTHER_INCEPTION, *ROTATION[:2]))
OTHER_HEAD: Final = hashed("key-op", OTHER_INCEPTION)
ROLES: Final = (
    *("bridge", "carrier", "coordinator", "member", "observer"),
    *("service", "steward", "supplier"),
)


def member(key_head: bytes = DELEGATED_ID, **changes: bytes) -> bytes:
    """Return the co-op of the worked example as a member; changes replace encoded values."""
    return charters.member(CID, key_head, "member", **changes)


OTHER_MEMBER: Final = member(OTHER_HEAD, cid=blob(OTHER_CID))
IN_ORDER: Final = [m for _, m in sorted([(CID, member()), (OTHER_CID, OTHER_MEMBER)])]


def fields_of(*members: bytes) -> dict[str, bytes]:
    """Return the encoded values of a genesis body by key."""
    return charters.genesis_fields("Hill and Dale", b"g" * 16, *members)


def body(*members: bytes, **changes: bytes) -> bytes:
    """Return a genesis body; changes replace encoded values."""
    return sorted_map({**fields_of(*members), **changes})


def approval(
    charter: bytes, key: Key = MANAGER, cid: bytes = CID, as_: str = "certificate"
) -> bytes:
    """Return an approval of a co-op under a charter."""
    return mapping(cid=blob(cid), signature=blob(key.sign(as_, charter)))


def certificate(charter: bytes, *approvals: bytes) -> bytes:
    """Return a charter with these approvals."""
    return mapping(approvals=array(*approvals), body=blob(charter))


def cases() -> Iterator[Case]:
    """Yield the vectors of chapter 09."""
    yield from _founded()
    yield from _not_founded()
    yield from _without_their_keys()
    yield from _approvals()
    for name, clause, expect, comment, charter in BODIES:
        yield _case(name, clause, expect, comment, charter)


def _founded() -> Iterator[Case]:
    founded, earlier = body(member()), body(member(INCEPTION_ID))
    yield _ok("one_founder", "CHR-3", "Its manager approved.", founded)
    comment = "The key log has grown since: its head then is one of its operations now."
    yield _ok("key_head_of_before", "CHR-10", comment, earlier)
    both = body(*IN_ORDER)
    ours, theirs = approval(both), approval(both, OTHER, OTHER_CID)
    logs = array(KEY_LOG, OTHER_LOG)
    yield _ok("two_founders", "CHR-2", "In the order of ids.", both, (ours, theirs), logs=logs)
    comment = "Approvals may come in any order: they are passed round and signed in turn."
    yield _ok("approvals_in_other_order", "CHR-3", comment, both, (theirs, ours), logs=logs)
    comment = "A later version may say more of a charter; the id covers it."
    more = mapping(**{**fields_of(member()), "zone": text("N")})
    yield _ok("key_of_a_later_version", "ENC-16", comment, more)
    grown = array(array(BEGUN, DELEGATED, REVOKED))
    comment = "The manager of `key_head` approved; a later one does not unsay it."
    yield _ok("approved_by_earlier_manager", "CHR-3", comment, founded, logs=grown)
    every = member(roles=array(*map(text, ROLES)))
    yield _ok("every_role", "CHR-9", "All but a seat, which takes a sponsor.", body(every))
    yield _ok(
        "name_of_120", "CHR-9", "120 characters, the most.", body(member(), name=text("é" * 120))
    )
    comment = "A character is a code point, two units of UTF-16 here."
    wide = body(member(), name=text("\U0001f33e" * 120))
    yield _ok("name_of_120_beyond_the_bmp", "CHR-9", comment, wide)
    comment = "Whoever is no founder has no say; its approval changes nothing."
    outsider = (approval(founded), approval(founded, OTHER, OTHER_CID))
    yield _ok("approval_of_outsider", "CHR-3", comment, founded, outsider, logs=logs)


def _not_founded() -> Iterator[Case]:
    later = body(member(), epoch=integer(1))
    yield _case("later_epoch", "CHR-1", "charter.genesis", "Nothing is before it.", later)
    after = body(member(), prev=blob(b"p" * 32))
    yield _case("with_predecessor", "CHR-1", "charter.genesis", "Epoch 0 follows nothing.", after)
    for name, comment, changes in LATER:
        fields = body(member(), **changes)
        yield _case(name, "CHR-13", "charter.genesis", comment, fields)
    suspended = body(member(is_suspended=charters.TRUE))
    comment = "Nobody has decided that."
    yield _case("suspended_founder", "CHR-13", "charter.genesis", comment, suspended)
    yield from _unsound()
    twice = body(member(), member())
    yield _case("member_twice", "CHR-2", "charter.members", "Its roles could differ.", twice)
    reverse = body(*reversed(IN_ORDER))
    yield _case(
        "members_out_of_order",
        "CHR-2",
        "charter.members",
        "The same members in another order would be another federation.",
        reverse,
        approvals=(approval(reverse), approval(reverse, OTHER, OTHER_CID)),
        logs=array(KEY_LOG, OTHER_LOG),
    )

    for name, comment, roles in (
        ("role_twice", "One set of roles, one spelling.", ("member", "member")),
        ("roles_out_of_order", "As above.", ("member", "coordinator")),
    ):
        listed = body(member(roles=array(*map(text, roles))))
        yield _case(name, "CHR-12", "charter.members", comment, listed)


def _unsound() -> Iterator[Case]:
    seat = body(member(roles=array(text("member"), text("seat"))))
    comment = "Nobody signs for it."
    yield _case("seat_without_sponsor", "CHR-14", "charter.sponsor", comment, seat)
    own = body(member(roles=array(text("member"), text("seat")), sponsor=blob(CID)))
    comment = "Another member has to."
    yield _case("sponsor_of_itself", "CHR-15", "charter.sponsor", comment, own)
    voiceless = body(member(roles=array(text("service"))))
    comment = "A federation in which nobody can decide anything."
    yield _case("nobody_has_a_vote", "CHR-16", "charter.voters", comment, voiceless)
    for name, comment, modes in (
        ("modes_out_of_order", "One set of modes, one spelling.", ("sealed", "open")),
        ("privacy_not_in_modes", "The default would be forbidden.", ("open",)),
    ):
        rules = charters.policy(modes=array(*map(text, modes)))
        listed = body(member(), policy=rules)
        yield _case(name, "CHR-17", "charter.policy", comment, listed)


def _without_their_keys() -> Iterator[Case]:
    founded = body(member())
    comment = "Operation 1 may still arrive."
    shorter = array(array(BEGUN))
    yield _case("key_log_shorter", "CHR-10", "charter.key_head", comment, founded, logs=shorter)
    comment = "No operation of this log, so far."
    unknown = body(member(b"h" * 32))
    yield _case("key_head_unknown", "CHR-10", "charter.key_head", comment, unknown)
    comment = "The founder's key log may still arrive."
    code = "charter.unknown_member"
    yield _case("key_log_missing", "CHR-4", code, comment, founded, logs=array())
    twice = body(member(), member())
    comment = "Members twice and a key log missing: time mends the second alone."
    code = "charter.members"
    yield _case("key_log_missing_and_member_twice", "ENV-19", code, comment, twice, logs=array())
    code, comment = "charter.unknown_member", "Another co-op's key log does not help."
    yield _case("key_log_of_other", "CHR-4", code, comment, founded, logs=array(OTHER_LOG))


def _approvals() -> Iterator[Case]:
    founded, both = body(member()), body(*IN_ORDER)
    other = body(member(), nonce=blob(b"h" * 16))
    logs = array(KEY_LOG, OTHER_LOG)
    rows: list[tuple[str, str, bytes, tuple[bytes, ...]]] = [
        ("without_approval", "A charter nobody approved has an id, too.", founded, ()),
        ("one_of_two_approvals", "Every founder, not most of them.", both, (approval(both),)),
        ("approved_by_other", "Not the manager's key.", founded, (approval(founded, STRANGER),)),
        ("approved_by_writer", "A writer's key.", founded, (approval(founded, WRITER),)),
        (
            "approved_by_rotation_key",
            "A rotation key ranks above the manager and does not approve for it.",
            founded,
            (approval(founded, ROTATION[0]),),
        ),
        ("approval_of_other_body", "Of a charter with another nonce.", founded, (approval(other),)),
        (
            "approval_for_other_coop",
            "A founder's signature under another's name.",
            founded,
            (approval(founded, cid=OTHER_CID),),
        ),
        (
            "approvals_swapped",
            "Two valid signatures, each under the other's name.",
            both,
            (approval(both, OTHER), approval(both, MANAGER, OTHER_CID)),
        ),
    ]
    yield _case(
        "approved_by_later_manager",
        "CHR-3",
        "charter.signature",
        "Its manager now, and not the one that it had at `key_head`.",
        founded,
        approvals=(approval(founded, MANAGER_2),),
        logs=array(array(BEGUN, DELEGATED, REVOKED)),
    )
    for name, comment, charter, approvals in rows:
        yield _case(
            name, "CHR-3", "charter.signature", comment, charter, approvals=approvals, logs=logs
        )
    comment = "A signature of the same key over the same bytes, made as a key operation's."
    as_op = (approval(founded, as_="key-op"),)
    yield _case(
        "approval_of_other_purpose", "IDN-3", "charter.signature", comment, founded, approvals=as_op
    )
    comment = "Approvals of nodes name a writer, those of founders none."
    named = mapping(
        cid=blob(CID),
        signature=blob(MANAGER.sign("certificate", founded)),
        wid=blob(WRITER.public),
    )
    yield _case(
        "approval_with_writer", "CHR-18", "charter.approvals", comment, founded, approvals=(named,)
    )
    comment = "Of two approvals one reader takes the first and another the last."
    doubled = (approval(founded), approval(founded))
    yield _case(
        "approved_twice", "CHR-11", "charter.approvals", comment, founded, approvals=doubled
    )


def _without(name: str) -> bytes:
    return mapping(**{key: value for key, value in fields_of(member()).items() if key != name})


def _swapped() -> bytes:
    """Return a body whose first two keys stand in the wrong order."""
    fields = fields_of(member())
    first, second, *rest = fields
    return mapping(**{key: fields[key] for key in (second, first, *rest)})


# file name, why it matters, what a genesis body has of a later one
LATER: Final[list[tuple[str, str, dict[str, bytes]]]] = [
    ("with_fid", "Its id is the hash of all this.", {"fid": blob(b"f" * 32)}),
    ("with_change", "Nothing was before it.", {"change": mapping(action=text("anchor"))}),
    (
        "with_ballot",
        "Founders do not vote, they sign.",
        {"ballot": mapping(proposal=blob(b"p" * 32), votes=array())},
    ),
    (
        "with_refounds",
        "No two certificates were before it.",
        {"refounds": array(blob(b"r" * 32), blob(b"s" * 32))},
    ),
    (
        "with_lines",
        "Nothing was written before it.",
        {"lines": array(mapping(cid=blob(CID), logs=array()))},
    ),
    (
        "with_treaty",
        "It has to be there before it can agree to one.",
        {"treaties": array(mapping(body=blob(b"t"), level=text("allow")))},
    ),
    (
        "with_policy_version",
        "No change of it so far.",
        {"policy": charters.policy(version=integer(1))},
    ),
]


# file name, clause, expect, why it matters, body
BODIES: Final[list[tuple[str, str, str, str, bytes]]] = [
    ("without_members", "CHR-9", "schema.invalid", "Nobody to found it.", body()),
    (
        "without_nonce",
        "CHR-9",
        "schema.invalid",
        "Two of one name would be one.",
        _without("nonce"),
    ),
    ("nonce_of_15_bytes", "CHR-9", "schema.invalid", "16.", body(member(), nonce=blob(b"g" * 15))),
    ("name_empty", "CHR-9", "schema.invalid", "People need one.", body(member(), name=text(""))),
    (
        "name_of_121",
        "CHR-9",
        "schema.invalid",
        "One character too many.",
        body(member(), name=text("a" * 121)),
    ),
    (
        "name_with_newline",
        "CHR-9",
        "schema.invalid",
        "A name that fills two lines can fake the next one.",
        body(member(), name=text("a\nb")),
    ),
    (
        "version_two",
        "CHR-9",
        "schema.invalid",
        "The charter of another version.",
        body(member(), v=integer(2)),
    ),
    (
        "role_unknown",
        "CHR-9",
        "schema.invalid",
        "A role that this version does not know has no effect to judge by.",
        body(member(roles=array(text("owner")))),
    ),
    (
        "without_roles",
        "CHR-9",
        "schema.invalid",
        "A member without a role.",
        body(member(roles=array())),
    ),
    (
        "key_head_of_31_bytes",
        "CHR-9",
        "schema.invalid",
        "An id has 32.",
        body(member(b"h" * 31)),
    ),
    ("epoch_negative", "CHR-9", "schema.invalid", "From 0.", body(member(), epoch=b"\xff")),
    ("no_map", "CHR-9", "schema.invalid", "An array of the same values.", array(integer(0))),
    ("body_unsorted", "ENC-4", "enc.key_order", "A body is canonical as well.", _swapped()),
]


def _ok(
    name: str,
    clause: str,
    comment: str,
    charter: bytes,
    approvals: tuple[bytes, ...] | None = None,
    *,
    logs: bytes | None = None,
) -> Case:
    return _case(
        name, clause, "ok", comment, charter, approvals=approvals, logs=logs, output=charter
    )


def _case(
    name: str,
    clause: str,
    expect: str,
    comment: str,
    charter: bytes,
    *,
    approvals: tuple[bytes, ...] | None = None,
    logs: bytes | None = None,
    output: bytes | None = None,
) -> Case:
    known = array(KEY_LOG) if logs is None else logs
    signed = (approval(charter),) if approvals is None else approvals
    return Case(
        id=f"09-charter/{name}",
        clause=clause,
        expect=expect,
        comment=comment,
        input=array(known, certificate(charter, *signed)),
        output=None if output is None else hashed("federation", output),
    )
