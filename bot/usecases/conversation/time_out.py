"""Timeouts: the person did not answer in time. The flow goes on, or an unanswered question about danger calls a human."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from bot.domain.conversation.effects import Effect, HandoffReason, NotifyStaff, OpenHandoff, RaiseAlarm, Reply
from bot.domain.conversation.state import Conversation, Holder
from bot.domain.conversation.turn import TimeoutReached, Turn
from bot.domain.messages.message import Channel, OutboxLane
from bot.domain.messages.segments import fold_for_sms, join_replies, measure_segments
from bot.domain.safety.levels import Urgency
from bot.storage.conversation import timeouts
from bot.storage.database import DATABASE_ERRORS
from bot.storage.messages import outbox
from bot.usecases.context import Context
from bot.usecases.conversation.apply_effects import TurnOrigin, apply_effects
from bot.usecases.conversation.converse import run_flows
from bot.usecases.flows.library import Library, PublishedLibrary
from bot.usecases.handoff.resident_notices import WATCHED_DANGERS
from bot.usecases.system_texts import SystemTexts

log = logging.getLogger(__name__)


def handle_timeout(db: Session, context: Context, conversation_id: int, now: datetime) -> list[int]:
    """Take the turn of a timeout, unless it is stale. Returns ids of outbox rows to send now."""
    found = timeouts.lock_timed_out(db, context.sealer, conversation_id, now)
    if found is None:
        return []
    row, state = found
    turn = decide_timeout(context.system_texts, PublishedLibrary(db, context.flow_cache, context.zone), state, now)
    timeouts.save_state(row, context.sealer, replace(turn.conversation, turn=state.turn + 1), now)
    place = TurnOrigin(row.id, None, state.language)
    ids = apply_effects(db, context, turn.effects, place, now)
    if row.opted_out or row.unreachable:
        return ids
    folds = context.fold_accents and row.channel in (Channel.SMS, Channel.SIMULATOR)
    replies = [effect for effect in turn.effects if isinstance(effect, Reply)]
    lane = min((reply.lane for reply in replies), key=list(OutboxLane).index, default=OutboxLane.REPLY)
    for body in join_replies([reply.text for reply in replies]):
        text = fold_for_sms(body) if folds else body
        ids.append(outbox.enqueue(db, context.sealer, row.id, text, lane, None, measure_segments(text).segments, now).id)
    return ids


def decide_timeout(system_texts: SystemTexts, library: Library, conversation: Conversation, now: datetime) -> Turn:
    """Decide the turn of a timeout, without side effects."""
    if conversation.holder is Holder.HUMAN:
        return Turn(
            replace(conversation, timeout_at=None, asked_danger=None), (NotifyStaff(urgent=bool(conversation.asked_danger)),)
        )
    if conversation.asked_danger:
        because = f"asked about {conversation.asked_danger}, no answer"
        effect = OpenHandoff(HandoffReason.DANGER, Urgency.QUARTER_HOUR, "crisis", because, (conversation.asked_danger,))
        waiting = replace(
            conversation, asked_danger=None, holder=Holder.WAITING, in_danger=True, timeout_at=None, last_notice_at=now
        )
        if conversation.asked_danger in WATCHED_DANGERS:
            # Silence may mean that another person holds the phone: no text.
            return Turn(waiting, (effect,))
        return Turn(
            waiting, (Reply(system_texts.text("waiting", conversation.language), OutboxLane.CRISIS, "waiting"), effect)
        )
    if conversation.holder is not Holder.BOT or conversation.frame is None:
        return Turn(replace(conversation, timeout_at=None), ())
    try:
        return run_flows(library, conversation, TimeoutReached(), now, system_texts.text)
    except Exception as error:
        if isinstance(error, DATABASE_ERRORS):
            raise
        if library.is_live:
            log.exception("flow failed on a time-out")
        effects: tuple[Effect, ...] = (
            OpenHandoff(HandoffReason.FAILURE, Urgency.THIS_SHIFT, because="a flow failed on a time-out"),
            RaiseAlarm("flow_failed", f"{conversation.frame.flow}/{conversation.frame.step}"),
        )
        return Turn(replace(conversation, timeout_at=None), effects)
