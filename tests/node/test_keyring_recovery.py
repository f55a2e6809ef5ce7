"""Rotations by some of the sheets and recoveries by guardians, at the folder of a home."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import pytest

from sheaf_node.keyring import create_keyring, load_keyring, read_files
from sheaf_node.keyring.change import Terms, rotate_keys
from sheaf_node.keyring.guardian import (
    Guardian,
    card_text,
    guardian_key,
    named_guardians,
    read_guardian_card,
    remembered_guardians,
)
from sheaf_node.keyring.quorum import Quorum, numbered
from sheaf_node.keyring.recovery import (
    Choice,
    RecoveryDraft,
    countersign,
    draft_recovery,
    finish_recovery,
    own_draft,
    read_draft,
)
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import CoopId
from sheaf_protocol.errors import Refusal
from sheaf_protocol.identity import (
    KeyOp,
    Signature,
    SigningKey,
    begin_history,
    decode_op,
    fold_key_log,
    merge,
    sign_op,
    signing_key,
)
from sheaf_protocol.testing.author import START_MS

NEW_MS = START_MS + 1
FELLOWS = [signing_key(bytes([n]) * 32) for n in (1, 2, 3)]


def cards(keys: list[SigningKey]) -> list[Guardian]:
    return [
        Guardian(cid=bytes([n]) * 32, key=key.public, name=f"Fellow {n}")
        for n, key in enumerate(keys, start=1)
    ]


def make(home: Path, sheets: int = 3, needed: int = 2) -> Path:
    create_keyring(
        home,
        name="Hill",
        country="GB",
        random=os.urandom,
        now_ms=START_MS,
        sheets=sheets,
        needed=needed,
    )
    return home


@pytest.fixture
def ops(tmp_path: Path) -> list[KeyOp]:
    """The key log of a co-op that named three guardians, two of them needed."""
    files = read_files(make(tmp_path / "hill"))
    ops, log = files.key_log()
    guardians = named_guardians(cards(FELLOWS), 2, log.cid)
    quorum = Quorum(ops, "next")
    quorum.add_held(files)
    terms = Terms(sheets=3, needed=2, guardians=guardians)
    return rotate_keys(
        files, ops, quorum.seeds, ended={}, random=os.urandom, now_ms=NEW_MS, terms=terms
    ).key_log()[0]


@pytest.fixture
def back(tmp_path: Path) -> Path:
    return tmp_path / "back"


@pytest.fixture
def draft(ops: list[KeyOp], back: Path) -> RecoveryDraft:
    return drafted(back, ops)


def drafted(home: Path, ops: list[KeyOp]) -> RecoveryDraft:
    return draft_recovery(
        home,
        ops,
        ended={},
        terms=Terms(sheets=2, needed=1),
        random=os.urandom,
        now_ms=NEW_MS,
    )


def finish(home: Path, *drafts: RecoveryDraft) -> None:
    finish_recovery(home, drafts, random=os.urandom, now_ms=NEW_MS)


# --- some of the sheets


def test_a_rotation_by_some_outweighs_one_by_fewer_beside_it(tmp_path: Path) -> None:
    files = read_files(make(tmp_path / "hill"))
    ops, _ = files.key_log()
    quorum = Quorum(ops, "next")
    quorum.add_held(files)
    stolen = quorum.seeds[1:]
    theirs = rotated(make(tmp_path / "copy"), files.files, ops, stolen)

    ours = rotate_keys(files, ops, quorum.seeds, ended={}, random=os.urandom, now_ms=NEW_MS)

    history = merge(begin_history(ours.key_log()[0]), theirs)
    assert history.state.manager == load_keyring(tmp_path / "hill").require_manager().public
    assert not history.rival


def rotated(
    home: Path, files: Mapping[str, bytes], ops: list[KeyOp], seeds: list[bytes]
) -> list[KeyOp]:
    """Return the key log after a rotation in a copy of a home."""
    for path in (home / "keys").iterdir():
        path.unlink()
    for name, data in files.items():
        (home / "keys" / name).write_bytes(data)
        (home / "keys" / name).chmod(0o600)
    copied = read_files(home)
    return rotate_keys(copied, ops, seeds, ended={}, random=os.urandom, now_ms=NEW_MS).key_log()[0]


def test_seeds_that_newer_ones_replaced_are_not_taken_from_this_computer(tmp_path: Path) -> None:
    """As after a rotation elsewhere, whose operations came by the peers."""
    old = read_files(make(tmp_path / "hill"))
    ops, _ = old.key_log()
    quorum = Quorum(ops, "next")
    quorum.add_held(old)
    files = rotate_keys(old, ops, quorum.seeds, ended={}, random=os.urandom, now_ms=NEW_MS)

    stale = Quorum(files.key_log()[0], "next")
    stale.add_held(old)

    assert stale.numbers == []
    assert stale.missing == 2


@pytest.mark.parametrize(
    ("numbers", "text"),
    [([], ""), ([2], "sheet 2"), ([1, 3], "sheets 1 and 3"), ([1, 2, 5], "sheets 1, 2 and 5")],
)
def test_sheets_are_listed_as_people_do(numbers: list[int], text: str) -> None:
    assert numbered(numbers) == text


# --- guardian keys


def test_a_card_is_read_as_it_was_written() -> None:
    [card] = cards(FELLOWS[:1])

    assert read_guardian_card(card_text(card)) == card


def test_a_guardian_key_is_made_once_and_is_no_other_key(tmp_path: Path) -> None:
    home = make(tmp_path / "hill")

    first = guardian_key(read_files(home), os.urandom)
    second = guardian_key(read_files(home), os.urandom)

    keyring = load_keyring(home)
    assert first.public == second.public
    assert first.public not in {keyring.writer.public, keyring.require_manager().public}


def test_two_calls_at_once_make_no_two_guardian_keys(tmp_path: Path) -> None:
    files = read_files(make(tmp_path / "hill"))
    first = guardian_key(files, os.urandom)

    with pytest.raises(Refusal) as refusal:
        guardian_key(files, os.urandom)

    assert refusal.value.code == "key.write"
    assert guardian_key(read_files(files.home), os.urandom).public == first.public


def test_a_damaged_list_of_guardians_is_none(tmp_path: Path) -> None:
    home = make(tmp_path / "hill")
    (home / "keys" / "guardians").write_bytes(b"\xc1")
    (home / "keys" / "guardians").chmod(0o600)

    assert remembered_guardians(read_files(home)) is None


def test_more_than_seven_guardians_are_refused() -> None:
    many = cards([signing_key(bytes([n]) * 32) for n in range(1, 9)])

    with pytest.raises(Refusal) as refusal:
        named_guardians(many, 2, CoopId(b"c" * 32))

    assert refusal.value.code == "key.guardian"


# --- drafts


def test_a_draft_holds_each_choice_of_signers_and_stays_the_same(
    draft: RecoveryDraft, back: Path
) -> None:
    assert [choice.operation.by for choice in draft.choices] == [[0, 1], [0, 2], [1, 2]]
    assert own_draft(back) == read_draft(encode(draft)) == draft


@pytest.mark.parametrize("pair", [(0, 1), (0, 2), (1, 2)])
def test_any_guardians_that_are_enough_recover(
    draft: RecoveryDraft, ops: list[KeyOp], back: Path, pair: tuple[int, int]
) -> None:
    finish(back, *(countersign(draft, FELLOWS[index]) for index in pair))

    keyring = load_keyring(back)
    log = merge(begin_history(ops), keyring.key_ops).state
    assert log.manager == keyring.require_manager().public
    assert (len(log.rotation), len(log.next), log.threshold) == (2, 2, 1)
    assert keyring.wid in log.writers
    assert log.guardians == [key.public for key in FELLOWS]


def test_a_finished_home_keeps_its_keys_when_finished_again(
    draft: RecoveryDraft, back: Path
) -> None:
    signed = [countersign(draft, key) for key in FELLOWS]
    finish(back, *signed[:2])
    before = dict(read_files(back).files)

    finish(back, *signed[:2])

    assert dict(read_files(back).files) == before


def test_other_keys_in_the_home_are_left_alone(draft: RecoveryDraft, back: Path) -> None:
    make(back)
    before = dict(read_files(back).files)

    with pytest.raises(Refusal) as refusal:
        finish(back, *(countersign(draft, key) for key in FELLOWS))

    assert refusal.value.code == "key.exists"
    assert dict(read_files(back).files) == before


def test_a_home_with_keys_drafts_nothing(ops: list[KeyOp], back: Path) -> None:
    make(back)

    with pytest.raises(Refusal) as refusal:
        drafted(back, ops)

    assert refusal.value.code == "key.exists"


def with_first(draft: RecoveryDraft, first: Choice) -> RecoveryDraft:
    return msgspec.structs.replace(draft, choices=[first, *draft.choices[1:]])


def with_signature(draft: RecoveryDraft, key: SigningKey, signature: bytes) -> RecoveryDraft:
    signed = [Signature(key=key.public, signature=signature)]
    return with_first(draft, Choice(body=draft.choices[0].body, signatures=signed))


def with_manager(draft: RecoveryDraft) -> RecoveryDraft:
    """One choice of several that names another manager, which no reader would compare."""
    other = msgspec.structs.replace(draft.choices[-1].operation, manager=FELLOWS[0].public)
    last = Choice(body=encode(other), signatures=[])
    return msgspec.structs.replace(draft, choices=[*draft.choices[:-1], last])


def of_another_kind(draft: RecoveryDraft) -> RecoveryDraft:
    return with_first(draft, Choice(body=draft.key_log[-1].body, signatures=[]))


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        (lambda d: msgspec.structs.replace(d, choices=d.choices[:1]), "each choice"),
        (lambda d: msgspec.structs.replace(d, key_log=d.key_log[:-1]), "follows on its key log"),
        (lambda d: with_signature(d, FELLOWS[0], bytes(64)), "valid signatures"),
        (lambda d: with_signature(d, FELLOWS[2], bytes(64)), "its guardians alone"),
        (with_manager, "choices that differ"),
        (of_another_kind, "expected a recovery"),
        (lambda d: with_first(d, Choice(body=b"\x80", signatures=[])), "recover --draft"),
    ],
)
def test_a_draft_that_was_changed_is_refused(
    draft: RecoveryDraft, change: Callable[[RecoveryDraft], RecoveryDraft], detail: str
) -> None:
    with pytest.raises(Refusal) as refusal:
        read_draft(encode(change(draft)))

    assert refusal.value.code == "key.draft"
    assert detail in refusal.value.detail


def test_a_choice_is_signed_by_its_guardians_alone(draft: RecoveryDraft) -> None:
    signed = countersign(draft, FELLOWS[1])

    assert [len(choice.signatures) for choice in signed.choices] == [1, 0, 1]
    assert signed.signers == {FELLOWS[1].public}
    body = sign_op(decode_op(KeyOp(body=draft.choices[0].body, signatures=[])), [FELLOWS[1]])
    assert signed.choices[0].signatures == body.signatures


def test_too_many_guardians_for_a_draft_are_refused(tmp_path: Path, back: Path) -> None:
    """Named by other software, up to sixteen."""
    files = read_files(make(tmp_path / "hill", 1, 1))
    ops, _ = files.key_log()
    many = [signing_key(bytes([n]) * 32) for n in range(1, 17)]
    guardians = msgspec.structs.replace(
        named_guardians(cards(many[:1]), 1, CoopId(b"c" * 32)), guardians=cards(many), needed=8
    )
    terms = Terms(sheets=1, needed=1, guardians=guardians)
    after = rotate_keys(
        files,
        ops,
        [files.secret("next.key")],
        ended={},
        random=os.urandom,
        now_ms=NEW_MS,
        terms=terms,
    )
    assert len(fold_key_log(after.key_log()[0]).guardians) == 16

    with pytest.raises(Refusal) as refusal:
        drafted(back, after.key_log()[0])

    assert refusal.value.code == "key.guardian"
    assert not back.exists()
