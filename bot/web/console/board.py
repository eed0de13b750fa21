"""The supervisor's board: who waits, who is on, what is overdue, and how today's promises were kept."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, make_response, render_template

from bot.domain.handoff import ACKNOWLEDGED_WITHIN
from bot.domain.permissions import Permission
from bot.domain.staff_form import language_names
from bot.usecases.read_board import HOLES_WITHIN, UNANSWERED_AFTER, read_board
from bot.web import forms
from bot.web.console import news, spoken, wait_chart, wording
from bot.web.console.access import me, needs, record
from bot.web.forms import runtime

board = Blueprint("board", __name__, url_prefix="/console")


@board.get("/board")
@needs(Permission.SEE_BOARD)
def look() -> Response:
    """The board as a page."""
    values = _values(is_recorded=True)
    return make_response(render_template("console/board.html", **values))


@board.get("/board/news")
@needs(Permission.SEE_BOARD)
def parts() -> Response:
    """What changes of the page, for its script."""
    values = _values(is_recorded=False)
    found = values["found"]
    return jsonify(
        seen=found.version,
        newsPass=values["news_pass"],
        now=found.now.isoformat(),
        parts={"board": render_template("console/board_live.html", **values)},
        waiting=[],
    )


def _values(*, is_recorded: bool) -> dict[str, Any]:
    """What the templates need; `is_recorded`: the audit says that it was read."""
    open_ = runtime()
    zone = open_.settings.timezone
    with open_.database.transaction() as db:
        found = read_board(db, open_.clock.now(), zone, me().id, me().teams)
        if is_recorded:
            record(db, "read_board", found.now)
    return {
        "here": "board",
        "found": found,
        "chart": wait_chart.draw(found.hours, zone),
        "promised": {urgency: wording.span(time) for urgency, time in ACKNOWLEDGED_WITHIN.items()},
        "unanswered_after": wording.span(UNANSWERED_AFTER),
        "holes_within": int(HOLES_WITHIN.total_seconds() // 3600),
        "now": found.now,
        "zone": zone,
        "w": wording,
        "s": spoken,
        "languages": language_names,
        "news_pass": news.make_pass(me().id),
        "may_take_over": me().may(Permission.TAKE_OVER),
        "is_part": forms.asks_for_part(),
    }
