"""The audit log for supervisors and auditors: who read or did what and when. It shows ids and acts, never texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bot.domain.staff.audit_acts import ACT_LABELS, label
from bot.domain.staff.permissions import Permission
from bot.usecases.staff.read_audit import AuditFilter, csv_lines, export_audit, read_audit, staff_names
from bot.web.access import current_user, require_permission
from bot.web.console import moments
from bot.web.forms import current_runtime

audit = Blueprint("audit", __name__, url_prefix="/console")

_MAX_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """The filter of the request: parsed, as typed, and the problems by field."""

    criteria: AuditFilter
    typed: dict[str, str]
    problems: dict[str, str]


@audit.get("/audit")
@require_permission(Permission.SEE_AUDIT)
def look() -> ResponseReturnValue:
    """One page of the audit log."""
    runtime = current_runtime()
    zone = runtime.settings.timezone
    asked = _read_query(zone)
    page = int(number) if (number := request.args.get("page", "1")).isdecimal() else 1
    with runtime.database.transaction() as db:
        found = (
            None
            if asked.problems
            else read_audit(db, current_user().id, asked.criteria, min(page, _MAX_ID), runtime.clock.now())
        )
        staff = staff_names(db)
    return render_template(
        "console/audit.html",
        here="audit",
        asked=asked,
        found=found,
        staff=staff,
        acts=sorted(ACT_LABELS.items(), key=lambda each: each[1]),
        label=label,
        moment=lambda at: moments.moment(at, zone),
        page_link=lambda page: url_for("audit.look", **_query_params(asked), page=page),
        export_link=url_for("audit.export", **_query_params(asked)),
    ), (422 if asked.problems else 200)


@audit.get("/audit.csv")
@require_permission(Permission.SEE_AUDIT)
def export() -> ResponseReturnValue:
    """All entries that match the filter, as a CSV file."""
    runtime = current_runtime()
    asked = _read_query(runtime.settings.timezone)
    if asked.problems:
        return look()
    with runtime.database.transaction() as db:
        export_audit(db, current_user().id, asked.criteria, runtime.clock.now())

    def lines() -> Iterator[str]:
        with runtime.database.transaction() as db:
            yield from csv_lines(db, asked.criteria)

    response = Response(lines(), mimetype="text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="warmline-audit.csv"'
    return response


def _read_query(zone: ZoneInfo) -> AuditQuery:
    typed = {name: request.args.get(name, "").strip() for name in ("staff", "person", "act", "day")}
    problems: dict[str, str] = {}
    numbers: dict[str, int | None] = {}
    for name in ("staff", "person"):
        numbers[name] = _read_id(typed[name])
        if typed[name] and numbers[name] is None:
            problems[name] = "This is no number. Write digits only, as they stand on the person's page."
    day = _read_day(typed["day"])
    if typed["day"] and day is None:
        problems["day"] = "This is no day. Write it like 2026-03-02."
    sought = AuditFilter(
        staff_id=numbers["staff"],
        conversation_id=numbers["person"],
        act=typed["act"] or None,
        since=_midnight(day, zone) if day else None,
        before=_midnight(day + timedelta(days=1), zone) if day else None,
    )
    return AuditQuery(sought, typed, problems)


def _read_id(typed: str) -> int | None:
    digits = typed.removeprefix("#")
    return int(digits) if digits.isascii() and digits.isdecimal() and int(digits) <= _MAX_ID else None


def _read_day(typed: str) -> date | None:
    try:
        return date.fromisoformat(typed)
    except ValueError:
        return None


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def _query_params(asked: AuditQuery) -> dict[str, Any]:
    return {name: value for name, value in asked.typed.items() if value}
