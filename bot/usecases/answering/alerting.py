"""What staff are told, by text, e-mail and voice: which handoff, how urgent, which language; nothing of the person's."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.domain.handoff import DANGEROUS
from bot.domain.ladder import Way
from bot.domain.message import Channel, Lane
from bot.domain.safety.levels import Urgency
from bot.storage import handoffs, staff, staff_threads
from bot.storage.staff_tables import Staff
from bot.storage.staff_threads import Concerns
from bot.storage.tables import Handoff
from bot.usecases.desk import Desk

_BY_MAIL = {
    "alert_reminder": "email_reminder",
    "alert_look": "email_look",
    "alert_offer": "email_offer",
    "quiet": "email_quiet",
    "alert_danger_again": "email_danger_again",
    "alert_phone_person": "email_phone_person",
}
_LANGUAGES = {"en": "English", "es": "Spanish"}


def link(desk: Desk, handoff: Handoff | None = None) -> str:
    """The console, or a handoff in it."""
    return f"{desk.console_url}/handoffs/{handoff.id}" if handoff else desk.console_url


def facts(desk: Desk, handoff: Handoff, now: datetime) -> dict[str, str | int]:
    """What any alert may say of a handoff."""
    return {
        "handoff": handoff.id,
        "urgency": desk.staff_words.urgency.get(handoff.urgency, handoff.urgency),
        "team": handoff.team.replace("_", " "),
        "language": _LANGUAGES.get(handoff.language, handoff.language),
        "wait": in_words(now - handoffs.waiting_since(handoff)),
        "minutes": max(1, int((now - (handoff.unanswered_since or handoff.opened_at)).total_seconds() // 60)),
        "link": link(desk, handoff),
    }


def in_words(span: timedelta) -> str:
    """Like "12 min" or "3 h"."""
    minutes = max(1, int(span.total_seconds() // 60))
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h"


def alert(
    db: Session, desk: Desk, handoff: Handoff, one: Staff, ways: Iterable[Way], key: str, now: datetime, **more: str | int
) -> list[int]:
    """Call one member of staff by these ways, as far as they wish and have them; rows to be woken, none if no way led
    anywhere (the console shows it all the same)."""
    lane = Lane.CRISIS if Urgency(handoff.urgency) in DANGEROUS else Lane.REPLY
    fields = facts(desk, handoff, now) | more
    ids = []
    if Way.TEXT in ways and one.alerts_by_text and (line := staff_threads.alert_line(db, one.id, desk.staff_numbers)):
        ids.append(_write(db, desk, one, Channel.SMS, line, key, fields, lane, now, handoff.id))
    if Way.EMAIL in ways and one.alerts_by_email:
        by_mail = _BY_MAIL.get(key, "email_alert")
        ids.append(_write(db, desk, one, Channel.EMAIL, "", by_mail, fields, lane, now, handoff.id))
    if Way.VOICE in ways and one.alerts_by_voice and (number := desk.staff_numbers[:1]):
        ids.append(_write(db, desk, one, Channel.VOICE, number[0], "voice_alert", fields, lane, now, handoff.id))
    return [row for row in ids if row is not None]


def inform(
    db: Session, desk: Desk, staff_id: int, key: str, now: datetime, handoff: Handoff, **more: str | int
) -> list[int]:
    """Tell one member of staff something by text, where they take texts."""
    one = staff.get(db, staff_id)
    line = staff_threads.alert_line(db, staff_id, desk.staff_numbers)
    if one is None or not one.alerts_by_text or line is None:
        return []
    fields = facts(desk, handoff, now) | more
    row = _write(db, desk, one, Channel.SMS, line, key, fields, Lane.REPLY, now, handoff.id)
    return [row] if row is not None else []


def _write(
    db: Session, desk: Desk, one: Staff, channel: Channel, line: str, key: str, fields: dict[str, str | int], lane: Lane,
    now: datetime, handoff_id: int,
) -> int | None:  # fmt: skip
    body = desk.staff_words.say(key, **fields)
    return staff_threads.write(db, desk.sealer, one, channel, line, body, lane, now, Concerns(key, handoff_id))
