"""Whatever the input of a vector holds, a reading answers or refuses; it does not fall over."""

from typing import Any

import pytest

from sheaf_protocol.codec import encode
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.testing.readings import READINGS


@pytest.mark.parametrize(
    ("folder", "value", "reason"),
    [
        ("02-signature", {"key": b"", "message": b"", "purpose": "é", "signature": b""}, "no tag"),
        ("03-json-view", {"json": b"{", "kind": "verdict"}, "no JSON"),
        ("03-json-view", {"json": b"\xff", "kind": "verdict"}, "no UTF-8"),
        ("03-json-view", {"json": b"[" * 9_999, "kind": "verdict"}, "no end of levels"),
        ("03-json-view", {"json": b"9" * 9_999, "kind": "verdict"}, "no number to hold"),
        ("03-json-view", {"json": b"{}", "kind": "x.y"}, "a kind without a record"),
        ("06-frontier", ["part", "x", []], "no hex"),
        ("07-link", ["message", "later", b"\x90"], "no turn"),
        ("07-link", ["frames", bytes(32), []], "no frame"),
        ("09-federation", [[], {"approvals": [], "body": b""}, []], "no entry"),
        ("10-amount", {"amount": 1, "base": 0, "quantity": 1}, "nothing divides"),
        ("11-lifecycle", ["wedding", []], "no machine"),
        ("11-lifecycle", ["pool", [["pool.open"]]], "no party"),
        ("11-lifecycle", ["pool", [["pool.open", "priest"]]], "another party"),
    ],
)
def test_input_that_does_not_fit_its_folder_is_refused(
    folder: str, value: Any, reason: str
) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        READINGS[folder](encode(value))

    assert caught.value.code == "schema.invalid", reason
