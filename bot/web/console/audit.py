"""The audit: who read what and when, for supervisors and auditors. It shows numbers and acts, and never words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bot.domain.audit_acts import ACTS, label
from bot.domain.permissions import Permission
from bot.storage.audits import Filter
from bot.usecases.read_audit import as_csv, export_audit, read_audit, staff_names
from bot.web.console import spoken
from bot.web.console.access import me, needs
from bot.web.forms import runtime

audit = Blueprint("audit", __name__, url_prefix="/console")

_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Asked:
    """The filter as it was asked for, and what of it could not be read."""

    sought: Filter
    typed: dict[str, str]
    problems: dict[str, str]


@audit.get("/audit")
@needs(Permission.SEE_AUDIT)
def look() -> ResponseReturnValue:
    """One page of the audit."""
    open_ = runtime()
    zone = open_.settings.timezone
    asked = _asked(zone)
    page = int(number) if (number := request.args.get("page", "1")).isdecimal() else 1
    with open_.database.transaction() as db:
        found = None if asked.problems else read_audit(db, me().id, asked.sought, min(page, _LARGEST), open_.clock.now())
        staff = staff_names(db)
    return render_template(
        "console/audit.html",
        here="audit",
        asked=asked,
        found=found,
        staff=staff,
        acts=sorted(ACTS.items(), key=lambda each: each[1]),
        label=label,
        moment=lambda at: spoken.moment(at, zone),
        page_link=lambda page: url_for("audit.look", **_given(asked), page=page),
        export_link=url_for("audit.export", **_given(asked)),
    ), (422 if asked.problems else 200)


@audit.get("/audit.csv")
@needs(Permission.SEE_AUDIT)
def export() -> ResponseReturnValue:
    """All that the filter finds, as a file."""
    open_ = runtime()
    asked = _asked(open_.settings.timezone)
    if asked.problems:
        return look()
    with open_.database.transaction() as db:
        export_audit(db, me().id, asked.sought, open_.clock.now())

    def lines() -> Iterator[str]:
        with open_.database.transaction() as db:
            yield from as_csv(db, asked.sought)

    response = Response(lines(), mimetype="text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="warmline-audit.csv"'
    return response


def _asked(zone: ZoneInfo) -> Asked:
    typed = {name: request.args.get(name, "").strip() for name in ("staff", "person", "act", "day")}
    problems: dict[str, str] = {}
    numbers: dict[str, int | None] = {}
    for name in ("staff", "person"):
        numbers[name] = _number(typed[name])
        if typed[name] and numbers[name] is None:
            problems[name] = "This is no number. Write digits only, as they stand on the person's page."
    day = _day(typed["day"])
    if typed["day"] and day is None:
        problems["day"] = "This is no day. Write it like 2026-03-02."
    sought = Filter(
        staff_id=numbers["staff"],
        conversation_id=numbers["person"],
        act=typed["act"] or None,
        since=_midnight(day, zone) if day else None,
        before=_midnight(day + timedelta(days=1), zone) if day else None,
    )
    return Asked(sought, typed, problems)


def _number(typed: str) -> int | None:
    digits = typed.removeprefix("#")
    return int(digits) if digits.isascii() and digits.isdecimal() and int(digits) <= _LARGEST else None


def _day(typed: str) -> date | None:
    try:
        return date.fromisoformat(typed)
    except ValueError:
        return None


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def _given(asked: Asked) -> dict[str, Any]:
    return {name: value for name, value in asked.typed.items() if value}
