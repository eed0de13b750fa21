"""Two hosts, four queue workers, one PostgreSQL, one Valkey: whatever is killed, each check-in is asked exactly once.

FAULT_SEED repeats a run's random choices (not its timing).
"""

from __future__ import annotations

import base64
import os
import random
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Self

import pytest
import redis
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.domain.conversation.effects import ConsentChoice, ConsentMethod, RecordConsent
from bot.domain.conversation.state import Conversation as State
from bot.domain.conversation.state import Holder
from bot.domain.messages.message import Address, Channel
from bot.operations.settings.readers import holidays
from bot.storage.database import Database
from bot.storage.people import consents
from bot.storage.sealing import Sealer
from bot.storage.tables.residents import CheckIn, Conversation, Message, Person
from bot.usecases.flows.files import read_folder
from bot.usecases.flows.publish_flows import publish_flows
from tests.faults.hosts import Hosts
from tests.faults.ledger import table
from tests.faults.people import number_of
from tests.faults.running_system import eventually
from tests.stand_ins.twilio import StandInTwilio

pytestmark = pytest.mark.faults

SEED = os.environ.get("FAULT_SEED") or str(random.randrange(10**6))
FLOWS = Path(__file__).parent / "check_ins"
KEY = base64.urlsafe_b64encode(b"for fault tests" + bytes(17)).decode("ascii")
SECRET = "only-for-tests-" * 3
OURS = "+13145550100"
PEOPLE = 240
FIRST, LAST = 6.0, 30.0
"""Seconds from the start between which the check-ins fall due."""
ALL = "everything, in the middle of a send"
FAULTS = ("a queue worker", "a whole host", "a queue worker", "a whole host", "the queue, wiped")
"""In any order; before them a scheduler is killed, and early among them ALL."""
HEAL_SECONDS = 85.0
SOON = 90.0
"""A text may be late by a claim's lease of a minute and by what it takes to look into it, and by nothing else."""
NEVER_LEFT = ("dropped", "failed")


@dataclass
class Line:
    """What the hosts share."""

    database: Database
    redis_url: str
    sealer: Sealer
    twilio: StandInTwilio
    hosts: Hosts


@pytest.fixture
def line(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Line]:
    with StandInTwilio() as twilio:
        # Long enough that a kill can fall between taking a text and answering us.
        twilio.delay_seconds = 0.05
        env = {
            "DATABASE_URL": database_url, "REDIS_URL": redis_url, "SECRET_KEY": SECRET, "ENCRYPTION_KEYS": KEY,
            "TWILIO_ACCOUNT_SID": twilio.account_sid, "TWILIO_AUTH_TOKEN": twilio.auth_token, "TWILIO_FROM": OURS,
            "TWILIO_API_URL": twilio.url, "SENDER_MPS": "1000", "LOG_LEVEL": "warning", **a_working_day(),
        }  # fmt: skip
        hosts, database = Hosts(tmp_path, env), Database(database_url, connections=3)
        try:
            yield Line(database, redis_url, Sealer((KEY,), SECRET), twilio, hosts)
        finally:
            hosts.stop()
            database.close()


def a_working_day() -> dict[str, str]:
    """A time zone in which it is about noon now, and a country without a holiday today."""
    now = datetime.now(UTC)
    ahead = 12 - now.hour
    near = {(now + timedelta(days=days)).date() for days in (-1, 0, 1)}
    country = next(code for code in ("US-MO", "JP", "BR", "DE", "KE") if not any(day in holidays(code) for day in near))
    # These names count westward: Etc/GMT-3 is three hours ahead of Greenwich.
    return {"TIMEZONE": f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT", "HOLIDAYS": country}


def promise(line: Line, began: datetime) -> dict[str, datetime]:
    """Store people, each with a consent and a check-in; telephone -> when the check-in falls due."""
    dice = random.Random(f"due {SEED}")
    due = {number_of(person): began + timedelta(seconds=dice.uniform(FIRST, LAST)) for person in range(PEOPLE)}
    with line.database.transaction() as db:
        assert publish_flows(db, read_folder(FLOWS), "test", began).changed == ["asking"]
        for phone, at in due.items():
            conversation = meet(db, line.sealer, phone, began - timedelta(days=7))
            agreed = RecordConsent(ConsentChoice.AGREED, ConsentMethod.STAFF, "followup")
            consents.record(db, agreed, conversation, None, "en", began - timedelta(days=7))
            db.add(
                CheckIn(
                    conversation_id=conversation, flow="asking", state="planned", due_at=at, planned_for=at,
                    made_at=began - timedelta(days=7), after_crisis=False, attempts=0, holds=0,
                )
            )  # fmt: skip
    return due


def meet(db: Session, sealer: Sealer, phone: str, at: datetime) -> int:
    """A person who texted the line a week ago; the id of their conversation."""
    person, address = Person(created_at=at), Address(Channel.SMS, phone)
    db.add(person)
    db.flush()
    row = Conversation(
        person_id=person.id, channel="sms", lookup=sealer.blind_index(address), sealed_address=sealer.seal_address(address),
        line=OURS, sealed_state=sealer.seal(State(turn=3, ended=True).dump()), holder=Holder.BOT.value, in_danger=False,
        opted_out=False, created_at=at, updated_at=at,
    )  # fmt: skip
    db.add(row)
    db.flush()
    return row.id


class Watch:
    """Notes when each text reached the carrier, and checks all the time for a check-in that is asked without its text."""

    def __init__(self, line: Line) -> None:
        self.came: dict[str, datetime] = {}
        self.looks, self.without_text = 0, 0
        self._line, self._over = line, Event()
        self._thread = Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.1):
            for message in self._line.twilio.messages[len(self.came) :]:
                self.came.setdefault(message.to, datetime.now(UTC))
            with self._line.database.transaction() as db:
                self.without_text += asked_without_text(db)
            self.looks += 1


def asked_without_text(db: Session) -> int:
    """Both are written in one transaction, so no moment may show one without the other."""
    text = select(Message.id).where(Message.check_in_id == CheckIn.id).exists()
    return db.scalar(select(func.count()).select_from(CheckIn).where(CheckIn.state == "asked", ~text)) or 0


@dataclass
class Storm:
    """Kills processes while the check-ins fall due, in an order that the seed decides."""

    line: Line
    faults: Counter[str] = field(default_factory=Counter)
    dice: random.Random = field(default_factory=lambda: random.Random(f"storm {SEED}"))

    def run(self, seconds: float) -> None:
        order = [*FAULTS]
        self.dice.shuffle(order)
        # While much is still to be sent.
        order.insert(self.dice.randrange(3), ALL)
        # First: its locks outlive it by a minute, and until then there is no other one to be killed.
        order.insert(0, "a scheduler")
        moments = sorted(self.dice.uniform(0, seconds) for _ in order)
        began = time.monotonic()
        for moment, fault in zip(moments, order, strict=True):
            time.sleep(max(0.0, began + moment - time.monotonic()))
            self.faults[f"killed: {fault}"] += self._strike(fault)

    def _strike(self, fault: str) -> int:
        if fault == ALL:
            return kill_during_a_send(self.line)
        if fault == "the queue, wiped":
            with redis.Redis.from_url(self.line.redis_url) as connection:
                connection.flushall()
            return 1
        deadline = time.monotonic() + 8
        # A program that is just being restarted is waited for, so that each is really killed.
        while not self.line.hosts.kill(fault, self.dice):
            if time.monotonic() > deadline:
                return 0
            time.sleep(0.1)
        return 1


def kill_during_a_send(line: Line) -> int:
    """The carrier takes a text and hangs; all that may have sent it are killed before it answers. Whether that happened."""
    before = line.twilio.requests
    line.twilio.hang()
    deadline = time.monotonic() + 20
    while line.twilio.requests == before and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.2)
    line.hosts.kill_all()
    return int(line.twilio.requests > before)


def what_is_open(line: Line) -> Counter[str]:
    """Everything still to be done, by its state; no words of texts and no numbers."""
    with line.database.transaction() as db:
        check_ins = select(CheckIn.state, CheckIn.reason, func.count()).where(CheckIn.state != "asked")
        texts = select(Message.state, func.count()).where(Message.state.in_(("waiting", "claimed", "unknown", "answered")))
        found = {
            f"check-ins {row[0]} {row[1]}": row[2] for row in db.execute(check_ins.group_by(CheckIn.state, CheckIn.reason))
        }
        return Counter(found | {f"texts {row[0]}": row[1] for row in db.execute(texts.group_by(Message.state))})


def times_left(line: Line) -> Counter[int]:
    """Number of texts sent -> how many check-ins have that many."""
    with line.database.transaction() as db:
        left = func.count(Message.id).filter(Message.state.not_in(NEVER_LEFT))
        rows = select(left).select_from(CheckIn).outerjoin(Message, Message.check_in_id == CheckIn.id).group_by(CheckIn.id)
        return Counter(db.scalars(rows))


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_it_asks_each_once_whatever_is_killed(line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    line.hosts.start()
    eventually(lambda: line.hosts.queue_workers() == 4, 30, line.hosts.said)
    began, started = datetime.now(UTC), time.monotonic()
    due, watch, storm = promise(line, began), Watch(line), Storm(line)
    with watch:
        time.sleep(FIRST)
        storm.run(LAST - FIRST)
        eventually(lambda: not what_is_open(line), HEAL_SECONDS, lambda: f"open: {what_is_open(line)}\n{line.hosts.said()}")
    late = sorted((watch.came[phone] - at).total_seconds() for phone, at in due.items() if phone in watch.came)
    with capsys.disabled():
        title = f"Two hosts, {PEOPLE} check-ins (FAULT_SEED={SEED}, {time.monotonic() - started:.0f} s)"
        print(table(title, dict(sorted(storm.faults.items())), {"looks for an asked one without its text": watch.looks}))
        print(f"from due to sent: median {statistics.median(late):.1f} s, longest {late[-1]:.1f} s")
    assert Counter(message.to for message in line.twilio.messages) == Counter(due.keys()), "people not asked, or asked twice"
    assert times_left(line) == {1: PEOPLE}, "check-ins that have not exactly one text"
    assert watch.looks > 20 and watch.without_text == 0
    assert late[0] > -0.2, "asked before its time"
    assert late[-1] < SOON
    assert storm.faults.total() == len(FAULTS) + 2, "some of the faults did not happen"
