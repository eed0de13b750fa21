"""`kill -9` of everything at random moments under load: nothing is lost and nothing is sent twice.

FAULT_SEED repeats a run's random choices (not its timing); FAULT_SECONDS and FAULT_PEOPLE make the run longer or bigger.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bot.domain.messages.message import OutboxLane
from bot.storage.database import Database
from bot.storage.messages import outbox
from bot.storage.tables.residents import Conversation
from bot.storage.tables.residents import Message as Row
from tests.faults.ledger import Ledger, table
from tests.faults.people import Crowd, Network, Reports
from tests.faults.running_system import PARTS, RunningSystem, eventually
from tests.stand_ins.twilio import StandInTwilio

pytestmark = pytest.mark.faults

SEED = os.environ.get("FAULT_SEED") or str(random.randrange(10**6))
SECONDS = float(os.environ.get("FAULT_SECONDS", "40"))
PEOPLE = int(os.environ.get("FAULT_PEOPLE", "70"))
PAUSES = (0.5, 5.0)
HELD_SECONDS = 3.0
KEPT_SECONDS = 30.0
"""Longer than a web thread waits for the database before it answers with the outage text."""
SERVERS = {"Valkey": ("Valkey",), "PostgreSQL": ("PostgreSQL", "a database session")}
OPEN = (Row.outbound, Row.due_at.is_not(None), Row.state.in_(["waiting", "claimed", "unknown", "answered"]))
"""Rows that Warmline must still deal with. Those that Twilio has without a final state are asked about after hours."""
HEAL_SECONDS = 110.0
"""A claim's lease of a minute, and the time to ask the carrier after it."""


@pytest.fixture
def twilio() -> Iterator[StandInTwilio]:
    with StandInTwilio(post=Network(SEED).post) as opened:
        # Long enough that a kill can fall between taking a text and answering us.
        opened.delay_seconds = 0.05
        yield opened


@pytest.fixture
def system(twilio: StandInTwilio) -> Iterator[RunningSystem]:
    folder = Path(tempfile.mkdtemp(prefix="warmline-faults-"))
    running = RunningSystem(folder, twilio)
    try:
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Storm(threading.Thread):
    """Kills each part twice and suspends the servers once, in an order and at moments that the seed decides."""

    def __init__(self, system: RunningSystem, crowd: Crowd, seconds: float) -> None:
        super().__init__(name="storm", daemon=True)
        self.faults: Counter[str] = Counter()
        self._system, self._crowd, self._seconds = system, crowd, seconds
        self._random = random.Random(f"storm {SEED}")

    def run(self) -> None:
        faults = [*((self._kill, part) for part in (*PARTS, *PARTS)), *((self._hold, server) for server in SERVERS)]
        self._random.shuffle(faults)
        for strike, part in faults:
            time.sleep(self._random.uniform(0.3, 1.7) * self._seconds / len(faults))
            strike(part)

    def _kill(self, part: str) -> None:
        # A part that is just being started again is waited for, so that each is really killed.
        for _ in range(100):
            if self._system.kill(part):
                self.faults[f"killed: {part}"] += 1
                return
            time.sleep(0.1)

    def _hold(self, server: str) -> None:
        """Let a server accept connections and answer nothing, for a while; PostgreSQL until a text went to the spool.

        A busy machine may be so slow that no text arrives while PostgreSQL is killed and started again.
        """
        held = [self._system.hold(part) for part in SERVERS[server]]
        time.sleep(HELD_SECONDS)
        if server == "PostgreSQL":
            deadline = time.monotonic() + KEPT_SECONDS
            while time.monotonic() < deadline and not any(text.kept for text in self._crowd.texts):
                time.sleep(0.1)
        for resume in held:
            resume()
        self.faults[f"held still: {server}"] += 1


class Promises(threading.Thread):
    """Commits texts to the outbox all the time, as other turns do, without waking a worker for them."""

    def __init__(self, system: RunningSystem) -> None:
        super().__init__(name="promises", daemon=True)
        self.bodies: list[str] = []
        self.over = threading.Event()
        self._system, self._random = system, random.Random(f"promises {SEED}")
        self._numbers = itertools.count(1)

    def run(self) -> None:
        database = self._system.database()
        while not self.over.wait(0.15):
            self.promise(database)
        database.close()

    def promise(self, database: Database) -> str | None:
        """Enqueue one text and give its body; None where the database was away."""
        body = f"Promise {next(self._numbers)}."
        try:
            with database.transaction() as db:
                ids = db.scalars(select(Conversation.id)).all()
                if not ids:
                    return None
                chosen, now = self._random.choice(ids), datetime.now(UTC)
                outbox.enqueue(db, self._system.sealer, chosen, body, OutboxLane.REPLY, None, 1, now)
        except Exception:
            # Perhaps it was committed all the same; then it is a row like any other.
            return None
        self.bodies.append(body)
        return body


def kill_during_a_send(system: RunningSystem, twilio: StandInTwilio, promises: Promises) -> bool:
    """Twilio takes a text and answers slowly; its sender is killed before the answer. Whether that happened."""
    database = system.database()
    before = len(twilio.messages)
    twilio.hang()
    try:
        body = promises.promise(database)
        deadline = time.monotonic() + 6
        while time.monotonic() < deadline:
            if any(message.came_by == "api" for message in twilio.messages[before:]):
                return system.kill("the queue worker") and system.kill("the worker") and body is not None
            time.sleep(0.02)
    finally:
        database.close()
    return False


def at_rest(system: RunningSystem, database: Database) -> bool:
    """Whether nothing waits anywhere: no due row, no conversation to wake, no file in the spool."""
    if system.spooled() or not system.is_ready():
        return False
    with database.transaction() as db:
        rows = db.scalar(select(func.count()).select_from(Row).where(*OPEN))
        sleepers = db.scalar(select(func.count()).select_from(Conversation).where(Conversation.timeout_at.is_not(None)))
    return not rows and not sleepers


def why_not_at_rest(system: RunningSystem, database: Database) -> str:
    """Why it is not at rest, without the words of any text."""
    with database.transaction() as db:
        due = db.execute(
            select(Row.state, Row.attempts, func.count(), func.max(Row.due_at))
            .where(*OPEN)
            .group_by(Row.state, Row.attempts)
        ).all()
    return f"it does not heal: ready {system.is_ready()}, spool {len(system.spooled())}, rows {due}\n{system.said()}"


def found_by_asking(ledger: Ledger, database: Database) -> int:
    """Rows that were still claimed though Twilio had them: it was asked, and nothing was sent again."""
    by_answer = {message.body for message in ledger.taken if message.came_by == "answer"}
    with database.transaction() as db:
        tried = db.scalars(select(Row.id).where(Row.outbound, Row.attempts > 0)).all()
        again = db.scalars(select(Row.id).where(Row.outbound, Row.attempts > 1)).all()
    return len({row for row in tried if ledger.words[row] in by_answer} | set(again))


def run_storm(
    system: RunningSystem, twilio: StandInTwilio, crowd: Crowd, reports: Reports
) -> tuple[list[str], Counter[str]]:
    """Run all faults under load from first to last: the bodies enqueued meanwhile, and counts of the faults."""
    promises, storm = Promises(system), Storm(system, crowd, SECONDS)
    crowd.start()
    reports.start()
    promises.start()
    time.sleep(2)
    storm.faults["killed: the senders, in the middle of a send"] += kill_during_a_send(system, twilio, promises)
    storm.start()
    storm.join()
    assert storm.faults.total() > 2 * len(PARTS), "the faults broke off; their own error is above"
    promises.over.set()
    promises.join()
    crowd.stop()
    return promises.bodies, storm.faults


def check(ledger: Ledger) -> None:
    assert ledger.lost_texts() == [], "accepted texts that no row holds"
    assert ledger.unanswered() == [], "recorded texts without exactly one reply"
    assert ledger.lost() == [], "rows that Twilio never took"
    assert ledger.doubled() == [], "rows that Twilio took more than once"
    assert ledger.unknown() == [], "texts that belong to no row"
    assert set(ledger.promised) <= set(ledger.words.values()), "enqueued texts that are gone"
    assert ledger.outage_texts() == sum(text.kept for text in ledger.texts)
    assert ledger.out_of_order() == [], "people whose texts were recorded out of order"


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_it_loses_nothing_and_sends_nothing_twice_whatever_is_killed(
    system: RunningSystem, twilio: StandInTwilio, capsys: pytest.CaptureFixture[str]
) -> None:
    started, database = time.monotonic(), system.database()
    crowd, reports = Crowd(twilio, system.url, PEOPLE, SEED, PAUSES), Reports(twilio, SEED)
    try:
        promised, faults = run_storm(system, twilio, crowd, reports)
        eventually(lambda: at_rest(system, database), HEAL_SECONDS, lambda: why_not_at_rest(system, database))
        reports.stop()
        ledger = Ledger(crowd.texts, promised, twilio.messages)
        ledger.read(database, system.sealer)
        found = {"rows found by asking Twilio first": found_by_asking(ledger, database)}
    finally:
        reports.stop()
        database.close()
    fates = {f"reports {fate}": count for fate, count in sorted(reports.fates.items())}
    title = f"Everything killed (FAULT_SEED={SEED}, {time.monotonic() - started:.0f} s)"
    with capsys.disabled():
        print(table(title, ledger.counts(), found, fates, dict(sorted(faults.items()))))
    check(ledger)
    assert all(faults[f"killed: {part}"] for part in PARTS) and any(text.kept for text in crowd.texts)
