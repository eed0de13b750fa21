"""The inbox: who is waiting for a social worker and for how long, and who has claimed whom."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, make_response, render_template, request

from bot.domain.staff.permissions import Permission
from bot.usecases.handoff.read_inbox import Inbox, InboxEntry, InboxSection, read_inbox
from bot.web import forms
from bot.web.access import current_user, record_audit, require_permission
from bot.web.console import news, wording
from bot.web.forms import current_runtime

inbox = Blueprint("inbox", __name__, url_prefix="/console")

MAX_CARDS = 30
"""Cards shown under a heading that needs no action; the others are one click away, which keeps the page small."""
HEADINGS = {
    InboxSection.OFFERED: "Offered to me",
    InboxSection.MINE: "Mine",
    InboxSection.WAITING: "Waiting",
    InboxSection.OTHERS: "With others",
    InboxSection.HANDED_BACK: "Handed back, not closed",
}


@inbox.get("")
@require_permission(Permission.SEE_INBOX)
def index() -> Response:
    """The inbox as a page; the query parameters `team` and `language` filter it."""
    return make_response(render_template("console/inbox.html", **_values(is_recorded=True)))


@inbox.get("/inbox/news")
@require_permission(Permission.SEE_INBOX)
def parts() -> Response:
    """The parts of the page that can change, for its script."""
    values = _values()
    found: Inbox = values["found"]
    return jsonify(
        seen=found.version,
        newsPass=values["news_pass"],
        now=values["now"].isoformat(),
        parts={"list": render_template("console/inbox_list.html", **values)},
        waiting=[[each.id, wording.plain(each.urgency, wording.URGENCIES)] for each in _needing_action(found)],
    )


@inbox.get("/news", endpoint="news")
def check_news() -> Response:
    """Whether an open page is out of date; see news.py."""
    return news.news_response()


def _values(*, is_recorded: bool = False) -> dict[str, Any]:
    """The template values; with `is_recorded` (not for the page's script) the reading is audited."""
    runtime = current_runtime()
    now = runtime.clock.now()
    team, language = request.args.get("team", ""), request.args.get("language", "")
    with runtime.database.transaction() as db:
        found = read_inbox(db, runtime.context.sealer, current_user(), team, language)
        if is_recorded:
            record_audit(db, "read_inbox", now)
    return {
        "found": found,
        "headings": HEADINGS,
        "w": wording,
        "now": now,
        "zone": runtime.settings.timezone,
        "team": team,
        "language": language,
        "all": bool(request.args.get("all")),
        "most": MAX_CARDS,
        "waiting": _needing_action(found),
        "news_pass": news.make_pass(current_user().id),
        "may_answer": current_user().may(Permission.ANSWER),
        "is_part": forms.is_script_request(),
    }


def _needing_action(found: Inbox) -> tuple[InboxEntry, ...]:
    """The entries for which the page plays a sound."""
    return (*found.sections[InboxSection.OFFERED], *found.sections[InboxSection.WAITING])
