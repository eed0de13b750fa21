"""Alerts to staff by text, e-mail and voice: which handoff, how urgent, which language; nothing about the person."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.domain.handoff.escalation import AlertChannel
from bot.domain.handoff.states import DANGEROUS_URGENCIES
from bot.domain.languages import english_name
from bot.domain.messages.message import Channel, OutboxLane
from bot.domain.safety.levels import Urgency
from bot.storage.handoff import handoffs
from bot.storage.staff import staff, staff_threads
from bot.storage.staff.staff_threads import StaffMessageSubject
from bot.storage.tables.residents import Handoff
from bot.storage.tables.staff import Staff
from bot.usecases.context import Context

_EMAIL_KEYS = {
    "alert_reminder": "email_reminder",
    "alert_look": "email_look",
    "alert_offer": "email_offer",
    "quiet": "email_quiet",
    "alert_danger_again": "email_danger_again",
    "alert_phone_person": "email_phone_person",
}


def console_link(context: Context, handoff: Handoff | None = None) -> str:
    """The address of the console, or of a handoff in it."""
    return f"{context.console_url}/handoffs/{handoff.id}" if handoff else context.console_url


def alert_fields(context: Context, handoff: Handoff, now: datetime) -> dict[str, str | int]:
    """The fields that the text of any alert may use."""
    return {
        "handoff": handoff.id,
        "urgency": context.staff_texts.urgency.get(handoff.urgency, handoff.urgency),
        "team": handoff.team.replace("_", " "),
        "language": english_name(handoff.language),
        "wait": format_wait(now - handoffs.waiting_since(handoff)),
        "minutes": max(1, int((now - (handoff.unanswered_since or handoff.opened_at)).total_seconds() // 60)),
        "link": console_link(context, handoff),
    }


def format_wait(span: timedelta) -> str:
    """Like "12 min" or "3 h"."""
    minutes = max(1, int(span.total_seconds() // 60))
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h"


def enqueue_alert(
    db: Session,
    context: Context,
    handoff: Handoff,
    member: Staff,
    ways: Iterable[AlertChannel],
    key: str,
    now: datetime,
    **extra_fields: str | int,
) -> list[int]:
    """Alert one member of staff in these ways, as far as they want and have them. Returns ids of outbox rows to send now;
    empty where no way was usable (the console shows the handoff anyway)."""
    lane = OutboxLane.CRISIS if Urgency(handoff.urgency) in DANGEROUS_URGENCIES else OutboxLane.REPLY
    fields = alert_fields(context, handoff, now) | extra_fields
    ids = []
    if (
        AlertChannel.TEXT in ways
        and member.alerts_by_text
        and (line := staff_threads.alert_line(db, member.id, context.staff_numbers))
    ):
        ids.append(_enqueue(db, context, member, Channel.SMS, line, key, fields, lane, now, handoff.id))
    if AlertChannel.EMAIL in ways and member.alerts_by_email:
        by_mail = _EMAIL_KEYS.get(key, "email_alert")
        ids.append(_enqueue(db, context, member, Channel.EMAIL, "", by_mail, fields, lane, now, handoff.id))
    if AlertChannel.VOICE in ways and member.alerts_by_voice and (number := context.staff_numbers[:1]):
        ids.append(_enqueue(db, context, member, Channel.VOICE, number[0], "voice_alert", fields, lane, now, handoff.id))
    return [row for row in ids if row is not None]


def enqueue_staff_text(
    db: Session, context: Context, staff_id: int, key: str, now: datetime, handoff: Handoff, **extra_fields: str | int
) -> list[int]:
    """Text one member of staff, unless they want no texts. Returns ids of outbox rows to send now."""
    one = staff.get(db, staff_id)
    line = staff_threads.alert_line(db, staff_id, context.staff_numbers)
    if one is None or not one.alerts_by_text or line is None:
        return []
    fields = alert_fields(context, handoff, now) | extra_fields
    row = _enqueue(db, context, one, Channel.SMS, line, key, fields, OutboxLane.REPLY, now, handoff.id)
    return [row] if row is not None else []


def _enqueue(
    db: Session,
    context: Context,
    member: Staff,
    channel: Channel,
    line: str,
    key: str,
    fields: dict[str, str | int],
    lane: OutboxLane,
    now: datetime,
    handoff_id: int,
) -> int | None:
    body = context.staff_texts.text(key, **fields)
    return staff_threads.enqueue(
        db, context.sealer, member, channel, line, body, lane, now, StaffMessageSubject(key, handoff_id)
    )
