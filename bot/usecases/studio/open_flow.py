"""Open a flow in the studio: its draft, its live version, and which of them is edited."""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml
from sqlalchemy.orm import Session

from bot.domain.flows.language.content import FlowContent
from bot.domain.flows.language.script import STEP_NAME
from bot.storage.flows import drafts, flows
from bot.storage.flows.drafts import Draft
from bot.storage.flows.flows import StoredFlow


@dataclass(frozen=True, slots=True)
class OpenFlow:
    """The flow that a page is about. `content` is the draft's, else the live version's; `number` is the draft's revision or
    0."""

    flow: str
    title: str
    draft: Draft | None
    live: StoredFlow | None
    content: FlowContent
    number: int
    is_changed: bool
    """Whether the draft differs from the live version."""
    can_undo: bool = False
    can_redo: bool = False

    @property
    def version_token(self) -> int:
        """The state that this page was rendered from, posted by its forms to detect conflicts: the draft's revision, or
        without a draft the live version as a negative number."""
        return self.number if self.draft is not None or self.live is None else -self.live.version


def open_flow(db: Session, flow: str) -> OpenFlow | None:
    """The flow with this name; None if it is neither drafted nor published."""
    if not re.fullmatch(STEP_NAME, flow):
        return None
    draft = drafts.find(db, flow)
    version = flows.current_version(db, flow)
    live = flows.load_version(db, version) if version is not None else None
    if draft is not None:
        content, number = draft.revision.content, draft.revision.number
    elif live is not None:
        content, number = live.content, 0
    else:
        return None
    return OpenFlow(
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
_MAX_TITLE_CHARACTERS = 400
"""Characters of the title line that are parsed; hundreds of brackets would be nested too deeply for the parser."""


def title_of(content: FlowContent, flow: str) -> str:
    """The title in the source, even if the rest of the source cannot be parsed; else the flow's name."""
    found = _TITLE.search(content.source)
    if found is None:
        return flow
    try:
        # BaseLoader makes all values strings: a title like 2026-13-45 is an invalid date and must not break the page.
        title = yaml.load(found[1][:_MAX_TITLE_CHARACTERS], Loader=yaml.BaseLoader)  # noqa: S506 (it makes texts only)
    except (yaml.YAMLError, ValueError, RecursionError):
        return flow
    return title[:80] if title and isinstance(title, str) else flow
