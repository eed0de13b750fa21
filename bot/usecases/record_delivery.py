"""What became of a text, and what follows from it: tried again, an address marked, a human or the operator told."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.domain.conversation import Holder, load
from bot.domain.delivery import Mark, Rule, State, retry_delay, rule_for
from bot.domain.effects import Choice, Method, OpenHandoff, Reason, RecordConsent
from bot.domain.message import Lane
from bot.domain.safety.levels import Urgency
from bot.storage import alerts, consents, handoffs, outbox
from bot.storage.outbox import Claimed
from bot.storage.sealing import Sealer
from bot.storage.staff_tables import StaffThread
from bot.storage.tables import Conversation, Handoff, Message
from bot.usecases import staff_reach
from bot.usecases.answering.telling import OF_THE_HANDOFF

CONFIRMS_OPT_OUT = frozenset({"stop_ack", "opted_out_confirm_free_text"})
"""The one confirmation that may follow an opt-out (47 CFR 64.1200(a)(12))."""
OF_THE_END = frozenset({"handed_back", "handed_back_idle", "goodbye"})
MOST_QUESTIONS = 30
TRIES_BEFORE_A_HUMAN = 3
"""A crisis text that could not leave so often is not left to the retries alone: somebody may have to phone."""


@dataclass(frozen=True, slots=True)
class Report:
    """A status callback: `message_id` is our row as named in the address we gave, `state` None for an unknown word."""

    message_id: int | None
    sid: str
    state: State | None
    word: str
    error_code: int | None


def lane_of(row: Message) -> Lane:
    """The lane of an outgoing row (an incoming one has none)."""
    return Lane(row.lane or Lane.REPLY)


def record_delivery(db: Session, sealer: Sealer, report: Report, now: datetime) -> None:
    """Log a report of the carrier's, move the row forward, and react to a failure."""
    thread = None
    if report.state in (State.FAILED, State.UNDELIVERED):
        thread = _lock_thread(db, sealer, report.message_id, report.sid)
    row = outbox.report(db, report.message_id, report.sid, report.state, report.word, report.error_code, now)
    if row is not None and report.state in (State.FAILED, State.UNDELIVERED):
        rule = rule_for(report.error_code) if report.error_code else rule_for(30008)
        if thread is not None:
            # An alert of an hour ago that is sent again only confuses: the ladder is climbed instead.
            staff_reach.not_delivered(db, thread, row, rule, now)
        else:
            _react(db, sealer, row, rule, now)


def _lock_thread(db: Session, sealer: Sealer, message_id: int | None, sid: str) -> StaffThread | None:
    """First whose text it is, then the text. Gives the thread of a text to staff, None for one to a person."""
    conversation_id, thread_id = outbox.thread_of(db, message_id, sid)
    _lock_conversation(db, conversation_id)
    return staff_reach.lock_all(db, sealer, thread_id) if thread_id is not None else None


def _lock_conversation(db: Session, conversation_id: int | None) -> None:
    """First the conversation, then its messages and handoffs, as a turn does: the other way round they would wait for
    one another, and one of the two would be lost."""
    if conversation_id is not None:
        db.execute(select(Conversation.id).where(Conversation.id == conversation_id).with_for_update())


def record_drop(db: Session, sealer: Sealer, claimed: Claimed, now: datetime) -> None:
    """A text was not sent, because the person opted out or cannot be reached: a human who is called for them must know.

    Where it is a member of staff who cannot be reached, the ladder must know.
    """
    if claimed.staff_thread_id is not None:
        thread, row = db.get(StaffThread, claimed.staff_thread_id), db.get(Message, claimed.id)
        if thread is not None and row is not None:
            staff_reach.drop(db, thread, row, now)
    elif claimed.conversation_id is not None:
        handoffs.unreachable(db, claimed.conversation_id, now)


def record_overdue(db: Session, sealer: Sealer, text: outbox.Unfinished, now: datetime) -> None:
    """The carrier has no last word on a crisis text yet: a human must not take it for read."""
    row = db.get(Message, text.id)
    if row is None or (text.conversation_id is not None and outbox.was_overtaken(db, row)) or _is_over(db, row):
        # They have written since, or a human has closed it: what is not confirmed matters no more.
        return
    if text.lane is Lane.CRISIS and text.conversation_id is not None:
        _lock_conversation(db, text.conversation_id)
        effect = OpenHandoff(Reason.FAILURE, Urgency.MINUTES, because="a crisis text is not confirmed as delivered")
        handoffs.open_or_raise(db, sealer, effect, text.conversation_id, None, now)


def _is_over(db: Session, row: Message) -> bool:
    """Whether the handoff that was open at this text has been closed since."""
    closed = select(Handoff.id).where(Handoff.conversation_id == row.conversation_id, Handoff.closed_at >= row.at)
    return db.scalar(closed.limit(1)) is not None


def record_refusal(db: Session, sealer: Sealer, message_id: int, code: int | None, permanent: bool, now: datetime) -> None:
    """The carrier did not take a claimed row: it is tried again when the table of codes says so, or it has failed."""
    thread = _lock_thread(db, sealer, message_id, "")
    row = db.get(Message, message_id, with_for_update=True)
    if row is None or row.state != State.CLAIMED.value:
        return
    rule, lane = rule_for(code), lane_of(row)
    delay = None if permanent and code is None else retry_delay(rule.reaction_in(lane), row.attempts, lane, random.random())
    row.error_code = code
    if delay is not None:
        row.state, row.due_at, row.slot_at = State.WAITING.value, now + delay, None
        if thread is None:
            _tell(db, sealer, row, rule, now, gave_up=False)
        return
    row.state, row.due_at = State.FAILED.value, None
    if thread is not None:
        staff_reach.not_delivered(db, thread, row, rule, now)
    else:
        _tell(db, sealer, row, rule, now, gave_up=True)


def record_unknown(db: Session, sealer: Sealer, message_id: int, now: datetime) -> None:
    """Nobody knows whether the carrier has it: it is asked, soon and then hourly, before anything is sent again.

    After a day without an answer of the carrier's a human decides, and nothing is sent on a guess.
    """
    thread = _lock_thread(db, sealer, message_id, "")
    row = db.get(Message, message_id, with_for_update=True)
    if row is None or row.state != State.CLAIMED.value:
        return
    rule = rule_for(20500)
    delay = retry_delay(rule.reaction, min(row.attempts, 6), lane_of(row), random.random())
    gave_up = delay is None or row.attempts >= MOST_QUESTIONS
    row.state, row.due_at = State.UNKNOWN.value, None if gave_up or delay is None else now + delay
    if thread is not None:
        if gave_up:
            staff_reach.drop(db, thread, row, now)
        return
    _tell(db, sealer, row, rule, now, gave_up=gave_up)


def _react(db: Session, sealer: Sealer, row: Message, rule: Rule, now: datetime) -> None:
    """The carrier took it and could not bring it. A second try is a row of its own."""
    lane = lane_of(row)
    delay = retry_delay(rule.reaction_in(lane), max(1, row.attempts), lane, random.random())
    if row.sealed_body is None:
        return
    # The person has written since and was answered: an old question would only confuse. What the code teaches of the
    # number, and what the operator must know of it (a filter, a blocked account), holds all the same.
    # So would one that was true at one moment of a handoff, and one that reaches a phone which its owner had to leave.
    overtaken = lane in (Lane.REPLY, Lane.FOLLOW_UP) and outbox.was_overtaken(db, row)
    overtaken = overtaken or row.key in OF_THE_HANDOFF or _has_left(db, sealer, row) or _is_humans_now(db, row, lane)
    if delay is not None and not overtaken:
        row.attempts += 1
        outbox.send_again(db, row, now + delay)
    _tell(db, sealer, row, rule, now, gave_up=delay is None and not overtaken)


def _is_humans_now(db: Session, row: Message, lane: Lane) -> bool:
    """Whether it is the bot's question, and a human has the person by now: words about danger are still worth sending."""
    holder = db.scalar(select(Conversation.holder).where(Conversation.id == row.conversation_id))
    return row.staff_id is None and lane is not Lane.CRISIS and holder == Holder.HUMAN.value


def _has_left(db: Session, sealer: Sealer, row: Message) -> bool:
    """Whether the person ended it with an exit word and has not written since."""
    conversation = db.get_one(Conversation, row.conversation_id)
    return load(sealer.open(conversation.sealed_state)).safe.paused


def _tell(db: Session, sealer: Sealer, row: Message, rule: Rule, now: datetime, *, gave_up: bool) -> None:
    lane = lane_of(row)
    if rule.mark is not None:
        _mark(db, row, rule.mark, now)
    if rule.mark is Mark.OPTED_OUT and row.key in CONFIRMS_OPT_OUT:
        # The carrier has confirmed the STOP itself and blocks our word of it: that is how it should be.
        return
    if rule.page_operator:
        alerts.raise_alarm(db, "sending_failed", f"code {row.error_code}: {rule.meaning}", None, now)
    if row.staff_id is not None and row.conversation_id is not None:
        handoffs.undelivered(db, row.conversation_id, row.staff_id, row.id, now)
    if row.key in OF_THE_END or _is_over(db, row):
        # It was over when this was said, or a human has closed it since; that it did not arrive opens nothing anew.
        return
    tired = lane is Lane.CRISIS and row.attempts >= TRIES_BEFORE_A_HUMAN
    if rule.needs_human(lane) or gave_up or tired:
        urgency = Urgency.MINUTES if lane is Lane.CRISIS else Urgency.THIS_SHIFT
        why = f"a text did not arrive: {rule.meaning}"
        effect = OpenHandoff(Reason.FAILURE, urgency, because=why, reachable=rule.mark is None)
        assert row.conversation_id is not None
        handoffs.open_or_raise(db, sealer, effect, row.conversation_id, None, now)


def _mark(db: Session, row: Message, mark: Mark, now: datetime) -> None:
    """What the error taught about the address: nothing more is sent to it, and the ledger says why."""
    conversation = db.get_one(Conversation, row.conversation_id, with_for_update=True)
    if mark is Mark.OPTED_OUT:
        if not conversation.opted_out:
            conversation.opted_out = True
            effect = RecordConsent(Choice.OPTED_OUT, Method.CARRIER)
            consents.record(db, effect, conversation.id, None, "", now)
    else:
        conversation.unreachable = mark.value
    if mark is Mark.REASSIGNED:
        # Whoever writes from there next may be somebody else: what was agreed to was not agreed to by them.
        effect = RecordConsent(Choice.WITHDRAWN, Method.CARRIER, "followup")
        consents.record(db, effect, conversation.id, None, "", now)
    outbox.drop_waiting(db, conversation.id)
