"""What every page of the console shows around its content: the way to the other pages, who is signed in, and refusals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Response, current_app, g, make_response, render_template, url_for

from bot.domain.permissions import Permission
from bot.web.console.access import Me, record
from bot.web.forms import runtime


@dataclass(frozen=True, slots=True)
class Link:
    """One entry of the navigation. `key` is what a page's `here` says."""

    key: str
    label: str
    path: str
    permissions: tuple[Permission, ...]
    """Any of them is enough."""


_P = Permission
LINKS = (
    Link("inbox", "Inbox", "/console", (_P.SEE_INBOX,)),
    Link("board", "Board", "/console/board", (_P.SEE_BOARD,)),
    Link("people", "People", "/console/people", (_P.READ_TRANSCRIPT,)),
    Link("follow_up", "Follow-up", "/console/follow-up", (_P.FOLLOW_UP,)),
    Link("directory", "Directory", "/console/directory", (_P.SEE_DIRECTORY,)),
    Link("flows", "Flows", "/console/flows", (_P.SEE_FLOWS,)),
    Link("roster", "Roster", "/console/roster", (_P.SEE_ROSTER,)),
    Link("replies", "Replies", "/console/replies", (_P.ANSWER, _P.EDIT_REPLIES)),
    Link("staff", "Staff", "/console/staff", (_P.SEE_STAFF,)),
    Link("audit", "Audit", "/console/audit", (_P.SEE_AUDIT,)),
    Link("account", "My account", "/console/account", (_P.EDIT_OWN,)),
)
_SIGN_OUT = "sign_in.sign_out"


def around() -> dict[str, Any]:
    """What console/base.html needs beside the page's own values; nothing on pages that are no staff's."""
    me: Me | None = g.get("me")
    if me is None:
        return {}
    has_way_out = _SIGN_OUT in current_app.view_functions
    return {
        "console_links": lambda: [
            link for link in LINKS if any(me.may(each) for each in link.permissions) and link.path in _known_paths()
        ],
        "staff_name": me.name,
        "sign_out_path": url_for(_SIGN_OUT) if has_way_out else "",
    }


def _known_paths() -> frozenset[str]:
    """The addresses that this application answers; an application never gets more of them while it runs."""
    known: frozenset[str] | None = current_app.extensions.get("warmline paths")
    if known is None:
        known = frozenset(rule.rule for rule in current_app.url_map.iter_rules())
        current_app.extensions["warmline paths"] = known
    return known


def refused(title: str, words: str, status: int) -> Response:
    """A page in the layout that says why something cannot be shown or done."""
    return make_response(render_template("console/refused.html", title=title, words=words), status)


def not_here(handoff_id: int | None, detail: str) -> Response:
    """404 for what does not exist or is not theirs to see: the two look the same, and both are written down."""
    open_ = runtime()
    with open_.database.transaction() as db:
        record(db, "refused", open_.clock.now(), handoff_id=handoff_id if _fits(handoff_id) else None, detail=detail)
    return refused(
        "This is not here",
        "There is no such conversation among those that you may see. It may belong to another team. If you were sent here "
        "by an alert, ask your supervisor. That you looked is in the audit log.",
        404,
    )


def _fits(row: int | None) -> bool:
    """Whether a number can be a row's: an address may hold any."""
    return row is not None and row < 2**63
