"""Founding, chapter 09: the input is [[key log...], certificate], the output the fid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from entries import BEGUN, CID, DELEGATED, DELEGATED_ID, INCEPTION_ID, MANAGER, STRANGER
from kit import ZERO, Case, array, blob, hashed, integer, mapping, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kit import Key

KEY_LOG = array(BEGUN, DELEGATED)


def member(key_head: bytes = DELEGATED_ID) -> bytes:
    """Return the co-op of the worked example as a member."""
    return mapping(cid=blob(CID), key_head=blob(key_head), roles=array(text("buyer")))


def body(*members: bytes, **changes: bytes) -> bytes:
    """Return a genesis body; changes replace encoded values."""
    fields = {
        "epoch": integer(0),
        "members": array(*members),
        "name": text("Hill and Dale"),
        "nonce": blob(b"g" * 16),
        "prev": blob(ZERO),
        "v": integer(1),
    }
    return mapping(**{**fields, **changes})


def certificate(charter: bytes, *keys: Key) -> bytes:
    """Return a charter with the approvals of the co-op by these keys."""
    approvals = [
        mapping(cid=blob(CID), signature=blob(key.sign("certificate", charter))) for key in keys
    ]
    return mapping(approvals=array(*approvals), body=blob(charter))


def cases() -> Iterator[Case]:
    """Yield the vectors of chapter 09."""
    founded, earlier = body(member()), body(member(INCEPTION_ID))
    yield _case("one_founder", "CHR-3", "ok", "Its manager approved.", founded, output=founded)
    comment = "The key log has grown since: its head then is one of its operations now."
    yield _case("key_head_of_before", "CHR-10", "ok", comment, earlier, output=earlier)
    yield from _refused()


def _refused() -> Iterator[Case]:
    founded = body(member())
    comment = "Operation 1 may still arrive."
    shorter = array(array(BEGUN))
    yield _case("key_log_shorter", "CHR-10", "charter.key_head", comment, founded, logs=shorter)
    comment = "No operation of this log, so far."
    unknown = body(member(b"h" * 32))
    yield _case("key_head_unknown", "CHR-10", "charter.key_head", comment, unknown)
    comment = "The founder's key log may still arrive."
    yield _case(
        "key_log_missing", "CHR-4", "charter.unknown_member", comment, founded, logs=array()
    )
    later = body(member(), epoch=integer(1))
    yield _case("later_epoch", "CHR-1", "charter.genesis", "Nothing is before it.", later)
    after = body(member(), prev=blob(b"p" * 32))
    yield _case("with_predecessor", "CHR-1", "charter.genesis", "Epoch 0 follows nothing.", after)
    twice = body(member(), member())
    yield _case("member_twice", "CHR-2", "charter.members", "Its roles could differ.", twice)
    comment = "A charter nobody approved has an id, too."
    yield _case("without_approval", "CHR-3", "charter.signature", comment, founded, keys=())
    comment = "Another key than the manager's."
    by_other = (STRANGER,)
    yield _case("approved_by_other", "CHR-3", "charter.signature", comment, founded, keys=by_other)
    yield _case("without_members", "CHR-9", "schema.invalid", "Nobody to found it.", body())


def _case(
    name: str,
    clause: str,
    expect: str,
    comment: str,
    charter: bytes,
    *,
    logs: bytes | None = None,
    keys: tuple[Key, ...] = (MANAGER,),
    output: bytes | None = None,
) -> Case:
    known = array(KEY_LOG) if logs is None else logs
    return Case(
        id=f"09-charter/{name}",
        clause=clause,
        expect=expect,
        comment=comment,
        input=array(known, certificate(charter, *keys)),
        output=None if output is None else hashed("federation", output),
    )
