"""A text or a pressed key of a social worker: an answer to an alert, a command, or words for a person.

The worker's telephone and a number of the pool name that person together (domain.md 1.14)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.domain import relay
from bot.domain.handoff import DISPOSITIONS, HELD, UNCLAIMED, HandoffState
from bot.domain.message import Channel, Inbound, Lane
from bot.domain.permissions import Permission, allowed
from bot.domain.relay import StaffText, Verb
from bot.domain.safety import alerts_human, assess
from bot.domain.segments import LONGEST_BODY
from bot.storage import audits, handoffs, staff, staff_threads
from bot.storage.staff_tables import CallOut, Staff, StaffThread
from bot.storage.staff_threads import Concerns
from bot.storage.tables import Handoff, Message
from bot.usecases import answering, staff_reach
from bot.usecases.answering import Done, Refused, alerting, claiming
from bot.usecases.desk import Desk

ANSWERS_LAST, WORDS_LAST = timedelta(minutes=10), timedelta(hours=1)
"""An answer, a command or words that were kept so long in an outage are done no more: much has happened since."""
_ACTS = (Verb.TAKE, Verb.PASS, Verb.BACK, Verb.CLOSE, Verb.OPEN)


@dataclass(frozen=True, slots=True)
class StaffReply:
    """An answer to the worker's own text, which rides back with the carrier's request; id 0 where it belongs to no row."""

    id: int
    body: str


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of a text to a number of the pool. `resident`: it is no member of staff's, or one who is in danger, and
    must be taken as a resident's, answered from the line's own number."""

    replies: tuple[StaffReply, ...] = ()
    wake: tuple[int, ...] = ()
    fresh: bool = True
    resident: Inbound | None = None


def receive_staff_text(db: Session, desk: Desk, inbound: Inbound, now: datetime) -> Heard:
    """Take a text that came to a number of the staff's pool. Nothing is ever passed to a person on a guess: where the
    telephone and the number name nobody, the worker is told that nothing was sent."""
    sender = staff.find_by_address(db, desk.sealer, inbound.sender)
    if sender is None or not sender.active:
        return _stranger(db, desk, inbound, now)
    before = staff_threads.was_heard(db, inbound.sid)
    if before is not None and before.staff_thread_id is None:
        # It was heard as a resident's, and answered as one.
        return Heard(fresh=False)
    if before is not None:
        rows = staff_threads.answers_to(db, before.id)
        return Heard(
            tuple(StaffReply(row.id, desk.sealer.open(row.sealed_body)) for row in rows if row.sealed_body), fresh=False
        )
    return _StaffTurn(db, desk, inbound, sender, now).take()


def _stranger(db: Session, desk: Desk, inbound: Inbound, now: datetime) -> Heard:
    """Nobody we know. An answer to an alert is refused, whoever sends it; any other words may be a resident's, who is
    answered from the number that is meant for them."""
    said = relay.read(inbound.body, inbound.opt_out)
    audits.record(db, None, "stranger_texted", now, detail=said.verb.value)
    if said.verb in _ACTS:
        number = desk.line_number if desk.line_number.startswith("+") else "the line's own number"
        return Heard((StaffReply(0, desk.staff_words.say("stranger", line=number)),))
    if said.verb in (Verb.STOP, Verb.START):
        # The carrier has done it for this number; on the line's own number they have said nothing.
        return Heard()
    return Heard(resident=replace(inbound, to=desk.line_number, opt_out=None))


class _StaffTurn:
    """One text of a worker's while it is being dealt with."""

    def __init__(self, db: Session, desk: Desk, inbound: Inbound, sender: Staff, now: datetime) -> None:
        self.db, self.desk, self.inbound, self.sender, self.now = db, desk, inbound, sender, now
        self.wake: list[int] = []
        self.answers: list[tuple[str, int | None]] = []
        self.link = desk.console_url
        self.thread = self._thread()
        self.said = self._read()

    def take(self) -> Heard:
        if self._is_danger_of_their_own():
            told = self.desk.staff_words.say("not_understood" if self._waiting() else "relay_closed", link=self.link)
            return Heard((StaffReply(0, told),), resident=replace(self.inbound, to=self.desk.line_number, opt_out=None))
        heard = staff_threads.hear(self.db, self.desk.sealer, self.thread, self.inbound, self.sender.id)
        if self._is_too_late():
            late = alerting.in_words(self.now - self.inbound.received_at)
            self._say("too_late", wait=late, link=self.link)
        else:
            self._do()
        if self.thread.unreachable is not None:
            # A telephone that writes is one that can be reached again. Last, since the thread is locked with it, and who
            # reports a failed alert locks the person first.
            self.thread.unreachable = None
        return Heard(tuple(self._store(heard)), tuple(self.wake))

    def _read(self) -> StaffText:
        thread, opt_out = self.thread, self.inbound.opt_out
        bound = thread.conversation_id is not None
        if bound and not thread.opted_out and opt_out == "START" and not relay.is_start(self.inbound.body):
            # To the carrier a "Yes" means START as well; who had not stopped says yes to the person.
            opt_out = None
        return relay.read(self.inbound.body, opt_out, for_person=bound and not self._is_alert_line())

    def _is_alert_line(self) -> bool:
        return self.inbound.to == staff_threads.alert_line(self.db, self.sender.id, self.desk.staff_numbers)

    def _waiting(self) -> list[int]:
        """The handoffs for which this worker is being called, oldest first."""
        return list(dict.fromkeys(one.handoff_id for one in handoffs.open_call_outs(self.db, self.sender.id)))

    def _is_danger_of_their_own(self) -> bool:
        """Words that name nobody, and that would call a human for anybody else: who works here may need help as well."""
        if self.said.verb not in (Verb.SAY, Verb.UNKNOWN) or self.thread.conversation_id is not None:
            return False
        assessment = assess(self.desk.line.rules, self.inbound.body)
        return bool(alerts_human(assessment) or assessment.ask)

    def _is_too_late(self) -> bool:
        if self.said.verb in (Verb.STOP, Verb.START, Verb.HELP):
            return False
        return self.now - self.inbound.received_at > (ANSWERS_LAST if self.said.verb in _ACTS else WORDS_LAST)

    def _do(self) -> None:
        match self.said.verb:
            case Verb.STOP:
                self._stop()
            case Verb.START:
                self._start()
            case Verb.TAKE | Verb.PASS if not self._is_for_person():
                self._answer_alert()
            case Verb.HELP:
                self._say("staff_help")
            case Verb.UNKNOWN:
                self._say("not_understood")
            case Verb.BACK | Verb.CLOSE | Verb.OPEN:
                self._command()
            case _:
                self._speak()

    def _thread(self) -> StaffThread:
        found = staff_threads.relay_of(self.db, self.sender.id, self.inbound.to)
        if found is not None and found.conversation_id is not None:
            # The person's conversation first, then the thread that leads to it: in the order of everybody else.
            handoff = handoffs.current(self.db, found.conversation_id)
            if handoff is not None:
                handoffs.lock(self.db, self.desk.sealer, handoff.id)
            found = staff_threads.relay_of(self.db, self.sender.id, self.inbound.to, lock=True)
        if found is None:
            found = staff_threads.open_thread(self.db, self.desk.sealer, self.sender, Channel.SMS, self.inbound.to)
        assert found is not None
        return found

    def _is_for_person(self) -> bool:
        """Whether a "1" may be meant for the person on this number, where alerts come from it as well: where no alert
        waits, or none of that number, it is words like any."""
        if self.thread.conversation_id is None:
            return False
        waiting = self._waiting()
        return not waiting if self.said.handoff is None else self.said.handoff not in waiting

    # Answers to alerts.

    def _answer_alert(self) -> None:
        waiting, number = self._waiting(), self.said.handoff
        # By a number that meant somebody until now it may be for them: it must say which alert it is for.
        unclear = self.thread.bound_at is not None and not self._is_alert_line()
        if number is None and (len(waiting) > 1 or (unclear and waiting)):
            self._say("which_one", codes=", ".join(map(str, waiting)))
            return
        chosen = number or next(iter(waiting), None) or (None if unclear else self._last_called())
        if chosen is None:
            self._say("nothing_open", link=self.link)
            return
        # The person first, then the thread: in the order of everybody else.
        handoffs.lock(self.db, self.desk.sealer, chosen)
        self.thread.unreachable = None
        takes = self.said.verb is Verb.TAKE
        key, fields, wake = take_or_pass(self.db, self.desk, chosen, self.sender, takes, self.now, by_phone=True)
        self.wake += wake
        if key:
            self._say(key, chosen, **fields)

    def _last_called(self) -> int | None:
        """The handoff that they were called for last: who answers too late is told who has it, or takes it where nobody has.
        None where it is over, or the person is back with the bot."""
        rows = select(CallOut.handoff_id).where(CallOut.staff_id == self.sender.id).order_by(CallOut.id.desc())
        last = self.db.scalar(rows.limit(1))
        state = self.db.scalar(select(Handoff.state).where(Handoff.id == last))
        return last if state in (*UNCLAIMED, *HELD) else None

    # Words and commands for the person.

    def _command(self) -> None:
        handoff = self._bound()
        if handoff is None:
            self._say("relay_closed", link=self.link)
            return
        link = alerting.link(self.desk, handoff)
        if self.said.verb is Verb.OPEN:
            self._say("open_link", handoff.id, handoff=handoff.id, link=link)
        elif self.said.verb is Verb.CLOSE and self.said.disposition is None:
            self._say("close_how", handoff.id, codes=", ".join(DISPOSITIONS))
        elif self.said.verb is Verb.CLOSE:
            assert self.said.disposition is not None
            done = self._try(
                lambda: answering.close(
                    self.db, self.desk, handoff.id, self.sender.id, self.said.disposition or "other", self.now
                )
            )
            if done:
                self._say("closed", handoff.id, handoff=handoff.id)
        else:
            # The use case itself tells the worker that the person is back with the bot.
            self._try(lambda: answering.hand_back(self.db, self.desk, handoff.id, self.sender.id, self.now))

    def _speak(self) -> None:
        handoff = self._bound()
        if handoff is None:
            self._say("not_understood" if self._waiting() else "relay_closed", link=self.link)
            audits.record(self.db, self.sender.id, "relay_refused", self.now, detail="the conversation is not open")
            return
        link = alerting.link(self.desk, handoff)
        words = relay.without_signature(self.inbound.body, self.inbound.sender.value)
        if self.inbound.media:
            self._say("relay_media", handoff.id, link=link)
        if not words:
            if not self.inbound.media:
                self._say("relay_not_sent", handoff.id, reason=Refused("empty").text)
            return
        if len(words) > LONGEST_BODY:
            self._say("relay_too_long", handoff.id)
            return
        self._try(
            lambda: answering.write(self.db, self.desk, handoff.id, self.sender.id, words, self.now, once=self.inbound.sid)
        )

    def _bound(self) -> Handoff | None:
        """The handoff that this telephone and this number name, while it is theirs and they know whom it means."""
        if self.thread.conversation_id is None or not staff_threads.means(self.db, self.thread, self.inbound.received_at):
            return None
        handoff = handoffs.current(self.db, self.thread.conversation_id)
        if handoff is None or handoff.owner_id != self.sender.id or handoff.state not in HELD:
            return None
        return handoff

    def _try(self, act: Callable[[], Done]) -> bool:
        try:
            self.wake += act().wake
        except Refused as refusal:
            self._say("relay_not_sent", self.thread.handoff_id, reason=refusal.text)
            return False
        return True

    # Their own opt-out: a setting of theirs, never a word for the person.

    def _stop(self) -> None:
        """The carrier blocks this number of ours for their telephone; e-mail says so, since no text can."""
        staff_reach.lock_all(self.db, self.desk.sealer, self.thread.id)
        self.thread.opted_out = True
        audits.record(self.db, self.sender.id, "texts_stopped", self.now)
        about = Concerns("staff_stop")
        body = self.desk.staff_words.say("staff_stop", line=self.inbound.to, link=self.link)
        mail = staff_threads.write(
            self.db, self.desk.sealer, self.sender, Channel.EMAIL, "", body, Lane.REPLY, self.now, about
        )
        self.wake += [mail] if mail is not None else []
        staff_reach.phone_is_lost(self.db, self.thread, self.now)

    def _start(self) -> None:
        self.thread.opted_out = False
        audits.record(self.db, self.sender.id, "texts_started", self.now)
        if self.inbound.opt_out is None:
            self._say("staff_start", line=self.inbound.to)

    # What goes back.

    def _say(self, key: str, handoff_id: int | None = None, **fields: str | int) -> None:
        self.answers.append((self.desk.staff_words.say(key, **fields), handoff_id))

    def _store(self, heard: Message) -> list[StaffReply]:
        replies = []
        for body, handoff_id in self.answers:
            row = staff_threads.answer(
                self.db, self.desk.sealer, self.thread, heard, body, handoff_id, self.now, self.now + self.desk.resend_after
            )
            replies.append(StaffReply(row, body))
        return replies


def take_or_pass(
    db: Session, desk: Desk, handoff_id: int, sender: Staff, takes: bool, now: datetime, *, by_phone: bool
) -> tuple[str, dict[str, str | int], tuple[int, ...]]:
    """An answer to an alert: which of the staff's texts answers it ("" where the use case has said all), its fields, and
    rows to be woken. A refusal is audited and changes nothing."""
    try:
        if not takes:
            done = claiming.pass_on(db, desk, handoff_id, sender.id, now)
            return "passed", {"handoff": handoff_id}, done.wake
        done = _claim_or_take_over(db, desk, handoff_id, sender, now, by_phone=by_phone)
        return "", {}, done.wake
    except Refused as refusal:
        audits.record(db, sender.id, "claim_refused", now, handoff_id=handoff_id, detail=refusal.reason)
        if refusal.reason in ("taken", "not_yours"):
            return "taken_by", {"handoff": handoff_id, "name": refusal.by or "Somebody else"}, ()
        if refusal.reason in ("unknown", "not_staff") or (refusal.reason == "gone" and not takes):
            return "nothing_open", {"link": desk.console_url}, ()
        return "gone", {"handoff": handoff_id}, ()


def _claim_or_take_over(db: Session, desk: Desk, handoff_id: int, sender: Staff, now: datetime, *, by_phone: bool) -> Done:
    """A supervisor who was called because the owner does not answer takes it over with the same "1"."""
    # Under the lock: of two supervisors who press at one instant the second one is called no more.
    locked = handoffs.lock(db, desk.sealer, handoff_id)
    handoff = locked.handoff if locked is not None else None
    if handoff is not None and handoff.state == HandoffState.HANDED_BACK and handoff.owner_id != sender.id:
        # Too late: the person is with the bot again, and must not be taken from there by an old alert.
        raise Refused("unknown")
    called = any(one.handoff_id == handoff_id for one in handoffs.open_call_outs(db, sender.id))
    if (
        handoff is not None and called and handoff.state in HELD
        and sender.id not in (handoff.owner_id, handoff.offered_to_id)
        and allowed(staff.roles(sender), Permission.TAKE_OVER)
    ):  # fmt: skip
        return answering.take_over(db, desk, handoff_id, sender.id, now, by_phone=by_phone)
    return claiming.claim(db, desk, handoff_id, sender.id, now, by_phone=by_phone)


def answer_call(db: Session, desk: Desk, message_id: int, digit: str, now: datetime) -> str:
    """A key pressed on an alert call; returns what the voice says. Only a key counts as an answer: a mailbox that picks
    up has pressed none. What is written to others because of it is woken by the next sweep."""
    row = db.get(Message, message_id)
    thread = db.get(StaffThread, row.staff_thread_id) if row is not None and row.staff_thread_id else None
    sender = staff.get(db, thread.staff_id) if thread is not None else None
    if row is None or row.handoff_id is None or sender is None or thread is None or thread.channel != Channel.VOICE.value:
        return desk.staff_words.say("voice_gone", handoff=message_id)
    if digit not in ("1", "2"):
        return desk.staff_words.say("voice_wrong_key")
    key, fields, _ = take_or_pass(db, desk, row.handoff_id, sender, digit == "1", now, by_phone=True)
    said = {"": "voice_took", "passed": "voice_passed", "taken_by": "voice_taken_by", "nothing_open": "voice_nothing_open"}
    spoken = said.get(key, "voice_gone")
    given: dict[str, str | int] = {"handoff": row.handoff_id, "name": ""}
    return desk.staff_words.say(spoken, **(given | fields))
