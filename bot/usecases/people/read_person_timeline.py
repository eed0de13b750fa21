"""The timeline of one person, newest day first, in pages of whole days."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from bot.domain.messages.delivery import rule_for
from bot.storage.handoff import inbox
from bot.storage.people import timeline
from bot.storage.sealing import Sealer
from bot.usecases.handoff.read_timeline import TimelineEvent, staff_ids_in

DAYS_PER_PAGE = 15
"""Days with entries on one page."""

_SHOWN_ELSEWHERE = frozenset({"opened", "called", "noted", "spoke", timeline.SAFE_CONTACT_CHANGED})
"""Events that the rows of handoffs, call-outs, notes, texts and the audit show already, and better."""
_CONSENT_TITLES = {
    "agreed": ("Agreed", "good"),
    "opted_out": ("Opted out of texts", "danger"),
    "opted_in": ("Wants texts again", "good"),
}


@dataclass(frozen=True, slots=True)
class PersonTimelineEntry:
    """One entry. `kind` names the icon, `tone` is "", good, warn or danger; `by` is a name of staff or ""; `body` is text
    that staff wrote (a note).

    For a `handoff` that was opened, an event of one (`happened`) and the staff `called` for one (name, answer) the page
    itself has the words.
    """

    at: datetime
    kind: str
    title: str = ""
    detail: str = ""
    body: str = ""
    by: str = ""
    tone: str = ""
    handoff_id: int | None = None
    handoff: timeline.TimelineHandoff | None = None
    happened: TimelineEvent | None = None
    called: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class TimelineDay:
    """One day in the city, newest entry first."""

    day: date
    entries: tuple[PersonTimelineEntry, ...]


@dataclass(frozen=True, slots=True)
class PersonTimeline:
    """A page of days, newest first; the next page has the days before `earlier`, None on the last page."""

    days: tuple[TimelineDay, ...]
    earlier: date | None


def read_person_timeline(
    db: Session, sealer: Sealer, conversation_id: int, now: datetime, zone: ZoneInfo, before: date | None = None
) -> PersonTimeline:
    """The newest days of this conversation, or those before `before` (a day in the city)."""
    end = _midnight(before or now.astimezone(zone).date() + timedelta(days=1), zone)
    found = timeline.list_days(db, conversation_id, end, now, zone.key, DAYS_PER_PAGE + 1)
    if not found:
        return PersonTimeline((), None)
    oldest = found[:DAYS_PER_PAGE][-1]
    rows = timeline.rows_between(db, conversation_id, _midnight(oldest, zone), end, now, zone.key)
    names = inbox.staff_names(db, {each for event in rows.events for each in staff_ids_in(event.detail)})
    entries = sorted(_entries(rows, names, sealer), key=lambda entry: entry.at, reverse=True)
    by_day = groupby(entries, lambda entry: entry.at.astimezone(zone).date())
    return PersonTimeline(
        tuple(TimelineDay(day, tuple(some)) for day, some in by_day), oldest if len(found) > DAYS_PER_PAGE else None
    )


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(0), zone).astimezone(UTC)


def _entries(rows: timeline.TimelineRows, names: Mapping[int, str], sealer: Sealer) -> Iterator[PersonTimelineEntry]:
    yield from map(_texts, rows.texts)
    yield from map(_undelivered, rows.lost)
    yield from _handoffs(rows, names)
    yield from _call_outs(rows)
    for note in rows.notes:
        body = sealer.open(note.sealed_body) if note.sealed_body else ""
        yield PersonTimelineEntry(note.at, "note", "Note", "" if body else "Its words were deleted.", body, note.by)
    for referral in rows.referrals:
        near = f", near {referral.near}" if referral.near else ""
        title = f"Offered: {referral.service or 'a service that has left the directory'}"
        yield PersonTimelineEntry(
            referral.at, "referral", title, f"For {_spaced(referral.need)}{near}; {_spaced(referral.state)}"
        )
    for check_in in rows.check_ins:
        yield PersonTimelineEntry(
            check_in.at, "check_in", f"Check-in: {_spaced(check_in.flow)}", _spaced(check_in.state).capitalize()
        )
    for consent in rows.consents:
        title, tone = _CONSENT_TITLES.get(consent.choice, (_spaced(consent.choice).capitalize(), ""))
        detail = f"For {'all texts' if consent.scope == 'all' else _spaced(consent.scope)}, by {_spaced(consent.method)}"
        yield PersonTimelineEntry(consent.at, "consent", title, detail, tone=tone)
    for outcome in rows.outcomes:
        yield PersonTimelineEntry(outcome.at, "outcome", f"Ended: {_spaced(outcome.outcome)}", f"In {_spaced(outcome.flow)}")
    for erasure in rows.erasures:
        done = "Done." if erasure.is_done else "Not done yet."
        yield PersonTimelineEntry(erasure.at, "erasure", "Asked that what is kept of them be deleted", done, tone="warn")
    for change in rows.changes:
        yield PersonTimelineEntry(change.at, "safe", "Safe contact changed", change.detail.capitalize(), by=change.by)


def _texts(texts: timeline.DayTexts) -> PersonTimelineEntry:
    counts = [
        _count(texts.heard, "text from the person", "texts from the person"),
        _count(texts.written, "from social workers"),
        _count(texts.said, "from the line"),
    ]
    pictures = _count(texts.pictures, "text with a picture or recording", "texts with pictures or recordings")
    return PersonTimelineEntry(texts.at, "texts", ", ".join(filter(None, counts)), pictures)


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 or not many else many}" if number else ""


def _undelivered(lost: timeline.UndeliveredTexts) -> PersonTimelineEntry:
    title = _count(lost.count, "text did not arrive", "texts did not arrive")
    why = f"{rule_for(lost.code).meaning} ({lost.code})" if lost.code else "the carrier gave no reason"
    return PersonTimelineEntry(lost.at, "lost", title, why.capitalize(), tone="danger")


def _handoffs(rows: timeline.TimelineRows, names: Mapping[int, str]) -> Iterator[PersonTimelineEntry]:
    for handoff in rows.handoffs:
        tone = "danger" if handoff.dangers else ""
        yield PersonTimelineEntry(handoff.at, "handoff", tone=tone, handoff_id=handoff.id, handoff=handoff)
    for event in rows.events:
        if event.kind not in _SHOWN_ELSEWHERE:
            mentioned = {each: names[each] for each in staff_ids_in(event.detail) if each in names}
            happened = TimelineEvent(event.id, event.handoff_id, event.kind, event.by, event.detail, mentioned, event.at)
            closed = event.kind == "closed"
            kind, tone = ("closed", "good") if closed else ("event", "")
            yield PersonTimelineEntry(event.at, kind, tone=tone, handoff_id=event.handoff_id, happened=happened)


def _call_outs(rows: timeline.TimelineRows) -> Iterator[PersonTimelineEntry]:
    """One entry for all staff who were alerted in one tier of a handoff."""

    def tier(row: timeline.TimelineCallOut) -> tuple[int, int]:
        return row.handoff_id, row.tier

    for (handoff_id, _), group in groupby(sorted(rows.call_outs, key=tier), tier):
        some = list(group)
        called = tuple((row.name, row.answer) for row in some)
        tone = "good" if any(answer == "took" for _, answer in called) else ""
        title = _count(len(some), "social worker was called", "social workers were called")
        at = min(row.at for row in some)
        yield PersonTimelineEntry(at, "call", title, tone=tone, handoff_id=handoff_id, called=called)


def _spaced(word: str) -> str:
    return word.replace("_", " ")
