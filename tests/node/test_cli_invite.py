"""`sheaf invite create --qr`: the link as a picture, for people and never for programs."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import pytest
import segno
from click.testing import CliRunner, Result

from sheaf_node.cli.main import sheaf
from sheaf_services.demo.ports import free_ports

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    peer, local = free_ports(2)
    where = tmp_path / "hill"
    ports = ("--peer-port", str(peer), "--local-port", str(local))
    made = run("init", "Hill", "--home", str(where), *ports)
    assert made.exit_code == 0, made.output
    return where


def run(*args: str) -> Result:
    return CliRunner().invoke(sheaf, args)


def test_the_picture_is_of_the_link_that_is_shown(home: Path) -> None:
    made = run("invite", "create", "--qr", "--home", str(home))

    assert made.exit_code == 0, made.output
    [link] = set(re.findall(r"https?://[^\s']+#[\w-]+", made.stdout))
    drawn = io.StringIO()
    segno.make(link, error="m", micro=False).terminal(out=drawn, border=2, compact=True)
    assert drawn.getvalue().strip("\n") in made.stdout
    assert max(map(len, drawn.getvalue().splitlines())) <= 80


def test_without_the_option_no_picture_is_drawn(home: Path) -> None:
    made = run("invite", "create", "--home", str(home))

    assert made.exit_code == 0, made.output
    assert not set(made.stdout) & set("█▀▄")


def test_a_picture_for_programs_is_misuse_and_makes_no_invitation(home: Path) -> None:
    refused = run("invite", "create", "--qr", "--json", "--home", str(home))

    assert refused.exit_code == 2
    assert "No invitation yet" in run("invite", "list", "--home", str(home)).stdout


@pytest.mark.parametrize("expires", ["0d", "0m", "91d", "9999d"])
def test_a_time_beyond_what_may_be_is_misuse_told_in_words(home: Path, expires: str) -> None:
    refused = run("invite", "create", "--expires", expires, "--home", str(home))

    assert refused.exit_code == 2
    assert f"expected from 1m to 90d, got '{expires}'" in refused.stderr


@pytest.mark.parametrize(
    ("settings", "typed"),
    [
        ('public_names = ["127.0.0.1"]', "sheaf join 'http://127.0.0.1:8440/"),
        ('public_names = ["mill.example"]', "sheaf join 'https://mill.example/"),
        (
            'peer_host = "0.0.0.0"\npublic_names = ["192.168.1.5"]',
            "sheaf join CODE 192.168.1.5:8440",
        ),
        (
            'peer_host = "0.0.0.0"\npublic_names = ["192.168.1.5"]\n[discovery]\nlan = true',
            "on this network:\n  sheaf join CODE\n",
        ),
    ],
)
def test_what_the_other_side_types_is_printed_whole(home: Path, settings: str, typed: str) -> None:
    (home / "sheaf.toml").write_text(f'name = "Hill"\n{settings}\n')

    made = run("invite", "create", "--home", str(home))

    [code] = set(re.findall(r"(?:[0-9A-Z]{4}-){6}[0-9A-Z]{4}", made.stdout))
    assert typed.replace("CODE", code) in made.stdout
