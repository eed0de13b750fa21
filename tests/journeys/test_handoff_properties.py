"""The warm handoff under anything that people, telephones, carriers, clocks and crashes may do, in any order.

tests/support/handoffs.py checks. `WARMLINE_EXAMPLES=300` plays 300 nights instead of a few, different ones each time.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import func, select

from bot.domain.handoff.states import DISPOSITIONS, HELD_STATES
from bot.jobs.deliver import run_delivery
from bot.jobs.sweep import sweep
from bot.operations import job_queue
from bot.operations.settings.settings import Settings
from bot.storage.messages import outbox
from bot.storage.tables.residents import Conversation, Handoff, Message
from bot.storage.tables.staff import StaffThread
from bot.usecases.context import Context
from bot.usecases.handoff import claiming, ending, writing
from bot.usecases.handoff.common import HandoffResult
from tests.support.carrier_edge import CALM_TEXTS, DANGEROUS_TEXTS, RELEASING_ACTS, SHORT_TEXTS, STAFF_COMMANDS, TIME_STEPS
from tests.support.clock import FrozenClock
from tests.support.handoffs import SHIFTS, WorkerText, World
from tests.support.help_line import POOL, open_line

EXAMPLES = int(os.environ.get("WARMLINE_EXAMPLES", "0"))
PEOPLE, TEAM = st.integers(0, 2), st.integers(0, 3)
SHIFT = st.sampled_from(sorted(SHIFTS))
RARELY = st.sampled_from([False, False, False, False, True])
CODES = st.sampled_from([30003, 30005, 30007, 30008, 21610])


class Night(RuleBasedStateMachine):
    """Everything that may happen, one event after the other."""

    world: World

    @initialize(shifts=st.tuples(SHIFT, SHIFT, SHIFT, SHIFT))
    def begin(self, shifts: tuple[str, str, str, str]) -> None:
        # There is always a worker on duty: most nights would otherwise be about an empty roster.
        self.world.begin(["always" if n == 0 and set(shifts) == {"none"} else one for n, one in enumerate(shifts)])

    @rule(who=PEOPLE, words=st.sampled_from(DANGEROUS_TEXTS), pool=st.booleans(), dies=RARELY)
    def danger(self, who: int, words: str, pool: bool, dies: bool) -> None:
        said = self._says(who, words, to=POOL[1] if pool else "", dies=dies)
        if said is None:
            return
        handoff = self._open(who)
        assert handoff is not None, "danger, and no human called"
        assert handoff.reason == "danger" and handoff.dangers, "danger, and the human does not know"
        assert handoff.urgency in ("now", "minutes", "quarter_hour")
        with self.world.line.db() as db:
            row = db.get_one(Conversation, handoff.conversation_id)
            since = self.world.line.clock.now() - timedelta(seconds=20)
            texts = select(func.count()).where(
                Message.conversation_id == row.id, Message.outbound, Message.lane == "crisis", Message.at >= since
            )
            count = db.scalar(texts) or 0
        assert row.opted_out or handoff.state in HELD_STATES or count > 0, "danger, and the person gets no text"

    @rule(who=PEOPLE, words=st.sampled_from(CALM_TEXTS), pictures=st.sampled_from([0, 0, 0, 2]))
    def calm(self, who: int, words: str, pictures: int) -> None:
        self._says(who, words, pictures=pictures)

    @rule(who=PEOPLE, words=st.sampled_from(SHORT_TEXTS))
    def bare(self, who: int, words: str) -> None:
        if words == "stop texting me":
            self.world.residents[who].lost = True
        self._says(who, words)

    @rule(who=PEOPLE, carrier=st.booleans())
    def stop(self, who: int, carrier: bool) -> None:
        self.world.residents[who].lost = True
        if carrier:
            self.world.line.twilio.opted_out.add(self.world.residents[who].number)
        self._says(who, "STOP", opt_out="STOP" if carrier else "")

    @rule(who=PEOPLE, carrier=st.booleans())
    def start(self, who: int, carrier: bool) -> None:
        self.world.line.twilio.opted_out.discard(self.world.residents[who].number)
        self._says(who, "START", opt_out="START" if carrier else "")

    @rule(who=PEOPLE)
    def exit(self, who: int) -> None:
        self.world.residents[who].lost = True
        self._says(who, "EXIT")

    def _says(
        self, who: int, words: str, to: str = "", pictures: int = 0, dies: bool = False, opt_out: str = ""
    ) -> list[str] | None:
        """A resident's text; None if the process died while handling it."""
        one, token = self.world.residents[who], self.world.token()
        self.world.said[token] = who
        more = {"To": to} if to else {}
        if opt_out:
            more["OptOutType"] = opt_out
        if pictures:
            more |= {"NumMedia": str(pictures)} | {f"MediaUrl{n}": f"https://api.twilio.com/{n}" for n in range(pictures)}
            more |= {f"MediaContentType{n}": "image/jpeg" for n in range(pictures)}
        with self.world.crashing(dies) as planned_crash:
            said = self.world.line.text(words.replace("{}", token), one.number, **more)
        with self.world.line.db() as db:
            newest = db.scalar(select(func.max(Conversation.id)))
        if one.conversation_id is None and newest not in {other.conversation_id for other in self.world.residents}:
            one.conversation_id = newest
        return None if planned_crash.happened else said

    # Workers, by their own telephone

    @rule(who=TEAM, number=st.sampled_from(POOL), sign=st.booleans(), again=st.booleans(), dies=RARELY)
    def words(self, who: int, number: str, sign: bool, again: bool, dies: bool) -> None:
        self._writes(who, number, sign, again, dies)

    def _writes(self, who: int, number: str, sign: bool = False, again: bool = False, dies: bool = False) -> None:
        worker, token = self.world.team[who], self.world.token()
        bound, named, sid = self.world.bound_person(worker, number), self.world.named_person(worker, number), f"SM{token}"
        body = f"We are here {token}" + (f"\nSent from my iPhone\n{worker.phone}" if sign else "")
        # Written down before it is sent: it may leave within the request.
        self.world.written[token] = words = WorkerText(worker.id, bound, None)
        with self.world.crashing(dies) as planned_crash:
            answers = worker.texts(body, to=number, MessageSid=sid)
        if again and not planned_crash.happened:
            worker.texts(body, to=number, MessageSid=sid)
        rows = self._rows_of(token)
        assert len(rows) <= 1, "one text of a worker's became two"
        if planned_crash.happened:
            return
        assert self.world.line.count(Message, Message.sid == sid) == 1, "a worker's text was not recorded once"
        words.refused = bool(answers)
        assert len(rows) == (0 if answers else 1), f"{answers} and {len(rows)} rows"
        if rows:
            assert self.world.person_of(rows[0].conversation_id) == bound, "words went to another person"
            assert named == bound, f"the number was last said to stand for {named}, the words went to {bound}"

    @rule(pick=st.integers(0, 5), dies=RARELY)
    def words_to_a_person(self, pick: int, dies: bool) -> None:
        """Words by a number that stands for a person, as most are."""
        with self.world.line.db() as db:
            bound = db.execute(
                select(StaffThread.staff_id, StaffThread.line).where(StaffThread.conversation_id.is_not(None))
            ).all()
        if bound:
            staff_id, number = bound[pick % len(bound)]
            who = next(n for n, worker in enumerate(self.world.team) if worker.id == staff_id)
            self._writes(who, number, sign=bool(pick % 2), again=pick == 0, dies=dies)

    @rule(who=TEAM, person=PEOPLE, words=st.sampled_from((*DANGEROUS_TEXTS, CALM_TEXTS[-2])), speaks=st.booleans())
    def is_taken_by_phone(self, who: int, person: int, words: str, speaks: bool) -> None:
        """The usual course: a person writes, a worker claims by telephone and answers."""
        self._says(person, words)
        handoff = self._open(person)
        if handoff is None:
            return
        self.world.team[who].texts(f"1 {handoff.id}", to=POOL[0])
        self.work()
        for number in POOL:
            if speaks and self.world.bound_person(self.world.team[who], number) == person:
                self._writes(who, number)

    @rule(who=TEAM, number=st.sampled_from(POOL), text=st.sampled_from(STAFF_COMMANDS))
    def command(self, who: int, number: str, text: str) -> None:
        self.world.team[who].texts(text, to=number)

    @rule(who=TEAM, named=st.booleans(), person=PEOPLE)
    def one(self, who: int, named: bool, person: int) -> None:
        handoff = self._open(person)
        self.world.team[who].texts(f"1 {handoff.id}" if named and handoff else "1", to=POOL[0])

    @rule(who=TEAM, number=st.sampled_from(POOL), word=st.sampled_from(["STOP", "START"]))
    def own_stop(self, who: int, number: str, word: str) -> None:
        self.world.team[who].texts(word, to=number, OptOutType=word)

    def _rows_of(self, token: str) -> list[Message]:
        with self.world.line.db() as db:
            rows = db.scalars(select(Message).where(Message.outbound, Message.staff_id.is_not(None))).all()
        return [row for row in rows if token in self.world.body(row).lower()]

    @rule(who=TEAM, person=PEOPLE, dies=RARELY)
    def claim(self, who: int, person: int, dies: bool) -> None:
        self._act(person, lambda db, context, number, now: claiming.claim(db, context, number, self._id(who), now), dies)

    @rule(who=TEAM, person=PEOPLE, act=st.sampled_from(RELEASING_ACTS))
    def leave(self, who: int, person: int, act: str) -> None:
        staff = self._id(who)
        acts = {
            "release": lambda db, context, number, now: ending.release(db, context, number, staff, now, "a note"),
            "hand_back": lambda db, context, number, now: ending.hand_back(db, context, number, staff, now),
            "take_over": lambda db, context, number, now: claiming.take_over(db, context, number, staff, now),
            "send_to_team": lambda db, context, number, now: ending.send_to_team(
                db, context, number, staff, "housing", "", now
            ),
            "close": lambda db, context, number, now: ending.close(db, context, number, staff, min(DISPOSITIONS), now),
            "pass_on": lambda db, context, number, now: claiming.decline(db, context, number, staff, now),
        }
        self._act(person, acts[act])

    @rule(who=TEAM, to=TEAM, person=PEOPLE, answer=st.sampled_from([None, True, False]))
    def offer(self, who: int, to: int, person: int, answer: bool | None) -> None:
        me, other = self._id(who), self._id(to)
        self._act(
            person, lambda db, context, number, now: claiming.offer_to_colleague(db, context, number, me, other, "", now)
        )
        if answer is not None:
            accept = answer
            self._act(
                person,
                lambda db, context, number, now: claiming.answer_offer(db, context, number, self._id(to), accept, now),
            )

    @rule(who=TEAM, person=PEOPLE, later=st.sampled_from([0, 0, 20, 200]), cancel=st.booleans(), dies=RARELY)
    def write(self, who: int, person: int, later: int, cancel: bool, dies: bool) -> None:
        token, clock = self.world.token(), self.world.line.clock
        words = WorkerText(self._id(who), person, None, scheduled=bool(later))
        self.world.written[token] = words
        at = clock.now() + timedelta(minutes=later) if later else None
        for _ in range(2):
            # The page sends its form a second time where no answer came.
            done = self._act(
                person,
                lambda db, context, number, now: writing.send_text(
                    db, context, number, self._id(who), f"Hello {token}", now, idempotency_key=token, send_at=at
                ),
                dies,
            )
        words.refused = not done
        rows = self._rows_of(token)
        assert len(rows) == int(done), f"written: {done}, rows: {len(rows)}"
        assert not rows or self.world.person_of(rows[0].conversation_id) == person
        if rows and later and cancel:
            words.cancelled = self.world.act(
                lambda db: writing.cancel_scheduled(db, self._desk(), rows[0].id, self._id(who), clock.now())
            )

    @rule(who=TEAM, person=PEOPLE)
    def write_first(self, who: int, person: int) -> None:
        number = self.world.residents[person].conversation_id
        if number is not None:
            now = self.world.line.clock.now()
            self.world.act(lambda db: writing.reach_out(db, self._desk(), number, self._id(who), now))

    def _act(self, person: int, do: Callable[..., HandoffResult], dies: bool = False) -> bool:
        """An act on the person's newest handoff, open or not."""
        with self.world.line.db() as db:
            number = db.scalar(
                select(func.max(Handoff.id)).where(
                    Handoff.conversation_id == (self.world.residents[person].conversation_id or 0)
                )
            )
        if number is None:
            return False
        return self.world.act(lambda db: do(db, self._desk(), number, self.world.line.clock.now()), dies)

    def _desk(self) -> Context:
        return self.world.line.runtime.context

    def _id(self, who: int) -> int:
        return self.world.team[who].id

    def _open(self, person: int) -> Handoff | None:
        with self.world.line.db() as db:
            number = self.world.residents[person].conversation_id or 0
            return db.scalar(select(Handoff).where(Handoff.conversation_id == number, Handoff.state != "closed"))

    def _holder(self, person: int) -> str | None:
        with self.world.line.db() as db:
            number = self.world.residents[person].conversation_id or 0
            return db.scalar(select(Conversation.holder).where(Conversation.id == number))

    # The clock, the worker, the carrier, and what breaks

    @rule(step=st.sampled_from(TIME_STEPS), work=st.booleans(), dies=RARELY)
    def time_passes(self, step: timedelta, work: bool, dies: bool) -> None:
        self.world.line.clock.advance(step)
        with self.world.crashing(dies):
            sweep(self.world.line.runtime)
        if work:
            self.work()
        self._nothing_overdue()

    @rule()
    def work(self) -> None:
        job_queue.work(self.world.line.runtime.settings.redis_url or "", burst=True)

    def _nothing_overdue(self) -> None:
        """After a few rounds: a telephone that is found out of reach makes the next tier due in the same round."""
        for _ in range(4):
            with self.world.line.db() as db:
                due = select(func.count()).where(Handoff.due_at <= self.world.line.clock.now())
                if not db.scalar(due):
                    return
            sweep(self.world.line.runtime)
        raise AssertionError("a handoff stays due after four rounds")

    @rule()
    def queue_is_wiped(self) -> None:
        self.world.empty_queue()

    @rule()
    def worker_dies_over_a_text(self) -> None:
        now = self.world.line.clock.now()
        with self.world.line.db() as db:
            due = outbox.list_due(db, now)
            if due:
                outbox.claim(db, self._desk().sealer, due[0][0], now)

    @rule(how=st.sampled_from(["refuse", "hold", "break", "cut", "cut_after"]), code=CODES)
    def carrier_fails(self, how: str, code: int) -> None:
        twilio, runtime = self.world.line.twilio, self.world.line.runtime
        with self.world.line.db() as db:
            due = outbox.list_due(db, runtime.clock.now())
            row = db.get(Message, due[0][0]) if due else None
        if row is None:
            return
        for one in self.world.residents:
            one.lost = one.lost or (how == "refuse" and one.conversation_id == row.conversation_id)
        match how:
            case "refuse":
                twilio.refuse(code)
            case "hold":
                twilio.break_down(503)
            case "break":
                twilio.break_down(502, takes=True)
            case "cut":
                twilio.cut_off(takes=False)
            case _:
                twilio.cut_off(takes=True)
        run_delivery(runtime, row.id)
        twilio._faults.clear()

    @rule(pick=st.integers(0, 30), arrives=st.booleans(), code=CODES, order=st.permutations(["sent", "last", "sent"]))
    def carrier_reports(self, pick: int, arrives: bool, code: int, order: list[str]) -> None:
        world = self.world
        sent = world.line.twilio.messages[world.since :]
        texts = [one for one in sent if one.status_callback and one.sid not in world.fates]
        if not texts:
            return
        message = texts[-1 - pick % len(texts)]
        fate = world.fates[message.sid] = "delivered" if arrives else "undelivered"
        if not arrives:
            for one in world.residents:
                one.lost = one.lost or one.number == message.to
        for word in order:
            error = None if arrives or word != "last" else code
            assert world.line.twilio.report(message.sid, fate if word == "last" else word, error_code=error) == [204]
        message.status = fate

    @rule(who=TEAM, shift=SHIFT)
    def roster_changes(self, who: int, shift: str) -> None:
        self.world.plan(self.world.team[who], shift, "housing" if who == 2 else "crisis", who + 1)

    # What must hold

    @invariant()
    def all_is_well(self) -> None:
        if hasattr(self.world, "watch"):
            self.world.check()

    def teardown(self) -> None:
        """Send all that waits; then every worker's words have left once."""
        if not hasattr(self.world, "watch") or self.world.faults:
            return
        for step in (0.1, 0.5, 2, 7, 31, 65, 130, 370):
            self.world.line.clock.advance(timedelta(minutes=step))
            sweep(self.world.line.runtime)
            self.world.check()
        self._nothing_overdue()
        self.world.check()
        self.world.check_words_of_workers()


@pytest.fixture
def world(settings: Settings, clock: FrozenClock) -> Iterator[World]:
    # The sending rate of the number is tested elsewhere: here no text waits for it.
    fast = dataclasses.replace(settings, sender_segments_per_second=10_000)
    with open_line(fast, clock) as line:
        opened = World(line)
        with opened.watching():
            yield opened


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.timeout(3600 if EXAMPLES else 300)
def test_it_keeps_every_person_safe_whatever_happens(world: World) -> None:
    machine = type("Night", (Night,), {"world": world})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES or 8, stateful_step_count=35, deadline=None, derandomize=not EXAMPLES, database=None,
            suppress_health_check=list(HealthCheck), print_blob=False,
            phases=[Phase.generate, Phase.shrink] if os.environ.get("WARMLINE_SHRINK") else [Phase.generate],
        ),
    )  # fmt: skip
