"""What must be known before somebody is asked how they are, read at the moment at which it would be sent."""

from __future__ import annotations

from dataclasses import replace
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
from bot.domain.safe_contact import SafeContact
from bot.storage import check_ins, consents, handoffs
from bot.storage.case_tables import CaseFile, Encounter, Measure
from bot.storage.check_ins import Locked
from bot.storage.staff_tables import HandoffEvent
from bot.storage.tables import Conversation, Handoff, Message
from bot.usecases.answering.telling import WATCHED, last_heard
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
        after_crisis=check_in.after_crisis or check_ins.was_in_danger(db, row.id, now),
        zone=zone_of(locked, desk),
        holidays=desk.holidays,
        safe=replace(state.safe, neutral=True) if _is_watched(db, row, state.safe) else state.safe,
        consented=consents.holds(db, row.id, SCOPE, now),
        opted_out=row.opted_out,
        unreachable=_unreachable(row),
        human=state.holder is not Holder.BOT or _is_somebodys(open_handoff.state if open_handoff else None),
        # Who was just asked about a danger is waited for, and nothing may drown that question.
        in_danger=state.in_danger or state.asked is not None,
        talked_at=_talked_at(db, row.id),
        wrote_at=last_heard(db, row.id),
        in_conversation=bool(state.frames) and state.check_in is None,
        speaks=flow is not None and speaks(flow, state.language),
        is_published=flow is not None,
        asked_at=check_in.asked_at,
        another_until=check_ins.another_until(db, check_in, row.id),
        jitter=spread(check_in.id),
    )


def _is_watched(db: Session, row: Conversation, safe: SafeContact) -> bool:
    """Whether somebody else may hold the phone, as far as is known: a danger of that kind, or an answer that they are not
    safe where they stay. Until a social worker has written down how they may be reached, we name nothing."""
    since = safe.set_at
    dangers = db.execute(select(Handoff.dangers, Handoff.opened_at).where(Handoff.conversation_id == row.id))
    moments = [at for held, at in dangers if WATCHED & set(held)]
    unsafe = (
        select(func.max(Measure.at))
        .join(CaseFile, CaseFile.id == Measure.case_id)
        .where(CaseFile.person_id == row.person_id, Measure.name == "safe", Measure.value == "no")
    )
    moments += [at for at in (db.scalar(unsafe),) if at is not None]
    return any(since is None or since < at for at in moments)


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
        HandoffEvent.conversation_id == conversation_id,
        HandoffEvent.kind.in_(_OF_WORKERS),
        HandoffEvent.staff_id.is_not(None),
    )
    met = (
        select(func.max(Encounter.at))
        .join(CaseFile, CaseFile.id == Encounter.case_id)
        .join(Conversation, Conversation.person_id == CaseFile.person_id)
        .where(Conversation.id == conversation_id)
    )
    return max(filter(None, (db.scalar(wrote), db.scalar(acted), db.scalar(met))), default=None)
