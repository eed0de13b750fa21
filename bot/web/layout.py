"""The layout of the console's pages: navigation, the signed-in staff member, and pages that say why something is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Response, current_app, g, make_response, render_template, url_for

from bot.domain.staff.permissions import Permission
from bot.web.access import CurrentUser, record_audit
from bot.web.forms import current_runtime


@dataclass(frozen=True, slots=True)
class NavigationLink:
    """One entry of the navigation. `key` is the `here` of its page."""

    key: str
    label: str
    path: str
    permissions: tuple[Permission, ...]
    """Any one of them is enough."""


_P = Permission
NAVIGATION = (
    NavigationLink("inbox", "Inbox", "/console", (_P.SEE_INBOX,)),
    NavigationLink("board", "Board", "/console/board", (_P.SEE_BOARD,)),
    NavigationLink("people", "People", "/console/people", (_P.READ_TRANSCRIPT,)),
    NavigationLink("follow_up", "Follow-up", "/console/follow-up", (_P.FOLLOW_UP,)),
    NavigationLink("directory", "Directory", "/console/directory", (_P.SEE_DIRECTORY,)),
    NavigationLink("flows", "Flows", "/console/flows", (_P.SEE_FLOWS,)),
    NavigationLink("roster", "Roster", "/console/roster", (_P.SEE_ROSTER,)),
    NavigationLink("replies", "Replies", "/console/replies", (_P.ANSWER, _P.EDIT_REPLIES)),
    NavigationLink("staff", "Staff", "/console/staff", (_P.SEE_STAFF,)),
    NavigationLink("audit", "Audit", "/console/audit", (_P.SEE_AUDIT,)),
    NavigationLink("account", "My account", "/console/account", (_P.EDIT_OWN,)),
)
_SIGN_OUT = "sign_in.sign_out"


def layout_values() -> dict[str, Any]:
    """The template values that console/base.html needs; none without a signed-in staff member."""
    me: CurrentUser | None = g.get("me")
    if me is None:
        return {}
    has_way_out = _SIGN_OUT in current_app.view_functions
    return {
        "console_links": lambda: [
            link for link in NAVIGATION if any(me.may(each) for each in link.permissions) and link.path in _known_paths()
        ],
        "staff_name": me.name,
        "sign_out_path": url_for(_SIGN_OUT) if has_way_out else "",
    }


def _known_paths() -> frozenset[str]:
    """The URL rules of this application, cached: they do not change while it runs."""
    known: frozenset[str] | None = current_app.extensions.get("warmline paths")
    if known is None:
        known = frozenset(rule.rule for rule in current_app.url_map.iter_rules())
        current_app.extensions["warmline paths"] = known
    return known


def refusal_page(title: str, words: str, status: int) -> Response:
    """A page in the console's layout that says why something cannot be shown or done."""
    return make_response(render_template("console/refused.html", title=title, words=words), status)


def not_found(handoff_id: int | None, detail: str) -> Response:
    """404 for what does not exist or the staff member may not see: the two look the same, and both are audited."""
    runtime = current_runtime()
    with runtime.database.transaction() as db:
        record_audit(
            db, "refused", runtime.clock.now(), handoff_id=handoff_id if _fits_id_column(handoff_id) else None, detail=detail
        )
    return refusal_page(
        "This is not here",
        "There is no such conversation among those that you may see. It may belong to another team. If you were sent here "
        "by an alert, ask your supervisor. That you looked is in the audit log.",
        404,
    )


def _fits_id_column(row: int | None) -> bool:
    """Whether a number fits into an id column: a URL may hold any number."""
    return row is not None and row < 2**63
