"""What leaves a federation, and the bridge's word on it (spec 16, section 5).

Members of the federation that an entry leaves hold the original, so they make again what the bridge
says it shows. A bridge that takes what nobody asked for, or shows more than the treaty allows, has
signed the evidence in front of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import UNSET

from sheaf_protocol.digest import short
from sheaf_protocol.records.bridge import BridgeExport
from sheaf_protocol.treaty.agreement import require_bridge, stays_home
from sheaf_protocol.treaty.projection import Shown, project, refusal

if TYPE_CHECKING:
    from sheaf_protocol.digest import EntryId, FederationId
    from sheaf_protocol.envelope import Header
    from sheaf_protocol.records.bridge import BridgeAsk
    from sheaf_protocol.treaty.agreement import Terms
    from sheaf_protocol.treaty.entering import Crossed


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """An entry that may cross: what is held of it here, and who lets it go how far."""

    id: EntryId
    """Of the origin's entry."""
    kind: str
    shown: Shown
    via: tuple[FederationId, ...]
    """The federations it has passed, this one last."""
    granted_by: EntryId
    is_onward: bool
    """Whether it may cross again from where it goes."""
    into: FederationId | None
    """The one federation that it may enter; None for all."""


def asked(
    id_: EntryId, header: Header, payload: bytes, ask: tuple[EntryId, Header, BridgeAsk]
) -> Source:
    """Return an entry of this federation that its author lets cross.

    Raises RemoteProtocolError `bridge.unasked` where the ask is another co-op's or for another
    entry.
    """
    ask_id, ask_header, record = ask
    is_own = (ask_header.fid, ask_header.cid) == (header.fid, header.cid)
    if record.entry != id_ or not is_own:
        detail = f"expected its author {short(header.cid)} to ask for entry {short(id_)}"
        raise refusal("bridge.unasked", f"{detail}, got {short(ask_header.cid)}")
    return Source(
        id=id_,
        kind=header.kind,
        shown=Shown(payload=payload, is_view=False),
        via=(header.fid,),
        granted_by=ask_id,
        is_onward=record.into is UNSET,
        into=None if record.into is UNSET else record.into,
    )


def passed_on(crossed: Crossed, import_id: EntryId, fid: FederationId) -> Source:
    """Return an entry that came into this federation, to cross once more.

    Raises RemoteProtocolError `bridge.unasked` where its author let it come here and no further.
    """
    if not crossed.is_onward:
        detail = f"expected its author to let entry {short(crossed.id)} go on from here"
        raise refusal("bridge.unasked", detail)
    return Source(
        id=crossed.id,
        kind=crossed.header.kind,
        shown=crossed.shown,
        via=(*crossed.via, fid),
        granted_by=import_id,
        is_onward=True,
        into=None,
    )


def plan_export(terms: Terms, source: Source) -> tuple[BridgeExport, Shown]:
    """Return what a bridge publishes where an entry leaves, and the payload it shows beyond.

    Raises RemoteProtocolError: `bridge.unasked`, `bridge.loop`, `bridge.hops`, `bridge.kind`, and
    those of `project`.
    """
    here = source.via[-1]
    into, direction = terms.treaty.other(here), terms.treaty.direction(here)
    if source.into not in {None, into}:
        detail = f"expected federation {short(into)} in the author's ask for {short(source.id)}"
        raise refusal("bridge.unasked", detail)
    if into in source.via:
        detail = f"expected a federation that {short(source.id)} has not passed"
        raise refusal("bridge.loop", f"{detail}, got {short(into)}")
    if len(source.via) > direction.hops:
        detail = f"expected at most {direction.hops} federations on the way"
        raise refusal("bridge.hops", f"{detail}, got {len(source.via)}")
    if source.kind not in direction.kinds or stays_home(source.kind):
        raise refusal("bridge.kind", f"expected a kind that the treaty lists, got {source.kind}")
    shown = project(direction, source.kind, source.shown)
    export = BridgeExport(
        entry=source.id,
        granted_by=source.granted_by,
        into=into,
        is_onward=source.is_onward,
        shown=shown.hash,
        treaty=terms.id,
    )
    return export, shown


def check_export(header: Header, export: BridgeExport, terms: Terms, source: Source) -> None:
    """Return if a bridge's export is what anybody here would make of the same entry, else raise.

    `header` is that of the export's entry; `source` what `granted_by` leads to. How many crossed on
    one day is `DayCount`'s.
    Raises RemoteProtocolError: `bridge.shown`, and those of `require_bridge` and `plan_export`.
    """
    require_bridge(terms, export.treaty, header)
    expected, _ = plan_export(terms, source)
    if export.into != expected.into:
        detail = f"expected it to go to federation {short(expected.into)}"
        raise refusal("bridge.treaty", f"{detail}, got {short(export.into)}")
    given = (export.entry, export.granted_by, export.is_onward)
    if given != (expected.entry, expected.granted_by, expected.is_onward):
        raise refusal("bridge.unasked", "expected the entry, and as far as its author lets it go")
    if export.shown != expected.shown:
        detail = f"expected {short(expected.shown)} to be shown of entry {short(source.id)}"
        raise refusal("bridge.shown", f"{detail}, got {short(export.shown)}")
