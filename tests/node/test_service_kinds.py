"""Kinds of extensions that services bring: shown, installed, shared, and gone with the last."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.node.service_apart import toml, write_service
from tests.node.test_cli import done, refused, run
from tests.node.test_kinds import PRICE

from sheaf_node.kinds import Kinds
from sheaf_node.plugins.installed import Installed
from sheaf_node.plugins.service_folder import read_folder
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from pathlib import Path

KIND = "x.acme.price"
OTHER = {**PRICE, "required": ["item"], "title": "Another"}


def write(folder: Path, name: str, schema: Any = PRICE, **changes: Any) -> Path:
    """Return the folder of a service that brings a kind."""
    asked = {"publishes": [KIND], "follows": [KIND], **changes}
    made = write_service(folder / name, name=name, **asked)
    (made / "price.json").write_text(json.dumps(schema))
    with (made / "sheaf-service.toml").open("a") as file:
        file.write(f"\n[kinds]\n{toml(KIND)} = {toml('price.json')}\n")
    return made


def add(home: Path, folder: Path) -> None:
    Installed(home).add(read_folder(folder), granted_ms=1, is_inside=False)


def kinds(home: Path) -> dict[str, Any]:
    return {name: kind.schema for name, kind in Kinds(home).installed().items()}


def test_a_kind_comes_with_its_service_and_goes_with_it(tmp_path: Path) -> None:
    add(tmp_path, write(tmp_path, "one"))
    with_it = kinds(tmp_path)

    Installed(tmp_path).remove("one")

    assert with_it == {KIND: PRICE}
    assert kinds(tmp_path) == {}


def test_a_kind_of_two_services_goes_with_the_last(tmp_path: Path) -> None:
    for name in ("one", "two"):
        add(tmp_path, write(tmp_path, name))

    Installed(tmp_path).remove("one")
    after_one = kinds(tmp_path)
    Installed(tmp_path).remove("two")

    assert after_one == {KIND: PRICE}
    assert kinds(tmp_path) == {}


def test_a_kind_that_a_person_had_installed_stays_when_all_services_go(tmp_path: Path) -> None:
    Kinds(tmp_path).add(json.dumps(PRICE).encode())
    for name in ("one", "two"):
        add(tmp_path, write(tmp_path, name))

    for name in ("one", "two"):
        Installed(tmp_path).remove(name)

    assert kinds(tmp_path) == {KIND: PRICE}


@pytest.mark.parametrize("has_service", [True, False])
def test_a_schema_that_contradicts_the_installed_one_is_refused_and_changes_nothing(
    tmp_path: Path, has_service: bool
) -> None:
    if has_service:
        add(tmp_path, write(tmp_path, "one"))
    else:
        Kinds(tmp_path).add(json.dumps(PRICE).encode())

    with pytest.raises(Refusal, match=r"kind\.differs") as refusal:
        add(tmp_path, write(tmp_path, "two", OTHER))

    assert ("by one" if has_service else "by `sheaf kind add`") in refusal.value.detail
    assert kinds(tmp_path) == {KIND: PRICE}
    assert Installed(tmp_path).find("two") is None


def test_another_version_changes_the_schema_that_it_alone_brings(tmp_path: Path) -> None:
    add(tmp_path, write(tmp_path, "one"))

    add(tmp_path, write(tmp_path, "one", OTHER, version="2"))

    assert kinds(tmp_path) == {KIND: OTHER}


def test_another_version_does_not_change_the_schema_of_others(tmp_path: Path) -> None:
    for name in ("one", "two"):
        add(tmp_path, write(tmp_path, name))

    with pytest.raises(Refusal, match=r"kind\.differs"):
        add(tmp_path, write(tmp_path, "one", OTHER, version="2"))

    assert kinds(tmp_path) == {KIND: PRICE}


def test_another_version_without_the_kind_takes_it_away(tmp_path: Path) -> None:
    add(tmp_path, write(tmp_path, "one"))

    add(tmp_path, write_service(tmp_path / "one", name="one", version="2"))

    assert kinds(tmp_path) == {}


@pytest.mark.parametrize(
    ("tail", "code"),
    [
        ('"x.acme.price" = "none.json"', "service.manifest"),
        ('"x.acme.other" = "price.json"', "service.manifest"),  # the file's own name is another
        ('"demand.submit" = "price.json"', "service.manifest"),  # a kind of the spec has a schema
        ('"x.acme.price" = "../price.json"', "service.manifest"),
        ('"x.acme.price" = "broken.json"', "kind.file"),
        ("\n".join(f'"x.acme.n{n}" = "price.json"' for n in range(17)), "service.manifest"),
    ],
)
def test_kinds_that_are_none_are_refused(tmp_path: Path, tail: str, code: str) -> None:
    folder = write_service(tmp_path / "one", name="one")
    (folder / "price.json").write_text(json.dumps(PRICE))
    (folder / "broken.json").write_text(json.dumps({**PRICE, "if": {}}))
    with (folder / "sheaf-service.toml").open("a") as file:
        file.write(f"\n[kinds]\n{tail}\n")

    with pytest.raises(Refusal) as refusal:
        add(tmp_path, folder)

    assert refusal.value.code == code
    assert kinds(tmp_path) == {}


def test_where_there_is_no_room_for_all_kinds_none_comes(tmp_path: Path) -> None:
    for number in range(64):
        schema = {**PRICE, "$id": f"urn:sheaf:1:x.acme.n{number}"}
        Kinds(tmp_path).add(json.dumps(schema).encode())

    with pytest.raises(Refusal, match=r"kind\.full"):
        add(tmp_path, write(tmp_path, "one"))

    assert KIND not in kinds(tmp_path)
    assert Installed(tmp_path).find("one") is None


def test_an_operator_is_shown_what_a_service_brings_and_takes_away(tmp_path: Path) -> None:
    home = tmp_path / "mill"
    done("init", "Mill", "--home", home)
    token = ("--token-file", tmp_path / "token", "--home", home)

    declined = run("service", "add", write(tmp_path, "one"), *token)
    done("service", "add", tmp_path / "one", "--yes", *token)
    kinds_then = json.loads(done("kind", "list", "--json", "--home", home))
    asks = ("service", "add", write(tmp_path, "two", OTHER), "--yes", *token)
    refused(*asks, code="kind.differs")
    kept = run("service", "remove", "one", "--home", home)
    gone = json.loads(done("service", "remove", "one", "--yes", "--json", "--home", home))

    assert f"It brings:     the kind {KIND} (A price that somebody saw; needs" in declined.output
    assert [each["kind"] for each in kinds_then] == [KIND]
    assert f"and the kind {KIND}?" in kept.output
    assert gone == {"removed": "one", "removed_kinds": [KIND]}
    assert json.loads(done("kind", "list", "--json", "--home", home)) == []
