"""A night on the line, played at random and watched at its edge: what really leaves is judged at the moment it leaves.

The whole line of tests/support/help_line.py with a team. Every text of anybody's carries a word of its own, so that where it turns
up it is known whose it was and for whom. What is found wrong is kept in `faults`: the sweep would swallow an exception.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta

import redis
from sqlalchemy import delete, event, select, text
from sqlalchemy.orm import Session

from bot.carriers.carrier import OutgoingMessage
from bot.domain.handoff.states import HELD_STATES, UNCLAIMED_STATES
from bot.domain.messages.delivery import DeliveryState
from bot.domain.messages.message import Channel, OutboxLane
from bot.domain.staff.permissions import Role
from bot.storage.tables.residents import Conversation, Handoff, Message
from bot.storage.tables.staff import Shift, StaffThread, Team
from bot.usecases.handoff.common import HandoffResult, Refused
from tests.support.carrier_edge import Crash, Death, Errors, Watched
from tests.support.clock import MONDAY_MORNING
from tests.support.help_line import POOL, HelpLine
from tests.support.team import Worker, hire

TOKEN = re.compile(r"zq[a-j]{5}", re.IGNORECASE)
NAMES_PERSON = re.compile(r"Person (\d+):|You have handoff (\d+)\. Text here")
WAITS_STILL = frozenset({"still_trying", "still_trying_calm", "stepped_away"})
"""Texts that say that nobody has the person: untrue once somebody has."""
BY_THE_WAY = frozenset({
    "taken",  # who has their texts now: taken from the bot's hand, or by a supervisor
    "transfer",  # who has their texts now: from one worker's hand to another's
    "texts_by_human_delayed",  # the owner does not answer: the person must not wait for us alone
    "reached_out",  # beside the worker's own first text: who writes, and how to be left alone (law)
    "stop_ack", "opted_out_confirm_free_text", "start_ack", "help",  # the carriers ask for these at all times
    "exit_ack",  # somebody else takes the phone: the line itself must end it, no human is that quick
})  # fmt: skip
"""What the line itself may say to a person while a human has them, each for the reason beside it."""
GONE_WRONG = frozenset({"undelivered", "failed"})
SHIFTS = {"none": None, "always": (time(0), time(0)), "morning": (time(6), time(12)), "evening": (time(9), time(21))}
_EVERYTHING = (
    "person, conversation, message, delivery_report, handoff, alert, consent, referral, check_in, outcome, erasure, sender, "
    "referral_event, check_in_event, case_task, case_file, need, encounter, measure, "
    "draft_revision, flow_draft, flow_trial, publish_request, flow_move, "
    "call_out, staff_thread, handoff_event, note, audit, membership, shift, extra_shift, time_off, staff_role, staff"
)


@dataclass
class Resident:
    """Somebody who texts, and what a text to them may have met. `lost`: not every word of a worker's can arrive."""

    number: str
    conversation_id: int | None = None
    lost: bool = False


@dataclass
class Written:
    """Words of a worker's. `refused` where they were told that nothing was sent; None where they cannot know yet."""

    staff_id: int
    person: int | None
    refused: bool | None
    scheduled: bool = False
    cancelled: bool = False


@dataclass
class Watch:
    """The rows as they stood after the last step."""

    last_message: int = 0
    holders: dict[int, str] = field(default_factory=dict)
    states: dict[int, str] = field(default_factory=dict)


class World:
    """The line, its people and its team; `begin` sets all of it back."""

    def __init__(self, line: HelpLine) -> None:
        self.line, self.faults = line, list[str]()
        self.examples = self.tokens = 0
        self._death: Death | None = None
        carriers = line.runtime.carriers
        carriers[Channel.SMS] = Watched(carriers[Channel.SMS], self._look_at_text)
        carriers[Channel.VOICE] = Watched(carriers[Channel.VOICE], self._look_at_alert)
        carriers[Channel.EMAIL] = Watched(None, self._look_at_alert)

    # Setting up

    def begin(self, shifts: list[str]) -> None:
        """Nobody has ever written; a team of four with these shifts: two workers, one of two teams, a supervisor."""
        self.examples += 1
        self.line.clock.moment = MONDAY_MORNING
        with self.line.db() as db:
            db.execute(text(f"truncate {_EVERYTHING}"))
        self.forget_queue()
        for entry in self.line.runtime.spool.list_entries():
            self.line.runtime.spool.remove(entry)
        self.line.twilio.opted_out.clear()
        self.line.twilio._faults.clear()
        self.since, self.calls_since = len(self.line.twilio.messages), len(self.line.twilio.telephone.calls)
        self.dated = self.since
        self.faults.clear()
        self.residents = [Resident(f"+1314{2000000 + self.examples * 20 + n}") for n in range(3)]
        phones = [f"+1636{2000000 + self.examples * 20 + n}" for n in range(4)]
        self.team = [
            hire(self.line, "Dana", phones[0], place=1, on=False),
            hire(self.line, "Lee", phones[1], place=2, on=False, languages=["en", "es"], tells_name=False),
            hire(self.line, "Otto", phones[2], teams=["housing", "crisis"], on=False),
            hire(self.line, "Sue", phones[3], role=Role.SUPERVISOR, on=False),
        ]
        for place, (worker, shift) in enumerate(zip(self.team, shifts, strict=True), 1):
            self.plan(worker, shift, "housing" if worker is self.team[2] else "crisis", place)
        self.said: dict[str, int] = {}
        self.written: dict[str, Written] = {}
        self.fates: dict[str, str] = {}
        self.watch = Watch()

    def plan(self, worker: Worker, shift: str, team: str, place: int) -> None:
        """The worker's weekly shifts from now on."""
        with self.line.db() as db:
            db.execute(delete(Shift).where(Shift.staff_id == worker.id))
            hours, team_id = SHIFTS[shift], db.scalars(select(Team.id).where(Team.slug == team)).one()
            if hours:
                span = {"starts": hours[0], "ends": hours[1], "place": place}
                db.add_all(Shift(team_id=team_id, staff_id=worker.id, weekday=day, **span) for day in range(7))

    def forget_queue(self) -> None:
        with redis.Redis.from_url(self.line.runtime.settings.redis_url or "") as connection:
            connection.flushall()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Errors that are only logged count, and a commit can be made to fail."""
        handler, loggers = Errors(self.faults), [logging.getLogger(name) for name in ("bot", "rq")]
        for logger in loggers:
            logger.addHandler(handler)
        event.listen(Session, "before_commit", self._die)
        try:
            yield
        finally:
            event.remove(Session, "before_commit", self._die)
            for logger in loggers:
                logger.removeHandler(handler)

    def _die(self, _session: Session) -> None:
        if self._death is not None and not self._death.came:
            self._death.came = True
            raise Crash

    @contextmanager
    def dying(self, really: bool) -> Iterator[Death]:
        """The first commit in this block fails, where `really`; tells whether it came to that."""
        death = Death()
        self._death = death if really else None
        try:
            yield death
        finally:
            self._death = None

    # Doing

    def token(self) -> str:
        """A word that nobody has written before."""
        self.tokens += 1
        return "zq" + f"{self.tokens:05d}".translate(str.maketrans("0123456789", "abcdefghij"))

    def act(self, do: Callable[[Session], HandoffResult], dies: bool = False) -> bool:
        """One act of the console's; whether it was done."""
        try:
            with self.dying(dies), self.line.db() as db:
                done = do(db)
        except (Refused, Crash):
            return False
        self.line.runtime.queue.wake_delivery(done.outbox_ids, OutboxLane.CRISIS)
        return True

    def person_of(self, conversation_id: int | None) -> int | None:
        return next((n for n, one in enumerate(self.residents) if one.conversation_id == conversation_id is not None), None)

    def bound(self, worker: Worker, number: str) -> int | None:
        """Whom this telephone and this number mean now, by the rows."""
        with self.line.db() as db:
            thread = select(StaffThread.conversation_id).where(
                StaffThread.staff_id == worker.id, StaffThread.line == number, StaffThread.channel == "sms"
            )
            return self.person_of(db.scalar(thread))

    def named(self, worker: Worker, number: str) -> int | None:
        """Whom the worker must take it for: the last text that reached their telephone from this number names somebody."""
        for message in reversed(self.line.twilio.messages[self.since :]):
            found = NAMES_PERSON.search(message.body)
            if found and message.to == worker.phone and message.from_ == number:
                with self.line.db() as db:
                    handoff = db.get(Handoff, int(found[1] or found[2]))
                    return self.person_of(handoff.conversation_id) if handoff else None
        return None

    def messages(self) -> list[Message]:
        """The texts that have come since the last step."""
        with self.line.db() as db:
            rows = select(Message).where(Message.id > self.watch.last_message).order_by(Message.id)
            return list(db.scalars(rows))

    def body(self, row: Message) -> str:
        return self.line.runtime.context.sealer.open(row.sealed_body) if row.sealed_body else ""

    # Watching the edge

    def _look_at_text(self, outgoing: OutgoingMessage) -> None:
        with self.line.db() as db:
            row = db.get_one(Message, outgoing.message_id)
            if row.staff_thread_id is None:
                self._to_person(db, row, outgoing)
            elif row.key in ("relay", "relay_media"):
                self._to_owner(db, row, outgoing)
            else:
                self._look_at_alert(outgoing)

    def _to_person(self, db: Session, row: Message, outgoing: OutgoingMessage) -> None:
        person = self.person_of(row.conversation_id)
        if person is None or outgoing.to.value != self.residents[person].number:
            self.faults.append(f"row {row.id}: a text to somebody else's address")
        if outgoing.sender in POOL:
            self.faults.append(f"row {row.id}: a text to a person from a number of the staff's")
        self.judge_text_to_person(outgoing.body, person)
        held = db.scalar(
            select(Handoff.id).where(Handoff.conversation_id == row.conversation_id, Handoff.state.in_(HELD_STATES))
        )
        if held is not None and row.key in WAITS_STILL:
            self.faults.append(f"row {row.id}: {row.key} leaves though somebody has handoff {held}")

    def judge_text_to_person(self, body: str, person: int | None) -> None:
        """No telephone of a worker's, no word that was meant for or came from somebody else."""
        if any(worker.phone[-7:] in re.sub(r"\D", "", body) for worker in self.team):
            self.faults.append("a worker's telephone number in a text to a person")
        for token in TOKEN.findall(body.lower()):
            words = self.written.get(token)
            if words is not None and (words.person != person or words.refused or words.cancelled):
                self.faults.append(f"a worker's words for {words.person} (refused: {words.refused}) go to {person}")
            if token in self.said and self.said[token] != person:
                self.faults.append(f"the words of {self.said[token]} go to {person}")

    def _to_owner(self, db: Session, row: Message, outgoing: OutgoingMessage) -> None:
        thread = db.get_one(StaffThread, row.staff_thread_id)
        handoff = db.get_one(Handoff, row.handoff_id)
        if handoff.owner_id != thread.staff_id or handoff.state not in HELD_STATES:
            self.faults.append(f"row {row.id}: a person's words go to one who does not have handoff {handoff.id}")
        elif thread.conversation_id != handoff.conversation_id or outgoing.sender != thread.line:
            self.faults.append(f"row {row.id}: a person's words come from a number that does not mean them")
        person = self.person_of(handoff.conversation_id)
        if {self.said.get(token) for token in TOKEN.findall(outgoing.body.lower())} - {person}:
            self.faults.append(f"row {row.id}: words of somebody else under handoff {handoff.id}")
        self.judge_numbers(outgoing.body)

    def _look_at_alert(self, outgoing: OutgoingMessage) -> None:
        self.judge_alert(outgoing.body)

    def judge_alert(self, body: str) -> None:
        """Nothing of a resident's in what may be read on a locked screen."""
        if TOKEN.search(body):
            self.faults.append("a person's or a worker's words in an alert")
        self.judge_numbers(body)

    def judge_numbers(self, body: str) -> None:
        if any(one.number[-7:] in re.sub(r"\D", "", body) for one in self.residents):
            self.faults.append("a person's number in a text to staff")

    # Watching the rows

    def check(self) -> None:
        """Everything that must hold at any moment. Raises AssertionError."""
        assert not self.faults, self.faults
        now = self.line.clock.now()
        self._date_what_was_sent(now)
        with self.line.db() as db:
            handoffs = list(db.scalars(select(Handoff).order_by(Handoff.id)))
            threads = list(db.scalars(select(StaffThread).where(StaffThread.conversation_id.is_not(None))))
            conversations = {row.id: row for row in db.scalars(select(Conversation))}
        self._check_owners(handoffs, threads)
        self._check_alarm_clocks(handoffs, now)
        self._check_moves(handoffs)
        self._check_texts(conversations)
        self.watch.holders = {number: row.holder for number, row in conversations.items()}
        self.watch.states = {one.id: one.state for one in handoffs}

    def _date_what_was_sent(self, now: datetime) -> None:
        # By the clock of this house: equal texts of other hours must not look to the carrier's list as if sent just now.
        for message in self.line.twilio.messages[self.dated :]:
            message.created_at = now
        self.dated = len(self.line.twilio.messages)

    def _check_owners(self, handoffs: list[Handoff], threads: list[StaffThread]) -> None:
        open_ones = {one.conversation_id: one for one in handoffs if one.state != "closed"}
        assert len(open_ones) == sum(one.state != "closed" for one in handoffs), "two open handoffs of one person"
        for one in open_ones.values():
            owned = one.state in HELD_STATES or one.state == "handed_back"
            assert (one.owner_id is not None) == owned, f"{one.state} with owner {one.owner_id}"
            assert one.offered_to_id is None or one.state in HELD_STATES, f"{one.state} is offered"
        assert len({thread.conversation_id for thread in threads}) == len(threads), "two telephones lead to one person"
        for thread in threads:
            held = open_ones.get(thread.conversation_id or 0)
            assert held is not None and held.state in HELD_STATES, "a telephone leads to somebody whom nobody has"
            assert held.owner_id == thread.staff_id and held.id == thread.handoff_id, "another's telephone leads to them"

    def _check_alarm_clocks(self, handoffs: list[Handoff], now: datetime) -> None:
        for one in handoffs:
            if one.state in UNCLAIMED_STATES:
                longest = timedelta(minutes=15) if one.urgency in ("now", "minutes", "quarter_hour") else timedelta(hours=12)
                assert one.rung_due_at is not None, f"{one.state} without a rung"
                assert one.rung_due_at <= now + longest, f"{one.state}, {one.urgency}: no rung for {one.rung_due_at - now}"
            elif one.state in HELD_STATES:
                assert one.rung_due_at is not None, f"{one.state} and nobody looks"
                if one.unanswered_since is not None:
                    dangerous = one.urgency in ("now", "minutes", "quarter_hour")
                    patience = timedelta(minutes=15 if dangerous else 60)
                    due = max(one.unanswered_since + patience, now + timedelta(minutes=1))
                    assert one.rung_due_at <= due, f"unanswered since {one.unanswered_since}, looked at {one.rung_due_at}"

    def _check_moves(self, handoffs: list[Handoff]) -> None:
        for one in handoffs:
            before = self.watch.states.get(one.id)
            assert before != "closed" or one.state == "closed", "a closed handoff was opened again"
            assert one.state != "closed" or (one.rung_due_at, one.offered_to_id) == (None, None), "closed and not at rest"
            assert one.state != "with_human" or one.spoke_at is not None, "with a human who has not spoken"

    def _check_texts(self, conversations: dict[int, Conversation]) -> None:
        for row in self.messages():
            self.watch.last_message = row.id
            if not row.outbound:
                continue
            body = self.body(row)
            if row.staff_thread_id is not None:
                if row.key not in ("relay", "relay_media"):
                    self.judge_alert(body)
                continue
            assert row.conversation_id is not None
            if row.state != DeliveryState.DROPPED.value:
                self.judge_text_to_person(body, self.person_of(row.conversation_id))
            was, holder = self.watch.holders.get(row.conversation_id), conversations[row.conversation_id].holder
            # A second try of an older text is no word of now. For a safety text that is right: its numbers never arrived.
            # For the bot's other texts it is a defect, see test_handoff_found.py.
            if was == holder == "human" and row.staff_id is None and not self._is_second_try(row):
                assert row.key in BY_THE_WAY, f"the bot says {row.key} while a human has them"
        assert not self.faults, self.faults

    def _is_second_try(self, row: Message) -> bool:
        """A second try is a copy, seal and all."""
        return self.line.count(Message, Message.sealed_body == row.sealed_body, Message.id < row.id) > 0

    # At the end

    def count_sent(self, token: str) -> tuple[int, int]:
        """How often these words of a worker's left without a failure, and with any outcome."""
        carried = [one for one in self.line.twilio.messages[self.since :] if token in one.body.lower()]
        return sum(self.fates.get(one.sid, "") not in GONE_WRONG for one in carried), len(carried)

    def check_words_of_workers(self) -> None:
        """What a worker wrote has left once: not twice, and, where they were not told otherwise, not never."""
        with self.line.db() as db:
            rows = db.scalars(select(Message).where(Message.outbound, Message.staff_id.is_not(None))).all()
            unreached = set(
                db.scalars(select(Conversation.id).where(Conversation.opted_out | Conversation.unreachable.is_not(None)))
            )
        waiting = [row.id for row in rows if row.state in ("waiting", "claimed") and row.due_at is not None
                   and row.due_at <= self.line.clock.now()]  # fmt: skip
        assert not waiting, f"words of workers still wait: {waiting}"
        for token, words in self.written.items():
            well, at_all = self.count_sent(token)
            assert well <= 1, f"words of a worker's left {well} times"
            if words.refused or words.cancelled:
                assert at_all == 0, "refused or cancelled words left"
            elif words.refused is False and words.person is not None and not words.scheduled:
                person = self.residents[words.person]
                assert at_all >= 1 or person.lost or person.conversation_id in unreached, "words of a worker's never left"
