"""Opening a round: what the coordinator gives, and what the federation's policy gives else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.errors import ProtocolError, Refusal
from sheaf_protocol.limits import MAX_INT
from sheaf_protocol.records import Item
from sheaf_protocol.records.curve import CurveOpen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_node.plugins import ServiceContext

NEEDED: Final = ("item", "unit", "currency", "levels", "cap")
DEFAULTS: Final[Mapping[str, str]] = {
    "base": "1",
    "closes_in_s": "604800",
    "dominance_bps": "",
    "k_min": "",
    "name": "",
    "scale": "0",
    "title": "",
    "zone": "ALL",
}
"""A week, prices for one unit, and for the rest what the policy says."""

_LONGEST_S: Final = 10 * 366 * 86_400


def opening(context: ServiceContext, options: Mapping[str, str]) -> CurveOpen:
    """Return the round that options describe, or raise Refusal `curve.option`.

    `levels` are prices in minor units for `base` units, parted by commas.
    """
    known = {*NEEDED, *DEFAULTS}
    wrong = sorted(set(options) - known) or sorted(set(NEEDED) - set(options))
    if wrong:
        detail = f"expected {', '.join(NEEDED)} and of {', '.join(DEFAULTS)}: see {wrong[0]!r}"
        raise Refusal("curve.option", detail)
    given = {**DEFAULTS, **options}
    policy = context.federation.charter.policy
    try:
        item = Item(
            code=given["item"],
            name=given["name"] or given["item"],
            scale=_number("scale", given["scale"], 6),
            unit=given["unit"],
        )
        round_ = CurveOpen(
            base=_number("base", given["base"], MAX_INT),
            cap=_number("cap", given["cap"], MAX_INT),
            closes_at_ms=context.now_ms()
            + 1000 * _number("closes_in_s", given["closes_in_s"], _LONGEST_S),
            currency=given["currency"],
            dominance_bps=_number(
                "dominance_bps", given["dominance_bps"] or str(policy.dominance_bps), 10_000
            ),
            item=item,
            k_min=_number("k_min", given["k_min"] or str(policy.k_min), 1_000),
            levels=[_number("levels", each, MAX_INT) for each in given["levels"].split(",")],
            owner=context.line,
            title=given["title"] or item.name,
            zone=given["zone"],
        )
        return decode(encode(round_), CurveOpen)
    except (ProtocolError, ValueError) as exc:
        raise Refusal("curve.option", f"expected options that a round can have: {exc}") from exc


def _number(name: str, text: str, most: int) -> int:
    text = text.strip()
    if not text.isdecimal() or len(text) > 16 or int(text) > most:
        raise Refusal("curve.option", f"expected {name} from 0 to {most}, got {text!r}")
    return int(text)
