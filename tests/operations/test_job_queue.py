"""What the queue guarantees about its jobs: how often they are retried, one job per row, and only a row's id in a job."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from datetime import timedelta

import pytest
from redis import Redis
from rq import Queue
from rq.job import Job
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry, StartedJobRegistry

from bot.domain.messages.message import OutboxLane
from bot.operations import job_queue
from bot.operations.job_queue import JOB_TIMEOUT_SECONDS, MAINTENANCE_SECONDS, RETRY_SECONDS, WORKER_TTL, JobQueue
from bot.storage.messages import outbox
from bot.usecases.watch_lateness import OVERDUE_AFTER

FAILS = "tests.operations.test_job_queue.fail"
"""A job that always fails."""
SLOWEST_CARRIER = 2 * 10 + 1
"""Seconds: up to one of waiting, then ten to ask the carrier about the text and ten to send it."""


def fail(_row: int) -> None:
    raise RuntimeError("on purpose")


@pytest.fixture
def connection(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as opened:
        yield opened


@pytest.fixture
def queue(redis_url: str) -> Iterator[JobQueue]:
    opened = JobQueue(redis_url)
    yield opened
    opened.close()


def jobs(connection: Redis, lane: OutboxLane) -> list[Job]:
    return Queue(lane.value, connection=connection, serializer="json").jobs


def waiting(lane: Queue) -> ScheduledJobRegistry:
    """The jobs that will be tried again."""
    return ScheduledJobRegistry(queue=lane)  # type: ignore[no-untyped-call]


def test_it_gives_every_job_as_many_intervals_as_retries(queue: JobQueue, connection: Redis) -> None:
    for row, lane in enumerate(OutboxLane):
        assert queue.wake_delivery([row], lane)
    assert queue.wake_check_ins([7])
    found = [job for lane in OutboxLane for job in jobs(connection, lane)]
    assert len(found) == len(OutboxLane) + 1
    for job in found:
        assert job.retries_left == len(RETRY_SECONDS) and job.retry_intervals == list(RETRY_SECONDS)
        assert (job.result_ttl, job.failure_ttl, job.timeout) == (0, 0, JOB_TIMEOUT_SECONDS)


def test_it_waits_longer_before_each_try(queue: JobQueue, connection: Redis) -> None:
    queue.wake_delivery([1], OutboxLane.REPLY)
    (job,) = jobs(connection, OutboxLane.REPLY)
    waits = []
    while job.retries_left:
        waits.append(job.get_retry_interval())
        job.retries_left -= 1
    assert waits == list(RETRY_SECONDS) == sorted(RETRY_SECONDS)


def test_it_holds_a_row_and_no_word(queue: JobQueue, connection: Redis) -> None:
    queue.wake_delivery([41], OutboxLane.CRISIS)
    (job,) = jobs(connection, OutboxLane.CRISIS)
    assert (job.id, job.args, job.description) == ("deliver-41", [41], "deliver")
    stored = connection.hget(job.key, "data")
    assert isinstance(stored, bytes) and json.loads(zlib.decompress(stored))[2] == [41]


def test_it_holds_one_job_for_a_row_however_often_it_is_woken(queue: JobQueue, connection: Redis) -> None:
    for _ in range(3):
        assert queue.wake_check_ins([7, 8])
    assert sorted(job.id for job in jobs(connection, OutboxLane.FOLLOW_UP)) == ["check_in-7", "check_in-8"]


@pytest.mark.parametrize("times", [1, 1 + len(RETRY_SECONDS)])
def test_it_brings_back_a_job_that_failed_and_then_forgets_it(
    queue: JobQueue, connection: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    monkeypatch.setattr(job_queue, "DELIVER", FAILS)
    queue.wake_delivery([1], OutboxLane.REPLY)
    lane = Queue(OutboxLane.REPLY.value, connection=connection, serializer="json")
    scheduled = waiting(lane)
    for _ in range(times):
        job_queue.work(redis_url, burst=True)
        for job in scheduled.get_job_ids():
            # Its time has come.
            connection.zadd(scheduled.key, {job: 0})
    left = scheduled.get_job_ids()
    assert left == (["fail-1"] if times == 1 else [])
    assert connection.exists("rq:job:fail-1") == len(left), "a job that is given up must not block its row for a year"
    assert len(FailedJobRegistry(queue=lane)) == len(FinishedJobRegistry(queue=lane)) == 0


def test_it_brings_back_a_job_whose_worker_was_killed(
    queue: JobQueue, connection: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_queue, "DELIVER", FAILS)
    queue.wake_delivery([1], OutboxLane.REPLY)
    lane = Queue(OutboxLane.REPLY.value, connection=connection, serializer="json")
    (job,) = lane.jobs
    # As `kill -9` leaves it: started, no longer in the queue, and without a worker.
    lane.remove(job.id)
    job.set_status("started")  # type: ignore[arg-type]
    started = StartedJobRegistry(queue=lane)
    connection.zadd(started.key, {f"{job.id}:0123": 0})
    job_queue.work(redis_url, burst=True)
    assert len(started) == 0 and waiting(lane).get_job_ids() == ["fail-1"]


def test_it_notices_a_dead_worker_before_it_is_called_an_outage() -> None:
    assert WORKER_TTL <= 30 and MAINTENANCE_SECONDS <= 30
    # A job must not be cut off while the carrier is only slow, and must not outlive its claim.
    assert SLOWEST_CARRIER < JOB_TIMEOUT_SECONDS <= outbox.LEASE.total_seconds()
    assert outbox.LEASE + timedelta(seconds=15) < OVERDUE_AFTER
