import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from sheaf_protocol.lifecycle import MACHINES, kind_of
from sheaf_protocol.records import KINDS

ROOT = Path(__file__).parents[2]
SPEC = ROOT / "spec"
CHAPTERS = sorted(SPEC.glob("[0-9][0-9]-*.md"))
PAGES = [*CHAPTERS, SPEC / "README.md", SPEC / "threat-model.md"]
SOURCES = ("protocol", "node", "reference_services")
KEYWORD = re.compile(r"\b(MUST NOT|MUST|SHOULD NOT|SHOULD|MAY|REQUIRED|SHALL)\b")
RULE = re.compile(r"^- \*\*([A-Z]{3,4}-[0-9]+)\*\*(.*?)(?=\n\n|\n- |\Z)", re.MULTILINE | re.DOTALL)
FAMILIES = ["AWD", "CHR", "DSC", "ENC", "ENV", "ERR", "IDN", "INT", "LIF", "LNK", "LOG"]
FAMILIES += ["MAT", "POOL", "RAT", "REC", "SEC", "SYN", "TRM", "VAL", "VER"]
FAMILIES += ["CLR", "INV", "SEAT"]
FAMILIES += ["BAL", "PRV", "RND", "RST", "TRT"]
CITED = re.compile(rf"\b(?:{'|'.join(FAMILIES)}|KEY|SYNC|LINK|HLD|SHP|PUR)-[0-9]+\b")

RETIRED = {"LOG-13"}
"""Ids that no rule has any more, and none will have."""


def rules() -> list[tuple[str, str, Path]]:
    return [(m[1], m[2], path) for path in CHAPTERS for m in RULE.finditer(path.read_text())]


def test_writing_the_blocks_again_changes_nothing(tmp_path: Path) -> None:
    again = shutil.copytree(SPEC, tmp_path / "spec", ignore=shutil.ignore_patterns("vectors"))
    program = Path(__file__).parent / "vectorgen" / "write_blocks.py"

    subprocess.run([sys.executable, program, again], check=True, capture_output=True)

    stale = [p.name for p in CHAPTERS if p.read_text() != (again / p.name).read_text()]
    assert stale == [], f"run {program} spec; stale: {stale}"


def test_every_rule_id_is_used_once() -> None:
    counted = Counter(rule for rule, _, _ in rules())

    assert [rule for rule, count in counted.items() if count > 1] == []
    assert {rule.split("-")[0] for rule in counted} == set(FAMILIES)
    assert RETIRED & set(counted) == set()


@pytest.mark.parametrize(("rule", "text"), [(r, t) for r, t, _ in rules()])
def test_rule_has_one_keyword(rule: str, text: str) -> None:
    assert len(KEYWORD.findall(text)) == 1


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_keywords_stand_in_rules_only(page: Path) -> None:
    prose = RULE.sub("", page.read_text())

    assert KEYWORD.findall(prose) == []


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_opens_with_its_version_and_ends_with_security(chapter: Path) -> None:
    text = chapter.read_text()
    number, _, _ = chapter.stem.partition("-")

    assert text.startswith(f"# {number} ")
    assert "\n\nVersion 1. " in text
    assert "Security" in re.findall(r"^## [0-9]+\. (.*)$", text, re.MULTILINE)[-1]


def test_rules_cited_in_the_code_exist() -> None:
    known = {rule for rule, _, _ in rules()}
    cited = {
        (path.relative_to(ROOT).as_posix(), rule)
        for folder in SOURCES
        for path in (ROOT / folder).rglob("*.py")
        for rule in CITED.findall(path.read_text())
    }

    assert cited
    assert sorted(pair for pair in cited if pair[1] not in known) == []


@pytest.mark.parametrize("page", sorted(SPEC.rglob("*.md")), ids=lambda path: path.stem)
def test_rules_cited_in_the_spec_exist(page: Path) -> None:
    known = {rule for rule, _, _ in rules()} | RETIRED

    assert sorted(set(CITED.findall(page.read_text())) - known) == []


def test_sections_cited_in_the_code_exist() -> None:
    known = {
        (path.stem[:2], number)
        for path in CHAPTERS
        for number in re.findall(r"^## ([0-9]+)\. ", path.read_text(), re.MULTILINE)
    }
    cited = {
        (path.relative_to(ROOT).as_posix(), *place)
        for folder in SOURCES
        for path in (ROOT / folder).rglob("*.py")
        for place in re.findall(
            r"\(?spec (?:chapter )?([0-9]{2}), section ([0-9]+)", path.read_text()
        )
    }

    assert cited
    assert sorted(each for each in cited if each[1:] not in known) == []


def test_the_index_lists_the_threat_model_first() -> None:
    index = (SPEC / "README.md").read_text()

    assert 0 < index.index("(threat-model.md)") < index.index("(00-introduction.md)")


@pytest.mark.parametrize("folder", [Path("vectors"), Path("schemas")])
def test_every_folder_of_data_is_described_in_the_index(folder: Path) -> None:
    assert f"`{folder}" in (SPEC / "README.md").read_text()


def test_every_kind_has_its_table_in_the_chapter_that_the_registry_names() -> None:
    texts = {path.stem[:2]: path.read_text() for path in CHAPTERS}
    rows = re.findall(r"^\| `([a-z0-9_.]+)` \|.*\| ([0-9]{2}) \|$", texts["14"], re.MULTILINE)

    assert sorted(kind for kind, _ in rows) == sorted(KINDS)
    assert [kind for kind, number in rows if f"\n### {kind}\n" not in texts[number]] == []


def test_index_lists_every_chapter() -> None:
    index = (SPEC / "README.md").read_text()

    assert [p.name for p in CHAPTERS if f"({p.name})" not in index] == []


@pytest.mark.parametrize("page", sorted(SPEC.rglob("*.md")), ids=lambda path: path.stem)
def test_links_lead_to_files_that_are_there(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())

    assert [t for t in targets if not (page.parent / t).exists()] == []


def test_reserved_kinds_are_kinds_without_a_record() -> None:
    kinds = {kind for machine in MACHINES for e in machine.senders if (kind := kind_of(e))}
    chapter = (SPEC / "14-versioning-and-kinds.md").read_text().partition("## 3.")[2]
    reserved = set(re.findall(r"^\| `([a-z0-9_.]{1,24})` \|", chapter, re.MULTILINE))

    assert reserved == kinds - set(KINDS)
