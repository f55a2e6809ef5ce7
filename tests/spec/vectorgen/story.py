"""The small story of chapter 00: three co-ops found a federation and buy flour together.

Bodies are plain values, written by `plain` in their order of keys; `view` is their JSON view.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import charters
from entries import CID, MANAGER, ROTATION, START_MS, WRITER, delegate, elements, inception, key_op
from entries import envelope as envelope_of
from kit import ZERO, Key, array, blob, hashed, integer, mapping, text
from nacl import bindings
from sealing_cases import box, inside, sealed, slot

HOUR_MS: Final = 3_600_000


def plain(value: Any) -> bytes:
    """Return a plain value in CMP-1."""
    match value:
        case bool():
            return b"\xc3" if value else b"\xc2"
        case dict():
            return mapping(**{key: plain(value[key]) for key in sorted(value)})
        case list():
            return array(*map(plain, value))
        case str():
            return text(value)
    return blob(value) if isinstance(value, bytes) else integer(value)


def view(value: Any) -> Any:
    """Return the JSON view of a plain value."""
    match value:
        case bytes():
            return value.hex()
        case dict():
            return {key: view(item) for key, item in sorted(value.items())}
        case list():
            return [view(item) for item in value]
    return value


@dataclass
class Coop:
    """A co-op of the story, its key log and its log in the federation."""

    name: str
    manager: Key
    writer: Key
    roles: list[str]
    cid: bytes = b""
    key_log: list[bytes] = field(default_factory=list)
    head: bytes = ZERO
    size: int = 0
    key_head: bytes = b""
    prekey: bytes = b""

    def __post_init__(self) -> None:
        """Found the co-op: an inception, a writer and a prekey."""
        begun = inception(manager=blob(self.manager.public), name=text(self.name))
        self.cid, self.key_head = hashed("coop", begun), hashed("key-op", begun)
        self.key_log = [key_op(begun, *ROTATION[:2])]
        self.prekey = bindings.crypto_scalarmult_base(self.writer.secret[:32])
        for key, role in ((self.writer.public, "writer"), (self.prekey, "prekey")):
            self._delegate(key, role)

    def _delegate(self, key: bytes, role: str) -> None:
        made = delegate(
            self.key_head, len(self.key_log), cid=blob(self.cid), key=blob(key), role=text(role)
        )
        self.key_log.append(key_op(made, self.manager))
        self.key_head = hashed("key-op", made)


@dataclass(frozen=True)
class Entry:
    """One entry of the story."""

    author: Coop
    at: int
    kind: str
    body: Any
    id: bytes
    wire: bytes


HILL: Final = Coop("Hill Farm Co-op", MANAGER, WRITER, ["coordinator", "member"])
TARSET: Final = Coop("Tarset Bakery", Key.of(b"a"), Key.of(b"b"), ["member"])
DALE: Final = Coop("Dale Mill", Key.of(b"c"), Key.of(b"d"), ["supplier"])
if HILL.cid != CID:
    raise ValueError("expected the co-op of chapter 02 to be that of chapter 00")


def _charter() -> bytes:
    members = [
        charters.member(coop.cid, coop.key_head, *coop.roles)
        for coop in sorted((HILL, TARSET, DALE), key=lambda coop: coop.cid)
    ]
    return mapping(**charters.genesis_fields("Flour for all", b"f" * 16, *members))


CHARTER: Final = _charter()
FID: Final = hashed("federation", CHARTER)
CERTIFICATE: Final = plain(
    {
        "approvals": [
            {"cid": coop.cid, "signature": coop.manager.sign("certificate", CHARTER)}
            for coop in (HILL, TARSET, DALE)
        ],
        "body": CHARTER,
    }
)
ENTRIES: Final[list[Entry]] = []


def write(author: Coop, kind: str, body: Any, raw: bytes | None = None) -> bytes:
    """Append an entry to its author's log; return its id."""
    content = plain(body) if raw is None else raw
    payload = hashed("story-salt", author.cid, integer(author.size))[:16] + content
    header = array(
        *elements(
            payload,
            author.size + 1,
            author.head,
            fid=blob(FID),
            cid=blob(author.cid),
            wid=blob(author.writer.public),
            kind=text("sealed" if raw is not None else kind),
            time_ms=integer(START_MS + len(ENTRIES) * HOUR_MS),
        )
    )
    author.head, author.size = hashed("entry", header), author.size + 1
    wire = envelope_of(header, author.writer, payload)
    ENTRIES.append(Entry(author, author.size, kind, body, author.head, wire))
    return author.head


def demand(author: Coop, quantity: int, ref: str) -> bytes:
    """Append a demand for flour."""
    return write(
        author,
        "demand.submit",
        {
            "is_firm": True,
            "item": ITEM,
            "max_price": price(1450),
            "min_quantity": quantity,
            "quantity": quantity,
            "ref": ref,
            "zone": "ALL",
        },
    )


def price(amount: int) -> dict[str, Any]:
    """Return pence for one bag."""
    return {"amount": amount, "base": 1, "currency": "GBP"}


def leaf(demand_id: bytes, quantity: int) -> dict[str, Any]:
    """Return what the award gives to a demand: 14 pounds a bag, one percent for the coordinator."""
    goods = 1400 * quantity
    return {
        "amount": goods,
        "carriage": 0,
        "demand": demand_id,
        "fee": goods // 100,
        "offer": OFFER,
        "quantity": quantity,
        "salt": hashed("open-salt", POOL, demand_id)[:16],
        "tier": 1,
    }


ITEM: Final = {"code": "FLOUR-25", "name": "Flour, 25 kg bag", "scale": 0, "unit": "XBG"}
OFFER: Final = write(
    DALE,
    "offer.submit",
    {
        "base": 1,
        "currency": "GBP",
        "item": ITEM,
        "ref": "flour-2026",
        "tier_basis": "all_units",
        "tiers": [
            {"amount": 1500, "from_quantity": 1},
            {"amount": 1400, "from_quantity": 100},
        ],
        "valid_until_ms": START_MS + 720 * HOUR_MS,
    },
)
WANTS: Final = {demand(HILL, 40, "week-12"): 40, demand(TARSET, 60, "spring"): 60}
POOL: Final = write(
    HILL,
    "pool.open",
    {
        "closes_at_ms": START_MS + 48 * HOUR_MS,
        "fee_bps": 100,
        "item": ITEM,
        "k_min": 2,
        "may_close_early": True,
        "mode": "open",
        "objective": "single_offer_all_units/1",
        "owner": HILL.writer.public,
        "ration": "proportional/1",
        "reference": price(1500),
        "title": "Flour, spring",
        "zone": "ALL",
    },
)
CLOSE: Final = write(
    HILL,
    "pool.close",
    {
        "cut": [
            {"cid": coop.cid, "head": coop.head, "seq": coop.size, "wid": coop.writer.public}
            for coop in (HILL, TARSET, DALE)
        ],
        "demands": sorted(WANTS),
        "offers": [OFFER],
        "pool": POOL,
    },
)
LEAVES: Final = [leaf(demand_id, WANTS[demand_id]) for demand_id in sorted(WANTS)]
INPUTS: Final = plain({"demands": sorted(WANTS), "offers": [OFFER], "pool": POOL})
AWARD: Final = write(
    HILL,
    "pool.award",
    {
        "certificate": [
            {"bound": 0, "eligible": 0, "offer": OFFER, "tier": 0},
            {"bound": 8600, "eligible": 100, "offer": OFFER, "tier": 1},
        ],
        "close": CLOSE,
        "inputs": hashed("award-inputs", INPUTS),
        "leaves": 2,
        "lines": [
            {
                "amount": 140_000,
                "carriage": 0,
                "fee": 1_400,
                "lines": 2,
                "offer": OFFER,
                "quantity": 100,
                "tier": 1,
                "zone": "ALL",
            }
        ],
        "objective": "single_offer_all_units/1",
        "pool": POOL,
        "quantity": 100,
        "ration": "proportional/1",
        "root": hashed("node", *(hashed("leaf", plain(each)) for each in LEAVES)),
        "value": 8600,
    },
)
write(TARSET, "verdict", {"code": "ok", "level": "full", "subject": AWARD})
TARSETS: Final = next(each for each in LEAVES if each["quantity"] == 60)
ORDER: Final = {
    "award": AWARD,
    "item": ITEM,
    "lines": [{"amount": TARSETS["amount"], "demand": TARSETS["demand"], "quantity": 60}],
    "offer": OFFER,
    "price": price(1400),
    "supplier": DALE.cid,
}


def _sealed(author: Coop, reader: Coop, kind: str, body: Any) -> bytes:
    bound = (FID, author.cid, author.writer.public)
    return sealed(box(inside(kind, plain(body), [AWARD]), bound), slot(reader.prekey))


ORDERED: Final = write(TARSET, "order.place", ORDER, _sealed(TARSET, DALE, "order.place", ORDER))
ANSWER: Final = {"code": "AP", "order": ORDERED}
write(DALE, "order.response", ANSWER, _sealed(DALE, TARSET, "order.response", ANSWER))
