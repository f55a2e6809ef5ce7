"""What a rule of certification promises, in words for founders (spec 15, section 5)."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Rule: TypeAlias = Literal["majority", "two_thirds"]
_PROMISES: Final[Mapping[Rule, str]] = MappingProxyType(
    {
        "majority": (
            "Majority: more than half of the co-ops with a vote sign each change. Decisions go on "
            "while fewer than half are away. This is safe only while nobody lies: one co-op that "
            "signs two answers can split the federation, which then stops until its people found "
            "it again. The lie is proven by its own signatures."
        ),
        "two_thirds": (
            "Two thirds: more than two thirds of the co-ops with a vote sign each change. Two "
            "answers can never both be signed while fewer than a third of the co-ops lie, and "
            "decisions go on while fewer than a third are away. With two or three co-ops all of "
            "them have to sign."
        ),
    }
)


def promise(rule: Rule) -> str:
    """Return what founders get who choose a rule, and what they give up."""
    return _PROMISES[rule]
