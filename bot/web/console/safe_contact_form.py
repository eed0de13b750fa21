"""The form of the safe-contact settings: building it, parsing it, and the summary of the settings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time

from babel.dates import format_time
from flask import request

from bot.domain.conversation.safe_contact import MAX_WINDOWS, SafeContact, TimeWindow
from bot.usecases.people.set_safe_contact import SafeContactForm
from bot.web import forms

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SPARE_ROWS, _MIN_ROWS = 1, 2
"""Empty rows below those in use, and the least rows in all: without scripts there is always a row to add one."""


@dataclass(frozen=True, slots=True)
class SafeTimeRow:
    """One row of safe times as it was typed."""

    days: frozenset[int] = frozenset()
    starts: str = ""
    ends: str = ""

    @property
    def is_blank(self) -> bool:
        return not (self.days or self.starts or self.ends)


@dataclass(frozen=True, slots=True)
class SafeForm:
    """The form's values. `seen` and `was_paused` identify the settings that the form was built from."""

    rows: tuple[SafeTimeRow, ...]
    word: str
    exit_word: str
    neutral: bool
    may_leave_voice: bool
    may_name_line: bool
    note: str
    paused: bool
    seen: str
    was_paused: bool


def from_settings(safe: SafeContact) -> SafeForm:
    """The form for these settings."""
    rows = [SafeTimeRow(w.days, w.starts.isoformat("minutes"), w.ends.isoformat("minutes")) for w in safe.times]
    return SafeForm(
        rows=_with_spare(rows),
        word=safe.word,
        exit_word=safe.exit_word,
        neutral=safe.neutral,
        may_leave_voice=safe.may_leave_voice,
        may_name_line=safe.may_name_line,
        note=safe.note,
        paused=safe.paused,
        seen=safe.set_at.isoformat() if safe.set_at else "",
        was_paused=safe.paused,
    )


def read_form() -> SafeForm:
    """The posted form; blank rows in the middle are left out."""
    rows = [_posted_row(number) for number in range(MAX_WINDOWS + _SPARE_ROWS)]
    return SafeForm(
        rows=_with_spare([row for row in rows if not row.is_blank]),
        word=forms.clean_text("word"),
        exit_word=forms.clean_text("exit_word"),
        neutral="neutral" in request.form,
        may_leave_voice="may_leave_voice" in request.form,
        may_name_line="may_name_line" in request.form,
        note=forms.clean_text("note"),
        paused="paused" in request.form,
        seen=forms.field("seen"),
        was_paused=forms.field("was_paused") == "1",
    )


def parse(form: SafeForm) -> tuple[SafeContactForm, dict[str, str]]:
    """The settings that the form asks for, and the problems by field."""
    problems: dict[str, str] = {}
    times: list[TimeWindow] = []
    for number, row in enumerate((row for row in form.rows if not row.is_blank), 1):
        starts, ends = _read_time(row.starts), _read_time(row.ends)
        if starts is None or ends is None:
            problems.setdefault("times", f"Safe time {number}: say when it begins and ends, like 18:30 and 20:00.")
        else:
            times.append(TimeWindow(row.days, starts, ends))
    safe = SafeContact(
        times=tuple(times),
        word=form.word,
        exit_word=form.exit_word,
        neutral=form.neutral,
        may_leave_voice=form.may_leave_voice,
        may_name_line=form.may_name_line,
        note=form.note,
        paused=form.paused,
    )
    return SafeContactForm(safe, _read_moment(form.seen), form.was_paused), problems


def summary(safe: SafeContact) -> list[tuple[str, str]]:
    """A summary of the settings as (label, text), without the safe word and the exit word themselves."""
    return [
        ("When", "; ".join(map(_window, safe.times)) if safe.times else "Any time: no safe times were given"),
        ("Safe word", "Agreed: open the settings to see it" if safe.word else "None agreed"),
        ("Exit word", "One of their own, and the general ones" if safe.exit_word else "The general ones (EXIT, SALIR)"),
        ("Texts we start", "Neutral: no topic, no name, no agency" if safe.neutral else "As usual"),
        ("Naming the line", "May be named" if safe.may_name_line else "Must not be named"),
        ("Voice messages", "May be left" if safe.may_leave_voice else "Must not be left"),
    ]


def _window(window: TimeWindow) -> str:
    if not window.days:
        return "a time that can't be read (nothing is sent in it)"
    if window.starts == window.ends:
        return f"{_days(window.days)}, all day"
    over = " the next day" if window.ends < window.starts else ""
    return f"{_days(window.days)}, {_clock(window.starts)} to {_clock(window.ends)}{over}"


def _days(days: frozenset[int]) -> str:
    known = {frozenset(range(7)): "Every day", frozenset(range(5)): "Monday to Friday", frozenset({5, 6}): "Weekends"}
    return known.get(days) or ", ".join(WEEKDAYS[day][:3] for day in sorted(days) if day < len(WEEKDAYS))


def _clock(at: time) -> str:
    return format_time(at, "short", locale="en_US").replace("\u202f", " ")


def _with_spare(rows: list[SafeTimeRow]) -> tuple[SafeTimeRow, ...]:
    wanted = min(max(len(rows) + _SPARE_ROWS, _MIN_ROWS), MAX_WINDOWS + _SPARE_ROWS)
    return (*rows, *[SafeTimeRow()] * (wanted - len(rows)))


def _posted_row(number: int) -> SafeTimeRow:
    days = {int(day) for day in request.form.getlist(f"days_{number}") if day in list("0123456")}
    return SafeTimeRow(frozenset(days), forms.clean_text(f"starts_{number}"), forms.clean_text(f"ends_{number}"))


def _read_time(typed: str) -> time | None:
    try:
        return time.fromisoformat(typed).replace(second=0, microsecond=0, tzinfo=None)
    except ValueError:
        return None


def _read_moment(typed: str) -> datetime | None:
    try:
        return datetime.fromisoformat(typed)
    except ValueError:
        return None
