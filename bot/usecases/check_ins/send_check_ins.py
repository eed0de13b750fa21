"""Send check-ins. Whether one is sent is decided at the moment of sending, and each decision leaves a text or a reason.

A check-in is a conversation in its own flow. If the person does not answer, it is sent once more at another time; then a
human is asked to look.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.domain.check_ins.decision import (
    SILENT_AFTER,
    AskAgain,
    AskNow,
    CheckInFacts,
    CheckInReason,
    CheckInState,
    DropCheckIn,
    HoldUntil,
    after_silence,
    decide,
)
from bot.domain.conversation.effects import Effect, OpenHandoff, RaiseAlarm, Reply
from bot.domain.conversation.effects import HandoffReason as CalledFor
from bot.domain.conversation.state import Conversation as State
from bot.domain.conversation.turn import Turn
from bot.domain.directory.cards import shorten
from bot.domain.flows.checks.checks import saved_answers
from bot.domain.messages.message import Channel, OutboxLane
from bot.domain.messages.segments import fold_for_sms, join_replies, measure_segments
from bot.domain.safety.levels import Urgency
from bot.storage import referrals
from bot.storage.cases import cases
from bot.storage.check_ins import check_ins
from bot.storage.check_ins.check_ins import LockedCheckIn
from bot.storage.conversation import timeouts
from bot.storage.database import DATABASE_ERRORS
from bot.storage.messages import outbox
from bot.storage.people import consents
from bot.usecases.check_ins.facts import FOLLOW_UP_SCOPE, gather_facts
from bot.usecases.context import Context
from bot.usecases.conversation.apply_effects import TurnOrigin, apply_effects
from bot.usecases.conversation.converse import enter_flow
from bot.usecases.flows.library import PublishedLibrary
from bot.usecases.handoff.escalation import open_and_alert

log = logging.getLogger(__name__)

MAX_SILENCES = 3
"""After so many unanswered check-ins in a row they end, with one closing text."""
LONGEST_NAME = 40
CALL_WITHIN = timedelta(hours=24)
"""By when a human should have called the person."""
CRISIS_TEAM = "crisis"
KEY, NEUTRAL_KEY, CLOSING_KEY = "check_in", "check_in_neutral", "check_in_closing"


def send_check_in(db: Session, context: Context, check_in_id: int, now: datetime) -> list[int]:
    """Do what is due for this check-in, if it still is. Returns ids of outbox rows to send now."""
    locked = check_ins.lock(db, context.sealer, check_in_id)
    if locked is None or locked.check_in.due_at is None or locked.check_in.due_at > now:
        return []
    if locked.check_in.state == CheckInState.ASKED:
        return _handle_silence(db, context, locked, now)
    known = gather_facts(db, context, locked, now)
    match decide(known, now):
        case HoldUntil(until=until, reason=reason):
            check_ins.postpone(db, locked.check_in, until, reason.value, now)
            return []
        case DropCheckIn(reason=reason, task=task):
            return _drop_check_in(db, locked, reason, now, task=task)
        case AskNow() as ask:
            return _send(db, context, locked, ask, now)


def _send(db: Session, context: Context, locked: LockedCheckIn, ask: AskNow, now: datetime) -> list[int]:
    if ask.neutral:
        # No question: another reader must not learn of it, nor may a stranger's answer count as the person's.
        text = context.system_texts.text("check_in_neutral", locked.state.language)
        silent = replace(
            locked.state, frames=(), ended=True, timeout_at=None, last_notice_key=NEUTRAL_KEY, last_notice_at=now
        )
        turn = Turn(silent, (Reply(text, OutboxLane.FOLLOW_UP, NEUTRAL_KEY),))
    else:
        try:
            turn = _enter_check_in_flow(db, context, locked, now)
        except Exception as error:
            if isinstance(error, DATABASE_ERRORS):
                raise
            log.exception("a check-in's flow failed")
            detail = f"check-in {locked.check_in.id}: {locked.check_in.flow}"
            apply_effects(db, context, (RaiseAlarm("flow_failed", detail),), _turn_origin(locked), now)
            return _drop_check_in(db, locked, CheckInReason.NO_FLOW, now, task=True)
    check_ins.mark_asked(db, locked.check_in, now + SILENT_AFTER, now)
    state = replace(turn.conversation, turn=locked.state.turn + 1, check_in=locked.check_in.id)
    timeouts.save_state(locked.conversation_row, context.sealer, state, now)
    ids = apply_effects(db, context, turn.effects, _turn_origin(locked), now)
    key = NEUTRAL_KEY if ask.neutral else KEY
    return [*ids, *_enqueue_texts(db, context, locked, turn.effects, key, ask.valid_until, now)]


def may_still_ask(db: Session, context: Context, check_in_id: int, key: str, now: datetime) -> bool:
    """Whether its queued text may still be sent: the person has not answered since, and the decision would be the same now.
    A text may wait in the outbox for hours, while the person's situation changes."""
    locked = check_ins.read(db, context.sealer, check_in_id)
    # The closing text follows a silence; a person who has written since was not silent.
    holds_in = CheckInState.SILENT if key == CLOSING_KEY else CheckInState.ASKED
    if locked is None or locked.check_in.state != holds_in or locked.state.check_in != check_in_id:
        return False
    could = decide(replace(gather_facts(db, context, locked, now), planned_for=now), now)
    return isinstance(could, AskNow) and could.neutral == (key == NEUTRAL_KEY)


def _enter_check_in_flow(db: Session, context: Context, locked: LockedCheckIn, now: datetime) -> Turn:
    """Enter the check-in's flow at its start; flows left open long ago are dropped."""
    library = PublishedLibrary(db, context.flow_cache, context.zone)
    # Answers to an earlier run of this flow do not count today.
    stale = saved_answers(library.published(locked.check_in.flow).script)
    known = {name: value for name, value in locked.state.answers.items() if name not in stale}
    fresh = replace(
        locked.state,
        frames=(),
        answers={**known, **_offered_services(db, locked)},
        ended=False,
        outcome=None,
        human_offered=False,
        timeout_at=None,
        check_in=None,
    )
    return enter_flow(library, fresh, locked.check_in.flow, "", now, context.system_texts.text)


def _offered_services(db: Session, locked: LockedCheckIn) -> dict[str, str | int]:
    """The services with an unknown outcome, as answers that the check-in's flow can use."""
    # Names in a directory may be very long, or contain line breaks.
    choices = referrals.list_open_choices(db, locked.conversation_row.id)
    open_ones = [(number, shorten(" ".join(name.split()), LONGEST_NAME)) for number, name in choices]
    return {
        "offered": ", ".join(name for _, name in open_ones),
        "offered_count": len(open_ones),
        "offered_list": "\n".join(f"{number} {name}" for number, name in open_ones),
    }


def _enqueue_texts(
    db: Session,
    context: Context,
    locked: LockedCheckIn,
    effects: tuple[Effect, ...],
    key: str,
    valid_until: datetime,
    now: datetime,
) -> list[int]:
    replies = [effect for effect in effects if isinstance(effect, Reply)]
    folds = context.fold_accents and locked.conversation_row.channel in (Channel.SMS, Channel.SIMULATOR)
    ids = []
    for body in join_replies([reply.text for reply in replies]):
        text = fold_for_sms(body) if folds else body
        row = outbox.enqueue(
            db,
            context.sealer,
            locked.conversation_row.id,
            text,
            OutboxLane.FOLLOW_UP,
            key,
            measure_segments(text).segments,
            now,
        )
        row.check_in_id, row.valid_until = locked.check_in.id, valid_until
        ids.append(row.id)
    db.flush()
    return ids


def _drop_check_in(db: Session, locked: LockedCheckIn, reason: CheckInReason, now: datetime, *, task: bool) -> list[int]:
    check_ins.end(db, locked.check_in, "drop", now, reason=reason.value)
    if task:
        _add_call_task(db, locked, reason.value, now)
    return []


def _add_call_task(db: Session, locked: LockedCheckIn, reason: str, now: datetime) -> None:
    cases.add_task(
        db, locked.conversation_row.id, "call", reason, now + CALL_WITHIN, now, check_in_id=locked.check_in.id,
        staff_id=locked.check_in.made_by,
    )  # fmt: skip


# The person did not answer.


def _handle_silence(db: Session, context: Context, locked: LockedCheckIn, now: datetime) -> list[int]:
    """The answer is overdue. The question stays open meanwhile, so that a late answer is still heard."""
    check_in = locked.check_in
    known = gather_facts(db, context, locked, now)
    if not check_ins.was_sent(db, check_in):
        # It was never sent (a human took over, the day ended, the carrier rejected it), so it was not a silence.
        check_in.attempts -= 1
        check_in.holds += 1
        _close_question(db, context, locked, now)
        check_ins.schedule_retry(db, check_in, now, CheckInReason.NOT_SENT.value, now)
        return send_check_in(db, context, check_in.id, now)
    match after_silence(known, now):
        case AskAgain(at=at):
            check_ins.schedule_retry(db, check_in, at, CheckInReason.NO_ANSWER.value, now)
            other = check_ins.find_other_conversation(db, locked)
            # Consent holds for one number only.
            if other is not None and consents.is_agreed(db, other, FOLLOW_UP_SCOPE, now):
                check_ins.move_to_conversation(db, check_in, other)
            return []
        case give_up:
            return _give_up(db, context, locked, known, now, call=give_up.call)


def _give_up(
    db: Session, context: Context, locked: LockedCheckIn, known: CheckInFacts, now: datetime, *, call: bool
) -> list[int]:
    """Add a task for a human; after the third silence in a row send one closing text, unless a human is to telephone."""
    check_ins.end(db, locked.check_in, "miss", now, reason=CheckInReason.NO_ANSWER.value)
    ids: list[int] = []
    if call:
        # After a danger, silence means that a human telephones.
        effect = OpenHandoff(
            CalledFor.FLOW, Urgency.THIS_SHIFT, CRISIS_TEAM, "no answer to a check-in after a crisis: please telephone"
        )
        ids += open_and_alert(db, context, effect, locked.conversation_row.id, None, locked.state.language, now)
    # Even with a call: the owner of an open handoff gets no new alert, but will find the task.
    _add_call_task(db, locked, CheckInReason.NO_ANSWER.value, now)
    silences = check_ins.count_silences(db, locked.conversation_row.id)
    if silences < MAX_SILENCES:
        return ids
    check_ins.drop_all(db, locked.conversation_row.id, CheckInReason.SILENT_TOO_OFTEN.value, now)
    # Only once, and not if a human is asked to telephone.
    return [*ids, *_send_closing_text(db, context, locked, known, now)] if silences == MAX_SILENCES and not call else ids


def _send_closing_text(
    db: Session, context: Context, locked: LockedCheckIn, known: CheckInFacts, now: datetime
) -> list[int]:
    """One last text, if a check-in could be sent now in plain words."""
    could = decide(replace(known, planned_for=now, holds=0, staff_contact_at=None), now)
    if not isinstance(could, AskNow) or could.neutral:
        return []
    text = context.system_texts.text("check_in_closing", locked.state.language)
    effects: tuple[Effect, ...] = (Reply(text, OutboxLane.FOLLOW_UP, CLOSING_KEY),)
    return _enqueue_texts(db, context, locked, effects, CLOSING_KEY, could.valid_until, now)


def _close_question(db: Session, context: Context, locked: LockedCheckIn, now: datetime) -> None:
    """It was never sent, so no text may count as its answer. Not if the person is in another conversation by now."""
    if locked.state.check_in != locked.check_in.id:
        return
    locked.state = _without_question(locked.state)
    timeouts.save_state(locked.conversation_row, context.sealer, locked.state, now)


def _without_question(state: State) -> State:
    return replace(state, frames=(), ended=True, timeout_at=None, check_in=None)


def _turn_origin(locked: LockedCheckIn) -> TurnOrigin:
    return TurnOrigin(locked.conversation_row.id, None, locked.state.language)
