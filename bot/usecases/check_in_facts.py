"""What must be known before somebody is asked how they are, read at the moment at which it would be sent."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.domain.check_in import Facts, spread
from bot.domain.conversation import Holder
from bot.domain.directory.places import of_zip
from bot.domain.flow import Flow, FlowFailed
from bot.domain.handoff import HandoffState
from bot.domain.message import Channel
from bot.storage import consents, handoffs
from bot.storage.check_ins import Locked
from bot.storage.staff_tables import HandoffEvent
from bot.storage.tables import Conversation, Message
from bot.usecases.answering.telling import last_heard
from bot.usecases.desk import Desk
from bot.usecases.library import StoredLibrary

SCOPE = "followup"
"""What a person must have agreed to before we text them first (47 CFR 64.1200)."""
_OF_WORKERS = ("claimed", "took_over", "closed", "handed_back")


def facts(db: Session, desk: Desk, locked: Locked, now: datetime) -> Facts:
    """Everything that bot/domain/check_in.py decides by."""
    check_in, row, state = locked.check_in, locked.row, locked.state
    flow = published(db, desk, check_in.flow)
    open_handoff = handoffs.current(db, row.id)
    return Facts(
        planned_for=check_in.planned_for or check_in.due_at or now,
        made_at=check_in.made_at or now,
        attempts=check_in.attempts,
        holds=check_in.holds,
        after_crisis=check_in.after_crisis,
        zone=zone_of(locked, desk),
        holidays=desk.holidays,
        safe=state.safe,
        consented=consents.holds(db, row.id, SCOPE, now),
        opted_out=row.opted_out,
        unreachable=_unreachable(row),
        human=state.holder is not Holder.BOT or _is_somebodys(open_handoff.state if open_handoff else None),
        in_danger=state.in_danger,
        talked_at=_talked_at(db, row.id),
        wrote_at=last_heard(db, row.id),
        in_conversation=bool(state.frames) and state.check_in is None,
        speaks=flow is not None and speaks(flow, state.language),
        is_published=flow is not None,
        asked_at=check_in.asked_at,
        jitter=spread(check_in.id),
    )


def _unreachable(row: Conversation) -> str | None:
    """Why no text of ours would arrive. A page that was closed cannot be written to."""
    return "web" if row.channel == Channel.WEB else row.unreachable


def _is_somebodys(state: str | None) -> bool:
    return state is not None and state != HandoffState.HANDED_BACK


def zone_of(locked: Locked, desk: Desk) -> ZoneInfo:
    """Where the person lives; the city's zone where they never told.

    Safe times are written down in the city's own time, so where somebody has any, that clock counts and no other: a text an
    hour beside the window that was agreed may be read by the wrong eyes.
    """
    if locked.state.safe.times:
        return desk.zone
    told = locked.state.answers.get("zip")
    place = of_zip(told) if locked.zone is None and isinstance(told, str) else None
    zone = place.zone if place else locked.zone
    return ZoneInfo(zone) if zone else desk.zone


def published(db: Session, desk: Desk, name: str) -> Flow | None:
    """The flow that a check-in would ask, or None where nobody has published one of that name."""
    try:
        return StoredLibrary(db, desk.cache, desk.zone).published(name)
    except FlowFailed:
        return None


def speaks(flow: Flow, language: str) -> bool:
    """Whether the flow exists in this language."""
    return language in flow.languages


def _talked_at(db: Session, conversation_id: int) -> datetime | None:
    """When a social worker last wrote to the person, or had to do with them."""
    wrote = select(func.max(Message.at)).where(
        Message.conversation_id == conversation_id, Message.outbound, Message.staff_id.is_not(None)
    )
    acted = select(func.max(HandoffEvent.at)).where(
        HandoffEvent.conversation_id == conversation_id, HandoffEvent.kind.in_(_OF_WORKERS)
    )
    return max(filter(None, (db.scalar(wrote), db.scalar(acted))), default=None)
