"""Metrics as Prometheus reads them, in its text format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.observing.metrics import METRICS, cumulative, samples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from sheaf_node.observing.observed import Observed


def exposition(seen: Observed) -> bytes:
    """Return what is seen of a node in Prometheus' text format 0.0.4.

    That of the process (`process_*`) follows, as prometheus-client reads it from /proc.
    """
    # Loaded by the first who asks: most nodes are never asked.
    from prometheus_client import (  # noqa: PLC0415
        CollectorRegistry,
        ProcessCollector,
        generate_latest,
    )

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Node(seen))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Node:
    """A collector, as prometheus-client calls it, of one moment."""

    def __init__(self, seen: Observed) -> None:
        self._seen = seen

    def collect(self) -> Iterator[Metric]:
        """Yield each metric once, with all its samples."""
        from prometheus_client.core import (  # noqa: PLC0415
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        kinds = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}
        found = {
            name: kinds[about.type](name, about.help, labels=about.labels)
            for name, about in METRICS.items()
            if about.type in kinds
        }
        for name, labels, value in samples(self._seen):
            found[name].add_metric(labels, value)
        yield from found.values()
        about = METRICS["sheaf_commit_seconds"]
        histogram = HistogramMetricFamily(about.name, about.help)
        buckets = list(cumulative(self._seen.buckets).items())
        histogram.add_metric([], buckets, sum_value=self._seen.commit_sum_s)
        yield histogram
