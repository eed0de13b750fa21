"""The supervisor's board: who is waiting, who is on duty, what is overdue, and how well today's promises were kept."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, make_response, render_template

from bot.domain.handoff.states import CLAIM_WITHIN
from bot.domain.staff.form import language_names
from bot.domain.staff.permissions import Permission
from bot.usecases.handoff.read_board import GAPS_WITHIN, SHOW_UNANSWERED_AFTER, read_board
from bot.web import forms
from bot.web.access import current_user, record_audit, require_permission
from bot.web.console import moments, news, wait_chart, wording
from bot.web.forms import current_runtime

board = Blueprint("board", __name__, url_prefix="/console")


@board.get("/board")
@require_permission(Permission.SEE_BOARD)
def look() -> Response:
    """The board as a page."""
    values = _values(is_recorded=True)
    return make_response(render_template("console/board.html", **values))


@board.get("/board/news")
@require_permission(Permission.SEE_BOARD)
def parts() -> Response:
    """The parts of the page that can change, for its script."""
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
    """The template values; with `is_recorded` the reading is audited."""
    runtime = current_runtime()
    zone = runtime.settings.timezone
    with runtime.database.transaction() as db:
        found = read_board(db, runtime.clock.now(), zone, current_user().id, current_user().teams)
        if is_recorded:
            record_audit(db, "read_board", found.now)
    return {
        "here": "board",
        "found": found,
        "chart": wait_chart.draw(found.hours, zone),
        "promised": {urgency: wording.span(time) for urgency, time in CLAIM_WITHIN.items()},
        "unanswered_after": wording.span(SHOW_UNANSWERED_AFTER),
        "holes_within": int(GAPS_WITHIN.total_seconds() // 3600),
        "now": found.now,
        "zone": zone,
        "w": wording,
        "s": moments,
        "languages": language_names,
        "news_pass": news.make_pass(current_user().id),
        "may_take_over": current_user().may(Permission.TAKE_OVER),
        "is_part": forms.is_script_request(),
    }
