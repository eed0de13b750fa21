"""Prometheus metrics: counts and times, nothing about any person."""

from __future__ import annotations

import os
from collections.abc import Iterator

from flask import Blueprint, Response, current_app
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from bot.runtime import Runtime
from bot.storage.database import DATABASE_ERRORS
from bot.usecases.watch_lateness import oldest_due

metrics = Blueprint("metrics", __name__)

TURNS = Counter("warmline_turns_total", "Texts taken, by how it went", ["how"])
REJECTED_SIGNATURES = Counter("warmline_refused_total", "Requests whose signature did not fit")
TURN_SECONDS = Histogram(
    "warmline_turn_seconds",
    "From the checked request to the answer",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2, 8),
)
_TURNS_BY_RESULT = {how: TURNS.labels(how) for how in ("taken", "repeated", "kept")}


def count_turn(result: str) -> None:
    """Count a received text as `taken`, `repeated` (the carrier sent it again) or `kept` (spooled in a database outage)."""
    _TURNS_BY_RESULT[result].inc()


class OldestDueCollector(Collector):
    """How long the oldest due work has waited, read from the database at each scrape, so that dead workers show up.

    In a database outage the metric is absent: 0 would mean that all is well.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """By kind of work: text, escalation (the tiers of a handoff) and check_in; 0 if nothing is due."""
        gauge = GaugeMetricFamily(
            "warmline_oldest_due_seconds", "For how long the oldest due work has waited, by kind", labels=["kind"]
        )
        try:
            with self._runtime.database.transaction() as db:
                late = oldest_due(db, self._runtime.clock.now())
        except (*DATABASE_ERRORS, OSError):
            return
        for kind, wait in late.items():
            gauge.add_metric([kind], wait.total_seconds())
        yield gauge


@metrics.get("/metrics")
def read() -> Response:
    """The metrics of all processes if PROMETHEUS_MULTIPROC_DIR names their shared folder, else of this process."""
    registry: CollectorRegistry = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    due = CollectorRegistry()
    due.register(OldestDueCollector(current_app.extensions["warmline"]))
    return Response(generate_latest(registry) + generate_latest(due), content_type=CONTENT_TYPE_LATEST)
