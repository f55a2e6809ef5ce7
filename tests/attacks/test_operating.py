"""Attacks on whoever runs a node: by what its output quotes, and how long it takes to write it."""

from __future__ import annotations

import io
import json
import logging
import time
from typing import TYPE_CHECKING

import pytest
from tests.node.backing import change, listed_anew, make_written

from sheaf_node.backup import lay_down
from sheaf_node.cli.governance import moment
from sheaf_node.cli.output import utc
from sheaf_node.cli.pools import _outcome
from sheaf_node.observing.log_lines import JsonLines, TextLines
from sheaf_node.observing.redaction import MAX_LINE
from sheaf_node.store import DATABASE
from sheaf_node.upgrading.snapshot import read_note
from sheaf_protocol.errors import Refusal
from sheaf_protocol.testing.author import START_MS

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_S = 0.5
"""Of work for one line, waits for other processes aside; the first of those below took longer than
anybody lives."""
SLOW = {
    "bytes_without_an_end": "b'" + "\\" * 200 + "\nmore",
    "addresses_within_addresses": "://" * 5_400,
    "addresses_with_ports": "http://a:b" * 1_600,
    "a_token_and_blanks": "bearer" + " " * 16_000,
    "tokens_one_after_another": "bearer " * 2_300,
    "bytes_in_either_quote": "b'b\"" * 4_000,
    "digits_one_too_few": ("a" * 63 + "g") * 250,
    "letters_one_too_few": ("A" * 42 + "!") * 380,
    "passwords_of_no_address": "://" + "a:" * 8_000,
}


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER late AFTER INSERT ON entries BEGIN DELETE FROM key_ops; END",
        "CREATE VIEW more AS SELECT randomblob(1000000000) FROM entries",
    ],
)
async def test_a_backup_with_orders_for_the_database_becomes_no_home(
    tmp_path: Path, statement: str
) -> None:
    # Whoever has a key log, which is told to anybody, can make a file that the sheets open. What
    # stands in its database beside tables would be carried out by the restored node, later.
    hill = await make_written(tmp_path / "hill")
    copy = tmp_path / "copy"
    manifest = hill.snapshot(copy)
    change(copy / DATABASE, statement)

    with pytest.raises(Refusal) as refused:
        lay_down(listed_anew(manifest, copy), copy, tmp_path / "new", now_ms=START_MS)

    assert refused.value.code == "backup.unsound"
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "name", ["../other/sheaf.db", "/etc/passwd.db", "services/../../a.db", ".."]
)
def test_a_note_of_a_copy_leads_to_no_file_outside_its_home(tmp_path: Path, name: str) -> None:
    # `sheaf upgrade rollback` in a home that somebody handed over: each file that its note names is
    # put back, over whatever has that name.
    note = {"v": 1, "created_ms": 0, "software": "", "schema": "", "size": 0, "sha256": ""}
    note |= {"ends": [], "key_log": "", "census": {}}
    note |= {"beside": {name: {"sha256": "0" * 64, "form": "0" * 64}}}
    (tmp_path / "upgrade").mkdir()
    (tmp_path / "upgrade" / "note.json").write_text(json.dumps(note))

    with pytest.raises(Refusal) as refused:
        read_note(tmp_path)

    assert refused.value.code == "upgrade.damaged"


@pytest.mark.parametrize("time_ms", [-(2**53), 2**53 - 1, 253_402_300_800_000])
def test_a_time_that_no_calendar_has_is_shown_all_the_same(time_ms: int) -> None:
    # A pool that closes in the year 287396 is a right record, and its list is read by everybody.
    pool = {"outcome": None, "is_closed": False, "closes_at_ms": time_ms, "stuck": None}

    shown = [_outcome(pool), moment(time_ms), utc(time_ms).isoformat()]

    assert all("1970-01-01" in text or "9999-12-31" in text for text in shown)


@pytest.mark.parametrize("text", SLOW.values(), ids=SLOW)
@pytest.mark.parametrize("lines", [JsonLines(), TextLines()], ids=["json", "text"])
def test_what_a_peer_wrote_is_logged_at_once(lines: logging.Formatter, text: str) -> None:
    # Secrets are looked for in each line, and a line may be made for the search never to end.
    out, log = io.StringIO(), logging.Logger("attack")
    handler = logging.StreamHandler(out)
    handler.setFormatter(lines)
    log.addHandler(handler)
    began_s = time.process_time()

    log.warning("a joiner was refused: %s", text)

    assert time.process_time() - began_s < LONGEST_S
    assert out.getvalue().count("\n") == 1


def test_no_line_of_a_stack_looks_like_an_event() -> None:
    # An exception quotes what it was given, and a stack has several lines: one of them is forged.
    given = "x\nINFO sheaf.node: stopped\r\x1b[2Jgone"
    try:
        raise ValueError(given)
    except ValueError as exc:
        fault = (ValueError, exc, exc.__traceback__)
    record = logging.LogRecord("sheaf.api", logging.ERROR, "", 0, "failed", (), fault)

    [first, *others] = TextLines().format(record).split("\n")
    alone = JsonLines().format(record)

    assert first == "ERROR sheaf.api: failed"
    assert {line[:2] for line in others} == {"  "}
    assert not set("".join(others) + alone) & set("\x1b\r\n")


@pytest.mark.parametrize(
    "text",
    [
        "b'" + "\\x00" * 40 + "'",
        'got b"' + "it's" * 10 + '"',
        "b'" + "\\\\" * MAX_LINE,  # cut off in the middle of it
        "b'" + "k" * 40 + "\\",
        "wss://mill.example:8440/?code=" + "s3cret",
        "https://[::1]:8440/a:b/c#s3cret",
        "://a://b?s3cret",
        "Authorization: Bearer s3cret",  # no form of ours, but somebody's
        "basic s3cret:s3cret",
    ],
)
def test_a_secret_in_any_of_these_forms_is_left_out(text: str) -> None:
    # What makes the search quick must not make it blind.
    line = JsonLines().format(logging.LogRecord("a", 20, "", 0, "%s", (text,), None))

    assert "redacted" in line or "[bytes]" in line
    assert "s3cret" not in line
    assert "k" * 32 not in line
    assert "\\x00" * 4 not in line
