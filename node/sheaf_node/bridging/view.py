"""What bridging shows to people and to the HTTP API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, structs

from sheaf_node.bridging.ledger import date_of
from sheaf_node.bridging.request import title_of
from sheaf_node.keyring import fingerprint
from sheaf_protocol.digest import CoopId, EntryId
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.treaty import read_treaty

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sheaf_node.bridging.ledger import Ledger
    from sheaf_node.bridging.powers import Powers
    from sheaf_node.bridging.watch import Finding, Watch
    from sheaf_node.plugins import Call, Json, ServiceContext
    from sheaf_protocol.charter import Federation, TreatyInForce
    from sheaf_protocol.digest import Digest
    from sheaf_protocol.treaty import Direction, Terms, Treaty

_DAYS = 14
"""How many of the newest days are shown of each direction."""


@dataclass(frozen=True, slots=True)
class Report:
    """The views, on what is known when one is asked for."""

    context: ServiceContext
    powers: Powers
    ledger: Ledger
    watch: Watch
    stuck: Mapping[EntryId, str]
    terms: Callable[[TreatyInForce], Terms | None]

    def treaties(self, call: Call) -> Json:
        """Return the treaties in force, or the one that option `treaty` begins to name, and what
        bridges did wrong, under treaties that have ended too.
        """
        wanted = call.options.get("treaty", "").lower()
        findings = self.watch.findings(self.context.now_ms())
        listed = self.powers.federations[self.powers.fid].charter.treaties
        chosen = [each for each in listed if each.id.hex().startswith(wanted)]
        shown = [f for f in findings if f.treaty.hex().startswith(wanted)]
        return {
            "treaties": [self._treaty(each, findings) for each in chosen],
            "alerts": [self._alert(finding) for finding in shown],
            "stuck": {entry.hex(): code for entry, code in self.stuck.items()},
            "refused": {fid.hex(): code for fid, code in self.powers.refused.items()},
        }

    def partners(self, call: Call) -> Json:
        """Return the federations whose charters are held, ours first, and who is in them."""
        ours = self.powers.federations
        others = self.powers.foreign
        return {
            "federations": [
                self._federation(federation, is_ours=federation.fid in ours)
                for federation in [*ours.values(), *others.values()]
            ]
        }

    def _treaty(self, listed: TreatyInForce, findings: Iterable[Finding]) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": listed.id.hex(),
            "title": title_of(listed),
            "level": listed.level,
            "per_day": None if listed.per_day is UNSET else listed.per_day,
        }
        try:
            treaty = read_treaty(listed.body)
            partner = treaty.other(self.powers.fid)
        except RemoteProtocolError as exc:
            return {**shown, "unreadable": exc.code}
        now = self.terms(listed)
        here = self.powers.crossings(self.powers.fid)
        return {
            **shown,
            "partner": {"fid": partner.hex(), "name": self.powers.federation_name(partner)},
            "is_listed_there": self._is_listed(partner, listed.id),
            "expires_ms": treaty.expires_ms,
            "is_expired": self.context.now_ms() > treaty.expires_ms,
            "now": None if now is None else {"level": now.level, "per_day": now.per_day},
            "bridges": [self._coop(CoopId(cid)) for cid in treaty.bridges],
            "out": self._way(
                treaty, treaty.direction(self.powers.fid), self.ledger.days(listed.id)
            ),
            "in": self._way(treaty, treaty.direction(partner), here.days(listed.id)),
            "brakes": [
                {**self._coop(seen.cid), "time_ms": seen.time_ms, **_plain(seen.record)}
                for seen in self.ledger.brakes.get(listed.id, ())
            ],
            "alerts": sum(finding.treaty == listed.id for finding in findings),
        }

    def _way(self, treaty: Treaty, way: Direction, days: Mapping[int, int]) -> dict[str, Any]:
        newest = list(days.items())[-_DAYS:]
        return {**structs.asdict(way), "ids": [structs.asdict(pair) for pair in way.ids]} | {
            "days": {date_of(day): count for day, count in newest}
        }

    def _alert(self, finding: Finding) -> dict[str, Any]:
        return {
            "says": finding.sentence(self.powers),
            "code": finding.code,
            "detail": finding.detail,
            "bridge": self._coop(finding.bridge),
            "treaty": finding.treaty.hex(),
            "entry": finding.entry.hex(),
            "origin": None if finding.origin is None else finding.origin.hex(),
            "way": "out" if finding.has_left else "in",
            "time_ms": finding.time_ms,
        }

    def _is_listed(self, fid: Any, treaty: Digest) -> bool | None:
        """Return whether the other side lists a treaty too; None while its charter is not here."""
        federation = self.powers.federation(fid)
        if federation is None:
            return None
        return any(each.id == treaty for each in federation.charter.treaties)

    def _federation(self, federation: Federation, *, is_ours: bool) -> dict[str, Any]:
        return {
            "fid": federation.fid.hex(),
            "name": federation.charter.name,
            "is_ours": is_ours,
            "members": [
                {
                    **self._coop(member.cid),
                    "fingerprint": fingerprint(member.cid),
                    "roles": list(member.roles),
                    "is_suspended": member.is_suspended,
                }
                for member in federation.charter.members
            ],
        }

    def _coop(self, cid: CoopId) -> dict[str, Any]:
        return {"cid": cid.hex(), "name": self.powers.name_of(cid)}


def _plain(brake: Any) -> dict[str, Any]:
    per_day = None if brake.per_day is UNSET else brake.per_day
    return {"level": brake.level, "per_day": per_day, "reason": brake.reason}
