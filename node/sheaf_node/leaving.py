"""The file that a co-op takes along when it leaves a federation (docs/governing.md).

Lines of JSON, so that it can be read without any of this: first the head, then one own entry a
line, opened for people and as it was signed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from sheaf_node.charter_file import read_charter_file
from sheaf_protocol.digest import CoopId, FederationId, WriterId
from sheaf_protocol.envelope import Envelope, open_header
from sheaf_protocol.errors import Refusal, RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sheaf_node.charter_file import CharterFile

VERSION: Final = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What such a file holds, checked: every entry is its author's, in an unbroken chain."""

    cid: CoopId
    fid: FederationId
    charter: CharterFile
    entries: Sequence[Mapping[str, Any]]


def write_taken(
    cid: str, fid: str, name: str, charter: bytes, entries: Iterable[Mapping[str, Any]]
) -> bytes:
    """Return the bytes of the file."""
    head = {
        "sheaf_export": VERSION,
        "cid": cid,
        "federation": name,
        "fid": fid,
        "charter": charter.hex(),
    }
    return "".join(f"{json.dumps(line)}\n" for line in (head, *entries)).encode()


def read_taken(data: bytes) -> Taken:
    """Return what a file holds. Raises Refusal `governance.export`, naming the line."""
    lines = data.splitlines()
    try:
        head = json.loads(lines[0])
        taken = Taken(
            cid=CoopId(bytes.fromhex(head["cid"])),
            fid=FederationId(bytes.fromhex(head["fid"])),
            charter=read_charter_file(bytes.fromhex(head["charter"])),
            entries=[_entry(number, line) for number, line in enumerate(lines[1:], start=2)],
        )
    except (ValueError, KeyError, IndexError, TypeError) as exc:
        raise _refused(1, "a head as `sheaf federation leave` writes it") from exc
    heads: dict[WriterId, tuple[int, str]] = {}
    for number, entry in enumerate(taken.entries, start=2):
        _check(number, entry, taken, heads)
    return taken


def _entry(number: int, line: bytes) -> Mapping[str, Any]:
    """Return the JSON of a line."""
    try:
        return cast("Mapping[str, Any]", json.loads(line))
    except ValueError as exc:
        raise _refused(number, "an entry") from exc


def _check(
    number: int, entry: Mapping[str, Any], taken: Taken, heads: dict[WriterId, tuple[int, str]]
) -> None:
    """Return if an entry is what its id says, of the co-op, and follows on the one before it."""
    try:
        parts = {key: bytes.fromhex(text) for key, text in entry["envelope"].items()}
        envelope = Envelope(parts["header"], parts["signature"], parts["payload"])
        header = open_header(envelope)
        is_as_said = envelope.id.hex() == entry["id"]
    except (ValueError, KeyError, TypeError, RemoteProtocolError) as exc:
        raise _refused(number, "an entry") from exc
    if not is_as_said or (header.cid, header.fid) != (taken.cid, taken.fid):
        raise _refused(number, "an entry of this co-op, under its own id")
    before = heads.get(header.wid)
    if before is not None and (header.seq - 1, header.prev.hex()) != before:
        raise _refused(number, f"the entry after {before[0]} of its log")
    heads[header.wid] = (header.seq, envelope.id.hex())


def _refused(number: int, expected: str) -> Refusal:
    return Refusal("governance.export", f"expected {expected} in line {number}")
