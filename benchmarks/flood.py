"""Ten thousand check-ins in one minute and people in danger meanwhile: whether those people wait, and what Redis holds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
from redis import Redis

from benchmarks import alerts, follow_up, instance, team
from benchmarks.alerts import CRISES, StandIn, crisis, percentile, raised, send, until_taken
from benchmarks.wire import Connection

RATE = 2
"""Crisis texts a second."""
WARM_UP = 20
CONNECTIONS = 8
"""Few, so that none is idle for long: the server closes idle ones."""
SENDER_MPS = 100
"""Segments a second that our number may send; texts that Warmline initiates get half (bot/storage/messages/outbox.py)."""
ANSWERS_AFTER = 0.1
"""Seconds until the carrier answers, which the worker process waits for each text."""
MINUTE = timedelta(minutes=1)
_STATES = "select count(*) filter (where state = 'asked'), count(*) filter (where due_at <= now()) from check_in"
_SENT = "select count(*) from message where check_in_id is not null and sid is not null"


class Slow(StandIn):
    """A carrier that answers after a moment."""

    def _answer(self, status: str, said: dict[str, object]) -> None:
        asyncio.get_running_loop().call_later(ANSWERS_AFTER, self._answer_now, status, said)

    def _answer_now(self, status: str, said: dict[str, object]) -> None:
        # The worker process may have been stopped already.
        with suppress(AssertionError, RuntimeError):
            super()._answer(status, said)


@dataclass
class Held:
    """What Redis held at one moment."""

    keys: int
    bytes: int

    def __str__(self) -> str:
        return f"{self.keys:,} keys, {self.bytes / 1e6:.1f} MB"


@dataclass
class Phase:
    """A period of crisis texts: seconds until each was answered, and until the carrier had its alert."""

    answered: Sequence[float]
    alerted: Sequence[float]
    right: int
    many: int


def measure(env: Mapping[str, str], stored: int, due: int, seconds: int) -> str:
    """A table: crisis texts before and while `due` of the `stored` check-ins fall due within one minute."""
    team.hire(env, alerts.ON_DUTY)
    port = instance.free_port()
    here = {
        **env,
        "PORT": str(instance.free_port()),
        "TWILIO_API_URL": f"http://127.0.0.1:{port}",
        "TWILIO_STAFF_NUMBERS": ",".join(team.POOL),
        "SENDER_MPS": str(SENDER_MPS),
        "RESEND_AFTER": "3600",
    }
    with instance.running(here, "the web", "the worker"):
        return asyncio.run(_flood(here, port, stored, due, seconds))


async def _flood(env: Mapping[str, str], port: int, stored: int, due: int, seconds: int) -> str:
    taken: dict[int, float] = {}
    server = await asyncio.get_running_loop().create_server(lambda: Slow(taken), "127.0.0.1", port)
    lines = [await Connection.open(int(env["PORT"])) for _ in range(CONNECTIONS)]
    seed = int(time.time()) % 100_000
    await send(lines, [crisis(seed, number, CRISES[0]) for number in range(WARM_UP)], RATE * 2)
    await until_taken(env, taken)
    before = _held(env)
    calm = await _phase(env, lines, seed + 1, seconds, taken)
    asked_before, most, over = _count(env)[0], [before], asyncio.Event()
    await asyncio.to_thread(follow_up.fall_due, env, due, MINUTE)
    watch = asyncio.create_task(_watch(env, most, over))
    storm = await _phase(env, lines, seed + 2, seconds, taken)
    asked, late, sent = _count(env)
    over.set()
    await watch
    for line in lines:
        line.close()
    server.close()
    held = max(most, key=lambda each: each.bytes), max(most, key=lambda each: each.keys)
    fullest = Held(held[1].keys, held[0].bytes)
    progress = f"{asked - asked_before:,} asked and {sent:,} of them with the carrier after {seconds} s, {late:,} still due"
    return _table(calm, storm, before, fullest, stored, due, progress)


async def _phase(
    env: Mapping[str, str], lines: Sequence[Connection], seed: int, seconds: int, taken: dict[int, float]
) -> Phase:
    """Crisis texts for `seconds` seconds, each from a new person."""
    texts = [crisis(seed, number, CRISES[number % len(CRISES)]) for number in range(RATE * seconds)]
    await send(lines, texts, RATE)
    await until_taken(env, taken)
    alerted = await asyncio.to_thread(raised, env)
    return Phase(
        [sent.answered - sent.at for sent in texts],
        [taken[row] - sent.at for sent in texts for row in alerted.get(sent.text.sid, []) if row in taken],
        sum(sent.is_right for sent in texts),
        len(texts),
    )


async def _watch(env: Mapping[str, str], most: list[Held], over: asyncio.Event) -> None:
    while not over.is_set():
        most.append(await asyncio.to_thread(_held, env))
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), 0.5)


def _held(env: Mapping[str, str]) -> Held:
    with Redis.from_url(env["REDIS_URL"]) as connection:
        memory: Any = connection.info("memory")
        keys: Any = connection.dbsize()
        return Held(int(keys), int(memory["used_memory"]))


def _count(env: Mapping[str, str]) -> tuple[int, int, int]:
    """How many check-ins were asked, how many are due, and how many texts the carrier has of them."""
    with psycopg.connect(env["DATABASE_URL"]) as db:
        asked, late = db.execute(_STATES).fetchone() or (0, 0)
        (sent,) = db.execute(_SENT).fetchone() or (0,)
    return asked, late, sent


def _table(calm: Phase, storm: Phase, before: Held, fullest: Held, stored: int, due: int, progress: str) -> str:
    lines = [
        f"{due:,} of {stored:,} check-ins fall due within a minute, {RATE} crisis texts a second, our number at"
        f" {SENDER_MPS} segments a second,",
        f"a carrier that answers after {ANSWERS_AFTER * 1000:.0f} ms, one host:",
        f"  {'':40s}{'calm p50':>10s}{'p95':>10s}{'flood p50':>12s}{'p95':>10s}{'p95 ratio':>12s}",
        _line("a crisis text is answered", calm.answered, storm.answered),
        _line("the carrier has its alert", calm.alerted, storm.alerted),
        f"  answered as they should be: {calm.right} of {calm.many}, and {storm.right} of {storm.many}; alerts with the"
        f" carrier: {len(calm.alerted)}, and {len(storm.alerted)}",
        f"  check-ins: {progress}",
        f"  Redis while all are stored: {before}; at its fullest in the flood: {fullest}",
    ]
    return "\n".join(lines)


def _line(label: str, calm: Sequence[float], storm: Sequence[float]) -> str:
    a, b = ([percentile(took, share) * 1000 for share in (0.50, 0.95)] for took in (calm, storm))
    return f"  {label:40s}{a[0]:7.0f} ms{a[1]:7.0f} ms{b[0]:9.0f} ms{b[1]:7.0f} ms{f'x{b[1] / a[1]:.2f}':>12s}"
