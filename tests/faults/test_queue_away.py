"""Redis is down, wiped or hanging: residents notice nothing, and each enqueued text is sent once."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import redis

from bot.domain.messages.message import OutboxLane
from bot.jobs.sweep import TEXT_OVERDUE, sweep
from bot.operations.settings.settings import Settings
from tests.faults.conftest import FrailLine, open_frail
from tests.support.clock import FrozenClock
from tests.support.help_line import ADA

pytestmark = pytest.mark.faults

LATER = "A text for later"
AT_ONCE = 1.0
"""Seconds. A text that does not wait for Redis is answered in a fraction of this, also on a busy machine."""


def timed(line: FrailLine, body: str) -> float:
    began = time.monotonic()
    assert line.say(body) == [f"Heard {body}."]
    return time.monotonic() - began


def wipe(line: FrailLine) -> None:
    with redis.Redis.from_url(line.runtime.settings.redis_url or "") as connection:
        connection.flushall()


def times_sent(line: FrailLine) -> int:
    return line.twilio.texts_to(ADA).count(LATER)


def test_it_answers_and_delivers_while_redis_is_down(frail: FrailLine) -> None:
    frail.say("hello")
    frail.valkey.cut()
    assert max(timed(frail, f"story {number}") for number in range(5)) < AT_ONCE
    frail.promise(LATER)
    sweep(frail.runtime)
    sweep(frail.runtime)
    assert times_sent(frail) == 1


def test_it_answers_and_delivers_while_redis_hangs(frail: FrailLine) -> None:
    frail.say("hello")
    frail.valkey.block()
    assert max(timed(frail, f"story {number}") for number in range(5)) < AT_ONCE
    frail.promise(LATER)
    sweep(frail.runtime)
    sweep(frail.runtime)
    assert times_sent(frail) == 1


def test_it_delivers_what_a_wiped_redis_has_forgotten(frail: FrailLine) -> None:
    frail.say("hello")
    frail.promise(LATER)
    sweep(frail.runtime)
    wipe(frail)
    frail.clock.advance(TEXT_OVERDUE + timedelta(seconds=1))
    frail.work(3)
    assert times_sent(frail) == 1


def test_it_delivers_once_what_was_queued_twice(frail: FrailLine) -> None:
    """The queue is wiped after the wake-up, woken again, and the first job comes back from a backup: the claim decides."""
    frail.say("hello")
    row = frail.promise(LATER)
    frail.runtime.queue.wake_delivery([row], OutboxLane.REPLY)
    wipe(frail)
    frail.runtime.queue.wake_delivery([row], OutboxLane.REPLY)
    sweep(frail.runtime)
    frail.work(3)
    assert times_sent(frail) == 1


def test_it_goes_back_to_the_queue_when_redis_comes_back(frail: FrailLine) -> None:
    frail.say("hello")
    frail.valkey.cut()
    frail.runtime.queue.wake_delivery([1], OutboxLane.REPLY)
    frail.valkey.mend()
    frail.promise(LATER)
    frail.work(2)
    assert times_sent(frail) == 1


@pytest.fixture
def without_redis(settings: Settings, clock: FrozenClock, tmp_path: Path) -> Iterator[FrailLine]:
    """A line that was started while Redis was down."""
    with open_frail(dataclasses.replace(settings, redis_url=f"unix://{tmp_path}/nobody"), clock) as line:
        yield line


def test_it_starts_answers_and_delivers_without_redis(without_redis: FrailLine) -> None:
    without_redis.say("hello")
    assert timed(without_redis, "story one") < AT_ONCE
    without_redis.promise(LATER)
    sweep(without_redis.runtime)
    assert times_sent(without_redis) == 1
    ready = without_redis.app.test_client().get("/ready")
    assert ready.status_code == 200 and "sweep" in ready.get_json()["queue"]
