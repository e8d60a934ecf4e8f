"""Logs and metrics: events with fields, never bodies or tokens; counts that stand on the objects that do the counting."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import structlog
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from api.durations import Durations

PREFIX = "roomlog_"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Labelled:
    """One figure by several labels."""

    labels: tuple[str, ...]
    figures: Mapping[tuple[str, ...], float]


Figure = float | Mapping[str, float] | Labelled | Durations
Readings = Callable[[], Mapping[str, Figure]]
"""Reads figures now; a mapping within is one figure by the label `kind`."""


def set_up_logs(level: str) -> None:
    """Write one JSON object a line to standard output, from `level` on."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        cache_logger_on_first_use=True,
    )


class _Readings(Collector):
    def __init__(self, counters: Readings, gauges: Readings) -> None:
        self._counters = counters
        self._gauges = gauges

    def collect(self) -> Iterable[Metric]:
        for name, value in self._counters().items():
            yield _family(CounterMetricFamily, name, value)
        for name, value in self._gauges().items():
            yield _family(GaugeMetricFamily, name, value)


class Metrics:
    """What `/metrics` shows of one process."""

    def __init__(self, counters: Readings, gauges: Readings) -> None:
        """Read `counters` and `gauges` anew for every scrape."""
        self._registry = CollectorRegistry()
        self._registry.register(_Readings(counters, gauges))
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def text(self) -> bytes:
        """Give all figures in Prometheus' text format."""
        return generate_latest(self._registry)


def _family(
    kind: type[CounterMetricFamily] | type[GaugeMetricFamily],
    name: str,
    value: Figure,
) -> Metric:
    title = name.replace("_", " ")
    if isinstance(value, Durations):
        return HistogramMetricFamily(PREFIX + name, title, buckets=value.cumulated(), sum_value=value.sum_s)
    if isinstance(value, float | int):
        return kind(PREFIX + name, title, value=value)
    if not isinstance(value, Labelled):
        value = Labelled(("kind",), {(label,): figure for label, figure in value.items()})
    family = kind(PREFIX + name, title, labels=value.labels)
    for labels, figure in value.figures.items():
        family.add_metric(labels, figure)
    return family
