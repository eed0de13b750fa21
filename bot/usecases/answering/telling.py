"""What the person is told of the handoff at each step: reviewed texts, true when they are promised, and safe to receive."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from bot.domain.delivery import State
from bot.domain.message import Channel, Lane
from bot.domain.safe_contact import is_safe_time, needs_word
from bot.domain.segments import fold_for_sms, measure
from bot.storage import outbox
from bot.storage.handoffs import Locked
from bot.storage.staff_tables import Staff
from bot.storage.tables import Conversation, Message
from bot.usecases.desk import Desk

NEUTRAL = {
    "still_trying": "neutral_waiting",
    "still_trying_calm": "neutral_waiting",
    "stepped_away": "neutral_waiting",
    "texts_by_human_delayed": "neutral_waiting",
    "taken": "neutral_taken",
    "transfer": "neutral_taken",
    "handed_back": "neutral_ended",
    "handed_back_idle": "neutral_ended",
    "goodbye": "neutral_ended",
    "reached_out": "neutral_reached_out",
}
OF_THE_HANDOFF = frozenset(NEUTRAL)
"""Texts that are true at one moment of a handoff, and are never sent again later."""
NOBODY_YET = ("still_trying", "still_trying_calm", "stepped_away")
"""Texts that say that nobody has the person."""
OWED = ("stop_ack", "opted_out_confirm_free_text", "start_ack", "help", "exit_ack")
"""Answers that the law or a watched phone asks for, whoever has the person."""
WATCHED = frozenset({"domestic_violence", "violence"})
"""In these dangers somebody else may hold the phone."""
STILL_THERE = timedelta(minutes=10)
"""For so long after their own text we take it that the person themselves holds a phone that may be watched."""


def tell(db: Session, desk: Desk, locked: Locked, key: str, now: datetime, worker: Staff | None = None) -> tuple[int, ...]:
    """Promise the text of this key to the person, in their language; ids to be woken. Nothing where it must not be sent.

    `worker` is named where the text has a place for it and they allow it. A text that the person did not ask for stays
    unsaid outside of their safe times, and where others may read it, unless they have just written.
    """
    row, state, safe = locked.row, locked.state, locked.state.safe
    if is_blocked(row) or safe.paused or needs_word(safe, now):
        # Whoever holds a phone without the safe word learns nothing, not even that somebody was called.
        return ()
    if not _may_arrive(db, desk, locked, now):
        return ()
    if safe.neutral or not safe.may_name_line:
        # A twin of its own for each; what has none is better left unsaid than said in the open.
        if key not in NEUTRAL:
            return ()
        text = desk.line.text(NEUTRAL[key], state.language)
    elif key in ("taken", "transfer", "reached_out", "texts_by_human_delayed"):
        if worker is not None and worker.tells_name:
            text = desk.line.text(key, state.language, name=worker.called)
        else:
            text = desk.line.text(f"{key}_unnamed", state.language)
    else:
        text = desk.line.text(key, state.language)
    lane = Lane.CRISIS if state.in_danger else Lane.REPLY
    return (promise(db, desk, locked, text, lane, now, key=key),)


def is_blocked(row: Conversation) -> bool:
    """Whether texts cannot reach this person. To an open page nothing is sent, so STOP means nothing there."""
    return (row.opted_out and row.channel != Channel.WEB) or row.unreachable is not None


def unsay_waiting(db: Session, conversation_id: int) -> None:
    """Somebody has them now: that nobody has is not sent any more, where it still waits to leave; nor is a question of the
    bot's that waits for its second try."""
    mine = (Message.conversation_id == conversation_id, Message.outbound)
    dropped = {"state": State.DROPPED.value, "due_at": None}
    in_doubt = (State.WAITING.value, State.CLAIMED.value, State.UNKNOWN.value)
    db.execute(update(Message).where(*mine, Message.key.in_(NOBODY_YET), Message.state.in_(in_doubt)).values(**dropped))
    lanes = (Lane.REPLY.value, Lane.FOLLOW_UP.value)
    of_bot = (Message.staff_id.is_(None), Message.lane.in_(lanes), func.coalesce(Message.key, "").not_in(OWED))
    db.execute(update(Message).where(*mine, *of_bot, Message.state == State.WAITING.value).values(**dropped))


def promise(
    db: Session, desk: Desk, locked: Locked, text: str, lane: Lane, now: datetime, *, key: str | None = None,
    staff_id: int | None = None, at: datetime | None = None,
) -> int:  # fmt: skip
    """A text to the person as a row of the outbox, as SMS would carry it."""
    folds = desk.fold_accents and locked.row.channel in (Channel.SMS, Channel.SIMULATOR)
    body = fold_for_sms(text) if folds else text
    message = outbox.add(
        db, desk.sealer, locked.row.id, body, lane, key, measure(body).segments, now, at, staff_id=staff_id,
        handoff_id=locked.handoff.id,
    )  # fmt: skip
    return message.id


def _may_arrive(db: Session, desk: Desk, locked: Locked, now: datetime) -> bool:
    watched = bool(WATCHED & set(locked.handoff.dangers)) or locked.state.safe.neutral
    has_times = bool(locked.state.safe.times)
    if not watched and not has_times:
        return True
    heard = last_heard(db, locked.row.id)
    if heard is not None and now - heard <= STILL_THERE:
        return True
    return not watched and is_safe_time(locked.state.safe, now, desk.zone)


def last_heard(db: Session, conversation_id: int) -> datetime | None:
    """When the person wrote last."""
    return db.scalar(select(func.max(Message.at)).where(Message.conversation_id == conversation_id, ~Message.outbound))
