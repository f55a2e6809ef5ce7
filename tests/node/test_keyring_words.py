"""Ids and seeds as words, and the sheet that carries them."""

import os
import re
from pathlib import Path

import pytest

from sheaf_node.keyring import create_keyring, fingerprint, read_files
from sheaf_node.keyring.sheet import (
    Sheet,
    asked_words,
    forget_seeds,
    kept_since,
    mark_kept,
    read_sheet,
    require_answers,
    sheet_of,
)
from sheaf_node.keyring.sheet_page import sheet_html, sheet_text
from sheaf_node.keyring.words import is_word, seed_of, words_of
from sheaf_protocol.digest import CoopId, digest
from sheaf_protocol.errors import Refusal

NOW_MS = 1_800_000_000_000
SEED = bytes(range(32))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    create_keyring(tmp_path, name="Hill <b>", country="GB", random=os.urandom, now_ms=NOW_MS)
    return tmp_path


@pytest.fixture
def sheet(home: Path) -> Sheet:
    return sheet_of(read_files(home), NOW_MS)


# --- words


def test_the_words_are_those_of_bip_39() -> None:
    """The English vectors of BIP-39 for 256 bits: zeros, ones, and 7f."""
    assert words_of(bytes(32)) == ["abandon"] * 23 + ["art"]
    assert words_of(b"\xff" * 32) == ["zoo"] * 23 + ["vote"]
    assert words_of(b"\x7f" * 32)[-1] == "title"


def test_words_are_a_seed_again() -> None:
    assert seed_of(words_of(SEED)) == SEED


def test_four_letters_and_any_case_are_enough() -> None:
    assert seed_of([word[:4].upper() for word in words_of(SEED)]) == SEED


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        (lambda words: words[:-1], "expected 24 words, got 23"),
        (lambda words: [*words, "zoo"], "expected 24 words, got 25"),
        (lambda words: [words[0], "sheaf", *words[2:]], "word 2 is not in the list of 2,048"),
        (lambda words: ["zoo", *words[1:]], "do not belong together"),
        (lambda words: [words[0], words[2], words[1], *words[3:]], "do not belong together"),
        (lambda words: ["zo", *words[1:]], "word 1 is not in the list"),  # too few letters
    ],
)
def test_words_that_are_wrong_are_told_by_their_place(change, detail: str) -> None:
    with pytest.raises(Refusal) as refusal:
        seed_of(change(words_of(SEED)))

    assert refusal.value.code == "key.words"
    assert detail in refusal.value.detail


def test_a_fingerprint_is_eight_words_of_88_bits() -> None:
    cid = CoopId(SEED)

    words = fingerprint(cid).split(" ")

    # The first 22 words of a 32-byte value are its first 242 bits.
    assert words == words_of(digest("fingerprint", cid)[:11] + bytes(21))[:8]


def test_the_fingerprint_of_the_spec_is_the_one_computed() -> None:
    chapter = (Path(__file__).parents[2] / "spec" / "02-identity.md").read_text()
    [cid] = re.findall(r"^cid +([0-9a-f]{64})$", chapter, re.MULTILINE)
    [words] = re.findall(r"^fingerprint +([a-z ]+)$", chapter, re.MULTILINE)

    assert fingerprint(CoopId(bytes.fromhex(cid))) == words


def test_a_word_is_known_by_four_letters() -> None:
    assert is_word(" Aban ", "abandon")
    assert is_word("act", "act")
    assert not is_word("aba", "abandon")
    assert not is_word("zoo", "abandon")


# --- the sheet


def test_a_sheet_as_text_is_read_again(sheet: Sheet) -> None:
    again = read_sheet(sheet_text(sheet))

    assert (again.cid, again.rotation, again.next) == (sheet.cid, sheet.rotation, sheet.next)


def test_a_sheet_shows_no_key_in_its_repr(sheet: Sheet) -> None:
    assert sheet.words["next"][0] not in repr(sheet)
    assert sheet.next.hex()[:8] not in repr(sheet)


def test_a_page_holds_all_words_and_loads_nothing(sheet: Sheet) -> None:
    page = sheet_html(sheet)

    assert all(f"<li>{word}</li>" in page for words in sheet.words.values() for word in words)
    assert "Hill &lt;b&gt;" in page
    assert "Hill <b>" not in page
    assert not any(mark in page for mark in ("http:", "https:", "src=", "url(", "<script"))


@pytest.mark.parametrize("text", ["", "Id 12345678", "Rotation key\n 1 zoo\n"])
def test_what_is_no_sheet_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as refusal:
        read_sheet(text)

    assert refusal.value.code == "key.words"


def test_a_sheet_with_a_word_missing_is_refused(sheet: Sheet) -> None:
    text = sheet_text(sheet).replace(" 24 ", "    ")

    with pytest.raises(Refusal) as refusal:
        read_sheet(text)

    assert refusal.value.code == "key.words"


def test_three_different_words_are_asked_back() -> None:
    asked = asked_words(lambda _: next(drawn))

    assert asked == [("rotation", 1), ("rotation", 2), ("next", 24)]


drawn = iter([b"\xff", b"\x00", b"\x30", b"\x01", b"\x2f"])
"""Out of range, the first place, the first again, the second, the last."""


def test_right_answers_pass_and_a_wrong_one_is_told_by_its_place(sheet: Sheet) -> None:
    right = {("next", 3): sheet.words["next"][2], ("rotation", 9): sheet.words["rotation"][8]}
    require_answers(sheet, right)

    with pytest.raises(Refusal) as refusal:
        require_answers(sheet, {**right, ("next", 4): "wrong"})

    assert refusal.value.code == "key.words"
    assert "word 4 of the next key" in refusal.value.detail
    assert sheet.words["next"][3] not in refusal.value.detail


def test_a_sheet_is_kept_from_when_it_was_marked(home: Path) -> None:
    assert kept_since(read_files(home)) is None

    mark_kept(home, NOW_MS + 5)

    assert kept_since(read_files(home)) == NOW_MS + 5


def test_a_damaged_mark_is_none(home: Path) -> None:
    (home / "keys" / "sheet_kept").write_bytes(b"\xc1")
    (home / "keys" / "sheet_kept").chmod(0o600)

    assert kept_since(read_files(home)) is None


def test_seeds_are_forgotten_only_when_a_sheet_is_kept(home: Path) -> None:
    with pytest.raises(Refusal) as refusal:
        forget_seeds(read_files(home))
    assert refusal.value.code == "key.sheet"
    mark_kept(home, NOW_MS)

    forget_seeds(read_files(home))

    assert not (home / "keys" / "rotation.key").exists()
    assert not (home / "keys" / "next.key").exists()
    assert kept_since(read_files(home)) == NOW_MS
    with pytest.raises(Refusal) as refusal:
        sheet_of(read_files(home), NOW_MS)
    assert refusal.value.code == "key.missing"
