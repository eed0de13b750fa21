"""Redis and RQ, known here alone: they wake work that PostgreSQL already holds, and losing them loses nothing.

Jobs carry row ids and nothing else, as JSON: a queue is easily left open, and pickled jobs would run what they hold.
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
from redis.retry import Retry as Tries
from rq import Queue, Retry, SimpleWorker
from rq.exceptions import DuplicateJobError
from rq.job import Job

from bot.domain.message import Lane

log = logging.getLogger(__name__)

DELIVER: Final = "bot.jobs.deliver.deliver"
CHECK_IN: Final = "bot.jobs.check_in.check_in"
QUEUES: Final = tuple(lane.value for lane in Lane)
"""One queue a lane, in the order in which a worker looks into them."""
SERIALIZER: Final = "json"
JOB_SECONDS: Final = 60
WORKER_TTL: Final = 30
MAINTENANCE_SECONDS: Final = 30
"""A scheduler that was killed is replaced after a minute and a half at most, not after RQ's own seven minutes
(domain.md 2.3). A job whose worker was killed comes back after JOB_SECONDS, a minute of RQ's and this; the sweep is there
before."""
FEW: Final = 5
"""So many rows are woken without a look whether they have been."""
RETRIES: Final = (5, 20, 60)
"""Seconds until a job that failed, or whose worker was killed, is tried again: an interval for each try, or RQ would use
the first ones twice."""
_PR_SET_PDEATHSIG: Final = 1


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
        return self._wake(DELIVER, ids, lane)

    def wake_check_ins(self, ids: Iterable[int]) -> bool:
        """Ask a worker to look at these check-ins, which are due. Returns whether Redis took it."""
        return self._wake(CHECK_IN, ids, Lane.FOLLOW_UP)

    def _wake(self, job: str, ids: Iterable[int], lane: Lane) -> bool:
        try:
            for row in self._not_woken(job, list(ids)):
                self._enqueue(job, lane, row)
        except RedisError as error:
            log.warning("queue not reachable (%s): the sweep will deliver", type(error).__name__)
            return False
        return True

    def _not_woken(self, job: str, rows: list[int]) -> list[int]:
        """Those rows that have no job yet, asked in one go: every sweep wakes what waits in the queue again each second, and
        making a job only to hear that it exists is dear."""
        if len(rows) < FEW:
            return rows
        with self._redis.pipeline(transaction=False) as ask:
            for row in rows:
                ask.exists(Job.key_for(_name(job, row)))
            return [row for row, is_there in zip(rows, ask.execute(), strict=True) if not is_there]

    def _enqueue(self, job: str, lane: Lane, row: int) -> None:
        # A duplicate is woken already; and the claim on the row makes even two jobs send it once.
        with suppress(DuplicateJobError):
            self._queues[lane].enqueue(
                job,
                row,
                job_id=_name(job, row),
                unique=True,
                result_ttl=0,
                failure_ttl=0,
                retry=Retry(max=len(RETRIES), interval=list(RETRIES)),
                description=job.rpartition(".")[2],
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


def _name(job: str, row: int) -> str:
    """A job is named by its row, so that each has one at a time."""
    return f"{job.rpartition('.')[2]}-{row}"


def work(url: str, *, burst: bool = False, name: str | None = None) -> None:
    """Run an RQ worker over all lanes until it is told to stop (or, with `burst`, until nothing waits).

    Jobs run in this very process: forking for each would open a new database connection for every text, and a hung
    job is bounded anyway by the carrier's and the database's time-outs and by RQ's own alarm. RQ's scheduler runs beside it,
    on as many hosts as there are: it brings back jobs that failed. What is promised for later is no job but a due row, and
    the sweep is its alarm clock.
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
    """The scheduler is forked from its worker, and would outlive one that is killed, holding its locks for ever."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
