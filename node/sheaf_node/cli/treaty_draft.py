"""Drafts of treaties, the files in which they go to the other federation, and how they read."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import click
import msgspec
from msgspec import Meta

from sheaf_node.charter_file import CharterFile, read_charter_file, read_file
from sheaf_node.cli.governance import DAY_MS, moment
from sheaf_node.cli.output import printable
from sheaf_node.keyring import fingerprint
from sheaf_protocol.charter import Chain
from sheaf_protocol.codec import decode, encode
from sheaf_protocol.errors import Refusal, RemoteProtocolError
from sheaf_protocol.identity import fold_key_log
from sheaf_protocol.limits import MAX_TREATY
from sheaf_protocol.treaty import Direction, IdMap, Treaty, read_treaty, treaty_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

_MAX_FILE: Final = 1 << 26
_PAIR: Final = re.compile(r"(category|item|zone):([^=]+)=(.+)")


class TreatyFile(msgspec.Struct, frozen=True, kw_only=True):
    """A treaty on its way to the other federation, with the charter of the one that sends it."""

    body: Annotated[bytes, Meta(max_length=MAX_TREATY)]
    charter: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Party:
    """A federation, as far as people compare it before they vote."""

    fid: str
    name: str
    members: Sequence[Mapping[str, Any]]
    """Of each `cid`, `name`, `fingerprint`, `roles` and `is_suspended`."""

    def bridges(self) -> set[str]:
        """Return the ids of the members that may bridge."""
        return {
            each["cid"]
            for each in self.members
            if "bridge" in each["roles"] and not each["is_suspended"]
        }


def party_in(data: bytes) -> Party:
    """Return the federation of a charter file, all its signatures checked.

    Raises Refusal `charter.file`, RemoteProtocolError `charter.*`.
    """
    current = read_charter_file(data)
    federation = _chain(current).federation
    names = {log.cid: log.name for log in map(fold_key_log, current.key_logs)}
    return Party(
        fid=federation.fid.hex(),
        name=federation.charter.name,
        members=[
            {
                "cid": member.cid.hex(),
                "name": names.get(member.cid, member.cid.hex()[:8]),
                "fingerprint": fingerprint(member.cid),
                "roles": list(member.roles),
                "is_suspended": member.is_suspended,
            }
            for member in federation.charter.members
        ],
    )


def read_treaty_file(path: Path) -> tuple[TreatyFile, Treaty, Party]:
    """Return a treaty as it came, what it says, and who sent it. Raises Refusal `treaty.file`."""
    try:
        current = decode(read_file(path), TreatyFile, limit=_MAX_FILE)
        treaty = read_treaty(current.body)
        sender = party_in(current.charter)
    except RemoteProtocolError as exc:
        raise Refusal("treaty.file", f"expected a treaty at {path}: {exc.detail}") from exc
    return current, treaty, sender


def draft_treaty(
    parties: tuple[str, str],
    ways: tuple[Direction, Direction],
    *,
    bridges: Sequence[str],
    expires_ms: int,
    title: str,
) -> Treaty:
    """Return a treaty of two federations; `ways[0]` leads out of the first given.

    Raises Refusal `treaty.request` where a value does not fit.
    """
    pairs = sorted(zip(parties, ways, strict=True), key=lambda pair: pair[0])
    fields = {
        "bridges": [bytes.fromhex(cid) for cid in bridges],
        "directions": [msgspec.structs.asdict(way) for _, way in pairs],
        "expires_ms": expires_ms,
        "nonce": os.urandom(16),
        "parties": [bytes.fromhex(fid) for fid, _ in pairs],
        "title": title,
        "v": 1,
    }
    made: Treaty = fit(fields, Treaty)
    return made


def fit(fields: Mapping[str, object], type_: Any) -> Any:
    """Return fields as a struct. Raises Refusal `treaty.request`."""
    try:
        return msgspec.convert(fields, type_, from_attributes=True)
    except msgspec.ValidationError as exc:
        raise Refusal("treaty.request", f"expected another value in a treaty: {exc}") from exc


def read_maps(texts: Iterable[str]) -> list[IdMap]:
    """Return maps of ids as typed, `zone:OURS=THEIRS`. Misuse where one is none."""
    found = []
    for text in texts:
        match = _PAIR.fullmatch(text)
        if match is None:
            raise click.UsageError(f"expected category, item or zone as zone:A=B, got {text!r}")
        field, ours, theirs = match.groups()
        found.append(fit({"field": field, "ours": ours, "theirs": theirs}, IdMap))
    return sorted(found, key=lambda pair: (pair.field, pair.ours))


def turned(maps: Iterable[IdMap]) -> list[IdMap]:
    """Return the maps of the other direction, which undo these."""
    back = [IdMap(field=pair.field, ours=pair.theirs, theirs=pair.ours) for pair in maps]
    return sorted(back, key=lambda pair: (pair.field, pair.ours))


def find_coops(party: Party, texts: Iterable[str]) -> list[str]:
    """Return the ids of members given by name or the start of their id, in the order given.

    Raises Refusal `treaty.bridges`.
    """
    found = []
    for text in texts:
        wanted = text.casefold()
        named = [m["cid"] for m in party.members if m["name"].casefold() == wanted]
        fitting = named or [m["cid"] for m in party.members if m["cid"].startswith(wanted)]
        if len(fitting) != 1:
            detail = f"expected the name or the start of the id of one member of {party.name}"
            raise Refusal("treaty.bridges", f"{detail}, got {text!r}: {len(fitting)} fit")
        found.append(fitting[0])
    return found


def require_bridges(bridges: Iterable[str], *parties: Party) -> None:
    """Return if all may bridge in both federations. Raises Refusal `treaty.bridges`."""
    for party in parties:
        for cid in bridges:
            if cid not in party.bridges():
                detail = f"expected co-op {cid[:8]} to be a member of {party.name} in role bridge"
                raise Refusal("treaty.bridges", f"{detail}; members there vote on roles")


def party_lines(party: Party) -> Iterable[str]:
    """Yield who is in a federation, to be read out to a person of it."""
    yield f"{printable(party.name)}, federation {party.fid[:8]}. Its members:"
    for member in party.members:
        yield f"  {member['cid'][:8]}  {printable(member['name'])}  {', '.join(member['roles'])}"
        yield f"            {member['fingerprint']}"


def treaty_lines(treaty: Treaty, own: str, other: Party) -> Iterable[str]:
    """Yield what a treaty says, for people."""
    id_ = treaty_id(encode(treaty)).hex()[:8]
    yield f"Treaty {id_} {printable(treaty.title)!r}, until {moment(treaty.expires_ms)} UTC"
    names = {member["cid"]: member["name"] for member in other.members}
    for cid in treaty.bridges:
        yield f"  bridge {cid.hex()[:8]}  {printable(names.get(cid.hex(), ''))}".rstrip()
    fids = [fid.hex() for fid in treaty.parties]
    for fid, way in zip(fids, treaty.directions, strict=True):
        whither = f"to {printable(other.name)}" if fid == own else f"from {printable(other.name)}"
        yield f"  {whither}: {', '.join(way.kinds) or 'nothing'}"
        yield f"    at most {way.per_day} a day, over {way.hops} federations"
        for words, listed in (
            ("categories", way.categories),
            ("regions", way.regions),
            ("without", way.removed),
        ):
            if listed:
                yield f"    {words} {', '.join(listed)}"
        for pair in way.ids:
            yield f"    {pair.field} {pair.ours} is called {pair.theirs}"


def expires_at(date: datetime | None, days: int) -> int:
    """Return the UTC milliseconds at which a treaty ends by itself."""
    if date is not None:
        return int(date.replace(tzinfo=UTC).timestamp() * 1000)
    return int(datetime.now(UTC).timestamp() * 1000) + days * DAY_MS


def _chain(current: CharterFile) -> Chain:
    logs = {log.cid: log for log in map(fold_key_log, current.key_logs)}
    chain = Chain.found(current.certificate, logs)
    for certificate in current.certificates[1:]:
        chain = chain.add(certificate, logs)
    return chain
