"""What it costs to clear pools over several offers, to prove the award, and to check it.

`solve_ratio` is the CPU of clearing, sharing out and proving all pools against HiGHS alone on the
textbook's program for each item (`clearing_plain.py`); `verify_ratio` the CPU of a full check of
all awards against decoding and hashing the same awards and inputs; `certificate_bytes_per_demand`
the bytes of `branches`; `gap` the largest gap of an award, in millionths of a minor unit. Without
a file, markets of 10,000 demands, 100 offers of four tiers and 20 items are drawn, with normal and
with steep discounts; the ratios are the largest of both, each the median over the seeds.

`--week FOLDER` takes a week of real sales instead, with two wholesalers for each item.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clearing_market import NORMAL, STEEP, cases, drawn, read_market, week
from clearing_plain import solve_plain

from sheaf_protocol.clearing import Case, verify_full
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import ZERO, CoopId, EntryId, FederationId, WriterId, digest
from sheaf_protocol.envelope import (
    Header,
    body_of,
    decode_header,
    entry_id,
    make_payload,
    payload_hash,
)
from sheaf_protocol.limits import SALT_BYTES
from sheaf_protocol.records import decode_record, kind_of
from sheaf_services.pooled_purchasing.clearing.draft import clear
from sheaf_services.pooled_purchasing.clearing.greedy import greedy, single
from sheaf_services.pooled_purchasing.clearing.solve import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sheaf_protocol.records import Award

LIMITS: Final = {
    "solve_ratio": 1.1,
    "verify_ratio": 2.0,
    "certificate_bytes_per_demand": 25.0,
    "gap": 0,
}
CLOSE: Final = EntryId(digest("bench-close", b""))
ROUNDS: Final = 3
"""Times that checking and decoding are measured in turns; of each the fastest counts."""


def main() -> int:
    """Print the figures; return 1 where a limit was passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    given = parser.add_mutually_exclusive_group()
    given.add_argument("--market", type=Path, help="a market file (see clearing_market.py)")
    given.add_argument("--week", type=Path, help="a folder of a week's sales, a CSV file a day")
    parser.add_argument("--seeds", type=int, default=5, help="markets drawn of each kind")
    parser.add_argument("--quick", action="store_true", help="one market of a fifth of the size")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    args = parser.parse_args()
    figures = joined(figures_of(args))
    lines = [f"{name}: {value}" for name, value in figures.items()]
    print(json.dumps(figures) if args.json else "\n".join(lines))
    return int(any(figures[name] > most for name, most in LIMITS.items()))


def figures_of(args: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Return the figures of each market, by its kind."""
    if args.market:
        return {"given": [measure(read_market(args.market))]}
    if args.week:
        return {"week": [measure(week(args.week))]}
    seeds, demands, offers = (1, 2_000, 20) if args.quick else (args.seeds, 10_000, 100)
    return {
        name: [measure(drawn(seed, demands, offers, kind)) for seed in range(seeds)]
        for name, kind in (("normal", NORMAL), ("steep", STEEP))
    }


def joined(kinds: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Return the largest of all kinds, each the median of its markets, and each kind's figures."""
    medians = {
        name: {key: statistics.median(each[key] for each in found) for key in found[0]}
        for name, found in kinds.items()
    }
    for name, found in kinds.items():
        medians[name]["gap"] = max(each["gap"] for each in found)
    worst = {key: max(each[key] for each in medians.values()) for key in LIMITS}
    return worst | {name: figures for name, figures in medians.items()}


def measure(market: Mapping[str, Any]) -> dict[str, Any]:
    """Return what clearing and checking one market costs."""
    pools = list(cases(market))
    for case in pools:
        assert case.market.rows is not None  # made here, for both solvers begin with it
    began = time.process_time()
    drafts = [clear(case, CLOSE, Limits()) for case in pools]
    solved = time.process_time()
    plain = [solve_plain(case) for case in pools]
    ended = time.process_time()
    won = [(case, draft.award) for case, draft in zip(pools, drafts, strict=True) if draft]
    gained = sum(case.market.gained(_sold(case, award)) for case, award in won)
    verify_s, read_s = _checked(won)
    demands = sum(len(case.demands) for case in pools)
    return {
        "solve_ratio": round((solved - began) / (ended - solved), 3),
        "solve_cpu_s": round(solved - began, 2),
        "plain_cpu_s": round(ended - solved, 2),
        "verify_ratio": round(verify_s / read_s, 2),
        "verify_cpu_s": round(verify_s, 3),
        "certificate_bytes_per_demand": round(
            sum(len(_encoded(award)) for _, award in won) / demands, 2
        ),
        "gap": max((award.gap or 0 for _, award in won), default=0),
        "awarded": len(won),
        "pools": len(pools),
        "demands": demands,
        "value_minor": gained // 10**6,
        "plain_minor": round(sum(plain) / 1e6),
        "greedy_minor": _worth(pools, greedy),
        "single_minor": _worth(pools, single),
    }


def _sold(case: Case, award: Award) -> list[tuple[Any, int]]:
    tiers = {line.offer: line for line in award.lines}
    return [
        (option, tiers[case.offer_ids[option.offer]].quantity)
        for options in case.market.offers
        for option in options
        if case.offer_ids[option.offer] in tiers
        and tiers[case.offer_ids[option.offer]].tier == option.tier
    ]


def _worth(pools: Sequence[Case], way: Any) -> int:
    """Return what a simpler way gains, in minor units."""
    return sum(case.market.gained(way(case.market) or []) for case in pools) // 10**6


def _encoded(award: Award) -> bytes:
    return b"".join(encode(branch) for branch in award.branches or ())


def _checked(won: Sequence[tuple[Case, Award]]) -> tuple[float, float]:
    """Return the CPU seconds of checking all awards, and of decoding and hashing what they rest on.

    Checked is what was decoded, each time from the beginning.
    """
    entries = [
        (
            [(id_, cid, _entry(demand)) for id_, (cid, demand) in case.demands.items()],
            [(id_, _entry(offer)) for id_, offer in case.offers.items()],
            _entry(award),
        )
        for case, award in won
    ]
    verify_s, read_s = [], []
    for _ in range(ROUNDS):
        began = time.process_time()
        read = [_read(case, *each) for (case, _), each in zip(won, entries, strict=True)]
        between = time.process_time()
        for case, award in read:
            verify_full(case, award)
        verify_s.append(time.process_time() - between)
        read_s.append(between - began)
    return min(verify_s), min(read_s)


def _entry(record: Any) -> tuple[bytes, bytes]:
    """Return a header and a payload as an entry has them; nobody here signs it."""
    payload = make_payload(encode(record), bytes(SALT_BYTES))
    header = Header(
        v=1,
        fid=FederationId(ZERO),
        cid=CoopId(ZERO),
        wid=WriterId(ZERO),
        seq=1,
        prev=EntryId(ZERO),
        kind=kind_of(record),
        time_ms=1,
        expires_ms=0,
        payload_hash=payload_hash(payload),
        payload_len=len(payload),
        refs=[],
        flags=0,
    )
    return encode(header), payload


def _read(case: Case, demands: Any, offers: Any, award: Any) -> tuple[Case, Award]:
    """Return a pool and its award from the bytes of their entries."""
    return (
        Case(
            id=case.id,
            pool=case.pool,
            demands={id_: (cid, _record(entry)) for id_, cid, entry in demands},
            offers={id_: _record(entry) for id_, entry in offers},
        ),
        _record(award),
    )


def _record(entry: tuple[bytes, bytes]) -> Any:
    """Return what an entry says, decoded and hashed as on its way into a node."""
    raw, payload = entry
    entry_id(raw)
    header = decode_header(raw)
    assert header.payload_hash == payload_hash(payload)
    return decode_record(header.kind, body_of(payload))


if __name__ == "__main__":
    sys.exit(main())
