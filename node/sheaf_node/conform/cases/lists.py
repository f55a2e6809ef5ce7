"""Files that people hand to the local API: lists of purchases and prices, transport problems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sheaf_node.conform.cases.door import require
from sheaf_node.conform.model import case

if TYPE_CHECKING:
    from sheaf_node.conform.model import Steps
    from sheaf_node.conform.scene import Scene

_BUYS: Final = "pooled_purchasing/import_purchases"
_PRICES: Final = "pooled_purchasing/import_prices"
_TRANSPORT: Final = "shipment_matching/import_transport"
_CAPACITY: Final = "shipment_matching/publish_capacity"
_HEAD: Final = (
    "ref,item,name,quantity,unit,max_price,currency,zone,min_quantity,needed_by,category\n"
)
_LINE: Final = "r1,nuts,Nuts,120,bag,7.45,GBP,NORTH,40,2045-03-31,feed\n"
_PRICE_HEAD: Final = (
    "ref,item,unit,min_quantity,price,currency,valid_until,zone,carriage,max_quantity,lead_days,quote\n"
).replace(",quote", "")
_PRICE: Final = "o1,nuts,bag,1,9.60,GBP,2045-12-31,,,,\n"
_SMALL: Final = """NAME: small
LOCATION: Nowhere
COMMENT: two requests
TYPE: PDPTW
SIZE: 5
DISTRIBUTION: none
DEPOT: central
ROUTE-TIME: 240
TIME-WINDOW: 120
CAPACITY: 300
NODES
0 41.39753660 2.12356330 0 0 240 0 0 0
1 41.40052560 -2.11713440 22 129 240 5 0 3
2 -0.00000060 2.19094860 20 0 92 5 0 4
3 41.43955720 2.21901660 -22 157 222 5 1 0
4 41.39414000 2.13906990 -20 18 138 6 2 0
EDGES
0 2 14 13 10
3 0 14 12 9
14 13 0 22 16
12 11 23 0 18
11 9 18 18 0
EOF
"""


def _bought(old: str = "", new: str = "") -> bytes:
    return (_HEAD + _LINE.replace(old, new, 1)).encode()


def _priced(old: str = "", new: str = "", more: str = "") -> bytes:
    return (_PRICE_HEAD + _PRICE.replace(old, new, 1) + more).encode()


def _spoilt(old: str, new: str) -> bytes:
    return _SMALL.replace(old, new, 1).encode()


_LISTS: Final = (
    ("empty", _BUYS, b"", "import.empty"),
    ("column-missing", _BUYS, b"item\nnuts\n", "import.column_missing"),
    (
        "column-twice",
        _BUYS,
        b"item,item,quantity,unit,max_price,currency\na,a,1,kg,1,GBP\n",
        "import.column_twice",
    ),
    (
        "column-unknown",
        _BUYS,
        _HEAD.replace("zone", "zonne").encode() + _LINE.encode(),
        "import.column_unknown",
    ),
    ("quote-open", _BUYS, b'"item,quantity\n', "import.quote"),
    ("row-width", _BUYS, _bought("\n", ",9\n"), "import.row_width"),
    ("workbook", _BUYS, b"PK\x03\x04\0\0", "import.workbook"),
    ("encoding", _BUYS, b"\xff\xfei\0", "import.encoding"),
    ("nul", _BUYS, _bought("Nuts", "Nu\0ts"), "import.nul"),
    ("line-too-long", _BUYS, _bought("Nuts", "N" * 70_000), "import.line_too_long"),
    ("file-too-large", _BUYS, b"a\n" * 4_500_000, "import.too_large"),
    ("rows-too-many", _BUYS, (_HEAD + _LINE * 20_000).encode(), "import.too_many"),
    ("decimal-comma", _BUYS, _bought("7.45", "7,45"), "import.decimal_comma"),
    ("ambiguous", _BUYS, _bought("7.45", '"7,450"'), "import.ambiguous"),
    ("quantity", _BUYS, _bought(",120,", ",some,"), "import.quantity"),
    ("price", _BUYS, _bought("7.45", "cheap"), "import.price"),
    ("unit", _BUYS, _bought("bag", "ell"), "import.unit"),
    ("currency", _BUYS, _bought("GBP", "?"), "import.currency"),
    ("zone", _BUYS, _bought("NORTH", "up north"), "import.zone"),
    ("date", _BUYS, _bought("2045-03-31", "soon"), "import.date"),
    ("item", _BUYS, _bought(",nuts,", ",n uts,"), "import.item"),
    ("ref", _BUYS, _bought("r1", "r 1"), "import.ref"),
    ("ref-twice", _BUYS, (_HEAD + _LINE + _LINE).encode(), "import.duplicate_ref"),
    ("category", _BUYS, _bought("feed\n", "feed & grain\n"), "import.category"),
    ("carriage", _PRICES, _priced("2045-12-31,,", "2045-12-31,N,"), "import.carriage"),
    ("lead-days", _PRICES, _priced(",,\n", ",,9999\n"), "import.number"),
    ("tier", _PRICES, _priced(more=_PRICE.replace(",1,", ",9,")), "import.tier"),
    ("two-items", _PRICES, _priced(more=_PRICE.replace("nuts", "hay")), "import.offer"),
    ("transport-empty", _TRANSPORT, b"", "pdptw.empty"),
    ("transport-encoding", _TRANSPORT, "NAME: Córdoba\n".encode("latin-1"), "pdptw.encoding"),
    ("transport-too-large", _TRANSPORT, _spoilt("SIZE: 5", "SIZE: 1003"), "pdptw.too_large"),
    ("transport-header", _TRANSPORT, _spoilt("LOCATION: Nowhere\n", ""), "pdptw.header_missing"),
    ("transport-type", _TRANSPORT, _spoilt("TYPE: PDPTW", "TYPE: CVRP"), "pdptw.type"),
    ("transport-number", _TRANSPORT, _spoilt("SIZE: 5", "SIZE: five"), "pdptw.number"),
    ("transport-size", _TRANSPORT, _spoilt("SIZE: 5", "SIZE: 4"), "pdptw.size"),
    ("transport-section", _TRANSPORT, _spoilt("NODES\n", ""), "pdptw.section"),
    ("transport-row", _TRANSPORT, _spoilt("0 2 14 13 10\n", "0 2 14 13\n"), "pdptw.row_length"),
    ("transport-travel", _TRANSPORT, _spoilt("0 2 14 13 10", "0 -2 14 13 10"), "pdptw.travel"),
    ("transport-node", _TRANSPORT, _spoilt("2 -0.0000006", "7 -0.0000006"), "pdptw.node_id"),
    ("transport-window", _TRANSPORT, _spoilt("22 129 240 5", "22 241 240 5"), "pdptw.window"),
    ("transport-pairing", _TRANSPORT, _spoilt("5 1 0", "5 2 0"), "pdptw.pairing"),
    ("transport-demand", _TRANSPORT, _spoilt("-22", "-21"), "pdptw.demand"),
    ("transport-truncated", _TRANSPORT, _spoilt("EOF\n", ""), "pdptw.truncated"),
    ("transport-trailing", _TRANSPORT, _spoilt("EOF\n", "EOF\n0 1 2\n"), "pdptw.trailing"),
    ("transport-option", _TRANSPORT + "?as=nobody", _SMALL.encode(), "match.option"),
    ("capacity-json", _CAPACITY, b"{", "match.json"),
    ("withdraw-unknown", "pooled_purchasing/withdraw?ref=nothing", b"", "demand.unknown"),
    ("pool-option", "pooled_purchasing/open_pools?zeal=1", b"", "pool.option"),
    ("curve-option", "private_demand/open?item=", b"", "curve.option"),
    ("curve-unknown", "private_demand/bid?curve=00", b"{}", "curve.unknown"),
    ("governance-request", "governance/propose?action=zeal", b"", "governance.request"),
    (
        "governance-coop",
        "governance/propose",
        b'{"action": "suspend", "coop": "ffffffff"}',
        "governance.coop",
    ),
    ("governance-ballot", "governance/vote?proposal=ffffffff&choice=yes", b"", "governance.ballot"),
    ("governance-card", "governance/propose", b'{"action": "admit", "card": "80"}', "charter.card"),
    ("treaty-request", "bridging/brake", b"{}", "treaty.request"),
    (
        "treaty-unknown",
        "bridging/brake",
        b'{"treaty": "ffffffff", "level": "pause"}',
        "treaty.unknown",
    ),
)


def _posted(target: str, body: bytes, code: str) -> Steps:
    async def steps(scene: Scene) -> None:
        path, _, query = target.partition("?")
        given = f"federation={scene.fid.hex()}{'&' if query else ''}{query}"
        await require(scene, code, "POST", f"/api/v1/services/{path}?{given}", body=body)

    return steps


for _id, _target, _body, _code in _LISTS:
    case(
        f"file-{_id}",
        "ERR-2",
        f"What is handed in and wrong is refused with {_code}, and nothing published",
        coops=0,
        codes=(_code,),
        surface="api",
    )(_posted(_target, _body, _code))
