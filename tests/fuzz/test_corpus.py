"""The kept corpus, run through the fuzz targets without a fuzzer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.fuzz.cover import MAX_BYTES, MAX_FILES, kept
from tests.fuzz.target import FOLDER, TARGETS, load

if TYPE_CHECKING:
    from pathlib import Path

CORPUS = [(name, path) for name in TARGETS for path in kept(name)]


@pytest.mark.parametrize(("name", "path"), CORPUS, ids=lambda part: getattr(part, "name", part))
def test_no_kept_input_breaks_a_promise(name: str, path: Path) -> None:
    load(name).run(path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_no_seed_breaks_a_promise(name: str) -> None:
    target = load(name)

    for data in target.seeds():
        target.run(data)


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_keeps_a_few_small_inputs(name: str) -> None:
    files = kept(name)

    assert 0 < len(files) <= MAX_FILES
    assert max(path.stat().st_size for path in files) <= MAX_BYTES


def test_the_corpus_holds_nothing_of_no_target() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(TARGETS)
