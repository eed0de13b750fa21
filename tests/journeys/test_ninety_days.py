"""Ninety days of a household, on real workers that are killed: each check-in leaves once, by day, or its reason is known.

The web runs in this process; the sweep and the queue worker run in separate processes, on the same moved clock.
"""

from __future__ import annotations

import multiprocessing
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from zoneinfo import ZoneInfo

import psutil
import pytest
import redis
from sqlalchemy import func, select

from bot.domain.check_ins.decision import REASON_SENTENCES, CheckInReason
from bot.domain.messages.delivery import DeliveryState
from bot.jobs import process
from bot.jobs.sweep import run as run_sweep
from bot.operations import job_queue
from bot.operations.clock import DemoClock
from bot.operations.settings.settings import Settings
from bot.runtime import Runtime
from bot.storage.tables.cases import Measure, Need
from bot.storage.tables.residents import CheckIn, CheckInEvent, Conversation, Handoff, Message, Referral
from bot.storage.tables.staff import StaffThread
from bot.usecases.check_ins import manage_check_ins
from tests.support.clock import FrozenClock
from tests.support.help_line import ADA, HelpLine, open_line
from tests.support.team import Worker, hire

CITY = ZoneInfo("America/Chicago")
BEGINS = datetime(2026, 12, 20, 10, 0, tzinfo=CITY)
"""Chosen so that the ninety days include the spring night on which an hour is skipped."""
PATIENCE = 90.0
_spawn = multiprocessing.get_context("spawn")


class MovedClock(FrozenClock):
    """The demo's clock, which other processes read, too."""

    def __init__(self, path: Path) -> None:
        self.shared = DemoClock(path)
        self.to(BEGINS)

    def now(self) -> datetime:
        return self.shared.now()

    def to(self, moment: datetime) -> None:
        step = moment.astimezone(UTC) - self.now()
        if step > timedelta():
            self.shared.advance(step)


def work(settings: Settings, path: Path, role: str) -> None:
    """What worker.py does, in two processes, with the clock handed in."""
    runtime = Runtime.start(settings, DemoClock(path))
    process.set_runtime(runtime)
    if role == "sweep":
        run_sweep(runtime, threading.Event())
    else:
        job_queue.work(settings.redis_url or "")


class Household:
    """The line with its workers as processes; `until` moves the clock and lets them do what falls due meanwhile."""

    def __init__(self, line: HelpLine, clock: MovedClock, path: Path) -> None:
        self.line, self.clock, self.path = line, clock, path
        self.rolls = random.Random(7)
        self.killed: Counter[str] = Counter()
        self.steps = self.reported = 0
        self.workers = {role: self._start(role) for role in ("sweep", "queue")}

    def _start(self, role: str) -> BaseProcess:
        child = _spawn.Process(target=work, args=(self.line.runtime.settings, self.path, role), name=role)
        child.start()
        return child

    def kill(self, role: str) -> None:
        """Kill -9 it, and start a new one, as a supervisor would."""
        dead = self.workers[role]
        for child in psutil.Process(dead.pid or 0).children(recursive=True):
            child.kill()
        dead.kill()
        dead.join()
        self.killed[role] += 1
        self.workers[role] = self._start(role)

    def stop(self) -> None:
        for worker in self.workers.values():
            for child in psutil.Process(worker.pid or 0).children(recursive=True):
                child.kill()
            worker.kill()
            worker.join()

    def until(self, moment: datetime) -> None:
        """Go on to this moment, from one due event to the next; now and then a process is killed."""
        while (due := self._next_due()) is not None and due <= moment.astimezone(UTC):
            self.clock.to(due)
            self.steps += 1
            if self.steps % 6 == 2:
                time.sleep(self.rolls.random() * 1.5)
                self.kill(["sweep", "queue"][self.steps // 6 % 2])
            self.settle()
        self.clock.to(moment)
        self.settle()

    def _next_due(self) -> datetime | None:
        with self.line.db() as db:
            now = self.clock.now()
            asked = db.scalar(select(func.min(CheckIn.due_at)))
            texts = db.scalar(select(func.min(Message.due_at)).where(Message.state == DeliveryState.WAITING.value))
            looked = max(asked, now) if asked else None
            return min(filter(None, (looked, max(texts, now) if texts else None)), default=None)

    def settle(self) -> None:
        """Wait until nothing is due; what the carrier took has arrived."""
        eventually(lambda: not self._is_due(), self._what_is_due)
        new = list(self.line.twilio.messages)[self.reported :]
        for message in new:
            self.line.twilio.report(message.sid, "delivered")
        self.reported += len(new)

    def _is_due(self) -> bool:
        with self.line.db() as db:
            now = self.clock.now()
            ours = [state.value for state in (DeliveryState.WAITING, DeliveryState.CLAIMED, DeliveryState.UNKNOWN)]
            check_in = db.scalar(select(CheckIn.id).where(CheckIn.due_at <= now).limit(1))
            row = select(Message.id).where(Message.due_at <= now, Message.state.in_(ours), Message.outbound).limit(1)
            leases = select(func.max(Message.due_at)).where(Message.state == DeliveryState.CLAIMED.value)
            lease = db.scalar(leases)
        if check_in is not None:
            # A killed worker may have had its job: the sweep does it itself a minute later.
            time.sleep(1)
            self.clock.to(now + timedelta(seconds=20))
            return True
        if lease is not None and lease > now:
            # Its worker may have been killed: a minute later the lease is over, and the carrier is asked.
            time.sleep(1)
            with self.line.db() as db:
                if db.scalar(leases) == lease:
                    self.clock.to(lease)
            return True
        with self.line.db() as db:
            return db.scalar(row) is not None or lease is not None

    def _what_is_due(self) -> str:
        with self.line.db() as db:
            now = self.clock.now()
            rows = db.execute(select(Message.id, Message.state, Message.key).where(Message.due_at <= now)).all()
            known = db.execute(
                select(CheckIn.id, CheckIn.state, CheckIn.holds, CheckIn.reason, CheckIn.due_at).where(CheckIn.due_at <= now)
            )
            alive = {role: worker.is_alive() for role, worker in self.workers.items()}
            return f"at {now} stays due: {rows}; {known.all()}; {alive}"

    def says(self, body: str) -> list[str]:
        said = self.line.text(body)
        self.settle()
        return said

    def day(self, number: int, hour: int = 12) -> datetime:
        return (BEGINS + timedelta(days=number)).replace(hour=hour, minute=0)


def eventually(holds: Callable[[], bool], what: str | Callable[[], str]) -> None:
    ends = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < ends, what if isinstance(what, str) else what()
        time.sleep(0.1)


@pytest.fixture
def household(settings: Settings, tmp_path: Path) -> Iterator[Household]:
    path = tmp_path / "clock"
    clock = MovedClock(path)
    with open_line(settings, clock) as line:
        live = Household(line, clock, path)
        try:
            yield live
        finally:
            live.stop()


def asked_for_help(household: Household) -> int:
    """Day 0: food, two places, and she agrees to be asked again."""
    household.says("we are out of food")
    household.says("63118")
    household.says("2")
    assert "STOP" in household.says("1")[0]
    with household.line.db() as db:
        return db.scalars(select(Conversation.id)).one()


def crisis(household: Household, rosa: Worker, ada: int) -> None:
    """Rosa claims it, talks, closes it and plans check-ins."""
    household.says("i want to kill myself")
    eventually(lambda: bool(rosa.got()), "no worker was alerted")
    rosa.texts("1")
    household.settle()
    with household.line.db() as db:
        number = db.scalars(select(StaffThread).where(StaffThread.conversation_id == ada)).one().line
    rosa.texts("I am Rosa. I am here.", to=number)
    household.settle()
    rosa.texts("#CLOSE safety_plan", to=number)
    household.settle()
    with household.line.db() as db:
        assert db.scalars(select(Handoff)).one().state == "closed"
        manage_check_ins.plan_cadence(
            db, household.line.runtime.context, ada, rosa.id, "crisis", household.clock.now(), agreed=True
        )


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_each_check_in_of_ninety_days_leaves_once_by_day_or_its_reason_is_known(household: Household) -> None:
    rosa = hire(household.line, "Rosa", "+13145552001", teams=["crisis"])
    ada = asked_for_help(household)

    household.until(household.day(3, 15))
    household.says("4")  # not reached yet
    household.says("2")  # tries again
    household.until(household.day(8))
    household.says("2")  # about the same
    for answer in ("1", "2", "1", "2"):
        household.says(answer)
    household.until(household.day(10, 20))
    crisis(household, rosa, ada)
    household.until(household.day(12, 15))
    answers(household, "1")  # better
    household.until(household.day(14))
    with redis.Redis.from_url(household.line.runtime.settings.redis_url or "") as valkey:
        valkey.flushall()
    # Two check-ins after the third day get no answer: Rosa is asked to telephone, and records that she got no answer.
    household.until(household.day(16, 15))
    called_by_line(household, rosa, ada)
    household.until(household.day(18, 15))
    answers(household, "1")
    household.until(household.day(41, 15))
    answers(household, "2", "2")
    household.until(household.day(80))
    household.says("STOP")
    household.until(household.day(82))
    household.says("START")
    household.until(household.day(100))
    judge(household, ada)


def open_question(household: Household) -> bool:
    with household.line.db() as db:
        return db.scalar(select(CheckIn.id).where(CheckIn.state == "asked").limit(1)) is not None


def answers(household: Household, *said: str) -> None:
    """Her answers, if a question of a check-in is open."""
    if open_question(household):
        for each in said:
            household.says(each)


def called_by_line(household: Household, rosa: Worker, ada: int) -> None:
    eventually(lambda: newest(household).state == "alerted", "no worker was alerted after the silence")
    rosa.texts("1")
    household.settle()
    with household.line.db() as db:
        number = db.scalars(select(StaffThread).where(StaffThread.conversation_id == ada)).one().line
    said = rosa.texts("#CLOSE no_answer", to=number)
    household.settle()
    assert newest(household).state == "closed", said


def newest(household: Household) -> Handoff:
    with household.line.db() as db:
        return db.scalars(select(Handoff).order_by(Handoff.id.desc()).limit(1)).one()


def judge(household: Household, ada: int) -> None:
    with household.line.db() as db:
        rows = db.scalars(select(CheckIn).where(CheckIn.conversation_id == ada)).all()
        assert len(rows) >= 10
        assert {row.state for row in rows} <= {"answered", "silent", "dropped"}
        for row in rows:
            texts = db.scalars(select(Message).where(Message.check_in_id == row.id, Message.sid.is_not(None))).all()
            assert len({text.sid for text in texts}) == len(texts) == row.attempts, (row.flow, row.attempts, len(texts))
            for text in texts:
                assert 8 <= text.at.astimezone(CITY).hour < 21
            if not texts:
                assert row.state == "dropped" and CheckInReason(row.reason or "") in REASON_SENTENCES
            kinds = list(db.scalars(select(CheckInEvent.kind).where(CheckInEvent.check_in_id == row.id)))
            assert kinds[0] == "planned" and len(kinds) > 1
        sids = [message.sid for message in household.line.twilio.messages if message.to == ADA]
        assert len(sids) == len(set(sids))
        assert any(row.state == "answered" for row in rows)
        # A person who writes later has answered after all; the events still hold the silence and what followed.
        happened = set(db.scalars(select(CheckInEvent.kind)))
        assert {"asked", "asked_again", "silent", "answered", "dropped"} <= happened
        assert {row.reason for row in rows if row.state == "dropped"} & {CheckInReason.NO_CONSENT, CheckInReason.OPTED_OUT}
        assert db.scalar(select(func.count()).select_from(Measure)) and db.scalar(select(func.count()).select_from(Need))
        assert db.scalar(select(func.count()).select_from(Referral))
    assert household.killed["sweep"] and household.killed["queue"]
