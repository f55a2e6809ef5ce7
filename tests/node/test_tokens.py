"""Tokens of a home: what is kept of them, what they open, and when they end."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING

import pytest

from sheaf_node.api import tokens as subject
from sheaf_node.api.route import Scope
from sheaf_node.api.tokens import MOST, USED_MS, Tokens
from sheaf_node.clock import ManualClock
from sheaf_node.observing.redaction import redacted
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from pathlib import Path

NOW_MS = 1_700_000_000_000
READ = frozenset({Scope.READ})


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW_MS)


@pytest.fixture
def tokens(tmp_path: Path, clock: ManualClock) -> Tokens:
    return Tokens(tmp_path, clock=clock, random=os.urandom)


def refusal(tokens: Tokens, name: str, scopes: object = READ, service: str | None = None) -> str:
    with pytest.raises(Refusal) as caught:
        tokens.create(name, scopes, service=service)  # type: ignore[arg-type]
    return caught.value.code


# --- what is made and found


def test_a_token_is_found_by_its_text_in_another_process_too(
    tokens: Tokens, tmp_path: Path, clock: ManualClock
) -> None:
    text = tokens.create("till", [Scope.WRITE, Scope.READ])

    kept = Tokens(tmp_path, clock=clock, random=os.urandom).find(text)

    assert kept is not None
    assert (kept.name, kept.scopes) == ("till", [Scope.READ, Scope.WRITE])
    assert (kept.created_ms, kept.expires_ms, kept.service) == (NOW_MS, None, None)


def test_a_token_is_long_drawn_anew_and_told_by_its_beginning(tokens: Tokens) -> None:
    texts = [tokens.create(name, READ) for name in ("one", "two")]

    secrets = [text.rpartition("_")[2] for text in texts]

    assert texts[0].startswith("sheaf_one_")
    assert [len(bytes.fromhex(secret)) for secret in secrets] == [32, 32]
    assert secrets[0] != secrets[1]


def test_the_home_keeps_no_token_and_shows_nobody_else_what_it_keeps(
    tokens: Tokens, tmp_path: Path
) -> None:
    text = tokens.create("till", READ)

    [path] = (tmp_path / "tokens").iterdir()

    assert text.rpartition("_")[2] not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_no_log_line_shows_a_token(tokens: Tokens) -> None:
    text = tokens.create("till", READ)

    assert text.rpartition("_")[2] not in redacted(f"got {text!r} from 127.0.0.1")


@pytest.mark.parametrize(
    "changed",
    [
        lambda text: text[:-1] + ("0" if text[-1] != "0" else "1"),  # one digit
        lambda text: text.replace("till", "bill"),  # another token's name
        lambda text: text.replace("till", "none"),  # nobody's name
        lambda text: text.upper(),
        lambda text: text + " ",
        lambda text: text.removeprefix("sheaf_"),
        lambda text: text.replace("till", "../tokens/till"),  # a way around
        lambda text: text.replace("till", "t" * 5_000),
        lambda text: "",
        lambda text: "sheaf_till_" + "ü" * 64,
    ],
)
def test_another_text_is_no_token(tokens: Tokens, changed: object) -> None:
    text = tokens.create("till", READ)
    tokens.create("bill", READ)

    assert tokens.find(changed(text)) is None  # type: ignore[operator]
    assert tokens.find(text) is not None


def test_hashes_are_compared_in_the_same_time(
    tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No clock can show this to a test, so the call is looked for."""
    compared = []

    def compare(one: str, other: str) -> bool:
        compared.append((one, other))
        return one == other

    text = tokens.create("till", READ)
    monkeypatch.setattr(subject.hmac, "compare_digest", compare)

    tokens.find(text)
    tokens.find("sheaf_till_" + "00" * 32)

    assert [len(one) for one, _ in compared] == [64, 64]
    assert [one == other for one, other in compared] == [True, False]


# --- when it ends


def test_a_revoked_token_opens_nothing_from_then_on(
    tokens: Tokens, tmp_path: Path, clock: ManualClock
) -> None:
    text = tokens.create("till", READ)
    node = Tokens(tmp_path, clock=clock, random=os.urandom)
    assert node.find(text) is not None

    tokens.revoke("till")

    assert node.find(text) is None
    assert tokens.listed() == []


def test_a_new_token_of_an_old_name_does_not_bring_the_old_one_back(tokens: Tokens) -> None:
    old = tokens.create("till", READ)
    tokens.revoke("till")

    new = tokens.create("till", READ)

    assert tokens.find(old) is None
    assert tokens.find(new) is not None


def test_a_token_ends_when_its_time_is_up(tokens: Tokens, clock: ManualClock) -> None:
    text = tokens.create("till", READ, expires_in_ms=1_000)

    clock.advance(999)
    before = tokens.find(text)
    clock.advance(1)

    assert before is not None
    assert tokens.find(text) is None
    assert [kept.name for kept in tokens.listed()] == ["till"]


def test_the_last_use_is_told_by_the_hour(tokens: Tokens, clock: ManualClock) -> None:
    text = tokens.create("till", READ)
    [kept] = tokens.listed()
    unused = tokens.used_ms(kept)
    tokens.find(text)
    first = tokens.used_ms(kept)
    clock.advance(USED_MS - 1)
    tokens.find(text)
    second = tokens.used_ms(kept)
    clock.advance(1)

    tokens.find(text)

    assert (unused, first, second) == (None, NOW_MS, NOW_MS)
    assert tokens.used_ms(kept) == NOW_MS + USED_MS


def test_who_has_no_token_leaves_no_trace_of_use(tokens: Tokens) -> None:
    tokens.create("till", READ)

    tokens.find("sheaf_till_" + "00" * 32)

    [kept] = tokens.listed()
    assert tokens.used_ms(kept) is None


# --- what is refused


@pytest.mark.parametrize(
    "name", ["", "Till", "-till", "../till", "till/x", "till.json", "a" * 41, "tïll", "till\n"]
)
def test_a_name_that_is_none_is_refused(tokens: Tokens, tmp_path: Path, name: str) -> None:
    assert refusal(tokens, name) == "token.name"
    with pytest.raises(Refusal, match=r"token\.name"):
        tokens.revoke(name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("scopes", "service"),
    [
        (set(), None),  # none
        ({Scope.HOME}, None),  # what only the home's own opens
        ({Scope.READ, Scope.HOME}, None),
        ({Scope.OPEN}, None),  # what is open anyway
        ({Scope.SERVICE}, None),  # a service's, of none
        ({Scope.READ}, "prices"),  # a service that is none
    ],
)
def test_scopes_that_no_token_is_given_are_refused(
    tokens: Tokens, tmp_path: Path, scopes: set[Scope], service: str | None
) -> None:
    assert refusal(tokens, "till", scopes, service) == "token.scope"
    assert list(tmp_path.iterdir()) == []


def test_a_services_token_names_it(tokens: Tokens) -> None:
    text = tokens.create("prices", {Scope.SERVICE, Scope.READ}, service="prices")

    kept = tokens.find(text)

    assert kept is not None
    assert kept.service == "prices"


def test_a_name_that_is_taken_is_refused_and_its_token_holds(tokens: Tokens) -> None:
    text = tokens.create("till", READ)

    assert refusal(tokens, "till", {Scope.WRITE}) == "token.taken"
    kept = tokens.find(text)
    assert kept is not None
    assert kept.scopes == [Scope.READ]


def test_a_home_keeps_so_many_tokens(tokens: Tokens) -> None:
    for number in range(MOST):
        tokens.create(f"till-{number}", READ)

    assert refusal(tokens, "one-more") == "token.full"
    assert len(tokens.listed()) == MOST


def test_a_token_that_nobody_made_is_not_revoked(tokens: Tokens) -> None:
    with pytest.raises(Refusal, match=r"token\.unknown"):
        tokens.revoke("till")


@pytest.mark.parametrize(
    "change",
    [
        {"scopes": ["home"]},  # more than a token is given
        {"scopes": ["read", "anything"]},
        {"name": "bill"},  # under another's name
        {"hash": "short"},
        {"more": 1},
        None,  # half of a file, as a crash leaves it
    ],
)
def test_a_damaged_file_opens_nothing_is_named_and_can_be_removed(
    tokens: Tokens, tmp_path: Path, change: dict[str, object] | None
) -> None:
    text = tokens.create("till", READ)
    path = tmp_path / "tokens" / "till.json"
    whole = path.read_text()
    changed = whole[:20] if change is None else json.dumps(json.loads(whole) | change)
    path.write_text(changed)

    found = tokens.find(text)
    with pytest.raises(Refusal) as caught:
        tokens.listed()
    tokens.revoke("till")

    assert found is None
    assert (caught.value.code, "till.json" in caught.value.detail) == ("token.file", True)
    assert tokens.listed() == []


def test_a_folder_that_cannot_be_written_is_told(tokens: Tokens, tmp_path: Path) -> None:
    (tmp_path / "tokens").touch()

    assert refusal(tokens, "till") == "token.file"
