"""Nobody answered in time: the flow goes where silence leads, or an open question about danger goes to a human."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from bot.domain.conversation import Conversation, Holder
from bot.domain.effects import Effect, OpenHandoff, RaiseAlarm, Reason, Reply, TellHuman
from bot.domain.message import Channel, Lane
from bot.domain.safety.levels import Urgency
from bot.domain.segments import fold_for_sms, join, measure
from bot.domain.turn import TimedOut, Turn
from bot.storage import conversations, outbox
from bot.storage.database import DATABASE_ERRORS
from bot.usecases.apply_effects import Place, apply_effects
from bot.usecases.converse import converse
from bot.usecases.desk import Desk
from bot.usecases.library import Library, StoredLibrary
from bot.usecases.line import Line

log = logging.getLogger(__name__)


UNSEEN = frozenset({"domestic_violence", "violence"})
"""Asked about these, silence may mean that somebody else holds the phone: nothing unasked is texted, a human is called."""


def wake_conversation(db: Session, desk: Desk, conversation_id: int, now: datetime) -> list[int]:
    """Take the turn that silence makes; returns the outbox rows to be woken. Does nothing where the alarm is stale."""
    found = conversations.lock_waking(db, desk.sealer, conversation_id, now)
    if found is None:
        return []
    row, state = found
    turn = on_silence(desk.line, StoredLibrary(db, desk.cache, desk.zone), state, now)
    conversations.store(row, desk.sealer, replace(turn.conversation, turn=state.turn + 1), now)
    place = Place(row.id, None, state.language)
    ids = apply_effects(db, desk, turn.effects, place, now)
    if row.opted_out or row.unreachable:
        return ids
    folds = desk.fold_accents and row.channel in (Channel.SMS, Channel.SIMULATOR)
    replies = [effect for effect in turn.effects if isinstance(effect, Reply)]
    lane = min((reply.lane for reply in replies), key=list(Lane).index, default=Lane.REPLY)
    for body in join([reply.text for reply in replies]):
        text = fold_for_sms(body) if folds else body
        ids.append(outbox.add(db, desk.sealer, row.id, text, lane, None, measure(text).segments, now).id)
    return ids


def on_silence(line: Line, library: Library, conversation: Conversation, now: datetime) -> Turn:
    """Pure: what silence leads to."""
    if conversation.holder is Holder.HUMAN:
        return Turn(replace(conversation, waking=None, asked=None), (TellHuman(urgent=bool(conversation.asked)),))
    if conversation.asked:
        because = f"asked about {conversation.asked}, no answer"
        effect = OpenHandoff(Reason.DANGER, Urgency.QUARTER_HOUR, "crisis", because, (conversation.asked,))
        waiting = replace(conversation, asked=None, holder=Holder.WAITING, in_danger=True, waking=None, told_at=now)
        if conversation.asked in UNSEEN:
            return Turn(waiting, (effect,))
        return Turn(waiting, (Reply(line.text("waiting", conversation.language), Lane.CRISIS, "waiting"), effect))
    if conversation.holder is not Holder.BOT or conversation.frame is None:
        return Turn(replace(conversation, waking=None), ())
    try:
        return converse(library, conversation, TimedOut(), now, line.text)
    except Exception as error:
        if isinstance(error, DATABASE_ERRORS):
            raise
        if library.is_live:
            log.exception("flow failed on a time-out")
        effects: tuple[Effect, ...] = (
            OpenHandoff(Reason.FAILURE, Urgency.THIS_SHIFT, because="a flow failed on a time-out"),
            RaiseAlarm("flow_failed", f"{conversation.frame.flow}/{conversation.frame.step}"),
        )
        return Turn(replace(conversation, waking=None), effects)
