"""`sheaf token` and `sheaf open`: what a manager types, at a node that runs or not."""

from __future__ import annotations

import http.client
import json
import stat
import webbrowser
from typing import TYPE_CHECKING

import pytest
from tests.node.test_cli_serve import MISUSED, done, make_home, run, serving

from sheaf_node.api import read_token
from sheaf_node.config import load_config

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home of a node in no federation."""
    return make_home(tmp_path / "mill", "Mill")


def refused(*args: object) -> str:
    """Return the code of a refusal."""
    result = run(*args)
    assert result.exit_code == 1, result.output
    [line] = result.stderr.splitlines()
    return line.rpartition("[")[2].rstrip("]")


def ask(home: Path, method: str, path: str, body: str = "", **headers: str) -> tuple[int, str, str]:
    """Return the status, the body and the cookie of an answer of the node."""
    connection = http.client.HTTPConnection("127.0.0.1", load_config(home).local_port, timeout=30)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body=body, headers=sent)
    answer = connection.getresponse()
    text, cookie = answer.read().decode(), answer.headers.get("Set-Cookie", "")
    connection.close()
    return answer.status, text, cookie.partition(";")[0]


# --- at a node that does not run


def test_a_token_is_made_listed_and_revoked(home: Path) -> None:
    args = ("--scope", "write", "--scope", "read", "--expires", "30d", "--home", home)

    made = done("token", "create", "till", *args).strip()
    listed = json.loads(done("token", "list", "--json", "--home", home))
    table = done("token", "list", "--home", home)
    done("token", "revoke", "till", "--home", home)

    assert made.startswith("sheaf_till_")
    [row] = listed
    assert (row["name"], row["scopes"], row["service"]) == ("till", ["read", "write"], None)
    assert row["expires_ms"] - row["created_ms"] == 30 * 86_400_000
    assert (row["used_ms"], row["is_over"]) == (None, False)
    assert "(api.token)" in table
    assert made.rpartition("_")[2] not in table
    assert json.loads(done("token", "list", "--json", "--home", home)) == []


def test_a_token_goes_into_a_file_that_its_owner_alone_reads(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "till.token"

    said = done("token", "create", "till", "--scope", "read", "--out", out, "--home", home)

    assert out.read_text().startswith("sheaf_till_")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert out.read_text().strip() not in said


def test_a_file_that_is_there_is_left_alone_and_no_token_made(home: Path, tmp_path: Path) -> None:
    out, aim = tmp_path / "till.token", tmp_path / "aim"
    out.symlink_to(aim)

    code = refused("token", "create", "till", "--scope", "read", "--out", out, "--home", home)

    assert code == "token.file"
    assert not aim.exists()
    assert json.loads(done("token", "list", "--json", "--home", home)) == []


def test_a_refused_token_leaves_no_file(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "till.token"

    code = refused("token", "create", "Till", "--scope", "read", "--out", out, "--home", home)

    assert code == "token.name"
    assert not out.exists()


@pytest.mark.parametrize(
    "args",
    [
        ["create", "till"],  # for nothing
        ["create", "till", "--scope", "home"],  # what nobody is given
        ["create", "till", "--scope", "service"],  # what adding a service gives
        ["create", "till", "--scope", "read", "--expires", "soon"],
    ],
)
def test_a_token_asked_for_wrongly_is_misuse(home: Path, args: list[str]) -> None:
    assert run("token", *args, "--home", home).exit_code == MISUSED


def test_a_token_of_no_node_is_refused(tmp_path: Path) -> None:
    code = refused("token", "create", "till", "--scope", "read", "--home", tmp_path)

    assert code == "config.missing"
    assert list(tmp_path.iterdir()) == []


def test_a_browser_signs_in_to_a_node_that_runs(home: Path) -> None:
    assert refused("open", "--home", home) == "api.no_token"


def test_ending_all_sessions_makes_no_link(home: Path) -> None:
    assert run("open", "--end", "--browser", "--home", home).exit_code == MISUSED


# --- at a node that runs


def test_tokens_and_sessions_count_at_once_and_stand_in_no_log(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda link: opened.append(link) or True)
    with serving(home) as process:
        text = done("token", "create", "till", "--scope", "read", "--home", home).strip()
        bearer = f"Bearer {text}"
        before, _, _ = ask(home, "GET", "/api/v1/status", Authorization=bearer)
        listed = json.loads(done("token", "list", "--json", "--home", home))
        done("token", "revoke", "till", "--home", home)
        after, _, _ = ask(home, "GET", "/api/v1/status", Authorization=bearer)

        link = done("open", "--browser", "--home", home).splitlines()[0]
        page, _, code = link.partition("#")
        origin = page.removesuffix("/session")
        body = json.dumps({"code": code})
        signed_in, _, cookie = ask(home, "POST", "/api/v1/session", body, Origin=origin)
        inside, _, _ = ask(home, "GET", "/api/v1/status", Cookie=cookie)
        said = done("open", "--end", "--home", home)
        outside, _, _ = ask(home, "GET", "/api/v1/status", Cookie=cookie)
        own = read_token(home)
        process.terminate()
        output, errors = process.communicate(timeout=30)

    assert (before, after) == (200, 401)
    assert listed[0]["used_ms"] is not None
    assert opened == [link]
    assert (signed_in, inside, outside) == (201, 200, 401)
    assert said.startswith("Signed out: 1.")
    secrets = [text.rpartition("_")[2], code, cookie.rpartition("=")[2], own]
    kept = [path for path in home.rglob("*") if path.is_file() and path.name != "api.token"]
    assert [secret for secret in secrets if secret in output + errors] == []
    assert [path for path in kept for s in secrets if s.encode() in path.read_bytes()] == []
