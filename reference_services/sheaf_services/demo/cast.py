"""Who takes part: six buying co-ops, a wholesaler and a haulier, and where they are."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sheaf_protocol.charter import Role


@dataclass(frozen=True, kw_only=True, slots=True)
class Player:
    """One co-op of the demo; coordinates are WGS84 micro-degrees."""

    key: str
    name: str
    roles: tuple[Role, ...]
    lat_udeg: int
    lon_udeg: int

    @property
    def is_buyer(self) -> bool:
        """Whether the co-op buys."""
        return "member" in self.roles


CAST: Final = (
    Player(
        key="tarset",
        name="Tarset Hill Farmers",
        roles=("member", "coordinator"),
        lat_udeg=55_156_000,
        lon_udeg=-2_340_000,
    ),
    Player(
        key="redesdale",
        name="Redesdale Commoners",
        roles=("member", "service"),
        lat_udeg=55_234_000,
        lon_udeg=-2_179_000,
    ),
    Player(
        key="coquet",
        name="Upper Coquet Graziers",
        roles=("member",),
        lat_udeg=55_349_000,
        lon_udeg=-2_127_000,
    ),
    Player(
        key="rothbury",
        name="Rothbury Village Shops",
        roles=("member",),
        lat_udeg=55_310_000,
        lon_udeg=-1_910_000,
    ),
    Player(
        key="wooler",
        name="Wooler Smallholders",
        roles=("member",),
        lat_udeg=55_547_000,
        lon_udeg=-2_011_000,
    ),
    Player(
        key="allendale",
        name="Allendale Growers",
        roles=("member",),
        lat_udeg=54_896_000,
        lon_udeg=-2_254_000,
    ),
    Player(
        key="tyne-mills",
        name="Tyne Mills Farm Supplies",
        roles=("supplier",),
        lat_udeg=54_975_000,
        lon_udeg=-2_090_000,
    ),
    Player(
        key="cheviot",
        name="Cheviot Haulage Co-operative",
        roles=("carrier",),
        lat_udeg=54_973_000,
        lon_udeg=-2_017_000,
    ),
)

BUYERS: Final = tuple(player for player in CAST if player.is_buyer)
COORDINATOR: Final = next(p for p in CAST if "coordinator" in p.roles)
MATCHER: Final = next(p for p in CAST if "service" in p.roles)
SUPPLIER: Final = next(p for p in CAST if "supplier" in p.roles)
CARRIER: Final = next(p for p in CAST if "carrier" in p.roles)


def sheet(name: str) -> bytes:
    """Return one of the demo's own lists as the bytes of its CSV file."""
    return files("sheaf_services.demo").joinpath("data", f"{name}.csv").read_bytes()
