"""The small parts of governance: words, what is printed, sightings, installed tallies, exports."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.node.commons import Commons

from sheaf_node.cli.governance import print_ballot, print_charter, state_words
from sheaf_node.governance import Sightings
from sheaf_node.governance.words import change_words
from sheaf_node.ingest import Draft
from sheaf_protocol.charter import read_charter
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import Digest, EntryId, short
from sheaf_protocol.envelope import SEALED
from sheaf_protocol.records import Item, Order, Price
from sheaf_protocol.records.governance import Change
from sheaf_protocol.records.order import DropLine
from sheaf_protocol.sealing import Author, seal_private
from sheaf_protocol.testing.author import make_coop, make_federation
from sheaf_protocol.treaty import Direction, Treaty, treaty_id

if TYPE_CHECKING:
    from pathlib import Path

HILL = make_coop("Hill")
SOME = EntryId(bytes(32))
CHARTER = read_charter(make_federation([(HILL, ["member"])]))
WAY = Direction(
    categories=[], hops=1, ids=[], kinds=["offer.submit"], per_day=9, regions=[], removed=[]
)
TREATY = Treaty(
    bridges=[HILL.cid],
    directions=[WAY, WAY],
    expires_ms=1,
    nonce=bytes(16),
    parties=[bytes(32), b"\x01" * 32],
    title="With the Vale",
    v=1,
)
BALLOT: dict[str, Any] = {
    "id": "ab" * 32,
    "title": "Title\x1b[2J",
    "would": "expel Hill",
    "text": "Because.",
    "change": {"action": "expel"},
    "by": {"name": "Dale"},
    "closes_at_ms": 0,
    "state": "open",
    "why": None,
    "epoch": None,
    "votes": [{"choice": "no", "name": "Moor"}],
    "missing": [{"name": "Fell"}],
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Change(action="leave", cid=HILL.cid), "let Hill leave"),
        (Change(action="restore", cid=HILL.cid), "restore Hill, which is suspended"),
        (Change(action="anchor"), "anchor changed keys"),
        (
            Change(action="treaty", treaty=encode(TREATY)),
            f"agree to the treaty {short(treaty_id(encode(TREATY)))} 'With the Vale': "
            "00000000 to 01010101 offer.submit, at most 9 a day; "
            "01010101 to 00000000 offer.submit, at most 9 a day; "
            f"over Hill ({short(HILL.cid)})",
        ),
        (Change(action="treaty", treaty=b"\x80"), "agree to the treaty that nobody can read"),
        (Change(action="treaty"), "agree to the treaty that nobody can read"),
        (
            Change(action="treaty_level", treaty_id=b"\xab" * 32, level="end"),
            "end the treaty abababab for good",
        ),
        (
            Change(action="treaty_level", treaty_id=b"\xab" * 32, level="limit", per_day=5),
            "set the treaty abababab to limit of 5 entries a day each way",
        ),
        (
            Change(action="treaty_level", treaty_id=b"\xab" * 32, level="pause"),
            "set the treaty abababab to pause",
        ),
        (Change(action="policy"), "change the policy"),
        (
            Change(action="roles", cid=make_coop("Dale").cid, roles=["member"]),
            "make Hill member (so far no member)",
        ),
    ],
)
def test_every_change_has_words(change: Change, words: str) -> None:
    assert change_words(change, CHARTER, lambda _cid: "Hill") == words


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"state": "open"}, "open until 1970-01-01 00:00 UTC"),
        ({"state": "open", "why": "ballot.tally"}, "00:00 UTC, waits: ballot.tally"),
        ({"state": "passed"}, "the members' nodes are certifying it"),
        ({"state": "certified", "epoch": 3}, "certified as epoch 3"),
        ({"state": "moot", "why": "charter.change"}, "no longer be carried out (charter.change)"),
        ({"state": "refused", "why": "ballot.short"}, "not held (ballot.short)"),
        ({"state": "failed"}, "failed, closed 1970-01-01 00:00 UTC"),
    ],
)
def test_every_state_of_a_ballot_has_words(state: dict[str, Any], words: str) -> None:
    assert state_words(BALLOT | state).endswith(words)


def test_a_ballot_is_printed_and_obeyed_by_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    candidate = {"name": "Mill", "fingerprint": "eight words"}

    print_ballot(BALLOT | {"change": {"action": "admit"}, "candidate": candidate})

    printed = capsys.readouterr().out
    assert "Title\\u001b[2J" in printed
    assert "Fingerprint of Mill: eight words" in printed
    assert "  no      Moor\n  -       Fell\n" in printed


def test_the_charter_tells_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    member = {"cid": "ab" * 32, "name": "Hill", "roles": ["seat"], "is_suspended": True}
    member |= {"sponsor": "Dale", "fingerprint": "eight words"}
    charter = {"name": "Borders", "fid": "cd" * 32, "epoch": 3, "voters": 4, "quorum": 3}
    charter |= {"members": [member], "is_member": True, "has_vote": True, "speaks": False}
    charter |= {"doubles": [{"name": "Moor", "entries": ["ef" * 32, "01" * 32]}], "is_forked": True}
    signers = [{"name": "Moor"}, {"name": "Fell"}]
    charter |= {"fork": [{"id": "23" * 32, "approvals": signers}]}
    charter |= {"late": [{"id": "45" * 32, "approvals": signers, "epoch": 2, "against": 1}]}

    print_charter(charter)
    print_charter(charter | {"is_member": False, "doubles": [], "late": [], "is_forked": False})

    printed = capsys.readouterr().out
    assert "ab  Hill  seat  (suspended)  (seat; Dale signs)\n" in printed
    assert "Another writer of this co-op takes part" in printed
    assert "Moor contradicted itself: efefefef, 01010101 [ballot.double]" in printed
    assert "  23232323, signed by Moor, Fell\n" in printed
    late = "epoch 2 came late: 45454545, signed by Moor, Fell against epoch 1 as it is here"
    assert late in printed
    assert "This co-op is no member any more.\n" in printed


# --- sightings


def test_what_was_seen_is_known_again_after_a_restart(tmp_path: Path) -> None:
    head = Digest(b"\x01" * 32)

    assert Sightings(tmp_path / "seen").first_ms(head, 5) == 5

    again = Sightings(tmp_path / "seen")
    assert again.first_ms(head, 9) == 5
    again.keep([])
    assert Sightings(tmp_path / "seen").first_ms(head, 9) == 9


@pytest.mark.parametrize("name", ["damaged", "missing/seen"])
def test_sightings_that_cannot_be_kept_are_begun_anew(tmp_path: Path, name: str) -> None:
    (tmp_path / "damaged").write_bytes(b"\xc1")
    head = Digest(b"\x01" * 32)

    assert Sightings(tmp_path / name).first_ms(head, 5) == 5


# --- tallies


def tallies_with(folder: Path, code: str) -> str:
    """Return the names of the tallies that a process finds beside an installed package."""
    (folder / "dice-1.dist-info").mkdir()
    (folder / "dice.py").write_text(code)
    (folder / "dice-1.dist-info" / "METADATA").write_text("Name: dice\nVersion: 1\n")
    (folder / "dice-1.dist-info" / "entry_points.txt").write_text(
        "[sheaf.tallies]\ndice/1 = dice:roll\n"
    )
    program = "from sheaf_node.governance.tallies import *; print(sorted(installed_tallies()))"
    command = [sys.executable, "-c", program]
    env = os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout


def test_an_installed_tally_is_found(tmp_path: Path) -> None:
    found = tallies_with(tmp_path, "def roll(choices, electorate, bar): return 'passed'")

    assert found == "['consent/1', 'dice/1', 'one_coop_one_vote/1']\n"


def test_a_tally_that_cannot_be_loaded_is_left_out(tmp_path: Path) -> None:
    assert tallies_with(tmp_path, "import nowhere") == "['consent/1', 'one_coop_one_vote/1']\n"


# --- exports


async def test_what_was_sealed_is_taken_along_opened_while_its_key_is_there(
    tmp_path: Path,
) -> None:
    commons = Commons(tmp_path, [("Hill", ["member"]), ("Dale", ["supplier"])])
    await commons.open()
    hill, _ = commons.nodes
    order = Order(
        award=SOME,
        item=Item(code="feed", name="Feed", scale=0, unit="KGM"),
        lines=[DropLine(amount=50, demand=SOME, quantity=5)],
        offer=SOME,
        price=Price(amount=10, base=1, currency="GBP"),
        supplier=HILL.cid,
    )
    author = Author(commons.genesis.fid, hill.coop.cid, hill.coop.wid)
    for prekey in (hill.coop.prekey[0], make_coop("Other").prekey[0]):
        sealed = seal_private(
            "order.place", [], encode(order), [prekey], author=author, random=bytes(56)
        )
        await hill.ingest.publish(commons.genesis.fid, [Draft(kind=SEALED, body=sealed)])

    opened, closed = (await hill.view("export"))["items"]

    assert (opened["kind"], opened["record"] is None) == ("order.place", False)
    assert (closed["kind"], closed["record"]) == (SEALED, None)
    assert (await hill.view("export", after="2")) == {"items": [], "next": None}
    await commons.close()
