"""The conformance kit against this implementation, over real sockets, and what cases promise."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from tests.conform.code_rows import ROOT, TABLE, by_case, by_vector, listed, named

from sheaf_node.charter_file import make_card
from sheaf_node.cli.main import sheaf
from sheaf_node.conform.cases import all_cases, dialled_paths
from sheaf_node.conform.judging import all_vectors, claim_of
from sheaf_node.conform.kit import make_kit, open_kit, prepare
from sheaf_node.conform.model import Catalogue
from sheaf_node.conform.runner import allot
from sheaf_node.conform.target import read_target
from sheaf_protocol.errors import Refusal
from sheaf_protocol.testing.author import START_MS, make_coop
from sheaf_protocol.testing.conformance import load_rules
from sheaf_services.demo.ports import free_ports

if TYPE_CHECKING:
    from pathlib import Path

CASES = all_cases()
VECTORS = all_vectors()
CLAIMS = [*CASES, *map(claim_of, VECTORS)]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(sheaf, ["conform", *map(str, arguments)])


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What the kit says of a node of ours."""
    done = run("own", "--json", "--limit", 60, "--jobs", 16, "--seed", "5e" * 32)
    return dict(json.loads(done.stdout))


def test_this_implementation_passes_every_case(told: dict[str, Any]) -> None:
    failed = [
        (case["id"], case["expected"], case["got"], case["sequence"][-8:])
        for case in told["cases"]
        if case["result"] == "FAIL"
    ]

    assert failed == []
    assert (told["passed"], told["skipped"]) == (len(CASES) + len(VECTORS), 0)


def test_each_case_yields_the_codes_that_it_names(told: dict[str, Any]) -> None:
    seen = {case["id"]: set(case["seen"]) for case in told["cases"]}

    assert [claim.id for claim in CLAIMS if set(claim.codes) - seen[claim.id]] == []


def test_each_case_tells_what_was_sent_and_heard(told: dict[str, Any]) -> None:
    assert [case["id"] for case in told["cases"] if not case["sequence"]] == []


def test_there_are_two_hundred_cases_and_more() -> None:
    assert len(CASES) >= 200
    assert len({claim.id for claim in CLAIMS}) == len(CLAIMS)


def test_each_case_names_rules_that_are_in_force() -> None:
    rules = set(load_rules(ROOT / "spec"))

    assert [each.id for each in CLAIMS if not each.clauses or set(each.clauses) - rules] == []


def test_each_code_that_a_case_names_is_listed() -> None:
    assert sorted(by_case().keys() - set(listed())) == []


def test_table_of_codes_lists_those_of_the_spec_and_no_others() -> None:
    assert list(json.loads(TABLE.read_text())) == listed()


def test_each_code_is_provoked_on_the_wire_by_bytes_or_by_a_test() -> None:
    table = json.loads(TABLE.read_text())

    assert [code for code, row in table.items() if not row] == []


def test_what_the_table_of_codes_names_exists_and_names_the_code() -> None:
    wire, vectors, tests = by_case(), by_vector(), dict(named())

    for code, row in json.loads(TABLE.read_text()).items():
        assert set(row.get("wire", [])) <= set(wire.get(code, []))
        assert set(row.get("bytes", [])) <= set(vectors.get(code, []))
        assert [name for name in row.get("tests", []) if code not in tests.get(name, ())] == []


def test_a_code_that_a_case_can_give_is_shown_by_cases_and_not_by_tests_alone() -> None:
    wire, vectors = by_case(), by_vector()

    for code, row in json.loads(TABLE.read_text()).items():
        assert ("wire" in row, "bytes" in row) == (code in wire, code in vectors)
        assert ("tests" in row) == (code not in wire and code not in vectors)


def test_no_two_cases_share_a_co_op() -> None:
    shares = allot(CASES)
    taken = [
        (shares[case.id].shared, shares[case.id].coop + at)
        for case in CASES
        for at in range(case.coops)
    ]

    assert len(set(taken)) == len(taken)


def test_an_id_used_twice_is_refused() -> None:
    catalogue = Catalogue()
    catalogue.case("twice", "LNK-1", "One")(lambda scene: scene.link())  # type: ignore[arg-type,return-value]

    with pytest.raises(ValueError, match="twice"):
        catalogue.case("twice", "LNK-1", "Another")


def test_a_kit_follows_from_its_seed() -> None:
    node = make_coop("Node", now_ms=START_MS)
    one, other = (make_kit(bytes(32), node.key_ops, [START_MS]) for _ in range(2))

    assert one.shared[0].fid == other.shared[0].fid
    assert one.sides[-1].coops[3].key_ops == other.sides[-1].coops[3].key_ops


def test_a_later_run_writes_new_logs_under_the_same_federations(tmp_path: Path) -> None:
    card = tmp_path / "card"
    assert CliRunner().invoke(sheaf, ["init", "Node", "--home", str(tmp_path / "h")]).exit_code == 0
    words = ["federation", "card", "--out", str(card), "--home", str(tmp_path / "h")]
    assert CliRunner().invoke(sheaf, words).exit_code == 0
    prepare(tmp_path / "kit", card, seed=bytes(32), now_ms=START_MS)

    first, second = (open_kit(tmp_path / "kit", START_MS + at) for at in (1, 2))

    assert (first.run, second.run) == (0, 1)
    assert first.shared[0].fid == second.shared[0].fid
    assert first.shared[0].coops[0].wid != second.shared[0].coops[0].wid


@pytest.mark.parametrize("left", ["all", "its charters"])
def test_prepare_refuses_a_folder_that_holds_a_kit(tmp_path: Path, left: str) -> None:
    card, out = tmp_path / "card", tmp_path / "kit"
    card.write_bytes(make_card(make_coop("Node").key_ops))
    prepare(out, card, seed=bytes(32), now_ms=START_MS)
    if left == "its charters":
        (out / "kit.json").unlink()
    before = sorted(out.rglob("*"))

    done = run("prepare", "--card", card, "--out", out)

    assert done.exit_code == 1
    assert "take a new folder [charter.file]" in done.stderr
    assert sorted(out.rglob("*")) == before


def test_a_run_against_a_port_where_nobody_listens_is_refused_at_once(tmp_path: Path) -> None:
    [port] = free_ports(1)
    kit = '{"seed": "00", "runs": [1]}'
    (tmp_path / "kit.json").write_text(kit)

    done = run(f"ws://127.0.0.1:{port}", "--kit", tmp_path)

    assert done.exit_code == 1
    assert done.stdout == ""
    assert f"expected the node under test at 127.0.0.1:{port}, got: " in done.stderr
    assert "[link.unreachable]" in done.stderr
    assert (tmp_path / "kit.json").read_text() == kit


def test_prepare_says_what_to_do(tmp_path: Path) -> None:
    home, card = tmp_path / "home", tmp_path / "card"
    CliRunner().invoke(sheaf, ["init", "Node", "--home", str(home)])
    CliRunner().invoke(sheaf, ["federation", "card", "--out", str(card), "--home", str(home)])

    done = run("prepare", "--card", card, "--out", tmp_path / "kit", "--listen", "127.0.0.1:9000")

    assert done.exit_code == 0
    assert f"ws://127.0.0.1:9000{dialled_paths()[0]}" in done.stdout
    [adopted, *_] = sorted((tmp_path / "kit" / "charters").glob("*.charter"))
    words = ["federation", "adopt", str(adopted), "--home", str(home)]
    assert CliRunner().invoke(sheaf, words).exit_code == 0


def test_list_names_each_case_with_its_clause() -> None:
    done = run("--list")

    assert done.exit_code == 0
    assert f"{len(CASES)} cases" in done.stdout
    assert "hello-audience-other LNK-6 An M1 for another name is refused" in done.stdout


def test_list_is_data_as_well() -> None:
    told = json.loads(run("--list", "--json", "--only", "hello-audience-other").stdout)

    assert [each["codes"] for each in told] == [["link.audience"]]


@pytest.mark.parametrize(
    "words",
    [
        ("ws://127.0.0.1:1",),
        ("--list", "--only", "nothing"),
        ("own", "--only", "nothing"),
        ("own", "--seed", "zz"),
        ("ws://127.0.0.1:1", "--kit", "/nowhere", "--api", "http://127.0.0.1:1"),
        ("ws://127.0.0.1:1", "--kit", "/nowhere", "--listen", "here"),
    ],
    ids=["no kit", "no case", "nor a vector", "no seed", "no token", "no port"],
)
def test_misuse_is_told_and_ends_with_2(words: tuple[str, ...]) -> None:
    assert run(*words).exit_code == 2


def test_a_folder_that_is_no_kit_is_refused(tmp_path: Path) -> None:
    done = run("ws://127.0.0.1:1", "--kit", tmp_path)

    assert (done.exit_code, "[charter.file]" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("url", "link", "audience"),
    [
        ("ws://Dale.example", "ws://dale.example:80/sheaf/1/link", "dale.example"),
        ("https://dale.example", "wss://dale.example:443/sheaf/1/link", "dale.example"),
        ("ws://127.0.0.1:8440/other", "ws://127.0.0.1:8440/other", "127.0.0.1:8440"),
        ("ws://[::1]:8440", "ws://[::1]:8440/sheaf/1/link", "[::1]:8440"),
    ],
)
def test_a_url_leads_to_the_link_and_names_the_audience(url: str, link: str, audience: str) -> None:
    target = read_target(url)

    assert (target.link, target.audience) == (link, audience)


@pytest.mark.parametrize(
    "url", ["dale.example", "ftp://dale.example", "ws://", "ws://a@b", "ws://a:x"]
)
def test_a_url_that_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(Refusal) as refused:
        read_target(url)

    assert refused.value.code == "peer.url"
