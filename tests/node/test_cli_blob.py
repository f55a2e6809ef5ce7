"""`sheaf blob`: what is asked of the node, and where the bytes go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from tests.node.test_cli_serve import done, make_member, run, serving

from sheaf_node.cli import blob as module
from sheaf_node.cli.main import sheaf
from sheaf_protocol.limits import MAX_BLOB

if TYPE_CHECKING:
    from pathlib import Path

ID = "ab" * 32
WAITING = {"id": ID, "size": None, "pieces": 0, "of": None}
BEGUN = {"id": ID, "size": 200_000, "pieces": 1, "of": 4}


class FakeNode:
    """Gives its answers one after the other, the last one for ever."""

    def __init__(self) -> None:
        self.answers: list[Any] = [b"bytes\x1b[2J"]
        self.asked: list[tuple[str, object]] = []

    def put(self, path: str, body: bytes) -> Any:
        raise AssertionError(path)

    def get_bytes(self, path: str, query: object) -> Any:
        self.asked.append((path, query))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> FakeNode:
    fake = FakeNode()
    monkeypatch.setattr(module, "NodeClient", lambda _home: fake)
    monkeypatch.setattr(module, "POLL_S", 0)
    return fake


def blob(*args: object) -> Result:
    return CliRunner().invoke(sheaf, ["blob", *map(str, args)])


def test_bytes_go_to_standard_output_as_they_are(node: FakeNode) -> None:
    assert blob("get", ID).stdout_bytes == b"bytes\x1b[2J"
    assert node.asked == [(f"/api/v1/blobs/{ID}", {})]


def test_bytes_go_to_a_file(node: FakeNode, tmp_path: Path) -> None:
    result = blob("get", ID, "-o", tmp_path / "out", "--size", 9)

    assert (result.exit_code, result.stdout_bytes) == (0, b"")
    assert (tmp_path / "out").read_bytes() == b"bytes\x1b[2J"
    assert node.asked[0][1] == {"size": 9}


def test_terminal_is_not_given_bytes_that_it_would_obey(
    node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True)

    result = blob("get", ID)

    assert result.exit_code == 2
    assert (node.asked, b"\x1b" in result.stdout_bytes) == ([], False)


def test_blob_on_its_way_is_waited_for(node: FakeNode) -> None:
    node.answers = [WAITING, BEGUN, b"here"]

    assert blob("get", ID).stdout_bytes == b"here"
    assert len(node.asked) == 3


@pytest.mark.parametrize(
    ("answer", "words"), [(WAITING, "0 of an unknown number"), (BEGUN, "1 of 4")]
)
def test_wait_ends_with_how_far_it_is(node: FakeNode, answer: object, words: str) -> None:
    node.answers = [answer]

    result = blob("get", ID, "--wait", 0)

    assert result.exit_code == 1
    assert words in result.stderr
    assert "[blob.waiting]" in result.stderr


def test_file_that_cannot_be_written_is_refused(node: FakeNode, tmp_path: Path) -> None:
    result = blob("get", ID, "-o", tmp_path / "nowhere" / "out")

    assert (result.exit_code, "[blob.file]" in result.stderr) == (1, True)


def test_name_leads_to_no_other_address(node: FakeNode) -> None:
    blob("get", "../status?x")

    assert node.asked == [("/api/v1/blobs/..%2Fstatus%3Fx", {})]


@pytest.mark.parametrize(
    ("size", "code"), [(None, "blob.file"), (0, "blob.size"), (MAX_BLOB + 1, "blob.size")]
)
def test_file_that_is_no_blob_is_refused(
    node: FakeNode, tmp_path: Path, size: int | None, code: str
) -> None:
    if size is not None:
        (tmp_path / "file").write_bytes(bytes(size))

    result = blob("add", tmp_path / "file")

    assert (result.exit_code, f"[{code}]" in result.stderr) == (1, True)


def test_file_goes_to_a_running_node_and_comes_back(tmp_path: Path) -> None:
    home, file, out = make_member(tmp_path), tmp_path / "file", tmp_path / "out"
    file.write_bytes(bytes(range(256)) * 1_000)

    with serving(home):
        told = done("blob", "add", file, "--home", home)
        as_json = done("blob", "add", file, "--json", "--home", home)
        blob_id = told.split()[0]
        done("blob", "get", blob_id, "-o", out, "--home", home)
        unknown = run("blob", "get", "no id", "-o", out, "--home", home)

    assert told == f"{blob_id}  256000 bytes\n"
    assert as_json == f'{{"id": "{blob_id}", "size": 256000}}\n'
    assert out.read_bytes() == file.read_bytes()
    assert (unknown.exit_code, "[blob.id]" in unknown.stderr) == (1, True)
    assert (home / "blobs" / blob_id).read_bytes() == file.read_bytes()
