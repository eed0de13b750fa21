"""A text that a social worker planned: whether it still holds is decided when it leaves (domain.md, trap 20)."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.domain.conversation import load
from bot.domain.handoff import HELD, HandoffState
from bot.domain.safe_contact import is_safe_time
from bot.storage import handoffs
from bot.storage.outbox import Claimed
from bot.storage.staff_tables import HandoffEvent
from bot.storage.tables import Conversation, Handoff
from bot.usecases.answering.writing import LATER
from bot.usecases.desk import Desk

TOO_LATE = timedelta(hours=1)
"""A planned text that could not leave for so long (an outage) is about another hour."""


def still_holds(db: Session, desk: Desk, claimed: Claimed, now: datetime) -> bool:
    """Whether a claimed row may leave. Only planned texts of social workers can be overtaken by what happened since: the
    handoff was closed or is somebody else's, danger was heard, the time is not safe any more or hours late, or the person
    left in a hurry. A reply that was held up leaves late: the worker has said it.

    That it did not leave is written down where the worker sees it.
    """
    if claimed.conversation_id is None or not (claimed.key or "").startswith(LATER):
        return True
    handoff = db.get(Handoff, claimed.handoff_id) if claimed.handoff_id is not None else None
    row = db.get(Conversation, claimed.conversation_id)
    if handoff is None or row is None:
        return False
    safe = load(desk.sealer.open(row.sealed_state)).safe
    theirs = handoff.owner_id == claimed.staff_id and handoff.state in (*HELD, HandoffState.HANDED_BACK)
    if theirs and is_safe_time(safe, now, desk.zone) and not _is_overtaken(db, claimed, handoff, now):
        return True
    # Only added to: the row of the handoff may be locked by who is cancelling this very text and waits for the text's.
    handoffs.note_event(db, handoff, "not_sent", now, staff_id=claimed.staff_id, message=claimed.id)
    return False


def _is_overtaken(db: Session, claimed: Claimed, handoff: Handoff, now: datetime) -> bool:
    events = select(HandoffEvent).where(HandoffEvent.handoff_id == handoff.id, HandoffEvent.at >= claimed.at)
    for event in db.scalars(events):
        if event.kind in ("rose", "danger_again", "reopened") and event.at > claimed.at:
            return True
        planned = event.kind == "scheduled" and event.detail.get("message") == claimed.id
        if planned and now - datetime.fromisoformat(event.detail["at"]) > TOO_LATE:
            return True
    return False
