"""What a million planned check-ins cost: the sweep that looks for those that are due, the queue, the worker's jobs."""

from __future__ import annotations

import dataclasses
import os
import signal
import statistics
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import psycopg
from redis import Redis
from rq import Queue, SimpleWorker

from benchmarks import flood, instance, stored
from bot.carriers.carrier import OutgoingMessage, Receipt
from bot.domain.messages.delivery import DeliveryState
from bot.domain.messages.message import Channel, OutboxLane
from bot.jobs import process, sweep
from bot.jobs.check_in import run_check_in
from bot.operations import job_queue, logs
from bot.operations.job_queue import JobQueue
from bot.operations.settings.readers import holidays
from bot.runtime import Runtime
from bot.storage.check_ins import check_ins
from bot.storage.messages import outbox

DUE = 100
"""Check-ins that are due at once in a step that has work."""
_FILL = (
    "insert into person (created_at) select now() - interval '7 days' from generate_series(1, %(people)s)",
    """
    insert into conversation (person_id, channel, lookup, sealed_address, line, sealed_state, holder, in_danger, opted_out,
                              created_at, updated_at)
    select id, 'sms', substring(sha256(('person ' || id)::bytea) for 16), (%(addresses)s::text[])[1 + id %% %(kinds)s],
           '+16175550100', (%(states)s::text[])[1 + id %% %(kinds)s], 'bot', false, false, created_at, created_at
      from person order by id
    """,
    """
    insert into consent (conversation_id, scope, choice, method, source, language, at)
    select id, 'followup', 'agreed', 'staff', 'line', 'en', created_at from conversation order by id
    """,
    """
    insert into check_in (conversation_id, flow, due_at, state, planned_for, made_at, attempts, holds)
    select 1 + n %% %(people)s, 'intake', now() + interval '1 day' + random() * interval '90 days', 'planned', now(),
           now() - interval '7 days', 0, 0
      from generate_series(1, %(many)s) n
    """,
)
_FALL_DUE = """
update check_in set due_at = now() + random() * %(within)s, planned_for = now()
 where id in (select id from check_in
               where state = 'planned' and due_at > now() + interval '1 hour' order by id limit %(many)s)
"""


@dataclass
class Side:
    """One database: the runtime over it, and what its rounds took in microseconds, by what was done."""

    stored: int
    env: Mapping[str, str]
    runtime: Runtime
    took: dict[str, list[float]] = field(default_factory=dict)

    def note(self, what: str, began: float, each: int = 1) -> None:
        self.took.setdefault(what, []).append((time.perf_counter() - began) / each * 1e6)


def measure(env: Mapping[str, str], few: int, many: int, rounds: int, due: int, seconds: int, jobs: int) -> Iterator[str]:
    """Tables, each as soon as it is there: a sweep's step over `few` and `many` stored, the jobs beside an empty one, and a
    flood of `due` within a minute."""
    here = dict(env) | a_working_day() | {"SENDER_MPS": "1000"}
    os.environ.update(here)
    logs.set_up("error")
    sides = [_side(here, f"follow_{number}", number) for number in (few, many)]
    yield _steps(sides, rounds)
    yield _throughput(sides[0], rounds, jobs)
    for side in sides:
        side.runtime.close()
    forget_work(sides[1].env)
    yield flood.measure(sides[1].env, many, due, seconds)


def a_working_day() -> dict[str, str]:
    """A time zone in which it is about noon now, and a country without a holiday: check-ins leave by day."""
    now = datetime.now(UTC)
    ahead = 12 - now.hour
    near = [(now + timedelta(days=days)).date() for days in (-1, 0, 1)]
    country = next(code for code in ("US-MO", "JP", "BR", "DE", "KE") if not any(day in holidays(code) for day in near))
    return {"TIMEZONE": f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT", "HOLIDAYS": country}


def _side(env: Mapping[str, str], name: str, promises: int) -> Side:
    """A copy of the template database with this many check-ins in the coming months, and a runtime for it."""
    with psycopg.connect(env["DATABASE_URL"].replace("/warmline?", "/postgres?"), autocommit=True) as admin:
        admin.execute(f"drop database if exists {name}".encode())
        admin.execute(f"create database {name} template warmline".encode())
    here = dict(env) | {"DATABASE_URL": env["DATABASE_URL"].replace("/warmline?", f"/{name}?")}
    given = stored.words(env) | {"kinds": stored.KINDS, "many": promises, "people": max(1000, promises // 10)}
    with psycopg.connect(here["DATABASE_URL"], autocommit=True) as db:
        for statement in _FILL:
            db.execute(statement, given)
        # As autovacuum leaves it: statistics, and pages whose rows are known to be visible.
        db.execute("vacuum analyze")
    return Side(promises, here, Runtime.start(instance.settings(here)))


def fall_due(env: Mapping[str, str], many: int, within: timedelta = timedelta(0)) -> None:
    """Let `many` of the stored check-ins fall due now, or evenly `within` this time."""
    with psycopg.connect(env["DATABASE_URL"], autocommit=True) as db:
        db.execute(_FALL_DUE, {"many": many, "within": within})


# The sweep's step.


def _steps(sides: Sequence[Side], rounds: int) -> str:
    for number in range(-1, rounds):
        for side in sides:
            _round(side)
            if number < 0:
                side.took.clear()
    return _table(sides, rounds)


def _round(side: Side) -> None:
    """Measure a step that finds nothing, one that wakes a hundred, ten that find them woken; then asking each."""
    runtime, now = side.runtime, datetime.now(UTC)
    for _ in range(20):
        began = time.perf_counter()
        sweep.run_due_check_ins(runtime, now)
        side.note("nothing is due", began)
    fall_due(side.env, DUE)
    now = datetime.now(UTC)
    for what in (f"{DUE} are due, and woken", *[f"{DUE} are due, and were woken before"] * 10):
        began = time.perf_counter()
        sweep.run_due_check_ins(runtime, now)
        side.note(what, began)
    with runtime.database.transaction() as db:
        ids = check_ins.due_ids(db, now)
    began = time.perf_counter()
    for check_in in ids:
        run_check_in(runtime, check_in)
    side.note("one is asked", began, len(ids))
    assert len(ids) == DUE, "other check-ins than those of the round are due"
    forget_work(side.env)


def forget_work(env: Mapping[str, str]) -> None:
    """Clear pending work in Redis, which all databases share, and in this database's outbox."""
    with Redis.from_url(env["REDIS_URL"]) as connection:
        connection.flushall()
    with psycopg.connect(env["DATABASE_URL"], autocommit=True) as db:
        db.execute("update message set state = 'delivered', due_at = null where due_at is not null")


def _table(sides: Sequence[Side], rounds: int) -> str:
    small, large = sides
    lines = [
        f"a sweep's step for check-ins, medians of {rounds} rounds in turn:",
        f"  {'':40s}{f'{small.stored:,} stored':>16s}{f'{large.stored:,}':>16s}{'growth':>10s}",
    ]
    for what, theirs in small.took.items():
        ours = large.took[what]
        growth = statistics.median(b / a for a, b in zip(theirs, ours, strict=True))
        shown = [f"{statistics.median(took) / 1000:.2f} ms" for took in (theirs, ours)]
        lines.append(f"  {what:40s}{shown[0]:>16s}{shown[1]:>16s}{f'x{growth:.2f}':>10s}")
    return "\n".join(lines)


# The jobs compared with an empty one.


class AcceptingCarrier:
    """A carrier that accepts everything at once, so that only Warmline's own work is measured."""

    def send(self, outgoing: OutgoingMessage) -> Receipt:
        return Receipt(sid=f"SM{outgoing.message_id:032x}", state=DeliveryState.QUEUED, segments=1)

    def find(self, _outgoing: OutgoingMessage, _since: datetime, _known: Collection[str] = ()) -> None:
        return None

    def fetch_status(self, _sid: str) -> None:
        return None


class QueueWithoutDeliveries(JobQueue):
    """Wakes no delivery, so that the jobs that ask are measured without those that send."""

    def wake_delivery(self, ids: object, lane: OutboxLane) -> bool:
        return True


def nothing(_row: int) -> None:
    """An empty job."""


def _throughput(side: Side, rounds: int, jobs: int) -> str:
    """Jobs a second of one worker process, the arms in turn in each round."""
    arms: dict[str, list[float]] = {}
    taking = dataclasses.replace(
        side.runtime, carriers={Channel.SMS: AcceptingCarrier()}, queue=QueueWithoutDeliveries(side.env["REDIS_URL"])
    )
    process.set_runtime(taking)
    with _own_signals():
        for number in range(-1, rounds):
            many = jobs if number >= 0 else jobs // 5
            for arm, rate in _round_of_jobs(side, taking, many):
                if number >= 0:
                    arms.setdefault(arm, []).append(rate)
    process.set_runtime(None)
    bare = arms["an empty job of RQ's own"]
    lines = [f"one worker, {jobs} jobs in each of {rounds} rounds (a carrier that takes at once):"]
    for arm, rates in arms.items():
        ratio = statistics.median(ours / theirs for ours, theirs in zip(rates, bare, strict=True))
        lines.append(f"  {arm:40s}{statistics.median(rates):8.0f} a second   x{ratio:.2f} of the empty one")
    return "\n".join(lines)


def _round_of_jobs(side: Side, runtime: Runtime, many: int) -> Iterator[tuple[str, float]]:
    url = side.env["REDIS_URL"]
    forget_work(side.env)
    with Redis.from_url(url) as connection:
        queue = Queue("bare", connection=connection, serializer=job_queue.SERIALIZER)
        for row in range(many):
            queue.enqueue(nothing, row, result_ttl=0)
        worker = SimpleWorker([queue], connection=connection, serializer=job_queue.SERIALIZER)
        bare: Callable[[], object] = lambda: worker.work(burst=True, logging_level="WARNING")  # noqa: E731
        yield "an empty job of RQ's own", many / _seconds(bare)
    fall_due(side.env, many)
    now = datetime.now(UTC)
    with runtime.database.transaction() as db:
        ids = check_ins.due_ids(db, now, limit=many)
    runtime.queue.wake_check_ins(ids)
    yield "a check-in is looked at and asked", len(ids) / _seconds(lambda: job_queue.work(url, burst=True))
    with runtime.database.transaction() as db:
        texts = [row for row, _ in outbox.list_due(db, datetime.now(UTC), limit=many)]
    JobQueue(url).wake_delivery(texts, OutboxLane.FOLLOW_UP)
    yield "its text is handed to the carrier", len(texts) / _seconds(lambda: job_queue.work(url, burst=True))


def _seconds(go: Callable[[], object]) -> float:
    began = time.perf_counter()
    go()
    return time.perf_counter() - began


@contextmanager
def _own_signals() -> Iterator[None]:
    """Restore the signal handlers that RQ's worker replaces and does not restore."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
