"""What every page of the studio stands on: the flow that is open, the tabs around it, who changes, and refusals."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml
from flask import Response, render_template
from markupsafe import Markup, escape
from sqlalchemy.orm import Session

from bot.domain.flow_content import FlowContent
from bot.domain.permissions import Permission
from bot.domain.script import STEP_NAME
from bot.storage import drafts, flows
from bot.storage.drafts import Author, Draft
from bot.storage.flows import StoredFlow
from bot.web import forms
from bot.web.console import layout
from bot.web.console.access import me

TABS = (
    ("steps", "Steps", ""),
    ("try", "Try it", "/try"),
    ("transcripts", "Transcripts", "/transcripts"),
    ("words", "Translations", "/words"),
    ("source", "YAML", "/source"),
    ("publish", "Publish", "/publish"),
    ("history", "History", "/history"),
)


@dataclass(frozen=True, slots=True)
class Opened:
    """The flow that a page is about. `content` is the draft's, else what is live; `number` its revision, or 0."""

    flow: str
    title: str
    draft: Draft | None
    live: StoredFlow | None
    content: FlowContent
    number: int
    is_changed: bool
    """Whether the draft differs from what is live."""
    can_undo: bool = False
    can_redo: bool = False

    @property
    def seen(self) -> int:
        """What a form of this page was made from: the revision, or with a minus the version where there is no draft."""
        return self.number if self.draft is not None or self.live is None else -self.live.version


def opened(db: Session, flow: str) -> Opened | None:
    """The flow of this name, where it is drafted or published."""
    if not re.fullmatch(STEP_NAME, flow):
        return None
    draft = drafts.find(db, flow)
    version = flows.published(db, flow)
    live = flows.load(db, version) if version is not None else None
    if draft is not None:
        content, number = draft.revision.content, draft.revision.number
    elif live is not None:
        content, number = live.content, 0
    else:
        return None
    return Opened(
        flow=flow,
        title=title_of(content, flow),
        draft=draft,
        live=live,
        content=content,
        number=number,
        is_changed=live is None or content != live.content,
        can_undo=draft is not None and draft.revision.parent_id is not None,
        can_redo=draft is not None and draft.revision.undone_id is not None,
    )


_TITLE = re.compile(r"^title:[ \t]*(.+)$", re.MULTILINE)
_LONGEST_TITLE = 400
"""Characters of the line that are read; hundreds of brackets would be nested too deeply to read."""


def title_of(content: FlowContent, flow: str) -> str:
    """The title that the source gives, also where the rest of it cannot be read."""
    found = _TITLE.search(content.source)
    if found is None:
        return flow
    try:
        # All values as texts: a title like 2026-13-45 is no date, and must not keep the page from being shown.
        title = yaml.load(found[1][:_LONGEST_TITLE], Loader=yaml.BaseLoader)  # noqa: S506 (it makes texts only)
    except (yaml.YAMLError, ValueError, RecursionError):
        return flow
    return title[:80] if title and isinstance(title, str) else flow


def coded(words: str) -> Markup:
    """Words of the checks for a page: what stands between backquotes is shown as code."""
    parts = [escape(part) for part in str(words).split("`")]
    if len(parts) % 2 == 0:
        return escape(words)
    return Markup().join(Markup("<code>{}</code>").format(part) if at % 2 else part for at, part in enumerate(parts))


def page(template: str, opened: Opened, tab: str, **values: Any) -> str:
    """A page about a flow, with the tabs around it."""
    return render_template(
        template,
        here="flows",
        opened=opened,
        tab=tab,
        tabs=[(key, label, f"/console/flows/{opened.flow}{path}") for key, label, path in TABS],
        may_edit=me().may(Permission.EDIT_FLOWS),
        may_publish=me().may(Permission.PUBLISH_FLOWS),
        **values,
    )


def not_there() -> Response:
    """404 for a flow that is neither drafted nor published."""
    return layout.refused(
        "There is no such flow", "It may have been renamed, or its draft was thrown away. Look in the list of flows.", 404
    )


def author() -> Author:
    """Who is signed in, as the one who changes."""
    return Author(me().name, me().id)


def seen() -> int:
    """The revision, or with a minus the version, from which the posted page was made."""
    found = re.fullmatch(r"-?[0-9]{1,9}", forms.field("seen"))
    return int(found[0]) if found else 0
