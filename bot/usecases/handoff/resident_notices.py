"""Notices to the person about their handoff: reviewed texts, true when they are queued, and safe to receive."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.domain.conversation.safe_contact import is_safe_time, needs_safe_word
from bot.domain.messages.message import Channel, OutboxLane
from bot.domain.messages.segments import fold_for_sms, measure_segments
from bot.storage.handoff.handoffs import LockedHandoff
from bot.storage.messages import outbox, threads
from bot.storage.tables.residents import Conversation
from bot.storage.tables.staff import Staff
from bot.usecases.context import Context

NEUTRAL_TWINS = {
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
NOTICE_KEYS = frozenset(NEUTRAL_TWINS)
"""Texts that are true at one moment of a handoff; they are never sent again later."""
STILL_WAITING_KEYS = ("still_trying", "still_trying_calm", "stepped_away")
"""Texts that say that no social worker has claimed the handoff."""
REQUIRED_KEYS = ("stop_ack", "opted_out_confirm_free_text", "start_ack", "help", "exit_ack")
"""Answers that the law or a watched phone requires, whoever holds the conversation."""
WATCHED_DANGERS = frozenset({"domestic_violence", "violence"})
"""In these dangers another person may hold the phone."""
STILL_HOLDS_PHONE = timedelta(minutes=10)
"""For this long after a text we assume that the person still holds their phone, though it may be watched."""


def enqueue_notice(
    db: Session, context: Context, locked: LockedHandoff, key: str, now: datetime, worker: Staff | None = None
) -> tuple[int, ...]:
    """Queue the text of this key for the person, in their language. Returns ids of outbox rows; empty if it must not be
    sent: outside their safe times, or where others may read it, unless the person has just written.

    `worker` is named where the text has a place for the name and they allow it.
    """
    row, state, safe = locked.conversation_row, locked.state, locked.state.safe
    if is_blocked(row) or safe.paused or needs_safe_word(safe, now):
        # Without the safe word, whoever holds the phone learns nothing, not even that a human was called.
        return ()
    if not _is_safe_to_receive(db, context, locked, now):
        return ()
    if safe.neutral or not safe.may_name_line:
        # A text without a neutral twin is not sent at all.
        if key not in NEUTRAL_TWINS:
            return ()
        text = context.system_texts.text(NEUTRAL_TWINS[key], state.language)
    elif key in ("taken", "transfer", "reached_out", "texts_by_human_delayed"):
        if worker is not None and worker.tells_name:
            text = context.system_texts.text(key, state.language, name=worker.called)
        else:
            text = context.system_texts.text(f"{key}_unnamed", state.language)
    else:
        text = context.system_texts.text(key, state.language)
    lane = OutboxLane.CRISIS if state.in_danger else OutboxLane.REPLY
    return (enqueue_text(db, context, locked, text, lane, now, key=key),)


def is_blocked(row: Conversation) -> bool:
    """Whether texts cannot reach this person. STOP does not count on web chat, where nothing is sent unasked."""
    return (row.opted_out and row.channel != Channel.WEB) or row.unreachable is not None


def drop_outdated_texts(db: Session, conversation_id: int) -> None:
    """The handoff was claimed: drop queued texts that say it was not, and texts of the bot that wait for a retry."""
    outbox.drop_outdated(db, conversation_id, STILL_WAITING_KEYS, REQUIRED_KEYS)


def enqueue_text(
    db: Session,
    context: Context,
    locked: LockedHandoff,
    text: str,
    lane: OutboxLane,
    now: datetime,
    *,
    key: str | None = None,
    staff_id: int | None = None,
    send_at: datetime | None = None,
) -> int:
    """Queue a text to the person, folded to plain SMS letters where configured. Returns the id of the outbox row."""
    folds = context.fold_accents and locked.conversation_row.channel in (Channel.SMS, Channel.SIMULATOR)
    body = fold_for_sms(text) if folds else text
    message = outbox.enqueue(
        db,
        context.sealer,
        locked.conversation_row.id,
        body,
        lane,
        key,
        measure_segments(body).segments,
        now,
        send_at,
        staff_id=staff_id,
        handoff_id=locked.handoff.id,
    )
    return message.id


def _is_safe_to_receive(db: Session, context: Context, locked: LockedHandoff, now: datetime) -> bool:
    watched = bool(WATCHED_DANGERS & set(locked.handoff.dangers)) or locked.state.safe.neutral
    has_times = bool(locked.state.safe.times)
    if not watched and not has_times:
        return True
    heard = threads.last_inbound_at(db, locked.conversation_row.id)
    if heard is not None and now - heard <= STILL_HOLDS_PHONE:
        return True
    return not watched and is_safe_time(locked.state.safe, now, context.zone)
