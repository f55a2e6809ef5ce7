"""The metrics of a node: their names, and what of a node each is worked out from.

`METRICS` is the list; `docs/operating.md` has the same, and the board and the alert rules in
`docs/deploy` use no other. Labels have few values whatever others do: classes of kinds and not
kinds, the first digits of ids, and of peers the first `MAX_PEERS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Final, Literal

from sheaf_node.observing.commits import BOUNDS_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sheaf_node.observing.observed import Observed

MAX_PEERS: Final = 100
"""Peers that are told of one by one, of each sort; all are in `sheaf_links`."""


@dataclass(frozen=True, slots=True)
class Metric:
    """What a metric is called and means; names and types are promises, help is not."""

    name: str
    type: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


MAX_SERVICES: Final = 100
"""Services of other processes that are told of one by one: each in each federation."""
_SERVICE: Final = ("service", "federation")
_STATES: Final = ("active", "failed", "gone", "held")

METRICS: Final = {
    metric.name: metric
    for metric in (
        Metric("sheaf_node_info", "gauge", "1, with version and co-op.", ("version", "coop")),
        Metric("sheaf_entries_total", "counter", "Entries stored.", ("author", "class")),
        Metric("sheaf_entries_sent_total", "counter", "Entries sent to peers.", ("way",)),
        Metric("sheaf_entries_received_total", "counter", "Entries that came.", ("way",)),
        Metric("sheaf_entries_rejected_total", "counter", "Entries refused as senders' fault."),
        Metric("sheaf_entries_held", "gauge", "Entries held.", ("federation",)),
        Metric("sheaf_entries_held_bytes", "gauge", "Their bytes.", ("federation",)),
        Metric("sheaf_entries_damaged", "gauge", "Damaged entries that the newest scrub found."),
        Metric("sheaf_commits_pending", "gauge", "Changes on their way to the disk."),
        Metric("sheaf_commit_seconds", "histogram", "From a decision until it is durable."),
        Metric("sheaf_links", "gauge", "Links that are up."),
        Metric("sheaf_peer_up", "gauge", "Whether a configured peer is linked.", ("peer",)),
        Metric("sheaf_sync_lag_seconds", "gauge", "Time out of step.", ("peer", "coop")),
        Metric("sheaf_clock_skew_seconds", "gauge", "Lead of a peer's clock.", ("peer", "coop")),
        Metric("sheaf_loop_delay_seconds", "gauge", "Latest turn of the loop in a minute."),
        Metric("sheaf_disk_free_bytes", "gauge", "Free bytes on the home's disk."),
        Metric("sheaf_disk_reserve_bytes", "gauge", "Bytes to be kept free."),
        Metric("sheaf_backup_age_seconds", "gauge", "Since the newest backup; absent without."),
        Metric("sheaf_writer_ends_seconds", "gauge", "Until our writer ends."),
        Metric("sheaf_may_sign", "gauge", "Whether this node may sign."),
        Metric("sheaf_federations_halted", "gauge", "Federations with a forked charter."),
        Metric("sheaf_authors_full", "gauge", "Co-ops of which no more is taken."),
        Metric("sheaf_services_stopped", "gauge", "Services that a fault ended."),
        Metric("sheaf_services_refused", "gauge", "Services that a rule keeps from publishing."),
        Metric(
            "sheaf_service_count",
            "gauge",
            "What services count.",
            ("service", "federation", "of"),
        ),
        Metric("sheaf_remote_up", "gauge", "Whether a service is connected.", _SERVICE),
        Metric("sheaf_remote_silent_seconds", "gauge", "Since it was heard of.", _SERVICE),
        Metric("sheaf_remote_behind", "gauge", "Entries that it was not shown.", _SERVICE),
        Metric("sheaf_remote_refused_total", "counter", "Its refused answers.", _SERVICE),
        Metric("sheaf_webhooks", "gauge", "Webhooks.", ("state",)),
        Metric("sheaf_webhook_waiting", "gauge", "Deliveries to be tried.", ("webhook",)),
        Metric("sheaf_webhook_dead", "gauge", "Deliveries given up.", ("webhook",)),
        Metric("sheaf_webhook_oldest_seconds", "gauge", "The longest wait.", ("webhook",)),
        Metric("sheaf_seats", "gauge", "Seats of this co-op."),
        Metric("sheaf_seat_links_open", "gauge", "Links of seats that wait for an answer."),
    )
}

Sample = tuple[str, tuple[str, ...], float]
"""Name, values of the labels in their order, value. Of a histogram there is none here."""


def samples(seen: Observed) -> Iterator[Sample]:
    """Yield the value of each metric that has one, but for the histogram's."""
    yield "sheaf_node_info", (seen.version, seen.coop), 1
    yield from (("sheaf_entries_total", key, n) for key, n in sorted(seen.stored.items()))
    yield from (("sheaf_entries_sent_total", (way,), seen.sent.get(way, 0)) for way in _WAYS)
    yield from (
        ("sheaf_entries_received_total", (way,), seen.received.get(way, 0)) for way in _WAYS
    )
    for fid, (entries, size) in sorted(seen.held.items()):
        yield "sheaf_entries_held", (fid,), entries
        yield "sheaf_entries_held_bytes", (fid,), size
    yield from ((name, (), value) for name, value in seen.plain.items() if value is not None)
    yield from _peer_samples(seen)
    for (service, fid, of), count in sorted(seen.counts.items()):
        yield "sheaf_service_count", (service, fid, of), count
    yield from _service_samples(seen)
    yield from _webhook_samples(seen)
    yield "sheaf_seats", (), seen.beside.seats
    yield "sheaf_seat_links_open", (), seen.beside.open_links


_WAYS: Final = ("asked", "pushed")


def _peer_samples(seen: Observed) -> Iterator[Sample]:
    for url, is_linked in islice(seen.dials.items(), MAX_PEERS):
        yield "sheaf_peer_up", (url,), is_linked
    for key, peer in islice(seen.peers.items(), MAX_PEERS):
        yield "sheaf_sync_lag_seconds", key, peer.lag_s
        if peer.clock_lead_s is not None:
            yield "sheaf_clock_skew_seconds", key, peer.clock_lead_s


def _service_samples(seen: Observed) -> Iterator[Sample]:
    for each in islice(seen.beside.services, MAX_SERVICES):
        key = (each.name, each.fid[:8])
        yield "sheaf_remote_up", key, each.is_connected
        yield "sheaf_remote_behind", key, each.behind
        yield "sheaf_remote_refused_total", key, each.refusals
        if each.seen_ms is not None:
            yield "sheaf_remote_silent_seconds", key, _passed_s(each.seen_ms, seen.now_ms)


def _webhook_samples(seen: Observed) -> Iterator[Sample]:
    """Yield what webhooks come to; there are 16 at the most."""
    states = [each.state for each in seen.beside.webhooks]
    yield from (("sheaf_webhooks", (state,), states.count(state)) for state in _STATES)
    for each in seen.beside.webhooks:
        key = (each.id[:8],)
        yield "sheaf_webhook_waiting", key, each.waiting
        yield "sheaf_webhook_dead", key, each.dead
        if each.oldest_ms is not None:
            yield "sheaf_webhook_oldest_seconds", key, _passed_s(each.oldest_ms, seen.now_ms)


def _passed_s(then_ms: int, now_ms: int) -> float:
    return max(now_ms - then_ms, 0) / 1_000


def cumulative(buckets: list[int]) -> Mapping[str, int]:
    """Return a histogram's counts as Prometheus has them: up to each bound, by the bound."""
    names = [*(str(bound) for bound in BOUNDS_S), "+Inf"]
    return dict(zip(names, accumulate(buckets), strict=True))
