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
        ("16-export", {"ask": [], "entry": [], "export": [], "level": "", "treaty": b""}, "none"),
        ("16-import", {"charters": [[]], "entry": []}, "no row"),
        ("16-projection", {"direction": {}, "is_view": 1, "kind": "", "payload": b""}, "no bounds"),
        ("16-treaty", {"body": b"", "bridges": [b""], "fid": bytes(32)}, "no co-op"),
        ("11-lifecycle", ["wedding", []], "no machine"),
        ("17-commitment", {"blinding": bytes(31)}, "a byte too few"),
        ("17-disclosure", ["guests", [], [], 3], "nobody asks so"),
        ("17-sum-tree", {"cap": -1}, "below nothing"),
        ("17-totals", {"commitments": [b""]}, "no point"),
        ("18-close", {"lost": [bytes(32)]}, "no writer"),
        ("18-line", {"at": [[bytes(32), -1]]}, "no place"),
        ("18-promise", {"told": [[b"", b"", b""]]}, "no ids"),
        ("19-exchange", ["guest", [], b"", b"", b"", b"", 0], "nobody of the two"),
        ("19-link", 1, "no text"),
        ("21-award", {"demands": [[bytes(32), bytes(32)]]}, "a demand without a body"),
        ("21-own", {"wanted": [[1, 0]]}, "nothing is wanted"),
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
