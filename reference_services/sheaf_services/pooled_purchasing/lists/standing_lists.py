"""The standing lists of this node: kept beside the log, published from it, shown and changed.

What is kept is what a list was understood as when it was taken, so nothing of it is asked again. A
list is changed by sending it again under its name; periods that are published already stay as they
are in the log.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import UNSET, structs

from sheaf_protocol.errors import Refusal
from sheaf_protocol.json_view import from_json, to_json
from sheaf_protocol.records import Demand
from sheaf_services.pooled_purchasing.lists.measure import MAX_REF
from sheaf_services.pooled_purchasing.lists.standing import (
    EVERY,
    LABEL_LENGTH,
    MOST_LEAD_DAYS,
    Rolling,
)
from sheaf_services.pooled_purchasing.role import has_role, require_role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_node.plugins import Call, Json, ServiceContext
    from sheaf_services.pooled_purchasing.ledger import Ledger
    from sheaf_services.pooled_purchasing.lists.importing import Lists

MOST_LISTS: Final = 32
MOST_LINES: Final = 400
"""Lines of one list: some 160 KiB as they are kept."""
STORAGE_BYTES: Final = 8 * 1024 * 1024
"""8 MiB: as many lists as there may be, of as many lines."""
DEFAULT_LEAD_DAYS: Final = "14"
"""Two weeks: a pool stays open for one, and goods travel in the other."""
_LONGEST: Final = datetime.timedelta(days=2 * 366)
"""How far ahead a co-op binds itself without looking: two years."""
RESTORED: Final = "restored"
"""The key by which the node says that what is kept came back with a backup."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A list as it is kept, in JSON."""

    every: str
    lead_days: int
    until: str
    is_paused: bool
    lines: list[dict[str, Any]]


class StandingLists:
    """The commands and the view, and what is due."""

    def __init__(self, context: ServiceContext, ledger: Ledger, lists: Lists) -> None:
        self._context, self._ledger, self._lists = context, ledger, lists
        self._held: dict[str, tuple[_Kept, Rolling]] | None = None
        """As they are kept; None before they were read."""

    # --- what is due ------------------------------------------------------------------------

    def decide(self) -> None:
        """Publish the lines of periods whose time has come, those that the log does not have."""
        if not has_role(self._context, "member"):
            return
        now_ms = self._context.now_ms()
        known = {*self._ledger.own_lines(), *self._ledger.lines_elsewhere(now_ms)}
        for kept, rolling in self._all().values():
            if kept.is_paused:
                continue
            for line in rolling.due(now_ms):
                if line.ref not in known:
                    known.add(line.ref)
                    self._context.publish(line)
            next_ms = rolling.next_ms(now_ms)
            if next_ms is not None:
                self._context.wake_at(next_ms)

    # --- commands and views -----------------------------------------------------------------

    def keep(self, call: Call) -> Json:
        """Keep a list under a name, in the place of the one of that name.

        Raises Refusal `import.*`, `standing.*`, `policy.role`; what was kept stays then.
        """
        require_role(self._context, "member")
        name, every = _name(call), _every(call)
        table, lines = self._lists.demands(call)
        until = self._until(call)
        _require_rolling(lines)
        kept = _Kept(
            every=every,
            lead_days=_lead_days(call),
            until=until.isoformat(),
            is_paused=False,
            lines=[to_json(line) for line in lines],
        )
        if name not in self._all() and len(self._all()) >= MOST_LISTS:
            raise Refusal("standing.full", f"expected at most {MOST_LISTS} standing lists")
        if "dry_run" not in call.options:
            self._put(name, kept)
        told = _told(name, kept, _rolling(kept), self._context.now_ms())
        return {**told, "notes": [asdict(note) for note in table.notes]}

    def pause(self, call: Call) -> Json:
        """Stop publishing a list, or with the option `off` go on. What is published stays."""
        name, kept = self._found(call)
        changed = structs.replace(kept, is_paused="off" not in call.options)
        self._put(name, changed)
        return _told(name, changed, _rolling(changed), self._context.now_ms())

    def remove(self, call: Call) -> Json:
        """Forget a list. What is published stays."""
        name, kept = self._found(call)
        self._context.storage.write({}, [self._key(name)])
        del self._all()[name]
        return _told(name, kept, _rolling(kept), self._context.now_ms())

    def show(self, call: Call) -> Json:
        """Show the lists, and when each is published next."""
        now_ms = self._context.now_ms()
        return {"lists": [_told(name, *held, now_ms) for name, held in sorted(self._all().items())]}

    # --- inside -----------------------------------------------------------------------------

    def _found(self, call: Call) -> tuple[str, _Kept]:
        name = call.options.get("list", "")
        held = self._all().get(name)
        if held is None:
            raise Refusal("standing.unknown", f"expected a standing list, got {name[:64]!r}")
        return name, held[0]

    def _until(self, call: Call) -> datetime.date:
        today = datetime.datetime.fromtimestamp(self._context.now_ms() // 1000, datetime.UTC).date()
        text = call.options.get("until", "")
        try:
            until = datetime.date.fromisoformat(text)
        except ValueError as exc:
            detail = f"expected the last day as until=2026-12-31, got {text[:40]!r}"
            raise Refusal("standing.option", detail) from exc
        if not today <= until <= today + _LONGEST:
            detail = f"expected a last day from {today} to {today + _LONGEST}, got {until}"
            raise Refusal("standing.option", detail)
        return until

    def _all(self) -> dict[str, tuple[_Kept, Rolling]]:
        """Return the lists by name; none where the node keeps nothing for its services."""
        if self._held is None:
            self._held = {name: (kept, _rolling(kept)) for name, kept in self._read().items()}
        return self._held

    def _read(self) -> Mapping[str, _Kept]:
        try:
            storage = self._context.storage
            if storage.get(RESTORED):
                self._pause_all()
            keys = [key for key in storage.keys() if key.startswith(self._key(""))]  # noqa: SIM118
            values = {key.removeprefix(self._key("")): storage.get(key) for key in keys}
        except Refusal:
            return {}
        return {name: msgspec.convert(value, _Kept) for name, value in values.items()}

    def _pause_all(self) -> None:
        """Pause what came back with a backup, which does not know what was changed since."""
        storage = self._context.storage
        values = {key: storage.get(key) for key in storage.keys() if key != RESTORED}  # noqa: SIM118
        storage.write(
            {key: {**value, "is_paused": True} for key, value in values.items()}, [RESTORED]
        )

    def _put(self, name: str, kept: _Kept) -> None:
        self._context.storage.write({self._key(name): structs.asdict(kept)})
        self._all()[name] = (kept, _rolling(kept))

    def _key(self, name: str) -> str:
        # One storage serves all federations.
        return f"standing/{self._context.federation.fid.hex()[:16]}/{name}"


def _rolling(kept: _Kept) -> Rolling:
    return Rolling(
        every=kept.every,
        lead_days=kept.lead_days,
        until=datetime.date.fromisoformat(kept.until),
        lines=[from_json(line, Demand) for line in kept.lines],
    )


def _told(name: str, kept: _Kept, rolling: Rolling, now_ms: int) -> dict[str, Any]:
    next_ms = None if kept.is_paused else rolling.next_ms(now_ms)
    return {
        "name": name,
        "every": kept.every,
        "lead_days": kept.lead_days,
        "until": kept.until,
        "is_paused": kept.is_paused,
        "lines": len(kept.lines),
        "next_ms": next_ms,
    }


def _require_rolling(lines: list[Demand]) -> None:
    """Raise Refusal `standing.line` for a list whose lines cannot be moved on."""
    if len(lines) > MOST_LINES:
        raise Refusal("standing.line", f"expected at most {MOST_LINES} lines, got {len(lines)}")
    for line in lines:
        if line.window is UNSET:
            detail = f"expected needed_by on each line, got none on {line.ref!r}"
            raise Refusal("standing.line", f"{detail}: it is moved on by whole periods")
        if len(line.ref) > MAX_REF - LABEL_LENGTH:
            detail = f"expected references of at most {MAX_REF - LABEL_LENGTH} characters"
            raise Refusal("standing.line", f"{detail}, got {line.ref!r}")


def _name(call: Call) -> str:
    name = call.options.get("list", "")
    if _NAME.fullmatch(name) is None:
        detail = "expected a name of 1 to 64 letters, digits and . _ -"
        raise Refusal("standing.option", f"{detail}, got {name[:70]!r}")
    return name


def _every(call: Call) -> str:
    every = call.options.get("every", "")
    if every not in EVERY:
        raise Refusal("standing.option", f"expected one of {', '.join(EVERY)}, got {every[:40]!r}")
    return every


def _lead_days(call: Call) -> int:
    text = call.options.get("lead_days", DEFAULT_LEAD_DAYS)
    if re.fullmatch(r"[0-9]{1,3}", text) is None or int(text) > MOST_LEAD_DAYS:
        detail = f"expected 0 to {MOST_LEAD_DAYS} days of lead, got {text[:40]!r}"
        raise Refusal("standing.option", detail)
    return int(text)
