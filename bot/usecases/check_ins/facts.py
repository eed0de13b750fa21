"""The facts that decide whether a check-in may be sent, read at the moment of sending."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from bot.domain.check_ins.decision import CheckInFacts, jitter_for
from bot.domain.conversation.safe_contact import SafeContact
from bot.domain.conversation.state import Holder
from bot.domain.directory.places import find_zip
from bot.domain.flows.language.flow import Flow, FlowFailed
from bot.domain.handoff.states import HandoffState
from bot.domain.messages.message import Channel
from bot.storage.cases import cases
from bot.storage.check_ins import check_ins, follow_up
from bot.storage.check_ins.check_ins import LockedCheckIn
from bot.storage.handoff import handoffs
from bot.storage.messages import threads
from bot.storage.people import consents
from bot.storage.tables.residents import Conversation
from bot.usecases.context import Context
from bot.usecases.flows.library import PublishedLibrary
from bot.usecases.handoff.resident_notices import WATCHED_DANGERS

FOLLOW_UP_SCOPE = "followup"
"""What a person must have agreed to before we text them first (47 CFR 64.1200)."""


def gather_facts(db: Session, context: Context, locked: LockedCheckIn, now: datetime) -> CheckInFacts:
    """The input of the decision in bot/domain/check_ins/decision.py."""
    check_in, row, state = locked.check_in, locked.conversation_row, locked.state
    flow = find_published_flow(db, context, check_in.flow)
    open_handoff = handoffs.find_open(db, row.id)
    return CheckInFacts(
        planned_for=check_in.planned_for or check_in.due_at or now,
        made_at=check_in.made_at or now,
        attempts=check_in.attempts,
        holds=check_in.holds,
        after_crisis=check_in.after_crisis or check_ins.was_in_danger(db, row.id, now),
        zone=time_zone_of(locked, context),
        holidays=context.holidays,
        safe=replace(state.safe, neutral=True) if _is_watched(db, row, state.safe) else state.safe,
        consented=consents.is_agreed(db, row.id, FOLLOW_UP_SCOPE, now),
        opted_out=row.opted_out,
        unreachable=_unreachable_reason(row),
        with_social_worker=state.holder is not Holder.BOT or _is_with_staff(open_handoff.state if open_handoff else None),
        # An open question about danger counts as danger: no check-in may come on top of it.
        in_danger=state.in_danger or state.asked_danger is not None,
        staff_contact_at=follow_up.last_staff_contact_at(db, row.id),
        person_wrote_at=threads.last_inbound_at(db, row.id),
        in_conversation=bool(state.frames) and state.check_in is None,
        has_language=flow is not None and supports_language(flow, state.language),
        is_published=flow is not None,
        asked_at=check_in.asked_at,
        other_check_in_until=check_ins.other_waits_until(db, check_in, row.id),
        jitter=jitter_for(check_in.id),
    )


def _is_watched(db: Session, row: Conversation, safe: SafeContact) -> bool:
    """Whether another person may hold the phone: there was a danger of that kind, or the person said that they are not
    safe where they stay, and since then no social worker has recorded how they may be reached."""
    since = safe.set_at
    moments = [at for dangers, at in handoffs.list_dangers(db, row.id) if WATCHED_DANGERS & set(dangers)]
    unsafe = cases.last_unsafe_answer_at(db, row.person_id)
    return any(since is None or since < at for at in (*moments, unsafe) if at is not None)


def _unreachable_reason(row: Conversation) -> str | None:
    """Why no text of ours would arrive; None where it would. A web chat cannot be texted."""
    return "web" if row.channel == Channel.WEB else row.unreachable


def _is_with_staff(state: str | None) -> bool:
    return state is not None and state != HandoffState.HANDED_BACK


def time_zone_of(locked: LockedCheckIn, context: Context) -> ZoneInfo:
    """The person's time zone by their ZIP code; the city's where it is unknown, or where they have safe times.

    Safe times are recorded in the city's time: a text an hour outside the agreed window may be read by the wrong person.
    """
    if locked.state.safe.times:
        return context.zone
    told = locked.state.answers.get("zip")
    place = find_zip(told) if locked.zone is None and isinstance(told, str) else None
    zone = place.zone if place else locked.zone
    return ZoneInfo(zone) if zone else context.zone


def find_published_flow(db: Session, context: Context, name: str) -> Flow | None:
    """The published flow of this name, or None."""
    try:
        return PublishedLibrary(db, context.flow_cache, context.zone).published(name)
    except FlowFailed:
        return None


def supports_language(flow: Flow, language: str) -> bool:
    return language in flow.languages
