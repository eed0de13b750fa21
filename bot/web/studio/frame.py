"""What all pages of the studio share: the tabs around the open flow, the author of changes, and the 404 page."""

from __future__ import annotations

import re
from typing import Any

from flask import Response, render_template
from markupsafe import Markup, escape

from bot.domain.staff.permissions import Permission
from bot.usecases.studio.edit_draft import DraftAuthor
from bot.usecases.studio.open_flow import OpenFlow
from bot.web import forms, layout
from bot.web.access import current_user

TABS = (
    ("steps", "Steps", ""),
    ("try", "Try it", "/try"),
    ("transcripts", "Transcripts", "/transcripts"),
    ("words", "Translations", "/words"),
    ("source", "YAML", "/source"),
    ("publish", "Publish", "/publish"),
    ("history", "History", "/history"),
)


def with_code_marks(words: str) -> Markup:
    """A message of the checks as HTML: text between backquotes becomes code. Also a Jinja filter."""
    parts = [escape(part) for part in str(words).split("`")]
    if len(parts) % 2 == 0:
        return escape(words)
    return Markup().join(Markup("<code>{}</code>").format(part) if at % 2 else part for at, part in enumerate(parts))


def render_page(template: str, opened: OpenFlow, tab: str, **values: Any) -> str:
    """A page about a flow, with the tabs around it."""
    return render_template(
        template,
        here="flows",
        opened=opened,
        tab=tab,
        tabs=[(key, label, f"/console/flows/{opened.flow}{path}") for key, label, path in TABS],
        may_edit=current_user().may(Permission.EDIT_FLOWS),
        may_publish=current_user().may(Permission.PUBLISH_FLOWS),
        **values,
    )


def not_found() -> Response:
    """404 for a flow that is neither drafted nor published."""
    return layout.refusal_page(
        "There is no such flow", "It may have been renamed, or its draft was thrown away. Look in the list of flows.", 404
    )


def current_author() -> DraftAuthor:
    """The signed-in staff member as the author of changes."""
    return DraftAuthor(current_user().name, current_user().id)


def posted_version_token() -> int:
    """The posted version token: the revision, or the negative version, that the form was rendered from; 0 if invalid."""
    found = re.fullmatch(r"-?[0-9]{1,9}", forms.field("seen"))
    return int(found[0]) if found else 0
