"""What enters a federation: a foreign entry, proven, in a bridge's wrapping (spec 16, section 7).

Whoever is a member here holds neither the origin's log nor its author's ask. What they check: that
the author signed the header, in its own federation and in a role that may; that what came is what
the bridge signed for where it left; and that the treaty lets that much be seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import short
from sheaf_protocol.envelope import (
    SEALED,
    Envelope,
    body_of,
    decode_header,
    entry_id,
    open_header,
    payload_hash,
    verify_header,
)
from sheaf_protocol.errors import Fault, LocalProtocolError, RemoteProtocolError
from sheaf_protocol.limits import MAX_PAYLOAD, SALT_BYTES
from sheaf_protocol.log import require_writer
from sheaf_protocol.proof import Tail, decode_proof, encode_proof, prove_tail
from sheaf_protocol.records import decode_record
from sheaf_protocol.records.bridge import MAX_BRIDGED, Bridged, BridgeExport, Receipt
from sheaf_protocol.sealing import Sealed
from sheaf_protocol.treaty.agreement import require_bridge, stays_home
from sheaf_protocol.treaty.projection import Shown, refusal, require_projected

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_protocol.digest import CoopId, Digest, EntryId, FederationId, WriterId
    from sheaf_protocol.envelope import Header
    from sheaf_protocol.identity import Cut, KeyLog
    from sheaf_protocol.proof import Proof
    from sheaf_protocol.records import Record
    from sheaf_protocol.records.governance import Level
    from sheaf_protocol.treaty.agreement import Terms
    from sheaf_protocol.treaty.leaving import Source


class Standing(Protocol):
    """What a co-op may do at one place of its log."""

    def may(self, kind: str) -> bool:
        """Return whether it may publish a kind."""

    def level_of(self, treaty: Digest) -> Level | None:
        """Return the level of a treaty, by its id; None where the charter does not list it."""


class Charters(Protocol):
    """What a federation's charters say of its members, as `charter.Federation` does."""

    def standing(self, cid: CoopId, wid: WriterId, seq: int) -> Standing:
        """Return a co-op's standing at one entry of one of its logs."""

    def cut_of(self, cid: CoopId, wid: WriterId) -> Cut | None:
        """Return where the log of a co-op that left ends."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """What is known of federations and co-ops, foreign ones too."""

    federations: Mapping[FederationId, Charters]
    keys: Mapping[CoopId, KeyLog]


@dataclass(frozen=True, kw_only=True, slots=True)
class Crossed:
    """An entry of another federation that counts here: the origin's, whatever bridge brought it."""

    id: EntryId
    header: Header
    record: Record | Sealed | None
    """None for kinds that this version does not know."""
    shown: Shown
    via: tuple[FederationId, ...]
    is_onward: bool
    left_ms: int
    """When the last bridge exported it, which says on what day it counts."""

    @property
    def home(self) -> FederationId:
        """The federation of its author."""
        return self.header.fid

    def rank(self, import_id: EntryId) -> tuple[bool, int, EntryId]:
        """Return what orders several imports of one entry: the lowest counts (TRT-50).

        Whole before view, the shorter way before the longer, then any order that all nodes share.
        """
        return (self.shown.is_view, len(self.via), import_id)


def make_import(
    source: Source, header: bytes, proof: Proof, shown: Shown, export: Envelope
) -> Bridged:
    """Return what a bridge publishes where an entry enters, after its export stands.

    Raises LocalProtocolError `bridge.size`.
    """
    receipt = Receipt(header=export.header, payload=export.payload, signature=export.signature)
    bridged = Bridged(
        header=header,
        is_view=shown.is_view,
        payload=shown.payload,
        proof=encode_proof(proof),
        receipt=receipt,
        treaty=_export_of(receipt).treaty,
        via=list(source.via),
    )
    size = SALT_BYTES + len(encode(bridged))
    if len(shown.payload) > MAX_BRIDGED or size > MAX_PAYLOAD:
        raise LocalProtocolError("bridge.size", f"expected at most {MAX_PAYLOAD} bytes, got {size}")
    return bridged


def check_import(header: Header, bridged: Bridged, terms: Terms, control: Control) -> Crossed:
    """Return the entry that an import brings, else raise.

    `header` is that of the import's own entry. How many crossed on one day is `DayCount`'s, and
    which of several imports counts is `Crossed.rank`'s.
    Raises RemoteProtocolError: `bridge.origin`, `bridge.loop`, `bridge.hops`, `bridge.kind`,
    `bridge.receipt`, `bridge.shown`, those of `require_bridge` and `require_projected`,
    `schema.invalid` where a whole body is no record, and not yet `bridge.unknown` while charters or
    key logs that prove it are missing.
    """
    require_bridge(terms, bridged.treaty, header)
    origin = _header(bridged.header, "bridge.origin")
    _require_way(header.fid, origin, bridged, terms)
    shown = Shown(payload=bridged.payload, is_view=bridged.is_view)
    export, left_ms = _require_receipt(header.fid, bridged, terms, control)
    if export.entry != entry_id(bridged.header) or export.shown != shown.hash:
        detail = f"expected what bridge {short(header.cid)} signed for where it left"
        raise refusal("bridge.shown", f"{detail}, {short(export.shown)}, got {short(shown.hash)}")
    _require_payload(origin, shown)
    _require_shown(terms, bridged, origin.kind, shown)
    _require_origin(origin, bridged, control)
    return Crossed(
        id=entry_id(bridged.header),
        header=origin,
        record=_record(origin.kind, shown),
        shown=shown,
        via=tuple(bridged.via),
        is_onward=export.is_onward,
        left_ms=left_ms,
    )


def _require_way(fid: FederationId, origin: Header, bridged: Bridged, terms: Terms) -> None:
    via = bridged.via
    if fid in via or len(set(via)) != len(via):
        raise refusal("bridge.loop", "expected a way that passes no federation twice")
    if origin.fid != via[0]:
        detail = f"expected an entry of federation {short(via[0])}, where its way begins"
        raise refusal("bridge.origin", f"{detail}, got {short(origin.fid)}")
    if via[-1] != terms.treaty.other(fid):
        detail = f"expected it to come from federation {short(terms.treaty.other(fid))}"
        raise refusal("bridge.treaty", f"{detail}, got {short(via[-1])}")
    direction = terms.treaty.direction(via[-1])
    if len(via) > direction.hops:
        detail = f"expected at most {direction.hops} federations on the way, got {len(via)}"
        raise refusal("bridge.hops", detail)
    if origin.kind not in direction.kinds or stays_home(origin.kind):
        raise refusal("bridge.kind", f"expected a kind that the treaty lists, got {origin.kind}")


def _require_receipt(
    fid: FederationId, bridged: Bridged, terms: Terms, control: Control
) -> tuple[BridgeExport, int]:
    """Return the export that a receipt holds, and its time."""
    receipt = bridged.receipt
    try:
        header = open_header(Envelope(receipt.header, receipt.signature, receipt.payload))
        export = _export_of(receipt)
        verify_header(header.wid, receipt.header, receipt.signature)
    except RemoteProtocolError as exc:
        raise refusal("bridge.receipt", f"expected a signed export, got {exc}") from exc
    if header.kind != "bridge.export" or (header.fid, export.into) != (bridged.via[-1], fid):
        detail = f"expected an export from {short(bridged.via[-1])} into {short(fid)}"
        raise refusal("bridge.receipt", f"{detail}, got {header.kind} into {short(export.into)}")
    require_bridge(terms, export.treaty, header)
    standing = _require_author(header, entry_id(receipt.header), control, "bridge.receipt")
    # TRT-57: else one of two federations could let in what the other never agreed to let go.
    level = standing.level_of(terms.id)
    if level is None:
        detail = f"expected a treaty that federation {short(header.fid)}, which it left, lists too"
        raise refusal("bridge.treaty", detail)
    if level in {"pause", "end"}:
        raise refusal("bridge.level", f"expected nothing to leave at level {level} there")
    return export, header.time_ms


def _export_of(receipt: Receipt) -> BridgeExport:
    return decode(body_of(receipt.payload), BridgeExport)


def _require_payload(origin: Header, shown: Shown) -> None:
    """A whole payload is the one that the author signed for; a view its own bridge vouches for."""
    if not shown.is_view and payload_hash(shown.payload) != origin.payload_hash:
        detail = f"expected the payload that {short(origin.cid)} signed for"
        raise refusal("bridge.origin", detail)


def _require_shown(terms: Terms, bridged: Bridged, kind: str, shown: Shown) -> None:
    try:
        require_projected(terms.treaty.direction(bridged.via[-1]), kind, shown)
    except RemoteProtocolError as exc:
        # Whoever sent the wrapping on could not know that there are no canonical bytes inside.
        code = exc.code if exc.fault is Fault.AUTHOR else "bridge.view"
        raise refusal(code, exc.detail) from exc


def _require_origin(origin: Header, bridged: Bridged, control: Control) -> None:
    id_ = entry_id(bridged.header)
    try:
        proof = decode_proof(bridged.proof)
        if isinstance(proof, Tail):
            prove_tail(id_, origin, proof)
        else:
            verify_header(origin.wid, bridged.header, proof)
    except RemoteProtocolError as exc:
        raise refusal("bridge.origin", f"expected the author's proof, got {exc}") from exc
    _require_author(origin, id_, control, "bridge.origin")


def _require_author(header: Header, id_: EntryId, control: Control, code: str) -> Standing:
    """Return an author's standing if it might publish its entry at home, else raise `code`."""
    charters, keys = control.federations.get(header.fid), control.keys.get(header.cid)
    if charters is None or keys is None or header.wid not in keys.writers:
        detail = f"expected charters of {short(header.fid)} and the key log of {short(header.cid)}"
        raise RemoteProtocolError("bridge.unknown", detail, Fault.NOT_YET)
    try:
        require_writer(keys, header, id_)
    except RemoteProtocolError as exc:
        raise refusal(code, f"expected an open writer of {keys.name}, got {exc}") from exc
    cut = charters.cut_of(header.cid, header.wid)
    is_void = cut is not None and cut.is_void(header.seq, id_)
    standing = charters.standing(header.cid, header.wid, header.seq)
    if is_void or not standing.may(header.kind):
        detail = f"expected {keys.name} to be a member that may publish {header.kind} there"
        raise refusal(code, detail)
    return standing


def _header(raw: bytes, code: str) -> Header:
    try:
        return decode_header(raw)
    except RemoteProtocolError as exc:
        raise refusal(code, f"expected the header of an entry, got {exc}") from exc


def _record(kind: str, shown: Shown) -> Record | Sealed | None:
    try:
        return decode(shown.body, Sealed) if kind == SEALED else decode_record(kind, shown.body)
    except RemoteProtocolError as exc:
        # A whole body is its author's own; a view is what the bridge made.
        raise refusal("bridge.view" if shown.is_view else "schema.invalid", exc.detail) from exc
