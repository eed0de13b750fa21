"""Redis and RQ, used only here: they wake work that PostgreSQL already holds, so losing them loses nothing.

Jobs carry only row ids, as JSON: a Redis is easily left open to the network, and pickled jobs would execute what they
contain.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry as RedisRetry
from rq import Queue, Retry, SimpleWorker
from rq.exceptions import DuplicateJobError
from rq.job import Job

from bot.domain.messages.message import OutboxLane

log = logging.getLogger(__name__)

DELIVER: Final = "bot.jobs.deliver.deliver"
CHECK_IN: Final = "bot.jobs.check_in.check_in"
QUEUES: Final = tuple(lane.value for lane in OutboxLane)
"""One queue per lane, in the order in which a worker empties them."""
SERIALIZER: Final = "json"
JOB_TIMEOUT_SECONDS: Final = 60
WORKER_TTL: Final = 30
MAINTENANCE_SECONDS: Final = 30
"""A scheduler that was killed is replaced after a minute and a half at most, not after RQ's default of seven minutes.
A job whose worker was killed comes back after JOB_SECONDS, one minute of RQ's own and this; the sweep
finds its row before that."""
CHECK_EXISTING_FROM: Final = 5
"""Below this many rows, jobs are enqueued without first asking Redis which exist."""
RETRY_SECONDS: Final = (5, 20, 60)
"""Seconds until a job that failed, or whose worker was killed, is retried. One interval per try: with fewer RQ would use
the first ones twice."""
_PR_SET_PDEATHSIG: Final = 1


class JobQueue:
    """Enqueues jobs. A failure is logged and otherwise ignored: the sweep finds the row."""

    def __init__(self, url: str) -> None:
        # The library's own ten retries would delay a person's answer by seconds when Redis is gone.
        self._redis = Redis.from_url(
            url, socket_timeout=0.5, socket_connect_timeout=0.3, retry=RedisRetry(NoBackoff(), 0), health_check_interval=0
        )
        self._queues = {
            lane: Queue(lane.value, connection=self._redis, serializer=SERIALIZER, default_timeout=JOB_TIMEOUT_SECONDS)
            for lane in OutboxLane
        }

    def wake_delivery(self, ids: Iterable[int], lane: OutboxLane) -> bool:
        """Ask a worker to deliver these outbox rows. Returns whether Redis took it."""
        return self._wake(DELIVER, ids, lane)

    def wake_check_ins(self, ids: Iterable[int]) -> bool:
        """Ask a worker to decide these check-ins, which are due. Returns whether Redis took it."""
        return self._wake(CHECK_IN, ids, OutboxLane.FOLLOW_UP)

    def _wake(self, job: str, ids: Iterable[int], lane: OutboxLane) -> bool:
        try:
            for row in self._without_job(job, list(ids)):
                self._enqueue(job, lane, row)
        except RedisError as error:
            log.warning("queue not reachable (%s): the sweep will deliver", type(error).__name__)
            return False
        return True

    def _without_job(self, job: str, rows: list[int]) -> list[int]:
        """The rows that have no job yet, asked in one round trip: the sweep wakes each second all that still waits in the
        queue, and making a job only to learn that it exists is expensive."""
        if len(rows) < CHECK_EXISTING_FROM:
            return rows
        with self._redis.pipeline(transaction=False) as ask:
            for row in rows:
                ask.exists(Job.key_for(_job_id(job, row)))
            return [row for row, is_there in zip(rows, ask.execute(), strict=True) if not is_there]

    def _enqueue(self, job: str, lane: OutboxLane, row: int) -> None:
        # A duplicate is already enqueued; and even with two jobs the claim on the row lets only one of them send.
        with suppress(DuplicateJobError):
            self._queues[lane].enqueue(
                job,
                row,
                job_id=_job_id(job, row),
                unique=True,
                result_ttl=0,
                failure_ttl=0,
                retry=Retry(max=len(RETRY_SECONDS), interval=list(RETRY_SECONDS)),
                description=job.rpartition(".")[2],
            )

    def is_reachable(self) -> bool:
        try:
            return bool(self._redis.ping())
        except RedisError:
            return False

    def count_waiting(self) -> int:
        """The number of jobs that wait in all lanes; raises RedisError when Redis is gone."""
        return sum(queue.count for queue in self._queues.values())

    def close(self) -> None:
        self._redis.close()


def _job_id(job: str, row: int) -> str:
    """The job's id, derived from its row, so that a row has one job at a time."""
    return f"{job.rpartition('.')[2]}-{row}"


def work(url: str, *, burst: bool = False, name: str | None = None) -> None:
    """Run an RQ worker over all lanes until it is told to stop (or, with `burst`, until the queues are empty).

    Jobs run in this process: forking for each would open a new database connection for every text, and a hung job is
    bounded anyway by the carrier's and the database's time-outs and by RQ's own. RQ's scheduler runs beside it, on every
    host; it brings back jobs that failed. Work for a later time is not a job but a row with a due time, found by the sweep.
    """
    os.register_at_fork(after_in_child=_end_with_parent)
    connection = Redis.from_url(url)
    worker = SimpleWorker(
        list(QUEUES),
        connection=connection,
        serializer=SERIALIZER,
        name=name,
        worker_ttl=WORKER_TTL,
        maintenance_interval=MAINTENANCE_SECONDS,
        log_job_description=False,
    )
    worker.work(burst=burst, logging_level="WARNING", with_scheduler=True)


def _end_with_parent() -> None:
    """The scheduler is forked from its worker. It would outlive a worker that is killed and keep its locks for ever."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
