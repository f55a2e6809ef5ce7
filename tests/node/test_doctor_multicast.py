"""The doctor's look at multicast: what a manager is told, and what leaves it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from sheaf_node.doctor import Level, multicast

if TYPE_CHECKING:
    import pytest


def test_off_it_is_passed_over() -> None:
    found = multicast.network(is_on=False)

    assert (found.look, found.level) == ("multicast", Level.SKIPPED)


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multicast, "find_spec", lambda name: None)

    found = multicast.network(is_on=True)

    assert found.level is Level.WARN
    assert "pip install 'sheaf-coop[lan]'" in found.todo


def test_where_nothing_comes_back_it_warns_and_names_the_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(multicast, "find_spec", lambda name: name)
    monkeypatch.setattr(multicast, "heard_ourselves", lambda: "nothing came back")

    found = multicast.network(is_on=True)

    assert found.level is Level.WARN
    assert "5353" in found.todo


def test_a_computer_without_network_is_told_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    class None_(socket.socket):
        def setsockopt(self, *args: object) -> None:
            raise OSError(19, "No such device")

    monkeypatch.setattr(socket, "socket", None_)

    assert multicast.heard_ourselves() == "No such device"


def test_no_packet_leaves_the_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    said: dict[tuple[int, int], object] = {}

    class Noting(socket.socket):
        def setsockopt(self, level: int, name: int, value: object) -> None:  # type: ignore[override]
            said[level, name] = value

        def sendto(self, data: bytes, to: object) -> int:  # type: ignore[override]
            assert said[socket.IPPROTO_IP, socket.IP_MULTICAST_TTL] == 0
            raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "socket", Noting)

    assert multicast.heard_ourselves() == "Network is unreachable"
