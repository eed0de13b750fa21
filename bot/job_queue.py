"""Redis and RQ, known here alone: they wake work that PostgreSQL already holds, and losing them loses nothing.

Jobs carry row ids and nothing else, as JSON: a queue is easily left open, and pickled jobs would run what they hold.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry as Tries
from rq import Queue, SimpleWorker
from rq.exceptions import DuplicateJobError

from bot.domain.message import Lane

log = logging.getLogger(__name__)

DELIVER: Final = "bot.jobs.deliver.deliver"
QUEUES: Final = tuple(lane.value for lane in Lane)
"""One queue a lane, in the order in which a worker looks into them."""
SERIALIZER: Final = "json"
JOB_SECONDS: Final = 60
WORKER_TTL: Final = 30
"""A worker that was killed is noticed after this, not after RQ's own seven minutes (domain.md 2.3)."""


class JobQueue:
    """The waking end. A wake that fails is logged and forgotten: the sweep finds the row."""

    def __init__(self, url: str) -> None:
        # The library's own ten retries would hold a resident's answer for seconds when Redis is gone.
        self._redis = Redis.from_url(
            url, socket_timeout=0.5, socket_connect_timeout=0.3, retry=Tries(NoBackoff(), 0), health_check_interval=0
        )
        self._queues = {
            lane: Queue(lane.value, connection=self._redis, serializer=SERIALIZER, default_timeout=JOB_SECONDS)
            for lane in Lane
        }

    def wake_delivery(self, ids: Iterable[int], lane: Lane) -> bool:
        """Ask a worker to deliver these outbox rows. Returns whether Redis took it."""
        try:
            for row in ids:
                self._enqueue(lane, row)
        except RedisError as error:
            log.warning("queue not reachable (%s): the sweep will deliver", type(error).__name__)
            return False
        return True

    def _enqueue(self, lane: Lane, row: int) -> None:
        # A duplicate is woken already; and the claim on the row makes even two jobs send it once.
        with suppress(DuplicateJobError):
            self._queues[lane].enqueue(
                DELIVER,
                row,
                job_id=f"deliver-{row}",
                unique=True,
                result_ttl=0,
                failure_ttl=0,
                description="deliver",
            )

    def is_reachable(self) -> bool:
        try:
            return bool(self._redis.ping())
        except RedisError:
            return False

    def waiting(self) -> int:
        """How many jobs wait in all lanes; raises RedisError when Redis is gone."""
        return sum(queue.count for queue in self._queues.values())

    def close(self) -> None:
        self._redis.close()


def work(url: str, *, burst: bool = False, name: str | None = None) -> None:
    """Run an RQ worker over all lanes until it is told to stop (or, with `burst`, until nothing waits).

    Jobs run in this very process: forking for each would open a new database connection for every text, and a hung
    job is bounded anyway by the carrier's and the database's time-outs and by RQ's own alarm. No scheduler runs here:
    what must be tried again later is a due row, and the sweep is its alarm clock.
    """
    connection = Redis.from_url(url)
    worker = SimpleWorker(
        list(QUEUES),
        connection=connection,
        serializer=SERIALIZER,
        name=name,
        worker_ttl=WORKER_TTL,
        maintenance_interval=30,
        log_job_description=False,
    )
    worker.work(burst=burst, logging_level="WARNING")
