"""Texts and pressed keys of social workers: answers to alerts, commands, or words for a person.

The social worker's telephone and the number of the pool together identify that person.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.domain.handoff import relay
from bot.domain.handoff.relay import StaffCommand, StaffText
from bot.domain.handoff.states import DISPOSITIONS, HELD_STATES, UNCLAIMED_STATES, HandoffState
from bot.domain.messages.message import Channel, InboundMessage, OutboxLane
from bot.domain.messages.segments import MAX_BODY_LENGTH
from bot.domain.refused import Refused
from bot.domain.safety import assess, must_alert_staff
from bot.domain.staff.permissions import Permission, is_allowed
from bot.storage.handoff import handoffs
from bot.storage.staff import audits, staff, staff_threads
from bot.storage.staff.staff_threads import StaffMessageSubject
from bot.storage.tables.residents import Handoff, Message
from bot.storage.tables.staff import Staff, StaffThread
from bot.usecases.context import Context
from bot.usecases.handoff import claiming, ending, staff_alerts, unreachable_staff, writing
from bot.usecases.handoff.common import HandoffRefused, HandoffResult, refused

ANSWER_MAX_AGE, WORDS_MAX_AGE = timedelta(minutes=10), timedelta(hours=1)
"""Answers and commands, and words for a person, that were delayed longer than this by an outage are not carried out."""
_ACTION_VERBS = (StaffCommand.TAKE, StaffCommand.PASS, StaffCommand.BACK, StaffCommand.CLOSE, StaffCommand.OPEN)


@dataclass(frozen=True, slots=True)
class StaffReply:
    """A reply to the social worker, in the response to the carrier's request; id 0 where it has no row."""

    id: int
    body: str


@dataclass(frozen=True, slots=True)
class StaffTextResult:
    """The result of a text to a number of the pool. `resident`: the sender is not staff, or is staff in danger themselves;
    the text must be received as a person's, and answered from Warmline's public number."""

    replies: tuple[StaffReply, ...] = ()
    wake: tuple[int, ...] = ()
    is_new: bool = True
    person_text: InboundMessage | None = None


def receive_staff_text(db: Session, context: Context, inbound: InboundMessage, now: datetime) -> StaffTextResult:
    """Receive a text to a number of the staff's pool. Nothing is relayed on a guess: where the telephone and the number
    identify no person, the social worker is told that nothing was sent."""
    sender = staff.find_by_address(db, context.sealer, inbound.sender)
    if sender is None or not sender.active:
        return _handle_unknown_sender(db, context, inbound, now)
    before = staff_threads.find_inbound(db, inbound.sid)
    if before is not None and before.staff_thread_id is None:
        # It was received and answered as a person's text before.
        return StaffTextResult(is_new=False)
    if before is not None:
        rows = staff_threads.list_answers(db, before.id)
        return StaffTextResult(
            tuple(StaffReply(row.id, context.sealer.open(row.sealed_body)) for row in rows if row.sealed_body), is_new=False
        )
    return _StaffTurn(db, context, inbound, sender, now).handle()


def _handle_unknown_sender(db: Session, context: Context, inbound: InboundMessage, now: datetime) -> StaffTextResult:
    """An unknown sender. An answer to an alert is refused; any other text may be a person's, and is answered from the
    public number."""
    said = relay.read_staff_text(inbound.body, inbound.opt_out)
    audits.record(db, None, "stranger_texted", now, detail=said.command.value)
    if said.command in _ACTION_VERBS:
        number = context.public_number if context.public_number.startswith("+") else "the line's own number"
        return StaffTextResult((StaffReply(0, context.staff_texts.text("stranger", line=number)),))
    if said.command in (StaffCommand.STOP, StaffCommand.START):
        # The carrier has done it for this number; it does not concern the public number.
        return StaffTextResult()
    return StaffTextResult(person_text=replace(inbound, to=context.public_number, opt_out=None))


class _StaffTurn:
    """One text of a social worker while it is handled."""

    def __init__(self, db: Session, context: Context, inbound: InboundMessage, sender: Staff, now: datetime) -> None:
        self.db, self.context, self.inbound, self.sender, self.now = db, context, inbound, sender, now
        self.wake: list[int] = []
        self.replies: list[tuple[str, int | None]] = []
        self.link = context.console_url
        self.thread = self._find_thread()
        self.parsed = self._parse()

    def handle(self) -> StaffTextResult:
        if self._is_danger_of_their_own():
            told = self.context.staff_texts.text(
                "not_understood" if self._alerted_handoffs() else "relay_closed", link=self.link
            )
            return StaffTextResult(
                (StaffReply(0, told),), person_text=replace(self.inbound, to=self.context.public_number, opt_out=None)
            )
        heard = staff_threads.record_inbound(self.db, self.context.sealer, self.thread, self.inbound, self.sender.id)
        if self._is_too_late():
            late = staff_alerts.format_wait(self.now - self.inbound.received_at)
            self._reply("too_late", wait=late, link=self.link)
        else:
            self._dispatch()
        if self.thread.unreachable is not None:
            # A telephone that writes is reachable again. Done last, because it locks the thread, and a report of a failed
            # alert locks the conversation first.
            self.thread.unreachable = None
        return StaffTextResult(tuple(self._store_replies(heard)), tuple(self.wake))

    def _parse(self) -> StaffText:
        thread, opt_out = self.thread, self.inbound.opt_out
        bound = thread.conversation_id is not None
        if bound and not thread.opted_out and opt_out == "START" and not relay.is_opt_in(self.inbound.body):
            # Carriers take "Yes" for START too; without an earlier STOP it is an answer to the person.
            opt_out = None
        return relay.read_staff_text(self.inbound.body, opt_out, for_person=bound and not self._is_alert_line())

    def _is_alert_line(self) -> bool:
        return self.inbound.to == staff_threads.alert_line(self.db, self.sender.id, self.context.staff_numbers)

    def _alerted_handoffs(self) -> list[int]:
        """The handoffs for which this social worker has an open alert, oldest first."""
        return list(dict.fromkeys(one.handoff_id for one in handoffs.list_open_call_outs(self.db, self.sender.id)))

    def _is_danger_of_their_own(self) -> bool:
        """A text for no person, in which the safety net hears danger: staff may need help themselves."""
        if self.parsed.command not in (StaffCommand.SAY, StaffCommand.UNKNOWN) or self.thread.conversation_id is not None:
            return False
        assessment = assess(self.context.system_texts.rules, self.inbound.body)
        return bool(must_alert_staff(assessment) or assessment.ask)

    def _is_too_late(self) -> bool:
        if self.parsed.command in (StaffCommand.STOP, StaffCommand.START, StaffCommand.HELP):
            return False
        return self.now - self.inbound.received_at > (
            ANSWER_MAX_AGE if self.parsed.command in _ACTION_VERBS else WORDS_MAX_AGE
        )

    def _dispatch(self) -> None:
        match self.parsed.command:
            case StaffCommand.STOP:
                self._opt_out()
            case StaffCommand.START:
                self._opt_in()
            case StaffCommand.TAKE | StaffCommand.PASS if not self._is_for_person():
                self._answer_alert()
            case StaffCommand.HELP:
                self._reply("staff_help")
            case StaffCommand.UNKNOWN:
                self._reply("not_understood")
            case StaffCommand.BACK | StaffCommand.CLOSE | StaffCommand.OPEN:
                self._run_command()
            case _:
                self._relay_to_person()

    def _find_thread(self) -> StaffThread:
        found = staff_threads.find_text_thread(self.db, self.sender.id, self.inbound.to)
        if found is not None and found.conversation_id is not None:
            # Lock the person's conversation before the thread, as everywhere else.
            handoff = handoffs.find_open(self.db, found.conversation_id)
            if handoff is not None:
                handoffs.lock(self.db, self.context.sealer, handoff.id)
            found = staff_threads.find_text_thread(self.db, self.sender.id, self.inbound.to, lock=True)
        if found is None:
            found = staff_threads.get_or_add_thread(self.db, self.context.sealer, self.sender, Channel.SMS, self.inbound.to)
        assert found is not None
        return found

    def _is_for_person(self) -> bool:
        """Whether a "1" is meant for the person on this number rather than an alert: no alert is open, or not this one."""
        if self.thread.conversation_id is None:
            return False
        waiting = self._alerted_handoffs()
        return not waiting if self.parsed.handoff is None else self.parsed.handoff not in waiting

    # Answers to alerts.

    def _answer_alert(self) -> None:
        waiting, number = self._alerted_handoffs(), self.parsed.handoff
        # On a number that was bound to a person it may be meant for them, so it must name the alert.
        unclear = self.thread.bound_at is not None and not self._is_alert_line()
        if number is None and (len(waiting) > 1 or (unclear and waiting)):
            self._reply("which_one", codes=", ".join(map(str, waiting)))
            return
        chosen = number or next(iter(waiting), None) or (None if unclear else self._last_alerted())
        if chosen is None:
            self._reply("nothing_open", link=self.link)
            return
        # Lock the conversation before the thread, as everywhere else.
        handoffs.lock(self.db, self.context.sealer, chosen)
        self.thread.unreachable = None
        takes = self.parsed.command is StaffCommand.TAKE
        key, fields, wake = answer_alert(self.db, self.context, chosen, self.sender, takes, self.now, by_phone=True)
        self.wake += wake
        if key:
            self._reply(key, chosen, **fields)

    def _last_alerted(self) -> int | None:
        """The handoff of their last alert, for a late answer: they are told who has claimed it, or claim it themselves. None
        where it is closed or handed back."""
        last, state = handoffs.find_last_alerted(self.db, self.sender.id) or (None, None)
        return last if state in (*UNCLAIMED_STATES, *HELD_STATES) else None

    # Words and commands for the person.

    def _run_command(self) -> None:
        handoff = self._bound_handoff()
        if handoff is None:
            self._reply("relay_closed", link=self.link)
            return
        link = staff_alerts.console_link(self.context, handoff)
        if self.parsed.command is StaffCommand.OPEN:
            self._reply("open_link", handoff.id, handoff=handoff.id, link=link)
        elif self.parsed.command is StaffCommand.CLOSE and self.parsed.disposition is None:
            self._reply("close_how", handoff.id, codes=", ".join(DISPOSITIONS))
        elif self.parsed.command is StaffCommand.CLOSE:
            assert self.parsed.disposition is not None
            done = self._try(
                lambda: ending.close(
                    self.db, self.context, handoff.id, self.sender.id, self.parsed.disposition or "other", self.now
                )
            )
            if done:
                self._reply("closed", handoff.id, handoff=handoff.id)
        else:
            # The use case itself tells the social worker that the bot answers again.
            self._try(lambda: ending.hand_back(self.db, self.context, handoff.id, self.sender.id, self.now))

    def _relay_to_person(self) -> None:
        handoff = self._bound_handoff()
        if handoff is None:
            self._reply("not_understood" if self._alerted_handoffs() else "relay_closed", link=self.link)
            audits.record(self.db, self.sender.id, "relay_refused", self.now, detail="the conversation is not open")
            return
        link = staff_alerts.console_link(self.context, handoff)
        words = relay.strip_signature(self.inbound.body, self.inbound.sender.value)
        if self.inbound.media:
            self._reply("relay_media", handoff.id, link=link)
        if not words:
            if not self.inbound.media:
                self._reply("relay_not_sent", handoff.id, reason=refused("empty").text)
            return
        if len(words) > MAX_BODY_LENGTH:
            self._reply("relay_too_long", handoff.id)
            return
        self._try(
            lambda: writing.send_text(
                self.db, self.context, handoff.id, self.sender.id, words, self.now, idempotency_key=self.inbound.sid
            )
        )

    def _bound_handoff(self) -> Handoff | None:
        """The handoff that this telephone and number identify, while the sender owns it and knows of the binding."""
        if self.thread.conversation_id is None or not staff_threads.is_for_bound_person(
            self.db, self.thread, self.inbound.received_at
        ):
            return None
        handoff = handoffs.find_open(self.db, self.thread.conversation_id)
        if handoff is None or handoff.owner_id != self.sender.id or handoff.state not in HELD_STATES:
            return None
        return handoff

    def _try(self, act: Callable[[], HandoffResult]) -> bool:
        try:
            self.wake += act().outbox_ids
        except Refused as refusal:
            self._reply("relay_not_sent", self.thread.handoff_id, reason=refusal.text)
            return False
        return True

    # Their own opt-out: a setting, never relayed to the person.

    def _opt_out(self) -> None:
        """The carrier blocks this number for their telephone; tell them by e-mail, since no text can."""
        unreachable_staff.lock_thread(self.db, self.context.sealer, self.thread.id)
        self.thread.opted_out = True
        audits.record(self.db, self.sender.id, "texts_stopped", self.now)
        about = StaffMessageSubject("staff_stop")
        body = self.context.staff_texts.text("staff_stop", line=self.inbound.to, link=self.link)
        mail = staff_threads.enqueue(
            self.db, self.context.sealer, self.sender, Channel.EMAIL, "", body, OutboxLane.REPLY, self.now, about
        )
        self.wake += [mail] if mail is not None else []
        unreachable_staff.mark_phone_lost(self.db, self.thread, self.now)

    def _opt_in(self) -> None:
        self.thread.opted_out = False
        audits.record(self.db, self.sender.id, "texts_started", self.now)
        if self.inbound.opt_out is None:
            self._reply("staff_start", line=self.inbound.to)

    # What goes back.

    def _reply(self, key: str, handoff_id: int | None = None, **fields: str | int) -> None:
        self.replies.append((self.context.staff_texts.text(key, **fields), handoff_id))

    def _store_replies(self, heard: Message) -> list[StaffReply]:
        replies = []
        for body, handoff_id in self.replies:
            row = staff_threads.add_answer(
                self.db,
                self.context.sealer,
                self.thread,
                heard,
                body,
                handoff_id,
                self.now,
                self.now + self.context.resend_after,
            )
            replies.append(StaffReply(row, body))
        return replies


def answer_alert(
    db: Session, context: Context, handoff_id: int, sender: Staff, takes: bool, now: datetime, *, by_phone: bool
) -> tuple[str, dict[str, str | int], tuple[int, ...]]:
    """Carry out an answer to an alert. Returns the key of the staff text to reply with ("" where the use case has sent it),
    its fields, and ids of outbox rows to send. A refusal is audited and changes nothing."""
    try:
        if not takes:
            done = claiming.decline(db, context, handoff_id, sender.id, now)
            return "passed", {"handoff": handoff_id}, done.outbox_ids
        done = _claim_or_take_over(db, context, handoff_id, sender, now, by_phone=by_phone)
        return "", {}, done.outbox_ids
    except HandoffRefused as refusal:
        audits.record(db, sender.id, "claim_refused", now, handoff_id=handoff_id, detail=refusal.reason)
        if refusal.reason in ("taken", "not_yours"):
            return "taken_by", {"handoff": handoff_id, "name": refusal.by or "Somebody else"}, ()
        if refusal.reason in ("unknown", "not_staff") or (refusal.reason == "gone" and not takes):
            return "nothing_open", {"link": context.console_url}, ()
        return "gone", {"handoff": handoff_id}, ()


def _claim_or_take_over(
    db: Session, context: Context, handoff_id: int, sender: Staff, now: datetime, *, by_phone: bool
) -> HandoffResult:
    """Claim it; a supervisor who was alerted because the owner does not answer takes it over with the same "1"."""
    # Under the lock: if two supervisors press at once, the alert of the second one is over.
    locked = handoffs.lock(db, context.sealer, handoff_id)
    handoff = locked.handoff if locked is not None else None
    if handoff is not None and handoff.state == HandoffState.HANDED_BACK and handoff.owner_id != sender.id:
        # Too late: it was handed back to the bot, and an old alert must not undo that.
        raise refused("unknown")
    called = any(one.handoff_id == handoff_id for one in handoffs.list_open_call_outs(db, sender.id))
    if (
        handoff is not None and called and handoff.state in HELD_STATES
        and sender.id not in (handoff.owner_id, handoff.offered_to_id)
        and is_allowed(staff.roles_of(sender), Permission.TAKE_OVER)
    ):  # fmt: skip
        return claiming.take_over(db, context, handoff_id, sender.id, now, by_phone=by_phone)
    return claiming.claim(db, context, handoff_id, sender.id, now, by_phone=by_phone)


def answer_call(db: Session, context: Context, message_id: int, digit: str, now: datetime) -> str:
    """A key pressed in an alert call; returns what the voice says. Only a key counts as an answer, since a mailbox may have
    picked up. Texts to others that result from it are sent by the next sweep."""
    row = db.get(Message, message_id)
    thread = db.get(StaffThread, row.staff_thread_id) if row is not None and row.staff_thread_id else None
    sender = staff.get(db, thread.staff_id) if thread is not None else None
    if row is None or row.handoff_id is None or sender is None or thread is None or thread.channel != Channel.VOICE.value:
        return context.staff_texts.text("voice_gone", handoff=message_id)
    if digit not in ("1", "2"):
        return context.staff_texts.text("voice_wrong_key")
    key, fields, _ = answer_alert(db, context, row.handoff_id, sender, digit == "1", now, by_phone=True)
    said = {"": "voice_took", "passed": "voice_passed", "taken_by": "voice_taken_by", "nothing_open": "voice_nothing_open"}
    spoken = said.get(key, "voice_gone")
    given: dict[str, str | int] = {"handoff": row.handoff_id, "name": ""}
    return context.staff_texts.text(spoken, **(given | fields))
