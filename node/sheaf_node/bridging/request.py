"""What people ask of bridging: to let an entry cross, and to brake. Each is safe to ask twice."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta

from sheaf_node.short_ids import fitting, only
from sheaf_protocol.digest import Digest, EntryId, FederationId, short
from sheaf_protocol.errors import Refusal, RemoteProtocolError
from sheaf_protocol.records.bridge import BridgeAsk, TreatyBrake
from sheaf_protocol.treaty import read_treaty

if TYPE_CHECKING:
    from sheaf_node.bridging.ledger import Ledger
    from sheaf_node.bridging.powers import Powers
    from sheaf_node.plugins import Call, Json, ServiceContext
    from sheaf_protocol.charter import TreatyInForce

_LEAST: Final = 4
"""Digits of an id that are enough to mean a treaty."""
_ID: Final = re.compile(r"[0-9a-f]{64}")


class Braking(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The JSON body of `brake`."""

    treaty: str
    """The start of a treaty's id."""
    level: Literal["allow", "limit", "pause"]
    per_day: Annotated[int, Meta(ge=0, le=2**53 - 1)] | None = None
    reason: Annotated[str, Meta(max_length=1_000)] = ""


@dataclass(frozen=True, slots=True)
class Requests:
    """The commands, on what is known when one is called."""

    context: ServiceContext
    powers: Powers
    ledger: Ledger

    def ask(self, call: Call) -> Json:
        """Let an entry of ours cross: option `entry`, and `into` where it may go nowhere else.

        Raises Refusal `treaty.request`, `treaty.not_own`.
        """
        entry = EntryId(_bytes("entry", call.options.get("entry", "")))
        into = call.options.get("into")
        held = self.powers.entry(entry)
        if held is None or held.header.fid != self.powers.fid:
            raise _wrong(f"an entry of this federation, got {short(entry)}")
        if held.header.cid != self.context.cid:
            detail = f"expected an entry of this co-op, got one of {short(held.header.cid)}"
            raise Refusal("treaty.not_own", detail)
        ask = BridgeAsk(
            entry=entry, into=UNSET if into is None else FederationId(_bytes("into", into))
        )
        if not any(seen.record == ask for seen in self.ledger.asks.get(entry, ())):
            self.context.publish(ask, refs=[entry])
        return {"entry": entry.hex(), "kind": held.kind, "into": into}

    def brake(self, call: Call) -> Json:
        """Ask the bridges of a treaty to let less pass from now on; for stewards.

        Raises Refusal `treaty.request`, `treaty.unknown`, and `policy.role` where we are none.
        """
        try:
            wish = msgspec.json.decode(call.body, type=Braking)
        except (msgspec.DecodeError, RecursionError) as exc:
            raise _wrong(f"a brake as JSON: {exc}") from exc
        if (wish.level == "limit") != (wish.per_day is not None):
            raise _wrong("per_day with the level limit and with no other")
        listed = find_treaty(self.powers, wish.treaty)
        brake = TreatyBrake(
            level=wish.level,
            per_day=UNSET if wish.per_day is None else wish.per_day,
            reason=wish.reason,
            treaty=listed.id,
        )
        self.context.publish(brake)
        return {"treaty": listed.id.hex(), "level": brake.level}


def find_treaty(powers: Powers, prefix: str) -> TreatyInForce:
    """Return the treaty in force whose id begins so. Raises Refusal `treaty.unknown`."""
    treaties = powers.federations[powers.fid].charter.treaties
    found = fitting(treaties, lambda each: each.id.hex(), prefix, _LEAST)
    return only(found, "treaty.unknown", "the start of the id of one treaty in force", prefix)


def title_of(listed: TreatyInForce) -> str:
    """Return a treaty's title; of one that nobody can read, the start of its id."""
    try:
        return read_treaty(listed.body).title
    except RemoteProtocolError:
        return f"treaty {short(Digest(listed.id))}"


def _bytes(name: str, text: str) -> bytes:
    if not _ID.fullmatch(text.lower()):
        raise _wrong(f"{name} as an id of 64 hex digits, got {text[:80]!r}")
    return bytes.fromhex(text)


def _wrong(expected: str) -> Refusal:
    return Refusal("treaty.request", f"expected {expected}")
