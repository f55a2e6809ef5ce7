"""Three federations, bridges between them, and entries taken across as honest bridges do it."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from msgspec import UNSET, structs

from sheaf_protocol.charter import Federation, federation_of
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import CoopId, Digest, EntryId, FederationId, WriterId, digest
from sheaf_protocol.envelope import Envelope, Header, body_of, decode_header
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.identity import Cut
from sheaf_protocol.proof import Proof
from sheaf_protocol.records import Carriage, Item, Offer, Tier, decode_record
from sheaf_protocol.records.bridge import BridgeAsk, Bridged, BridgeExport
from sheaf_protocol.records.governance import Level
from sheaf_protocol.testing.author import START_MS, LogAuthor, TestCoop, make_coop, make_federation
from sheaf_protocol.treaty import (
    Charters,
    Control,
    Crossed,
    Direction,
    IdMap,
    Source,
    Standing,
    Terms,
    Treaty,
    asked,
    check_import,
    make_import,
    passed_on,
    plan_export,
)

DAY_MS = 86_400_000
EXPIRES_MS = START_MS + 30 * DAY_MS

HILL, DALE, FELL = make_coop("Hill Farm"), make_coop("Dale Dairy"), make_coop("Fell Traders")
SPAN, REACH = make_coop("Span Bridge"), make_coop("Reach Bridge")
COOPS = (HILL, DALE, FELL, SPAN, REACH)


@dataclass
class Land:
    """A federation, and the logs that its members write in it."""

    federation: Federation
    logs: dict[str, LogAuthor]

    @property
    def fid(self) -> FederationId:
        return self.federation.fid

    def log(self, coop: TestCoop) -> LogAuthor:
        return self.logs[coop.name]


class Entry(NamedTuple):
    """An entry as a member holds it."""

    id: EntryId
    header: Header
    envelope: Envelope


@dataclass(frozen=True)
class Agreed:
    """A federation as it is, but that it lists whatever treaty is asked for, or none."""

    federation: Charters
    level: Level | None = "allow"

    def standing(self, cid: CoopId, wid: WriterId, seq: int) -> "AgreedStanding":
        return AgreedStanding(self.federation.standing(cid, wid, seq), self.level)

    def cut_of(self, cid: CoopId, wid: WriterId) -> Cut | None:
        return self.federation.cut_of(cid, wid)


@dataclass(frozen=True)
class AgreedStanding:
    """A standing as it is, but for its treaties."""

    standing: Standing
    level: Level | None

    def may(self, kind: str) -> bool:
        return self.standing.may(kind)

    def level_of(self, treaty: Digest) -> Level | None:
        del treaty
        return self.level


class World:
    """North, South and East. Both bridges are members of all three."""

    def __init__(self) -> None:
        lands = [make_land(name, coop) for name, coop in zip("NSE", COOPS, strict=False)]
        self.north, self.south, self.east = lands
        self.control = Control(
            federations={land.fid: Agreed(land.federation) for land in lands},
            keys={coop.cid: coop.keys for coop in COOPS},
        )

    def ask(self, entry: Envelope, land: Land, coop: TestCoop, **ask: Any) -> Source:
        """What the author of an entry lets cross."""
        asking = opened(land.log(coop).publish(BridgeAsk(entry=entry.id, **ask)))
        record = decode_record("bridge.ask", body_of(asking.envelope.payload))
        assert isinstance(record, BridgeAsk)
        header = decode_header(entry.header)
        return asked(entry.id, header, entry.payload, (asking.id, asking.header, record))

    def take(
        self,
        entry: Envelope,
        source: Source,
        terms: Terms,
        lands: tuple[Land, Land],
        *,
        proof: Proof | None = None,
        bridge: TestCoop = SPAN,
    ) -> Entry:
        """The import that an honest bridge publishes, after its export."""
        left, entered = lands
        export, shown = plan_export(terms, source)
        receipt = left.log(bridge).publish(export)
        bridged = make_import(source, entry.header, proof or entry.signature, shown, receipt)
        return opened(entered.log(bridge).publish(bridged))

    def judge(self, entry: Entry, terms: Terms) -> Crossed:
        return check_import(entry.header, bridged_in(entry), terms, self.control)

    def go_on(self, entry: Entry, terms: Terms) -> Source:
        """What came across, as it may cross again."""
        return passed_on(self.judge(entry, terms), entry.id, entry.header.fid)


def make_land(name: str, author: TestCoop) -> Land:
    certificate = make_federation(
        sorted(
            [(author, ["coordinator", "supplier"]), (SPAN, ["bridge"]), (REACH, ["bridge"])],
            key=lambda member: member[0].cid,
        ),
        name=name,
    )
    logs = {coop.name: LogAuthor(coop, certificate.fid) for coop in (author, SPAN, REACH)}
    return Land(federation_of(certificate), logs)


def opened(envelope: Envelope) -> Entry:
    return Entry(envelope.id, decode_header(envelope.header), envelope)


def bridged_in(entry: Entry) -> Bridged:
    record = decode_record("bridge.import", body_of(entry.envelope.payload))
    assert isinstance(record, Bridged)
    return record


def direction(**changes: Any) -> Direction:
    plain = Direction(
        categories=[],
        hops=3,
        ids=[],
        kinds=["offer.submit", "sealed", "x.note"],
        per_day=2,
        regions=[],
        removed=[],
    )
    return structs.replace(plain, **changes)


def inverse(ids: list[IdMap]) -> list[IdMap]:
    turned = [IdMap(field=pair.field, ours=pair.theirs, theirs=pair.ours) for pair in ids]
    return sorted(turned, key=lambda pair: (pair.field, pair.ours))


def terms_between(one: Land, other: Land, level: Any = "allow", **changes: Any) -> Terms:
    """Both directions alike, but for their ids, which undo one another."""
    return Terms.of(encode(treaty_between(one, other, **changes)), level)


def treaty_between(one: Land, other: Land, **changes: Any) -> Treaty:
    """`changes` of a treaty's own fields replace them, all others are those of the directions."""
    own = {name: changes.pop(name) for name in Treaty.__struct_fields__ if name in changes}
    there = direction(**changes)
    back = structs.replace(there, ids=inverse(there.ids))
    fids = [one.fid, other.fid]
    plain = Treaty(
        bridges=[SPAN.cid, REACH.cid],
        directions=[there, back] if fids == sorted(fids) else [back, there],
        expires_ms=EXPIRES_MS,
        nonce=bytes(16),
        parties=sorted(fids),
        title="Milk and roads",
        v=1,
    )
    return structs.replace(plain, **own)


def offer(**changes: Any) -> Offer:
    plain = Offer(
        base=1,
        carriage=[Carriage(amount=5, zone="HILLS")],
        currency="GBP",
        item=Item(category="dairy", code="milk", name="Milk", scale=0, unit="LTR"),
        lead_days=3,
        max_quantity=UNSET,
        ref="o1",
        tier_basis="all_units",
        tiers=[Tier(amount=90, from_quantity=1)],
        unit_weight_g=UNSET,
        valid_until_ms=EXPIRES_MS,
    )
    return structs.replace(plain, **changes)


def came(world: World, entry: Envelope, terms: Terms, **taking: Any) -> Entry:
    """An entry of North that an honest bridge brought to South."""
    source = world.ask(entry, world.north, HILL)
    return world.take(entry, source, terms, (world.north, world.south), **taking)


def refusal(
    world: World, entry: Entry, terms: Terms, bridged: Bridged | None = None
) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        check_import(entry.header, bridged or bridged_in(entry), terms, world.control)
    return caught.value


def refused(world: World, entry: Entry, terms: Terms, bridged: Bridged | None = None) -> str:
    caught = refusal(world, entry, terms, bridged)
    assert caught.fault is Fault.AUTHOR
    return caught.code


def export_in(bridged: Bridged) -> tuple[Header, BridgeExport]:
    """The export that a receipt holds."""
    export = decode_record("bridge.export", body_of(bridged.receipt.payload))
    assert isinstance(export, BridgeExport)
    return decode_header(bridged.receipt.header), export


def with_receipt(world: World, bridged: Bridged, coop: TestCoop = SPAN, **said: Any) -> Bridged:
    """The same wrapping around another export of a bridge."""
    export = BridgeExport(
        entry=EntryId(digest("entry", bridged.header)),
        granted_by=export_in(bridged)[1].granted_by,
        into=world.south.fid,
        is_onward=True,
        shown=digest("shown", bridged.payload),
        treaty=bridged.treaty,
    )
    envelope = world.north.log(coop).publish(structs.replace(export, **said))
    return structs.replace(bridged, receipt=receipt_of(bridged, envelope))


def receipt_of(bridged: Bridged, envelope: Envelope) -> Any:
    return structs.replace(
        bridged.receipt,
        header=envelope.header,
        payload=envelope.payload,
        signature=envelope.signature,
    )


def known_of(world: World, *, keys: Any = (), federations: Any = ()) -> None:
    """Control as it is with some of it replaced; the federations list each treaty."""
    agreed = {fid: Agreed(federation) for fid, federation in dict(federations).items()}
    world.control = Control(
        keys={**world.control.keys, **dict(keys)},
        federations={**world.control.federations, **agreed},
    )
