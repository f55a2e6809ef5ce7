"""The cost split rule `proportional_to_baseline/1`: who pays how much of the pooled trips.

Each party's baseline is the cost of its own pooled trips. Shares are proportional to baselines,
in whole minor units by largest remainder; a tie goes to the lowest party key. A remainder is
rounded up only where the exact share was not whole, so with a total no higher than the sum of
baselines nobody is rounded above its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

RULE = "proportional_to_baseline/1"


def proportional_shares(total_minor: int, baselines: Mapping[str, int]) -> dict[str, int]:
    """Return each party's share of the total, keyed and ordered by party."""
    _require_natural("the total", total_minor)
    for party, baseline_minor in baselines.items():
        _require_natural(f"the baseline of {party}", baseline_minor)
    pot_minor = sum(baselines.values())
    if pot_minor == 0:
        return _nothing_to_share(total_minor, baselines)
    parts = {
        party: divmod(total_minor * baselines[party], pot_minor) for party in sorted(baselines)
    }
    shares = {party: floor for party, (floor, _) in parts.items()}
    # Sorting is stable and the keys ascend, so equal remainders keep the lowest key first.
    by_remainder = sorted(parts, key=lambda party: -parts[party][1])
    for party in by_remainder[: total_minor - sum(shares.values())]:
        shares[party] += 1
    return shares


def check_split(total_minor: int, baselines: Mapping[str, int], shares: Mapping[str, int]) -> None:
    """Refuse shares that are not the rule's, do not add up, or leave a party worse off."""
    if shares.keys() != baselines.keys():
        detail = f"expected shares for {sorted(baselines)}, got {sorted(shares)}"
        raise Refusal("match.share_party", detail)
    if (summed := sum(shares.values())) != total_minor:
        detail = f"expected shares that add up to {total_minor}, got {summed}"
        raise Refusal("match.share_sum", detail)
    for party in sorted(shares):
        if shares[party] > baselines[party]:
            detail = f"expected {party} to pay at most its own {baselines[party]}"
            raise Refusal("match.worse_off", f"{detail}, got {shares[party]}")
    expected = proportional_shares(total_minor, baselines)
    for party, share in expected.items():
        if shares[party] != share:
            detail = f"expected {share} for {party} by {RULE}, got {shares[party]}"
            raise Refusal("match.share_wrong", detail)


def _nothing_to_share(total_minor: int, baselines: Mapping[str, int]) -> dict[str, int]:
    """Return zero shares; refuse a cost that no baseline says how to divide."""
    if total_minor:
        detail = f"expected baselines above 0 to divide {total_minor} by, got only zeros"
        raise Refusal("match.share_baseline", detail)
    return dict.fromkeys(sorted(baselines), 0)


def _require_natural(name: str, amount_minor: int) -> None:
    if amount_minor < 0:
        detail = f"expected {name} to be 0 or more, got {amount_minor}"
        raise Refusal("match.share_amount", detail)
