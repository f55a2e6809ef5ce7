"""What befalls a run: drawn from its seed, after the profile said what is likely.

First it is drawn which kinds of fault there are at all, then how strong each is: with everything on
at once most faults hide one another.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.simulation.dice import dice
from tests.simulation.disk import Wear
from tests.simulation.network import Weather

if TYPE_CHECKING:
    import random

ASKERS: Final = ("moor", "fell")
"""Who asks for holds where a sequence is directed."""
WITNESS: Final = "mill"
"""Who alone knows the last word of an owner there."""
KINDS: Final = (
    "loss",
    "delay",
    "repeat",
    "reorder",
    "flip",
    "replay",
    "reset",
    "stall",
    "partition",
    "one_way",
    "kill",
    "fuse",
    "slow_disk",
    "disk_error",
    "disk_full",
    "bit_rot",
    "restore",
    "clone",
    "rollback",
    "offset",
    "drift",
    "jump",
    "newer",
    "older",
    "liar",
)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A kind of bad day."""

    name: str
    nodes: int = 5
    safety_s: float = 80.0
    heal_s: float = 2_400.0
    """By then all has to agree: what a clock ahead has signed is taken when its time has come."""
    ops: tuple[int, int] = (5, 14)
    """Operations of users, from and to."""
    always: frozenset[str] = frozenset()
    never: frozenset[str] = frozenset()
    chance: float = 0.35
    """Of each other kind of fault to be there."""
    every_s: tuple[float, float] = (4.0, 40.0)
    """Seconds between two blows, from and to; drawn for the run."""
    hold_ms: tuple[int, int] = (3_000, 90_000)
    work: frozenset[str] = frozenset({"holds"})
    askers: tuple[str, ...] = ()
    """The nodes whose users ask for holds; all where none is named."""


PROFILES: Final = {
    profile.name: profile
    for profile in (
        Profile(
            name="general",
            nodes=8,
            never=frozenset({"clone", "rollback", "restore", "bit_rot"}),
            ops=(5, 12),
        ),
        Profile(
            name="restore",
            always=frozenset({"restore", "kill"}),
            never=frozenset({"clone", "rollback", "liar", "bit_rot", "disk_full", "jump"}),
            chance=0.25,
            safety_s=200.0,
            ops=(5, 12),
        ),
        Profile(
            name="fork",
            always=frozenset({"liar"}),
            never=frozenset({"restore", "bit_rot"}),
            chance=0.3,
        ),
        Profile(
            name="expiry-race",
            always=frozenset({"stall", "kill"}),
            never=frozenset({"clone", "rollback", "restore", "bit_rot", "liar"}),
            hold_ms=(300, 4_000),
            ops=(12, 24),
        ),
        Profile(
            name="disk",
            always=frozenset({"fuse"}),
            never=frozenset({"clone", "rollback", "restore", "liar"}),
            chance=0.5,
        ),
        Profile(
            name="governance",
            never=frozenset({"clone", "rollback", "restore", "bit_rot", "liar", "jump"}),
            work=frozenset({"holds", "ballots"}),
            ops=(4, 8),
        ),
        Profile(
            name="pooling",
            never=frozenset({"clone", "rollback", "restore", "bit_rot", "liar", "jump"}),
            work=frozenset({"pools"}),
        ),
    )
}


DIRECTED: Final = {
    profile.name: profile
    for profile in (
        Profile(
            name="late-word",
            always=frozenset({"late_word"}),
            never=frozenset(KINDS),
            hold_ms=(15_000, 20_000),
            askers=ASKERS,
            ops=(12, 16),
            safety_s=120.0,
        ),
        Profile(
            name="early-copy",
            always=frozenset({"early_copy"}),
            never=frozenset(KINDS),
            askers=(WITNESS,),
        ),
    )
}
"""Sequences of blows that hardly ever come about by chance: for mutants that nothing else shows."""
SIZES: Final = frozenset(p.nodes for p in (*PROFILES.values(), *DIRECTED.values()))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The faults of one run."""

    profile: Profile
    seed: int
    kinds: frozenset[str]
    weather: Weather
    wear: Wear
    every_s: float
    fuse_steps: int
    ops: int
    blows: tuple[str, ...] = field(default=())
    """The kinds that are dealt now and then, one at a time."""


_BLOWS: Final = (
    "partition",
    "one_way",
    "kill",
    "fuse",
    "bit_rot",
    "restore",
    "clone",
    "rollback",
    "jump",
)


def draw(profile: Profile, seed: int) -> Plan:
    """Return what befalls the run of that seed."""
    rolls = dice(seed, "plan", profile.name)
    drawn = {kind for kind in KINDS if rolls.random() < profile.chance}
    kinds = frozenset((drawn | profile.always) - profile.never)
    low, high = profile.every_s
    return Plan(
        profile=profile,
        seed=seed,
        kinds=kinds,
        weather=_weather(kinds, rolls),
        wear=_wear(kinds, rolls),
        every_s=low + (high - low) * rolls.random() ** 2,
        fuse_steps=int(10 ** (1 + 2.5 * rolls.random())),
        ops=rolls.randint(*profile.ops),
        blows=tuple(kind for kind in _BLOWS if kind in kinds),
    )


def _weather(kinds: frozenset[str], rolls: random.Random) -> Weather:
    def chance(kind: str, most: float) -> float:
        strength = most * rolls.random() ** 2
        return strength if kind in kinds else 0.0

    slow = rolls.random()
    return Weather(
        most_s=0.02 + (1.5 * slow * slow if "delay" in kinds else 0.0),
        lost=chance("loss", 0.03),
        repeated=chance("repeat", 0.03),
        reordered=chance("reorder", 0.03),
        flipped=chance("flip", 0.02),
        replayed=chance("replay", 0.02),
        reset=chance("reset", 0.02),
        stalled=chance("stall", 0.05),
    )


def _wear(kinds: frozenset[str], rolls: random.Random) -> Wear:
    def chance(kind: str, most: float) -> float:
        strength = most * rolls.random()
        return strength if kind in kinds else 0.0

    return Wear(
        slow=chance("slow_disk", 0.1),
        failing=chance("disk_error", 0.03),
        full=chance("disk_full", 0.03),
    )
