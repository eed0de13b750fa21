"""Scheduled texts of social workers: whether one may still be sent is decided when it leaves."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.domain.conversation.safe_contact import is_safe_time
from bot.domain.conversation.state import load
from bot.domain.handoff.states import HELD_STATES, HandoffState
from bot.storage.handoff import events, handoffs
from bot.storage.messages.outbox import ClaimedText
from bot.storage.tables.residents import Conversation, Handoff
from bot.usecases.context import Context
from bot.usecases.handoff.writing import SCHEDULED_KEY

MAX_DELAY = timedelta(hours=1)
"""A scheduled text delayed by more than this (an outage) no longer fits its moment."""


def may_still_be_sent(db: Session, context: Context, claimed: ClaimedText, now: datetime) -> bool:
    """Whether a claimed row may leave. False only for a scheduled text of a social worker, if since then the handoff was
    closed or changed its owner, danger was heard, the person left with an exit word, or the time is unsafe or an hour
    past. A delayed reply is sent late: the social worker has said it.

    A text that is not sent is recorded as an event, where the social worker sees it.
    """
    if claimed.conversation_id is None or not (claimed.key or "").startswith(SCHEDULED_KEY):
        return True
    handoff = db.get(Handoff, claimed.handoff_id) if claimed.handoff_id is not None else None
    row = db.get(Conversation, claimed.conversation_id)
    if handoff is None or row is None:
        return False
    safe = load(context.sealer.open(row.sealed_state)).safe
    theirs = handoff.owner_id == claimed.staff_id and handoff.state in (*HELD_STATES, HandoffState.HANDED_BACK)
    if theirs and is_safe_time(safe, now, context.zone) and not _is_outdated(db, claimed, handoff, now):
        return True
    # Only insert: the handoff's row may be locked by a request that cancels this very text and waits for the text's row.
    handoffs.add_event(db, handoff, "not_sent", now, staff_id=claimed.staff_id, message=claimed.id)
    return False


def _is_outdated(db: Session, claimed: ClaimedText, handoff: Handoff, now: datetime) -> bool:
    for event in events.list_since(db, handoff.id, claimed.at):
        if event.kind in ("rose", "danger_again", "reopened") and event.at > claimed.at:
            return True
        planned = event.kind == "scheduled" and event.detail.get("message") == claimed.id
        if planned and now - datetime.fromisoformat(event.detail["at"]) > MAX_DELAY:
            return True
    return False
