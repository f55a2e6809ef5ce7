"""Room that the class of an installed package asks for, beside the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from sheaf_node.plugins import with_room
from sheaf_node.plugins.installed import Installed
from sheaf_node.plugins.storage import RESTORED
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from pathlib import Path


class Plain:
    """A service as far as is needed here."""

    def __init__(self, context: Any, settings: Any) -> None:
        self.context = context


class Roomy(Plain):
    storage_bytes: ClassVar[int] = 1_000


class Context:
    cid = b"c"

    @property
    def storage(self) -> Any:
        raise Refusal("service.storage", "expected a service that asked for room")


def made(home: Path, class_: Any) -> Any:
    return with_room(home, {"sums": class_})["sums"](Context(), {})  # type: ignore[arg-type]


def test_what_is_kept_is_there_when_the_node_starts_anew(tmp_path: Path) -> None:
    made(tmp_path, Roomy).context.storage.write({"a": 1})

    again = made(tmp_path, Roomy).context

    assert (again.storage.get("a"), list(again.storage.keys())) == (1, ["a"])
    assert again.cid == b"c"


def test_a_service_that_keeps_nothing_leaves_nothing(tmp_path: Path) -> None:
    storage = made(tmp_path, Roomy).context.storage

    assert (storage.get("a"), storage.keys()) == (None, [])
    assert list(tmp_path.iterdir()) == []


def test_more_than_was_asked_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as caught:
        made(tmp_path, Roomy).context.storage.write({"a": "x" * 1_000})

    assert caught.value.code == "service.quota"


def test_a_class_that_asks_for_none_has_none(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as caught:
        made(tmp_path, Plain).context.storage  # noqa: B018 - looking is asking

    assert caught.value.code == "service.storage"


def test_what_comes_back_with_a_backup_says_so(tmp_path: Path) -> None:
    made(tmp_path, Roomy).context.storage.write({"a": 1})

    Installed(tmp_path).hold_back()

    assert made(tmp_path, Roomy).context.storage.get(RESTORED) is True
