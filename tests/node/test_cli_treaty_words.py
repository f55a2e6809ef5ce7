"""What `sheaf treaty` prints of a treaty that much went over."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from sheaf_node.cli import treaty_level as module
from sheaf_node.cli.main import sheaf
from sheaf_node.cli.treaty_draft import Party, treaty_lines
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import CoopId, FederationId
from sheaf_protocol.treaty import Direction, Treaty, treaty_id

ID = "ab" * 32
WAY = {"kinds": ["offer.submit"], "per_day": 9, "days": {"2026-01-01": 4}}
TREATY: dict[str, Any] = {
    "id": ID,
    "title": "Milk\x1b",
    "level": "limit",
    "per_day": 5,
    "partner": {"fid": "cd" * 32, "name": "Wool Exchange"},
    "is_listed_there": None,
    "expires_ms": 1_767_225_600_000,
    "is_expired": True,
    "now": {"level": "pause", "per_day": 5},
    "bridges": [{"cid": "01" * 32, "name": "Tarset"}],
    "out": WAY,
    "in": WAY,
    "brakes": [{"name": "Hill", "level": "pause", "per_day": None, "reason": ""}],
    "alerts": 1,
}
ALERT = {
    "says": "Tarset, bridge from Wool Exchange, brought what is not as its author signed it",
    "code": "bridge.origin",
    "entry": "ef" * 32,
    "time_ms": 1_767_225_600_000,
}
UNREADABLE = {"id": ID, "title": "treaty abab", "level": "allow", "unreadable": "schema.invalid"}
POOL = {
    "id": ID,
    "title": "Milk for June",
    "is_ours": False,
    "offers_from_there": 2,
    "units_wanted_there": 40,
}
ORDER = {
    "id": ID,
    "buyer": "Moor",
    "supplier": "Dale",
    "state": "accepted",
    "amount": 450,
    "currency": "GBP",
}
AFFECTED = {
    "title": "Milk",
    "partner": {"name": "Wool Exchange"},
    "pools": [POOL, {**POOL, "is_ours": True}],
    "orders": [ORDER],
    "money": [{"currency": "GBP", "awarded": 955, "ordered": 450}],
    "sealed_to_others": 3,
}


class FakeNode:
    """Answers as a node does that has one treaty."""

    treaties: tuple[dict[str, Any], ...] = (TREATY,)

    def get(self, path: str, _query: object = None) -> Any:
        if path.endswith("affected"):
            return AFFECTED
        return {"treaties": list(self.treaties), "alerts": [ALERT]}

    def post(self, _path: str, _body: bytes, _query: object = None) -> Any:
        return {"kind": "offer.submit"}


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> FakeNode:
    fake = FakeNode()
    monkeypatch.setattr(module, "NodeClient", lambda _home: fake)
    return fake


def said(*args: str) -> str:
    result = CliRunner().invoke(sheaf, ["treaty", *args])
    assert result.exit_code == 0, result.output
    return str(result.stdout)


@pytest.mark.usefixtures("node")
def test_a_treaty_is_told_with_its_numbers_and_who_did_wrong() -> None:
    shown = said("show", ID)

    assert "Treaty abababab: Milk\\u001b" in shown
    assert "Level limit, 5 a day; their charter not here" in shown
    assert "Bridges go by pause, 5 a day, the strictest of all" in shown
    assert "in: offer.submit; at most 9 a day\n  2026-01-01  4" in shown
    assert "Hill asked for pause\n" in shown
    assert "as its author signed it [bridge.origin]\n  evidence: entry efefefef" in shown


def test_the_list_says_which_have_expired_or_cannot_be_read(node: FakeNode) -> None:
    node.treaties = (TREATY, UNREADABLE)

    shown = said("list")

    assert "expired" in shown
    assert "treaty abab" in shown
    node.treaties = (UNREADABLE,)
    assert "This version cannot read it [schema.invalid]." in said("show", ID)
    node.treaties = ()
    assert said("list").startswith("No treaty in force.")


@pytest.mark.usefixtures("node")
def test_what_hangs_on_a_treaty_is_listed_with_its_money() -> None:
    assert said("end", ID, "--dry-run").splitlines() == [
        "On Milk with Wool Exchange hang:",
        "  pool abababab Milk for June (theirs): 2 offers from there, 40 units wanted there",
        "  pool abababab Milk for June (ours): 2 offers from there, 40 units wanted there",
        "  order abababab of Moor from Dale, accepted: 450 GBP",
        "  GBP: 955 awarded, 450 in those orders",
        "  3 sealed entries are for others, unread here",
    ]


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize("command", [["list"], ["show", ID], ["ask", ID, "--into", ID]])
def test_json_is_the_nodes_answer(command: list[str]) -> None:
    assert said(*command, "--json").startswith("{")


def test_a_treaty_is_read_out_with_its_id_and_those_of_its_bridges() -> None:
    # Another body has another id; another co-op of the same name has another id too.
    way = Direction(
        categories=[], hops=1, ids=[], kinds=["offer.submit"], per_day=9, regions=[], removed=[]
    )
    treaty = Treaty(
        bridges=[CoopId(b"\x01" * 32)],
        directions=[way, way],
        expires_ms=0,
        nonce=bytes(16),
        parties=[FederationId(bytes(32)), FederationId(b"\x02" * 32)],
        title="Milk\x9b2J\u202e",
        v=1,
    )
    members = [{"cid": "01" * 32, "name": "Span\x9b2J"}]

    lines = list(
        treaty_lines(treaty, "00" * 32, Party(fid="02" * 32, name="Vale", members=members))
    )

    assert treaty_id(encode(treaty)).hex()[:8] in lines[0]
    assert lines[1] == "  bridge 01010101  Span\\u009b2J"
    assert all(line.isprintable() for line in lines)
