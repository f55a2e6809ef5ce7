"""What a service may ask for, what of its folder is taken, and where its grant stands."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.node.service_apart import EXAMPLES, write_service

from sheaf_node.plugins.installed import MOST, Installed
from sheaf_node.plugins.manifest import MAX_STORAGE, read_manifest
from sheaf_node.plugins.service_folder import MOST_BYTES, MOST_FILES, read_folder
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", ["price_alert", "price_alert_js"])
def test_the_examples_are_short_and_their_manifests_hold(name: str) -> None:
    source = read_folder(EXAMPLES / name)

    lines = [len(data.splitlines()) for path, data in source.files.items() if ".toml" not in path]
    assert (source.manifest.name, max(lines) < 80) == (name, True)


def test_the_manual_has_the_example_as_it_is() -> None:
    manual = (DOCS / "writing-a-service.md").read_text()

    for name in ("price_alert/price_alert.py", "price_alert_js/price_alert.mjs"):
        assert (EXAMPLES / name).read_text() in manual


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Plain"},
        {"name": "../plain"},
        {"name": "a" * 33},
        {"title": ""},
        {"follows": ["demand.submitt"]},
        {"follows": ["x.only"]},
        {"publishes": ["ballot.vote"]},
        {"publishes": ["entry.erase"]},
        {"publishes": ["writer.lost"]},
        {"publishes": ["charter.approve"]},
        {"publishes": ["bridge.import"]},
        {"storage_bytes": MAX_STORAGE + 1},
        {"entries_per_minute": 0},
        {"schema_version": 0},
        {"python": "os:system"},
        {"python": "plain"},
        {"python": "plain:Plain; import os"},
        {"powers": "all"},
    ],
    ids=lambda changes: str(changes)[:40],
)
def test_a_manifest_that_asks_for_what_is_not_given_is_refused(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    folder = write_service(tmp_path / "plain", **changes)

    with pytest.raises(Refusal, match=r"^service\.manifest"):
        read_folder(folder)


@pytest.mark.parametrize("data", [b"", b"\xff", b"name = ", b"x = 1\n" * 20_000])
def test_bytes_that_are_no_manifest_are_refused(data: bytes) -> None:
    with pytest.raises(Refusal, match=r"^service\.manifest"):
        read_manifest(data, "there")


def link_outside(folder: Path) -> None:
    (folder / "link.py").symlink_to("/etc/passwd")


def link_folder(folder: Path) -> None:
    (folder / "link").symlink_to("/etc")


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe")


def too_many(folder: Path) -> None:
    for number in range(MOST_FILES):
        (folder / f"{number}.txt").touch()


def too_large(folder: Path) -> None:
    (folder / "large").write_bytes(bytes(MOST_BYTES))


def too_deep(folder: Path) -> None:
    (folder / "a/a/a/a/a/a/a/a").mkdir(parents=True)


@pytest.mark.parametrize("spoil", [link_outside, link_folder, pipe, too_many, too_large, too_deep])
def test_a_folder_that_holds_more_than_a_few_files_is_refused(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    folder = write_service(tmp_path / "plain")
    spoil(folder)

    with pytest.raises(Refusal, match=r"^service\.folder"):
        read_folder(folder)


def test_what_was_shown_is_what_is_installed(tmp_path: Path) -> None:
    folder, installed = write_service(tmp_path / "plain"), Installed(tmp_path / "home")
    source = read_folder(folder)
    write_service(folder, publishes=["offer.submit"])

    grant = installed.add(source, granted_ms=1, is_inside=False)

    code = installed.code(grant)
    assert installed.get("plain").manifest.publishes == ["demand.submit"]
    assert read_folder(code).digest == source.digest
    assert (code.parent.stat().st_mode & 0o777, len(list(code.parent.glob("code-*")))) == (0o700, 1)


def test_another_version_takes_the_place_of_the_one_before_and_keeps_its_values(
    tmp_path: Path,
) -> None:
    folder, installed = write_service(tmp_path / "plain"), Installed(tmp_path / "home")
    installed.add(read_folder(folder), granted_ms=1, is_inside=False)
    installed.storage("plain").write_bytes(b"kept")

    grant = installed.add(
        read_folder(write_service(folder, version="2")), granted_ms=2, is_inside=True
    )

    assert [each.manifest.version for each in installed] == ["2"]
    assert installed.storage("plain").read_bytes() == b"kept"
    assert [path.name for path in (tmp_path / "home/services/plain").glob("code-*")] == [
        installed.code(grant).name
    ]


def test_a_home_takes_so_many_services_and_no_more(tmp_path: Path) -> None:
    installed = Installed(tmp_path / "home")
    for number in range(MOST):
        source = read_folder(write_service(tmp_path / "plain", name=f"s{number}"))
        installed.add(source, granted_ms=1, is_inside=False)

    source = read_folder(write_service(tmp_path / "plain", name="more"))
    with pytest.raises(Refusal, match=r"^service\.full"):
        installed.add(source, granted_ms=1, is_inside=False)


@pytest.mark.parametrize("name", ["", "..", ".", "a/b", "PLAIN", "plain\n", "a" * 99])
def test_no_other_name_is_looked_for(tmp_path: Path, name: str) -> None:
    installed = Installed(tmp_path)

    assert installed.find(name) is None
    with pytest.raises(Refusal, match=r"^service\.unknown"):
        installed.remove(name)


def test_a_grant_that_cannot_be_read_is_named_and_can_be_removed(tmp_path: Path) -> None:
    folder, installed = write_service(tmp_path / "plain"), Installed(tmp_path / "home")
    installed.add(read_folder(folder), granted_ms=1, is_inside=False)
    (tmp_path / "home/services/plain/grant.json").write_text("{")

    with pytest.raises(Refusal, match=r"^service\.file"):
        installed.find("plain")
    installed.remove("plain")

    assert list(installed) == []


def test_a_service_whose_files_go_meanwhile_is_removed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = Installed(tmp_path)
    folder = write_service(tmp_path / "plain")
    installed.add(read_folder(folder), granted_ms=1, is_inside=False)
    journal = installed.storage("plain").with_name("storage.db-wal")
    journal.touch()
    unlink = os.unlink

    def gone(path: Any, *args: Any, **kwargs: Any) -> None:
        if str(path).endswith("-wal") and journal.exists():
            unlink(journal)  # as the node does that closes the storage
        unlink(path, *args, **kwargs)

    monkeypatch.setattr(os, "unlink", gone)
    installed.remove("plain")

    assert not journal.parent.exists()
