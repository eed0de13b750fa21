"""The inbox: who waits for a human, for how long, and who has whom."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, make_response, render_template, request

from bot.domain.permissions import Permission
from bot.usecases.read_inbox import Entry, Inbox, Section, read_inbox
from bot.web import forms
from bot.web.console import news, wording
from bot.web.console.access import me, needs, record
from bot.web.forms import runtime

inbox = Blueprint("inbox", __name__, url_prefix="/console")

MOST = 30
"""Cards under a heading that calls for nobody; the others are a press away, and the page stays light."""
HEADINGS = {
    Section.OFFERED: "Offered to me",
    Section.MINE: "Mine",
    Section.WAITING: "Waiting",
    Section.OTHERS: "With others",
    Section.HANDED_BACK: "Handed back, not closed",
}


@inbox.get("")
@needs(Permission.SEE_INBOX)
def index() -> Response:
    """The inbox as a page; `team` and `language` narrow it."""
    return make_response(render_template("console/inbox.html", **_values(is_recorded=True)))


@inbox.get("/inbox/news")
@needs(Permission.SEE_INBOX)
def parts() -> Response:
    """What changes of the page, for its script."""
    values = _values()
    found: Inbox = values["found"]
    return jsonify(
        seen=found.version,
        newsPass=values["news_pass"],
        now=values["now"].isoformat(),
        parts={"list": render_template("console/inbox_list.html", **values)},
        waiting=[[each.id, wording.plain(each.urgency, wording.URGENCIES)] for each in _calling_for_me(found)],
    )


@inbox.get("/news", endpoint="news")
def is_there_news() -> Response:
    """Whether an open page has anything new; see news.py."""
    return news.answer()


def _values(*, is_recorded: bool = False) -> dict[str, Any]:
    """Everything for the page. Where somebody asked for it, and not its script, that it was read is written down."""
    open_ = runtime()
    now = open_.clock.now()
    team, language = request.args.get("team", ""), request.args.get("language", "")
    with open_.database.transaction() as db:
        found = read_inbox(db, open_.desk.sealer, me(), team, language)
        if is_recorded:
            record(db, "read_inbox", now)
    return {
        "found": found,
        "headings": HEADINGS,
        "w": wording,
        "now": now,
        "zone": open_.settings.timezone,
        "team": team,
        "language": language,
        "all": bool(request.args.get("all")),
        "most": MOST,
        "waiting": _calling_for_me(found),
        "news_pass": news.make_pass(me().id),
        "may_answer": me().may(Permission.ANSWER),
        "is_part": forms.asks_for_part(),
    }


def _calling_for_me(found: Inbox) -> tuple[Entry, ...]:
    """Those about which the page makes itself heard."""
    return (*found.sections[Section.OFFERED], *found.sections[Section.WAITING])
