"""What it costs to take in an entry, against libsodium's bare verification of the same bytes.

The road measured is the node's own: decode, canonical check, hash, verify, membership, log rule,
schema, policy, SQLite with synchronous=FULL. The variants are entries of a `known` and of an
`unknown` kind, each signature checked, and a `chain` of known ones as a relay serves it, with one
signature in 64. CPU time over all threads; rounds interleave all variants with the bare
verification, and the ratio of each round is taken, so that a machine whose speed drifts does not
show. Higher is better: 1.0 would be a node that does nothing but verify.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import os
import pstats
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from nacl import bindings

from sheaf_node.clock import ManualClock
from sheaf_node.events import Arrivals
from sheaf_node.ingest import Ingest, Outcome
from sheaf_node.keyring import create_keyring
from sheaf_node.store import Store
from sheaf_protocol.charter import Certificate, Member, approve, genesis_body
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import tag
from sheaf_protocol.envelope import open_header
from sheaf_protocol.identity import fold_key_log
from sheaf_protocol.limits import MAX_UNSIGNED
from sheaf_protocol.proof import Checks
from sheaf_protocol.records import Demand, Item, Price
from sheaf_protocol.testing.author import START_MS, LogAuthor, TestCoop, make_coop, unsigned

if TYPE_CHECKING:
    from sheaf_protocol.envelope import Envelope

AUTHORS = 12
BATCH = 1_000
VARIANTS = ("known", "unknown", "chain")
RATIOS = {"known": "ingest_ratio", "unknown": "ingest_unknown_ratio", "chain": "ingest_chain_ratio"}


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=12_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    parser.add_argument("--profile", action="store_true", help="say where the time goes")
    parser.add_argument("--local", action="store_true", help="leave out the network")
    args = parser.parse_args()
    figures = measure(args.entries, args.rounds, is_profiled=args.profile)
    if not args.local:
        figures |= over_network()
    print(json.dumps(figures) if args.json else "\n".join(f"{k}: {v}" for k, v in figures.items()))


def over_network() -> dict[str, float]:
    """Return what `catch_up.py` measures: the same between two processes."""
    command = [sys.executable, str(Path(__file__).with_name("catch_up.py")), "--json"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def measure(entries: int, rounds: int, *, is_profiled: bool) -> dict[str, float]:
    """Return the median ratio of each variant, and the bare verification in microseconds."""
    coops = [make_coop(f"co-op {number}") for number in range(AUTHORS)]
    ratios: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    bare: list[float] = []
    profile = cProfile.Profile() if is_profiled else None
    for _ in range(rounds):
        for variant in VARIANTS:
            with tempfile.TemporaryDirectory() as folder:
                spent, envelopes = asyncio.run(
                    ingest_all(Path(folder), coops, variant, entries, profile)
                )
            bare.append(verify_all(envelopes) / len(envelopes))
            ratios[variant].append(bare[-1] * len(envelopes) / spent)
    if profile is not None:
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(25)
    return {
        **{RATIOS[each]: round(statistics.median(ratios[each]), 3) for each in VARIANTS},
        "raw_verify_us": round(1e6 * statistics.median(bare), 1),
        "entries": entries,
        "rounds": rounds,
    }


async def ingest_all(
    folder: Path,
    coops: list[TestCoop],
    variant: str,
    count: int,
    profile: cProfile.Profile | None,
) -> tuple[float, list[Envelope]]:
    """Return the CPU seconds that one node needs for all entries, and the entries."""
    clock, arrivals = ManualClock(START_MS), Arrivals()
    keyring = create_keyring(folder, name="Bench", country="GB", random=os.urandom, now_ms=START_MS)
    store = Store.open(folder / "sheaf.db", random=os.urandom, own=keyring.wid)
    ingest = Ingest(
        store=store,
        arrivals=arrivals,
        clock=clock,
        random=os.urandom,
        keyring=keyring,
        checks=Checks.CHAIN if variant == "chain" else Checks.EACH,
    )
    own = fold_key_log(keyring.key_ops)
    members = [
        Member(cid=c.cid, is_suspended=False, key_head=c.keys.head, roles=["member"]) for c in coops
    ]
    members.append(Member(cid=own.cid, is_suspended=False, key_head=own.head, roles=["member"]))
    body = genesis_body("Bench", members, bytes(16))
    approvals = [approve(body, c.cid, c.manager) for c in coops]
    approvals.append(approve(body, own.cid, keyring.require_manager()))
    await ingest.receive_key_ops(own.cid, keyring.key_ops)
    for coop in coops:
        await ingest.receive_key_ops(coop.cid, coop.key_ops)
    certificate = Certificate(approvals=approvals, body=body)
    await ingest.receive_certificate(certificate)
    signed = make_entries([LogAuthor(c, certificate.fid) for c in coops], variant, count)
    each = count // len(coops)
    sent = [relayed(envelope, each) for envelope in signed] if variant == "chain" else signed
    batches = [sent[at : at + BATCH] for at in range(0, len(sent), BATCH)]
    began = time.process_time()
    if profile is not None:
        profile.enable()
    for batch in batches:
        results = await ingest.receive(batch)
        assert all(result.outcome is Outcome.NEW for result in results), results[0]
    if profile is not None:
        profile.disable()
    spent = time.process_time() - began
    await store.close()
    return spent, signed


def make_entries(authors: list[LogAuthor], variant: str, count: int) -> list[Envelope]:
    """Return entries of about 770 bytes, each author's run in one piece as a catch-up has them."""
    kind = "x.bench" if variant == "unknown" else "demand.submit"
    each = count // len(authors)
    return [
        author.append(kind, encode(demand(number))) for author in authors for number in range(each)
    ]


def relayed(envelope: Envelope, last: int) -> Envelope:
    """Return an entry as a relay has it that checked one signature in 64, and those of batches."""
    seq = open_header(envelope).seq
    is_signed = seq % MAX_UNSIGNED == 0 or seq % BATCH == 0 or seq == last
    return envelope if is_signed else unsigned(envelope)


def demand(number: int) -> Demand:
    """Return a demand line with a name long enough for the usual size of an entry."""
    return Demand(
        is_firm=True,
        item=Item(code=f"ITEM-{number % 500}", name="Stock fence " * 25, scale=0, unit="XRO"),
        max_price=Price(amount=9_800 + number, base=1, currency="GBP"),
        min_quantity=1,
        quantity=40,
        ref=f"line-{number}",
        zone="ALL",
    )


def verify_all(envelopes: list[Envelope]) -> float:
    """Return the CPU seconds of libsodium alone, over exactly the bytes that were signed."""
    prefix = tag("entry-signature")
    messages = [
        (envelope.signature + prefix + envelope.header, wid_of(envelope)) for envelope in envelopes
    ]
    began = time.process_time()
    for message, key in messages:
        bindings.crypto_sign_open(message, key)
    return time.process_time() - began


def wid_of(envelope: Envelope) -> bytes:
    """Return the writer's key, at its fixed place in every header."""
    # 1 array byte, 1 version byte, then fid, cid and wid with two length bytes each.
    return envelope.header[2 + 34 + 34 + 2 : 2 + 34 + 34 + 34]


if __name__ == "__main__":
    main()
