"""What happened with one person, as entries of a line that runs from the newest day back: whole days, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from bot.domain.delivery import rule_for
from bot.storage import inbox, timeline
from bot.storage.sealing import Sealer
from bot.usecases.read_timeline import Happened, staff_in

DAYS = 15
"""Days with anything in them that stand on one page."""

_TOLD_ELSEWHERE = frozenset({"opened", "called", "noted", "spoke", timeline.SAFE_CONTACT_CHANGED})
"""Events that the rows of handoffs, call-outs, notes, texts and the audit tell already, and better."""
_CONSENTS = {
    "agreed": ("Agreed", "good"),
    "opted_out": ("Opted out of texts", "danger"),
    "opted_in": ("Wants texts again", "good"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. `kind` names the icon, `tone` is "", good, warn or danger; `by` is a name of staff or "";
    `body` are words that staff wrote (a note).

    A `handoff` that was opened, an event of one (`happened`) and those `called` for one (name, answer) come as they are:
    the page has the words for them.
    """

    at: datetime
    kind: str
    title: str = ""
    detail: str = ""
    body: str = ""
    by: str = ""
    tone: str = ""
    handoff_id: int | None = None
    handoff: timeline.Opened | None = None
    happened: Happened | None = None
    called: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Day:
    """One day in the city, newest entry first."""

    day: date
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A page of days, newest first; `earlier` is the day before which the next page begins, None on the last."""

    days: tuple[Day, ...]
    earlier: date | None


def read(
    db: Session, sealer: Sealer, conversation_id: int, now: datetime, zone: ZoneInfo, before: date | None = None
) -> Line:
    """The newest days of this conversation, or those before `before` (a day in the city)."""
    end = _midnight(before or now.astimezone(zone).date() + timedelta(days=1), zone)
    found = timeline.days(db, conversation_id, end, now, zone.key, DAYS + 1)
    if not found:
        return Line((), None)
    oldest = found[:DAYS][-1]
    rows = timeline.between(db, conversation_id, _midnight(oldest, zone), end, now, zone.key)
    names = inbox.names(db, {each for event in rows.events for each in staff_in(event.detail)})
    entries = sorted(_entries(rows, names, sealer), key=lambda entry: entry.at, reverse=True)
    by_day = groupby(entries, lambda entry: entry.at.astimezone(zone).date())
    return Line(tuple(Day(day, tuple(some)) for day, some in by_day), oldest if len(found) > DAYS else None)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(0), zone).astimezone(UTC)


def _entries(rows: timeline.Rows, names: Mapping[int, str], sealer: Sealer) -> Iterator[Entry]:
    yield from map(_texts, rows.texts)
    yield from map(_lost, rows.lost)
    yield from _handoffs(rows, names)
    yield from _call_outs(rows)
    for note in rows.notes:
        body = sealer.open(note.sealed_body) if note.sealed_body else ""
        yield Entry(note.at, "note", "Note", "" if body else "Its words were deleted.", body, note.by)
    for referral in rows.referrals:
        near = f", near {referral.near}" if referral.near else ""
        title = f"Offered: {referral.service or 'a service that has left the directory'}"
        yield Entry(referral.at, "referral", title, f"For {_plain(referral.need)}{near}; {_plain(referral.state)}")
    for check_in in rows.check_ins:
        yield Entry(check_in.at, "check_in", f"Check-in: {_plain(check_in.flow)}", _plain(check_in.state).capitalize())
    for consent in rows.consents:
        title, tone = _CONSENTS.get(consent.choice, (_plain(consent.choice).capitalize(), ""))
        detail = f"For {'all texts' if consent.scope == 'all' else _plain(consent.scope)}, by {_plain(consent.method)}"
        yield Entry(consent.at, "consent", title, detail, tone=tone)
    for outcome in rows.outcomes:
        yield Entry(outcome.at, "outcome", f"Ended: {_plain(outcome.outcome)}", f"In {_plain(outcome.flow)}")
    for erasure in rows.erasures:
        done = "Done." if erasure.is_done else "Not done yet."
        yield Entry(erasure.at, "erasure", "Asked that what is kept of them be deleted", done, tone="warn")
    for change in rows.changes:
        yield Entry(change.at, "safe", "Safe contact changed", change.detail.capitalize(), by=change.by)


def _texts(texts: timeline.Texts) -> Entry:
    counts = [
        _count(texts.heard, "text from the person", "texts from the person"),
        _count(texts.written, "from social workers"),
        _count(texts.said, "from the line"),
    ]
    pictures = _count(texts.pictures, "text with a picture or recording", "texts with pictures or recordings")
    return Entry(texts.at, "texts", ", ".join(filter(None, counts)), pictures)


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 or not many else many}" if number else ""


def _lost(lost: timeline.Lost) -> Entry:
    title = _count(lost.count, "text did not arrive", "texts did not arrive")
    why = f"{rule_for(lost.code).meaning} ({lost.code})" if lost.code else "the carrier gave no reason"
    return Entry(lost.at, "lost", title, why.capitalize(), tone="danger")


def _handoffs(rows: timeline.Rows, names: Mapping[int, str]) -> Iterator[Entry]:
    for handoff in rows.handoffs:
        tone = "danger" if handoff.dangers else ""
        yield Entry(handoff.at, "handoff", tone=tone, handoff_id=handoff.id, handoff=handoff)
    for event in rows.events:
        if event.kind not in _TOLD_ELSEWHERE:
            mentioned = {each: names[each] for each in staff_in(event.detail) if each in names}
            happened = Happened(event.id, event.handoff_id, event.kind, event.by, event.detail, mentioned, event.at)
            closed = event.kind == "closed"
            kind, tone = ("closed", "good") if closed else ("event", "")
            yield Entry(event.at, kind, tone=tone, handoff_id=event.handoff_id, happened=happened)


def _call_outs(rows: timeline.Rows) -> Iterator[Entry]:
    """Everybody who was called on one rung of one handoff's ladder is one entry."""

    def rung(row: timeline.Called) -> tuple[int, int]:
        return row.handoff_id, row.rung

    for (handoff_id, _), group in groupby(sorted(rows.call_outs, key=rung), rung):
        some = list(group)
        called = tuple((row.name, row.answer) for row in some)
        tone = "good" if any(answer == "took" for _, answer in called) else ""
        title = _count(len(some), "social worker was called", "social workers were called")
        at = min(row.at for row in some)
        yield Entry(at, "call", title, tone=tone, handoff_id=handoff_id, called=called)


def _plain(word: str) -> str:
    return word.replace("_", " ")
