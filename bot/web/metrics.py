"""What an operator's monitoring reads: counts and times, never a person."""

from __future__ import annotations

import os

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

metrics = Blueprint("metrics", __name__)

TURNS = Counter("warmline_turns_total", "Texts taken, by how it went", ["how"])
REFUSED = Counter("warmline_refused_total", "Requests whose signature did not fit")
TURN_SECONDS = Histogram(
    "warmline_turn_seconds",
    "From the checked request to the answer",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2, 8),
)
_BY_HOW = {how: TURNS.labels(how) for how in ("taken", "repeated", "kept")}


def count_turn(how: str) -> None:
    """Count a text as taken, repeated (the carrier sent it again) or kept (the database was away)."""
    _BY_HOW[how].inc()


@metrics.get("/metrics")
def read() -> Response:
    """All processes' figures where PROMETHEUS_MULTIPROC_DIR names their common folder, else this process's."""
    registry: CollectorRegistry = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
