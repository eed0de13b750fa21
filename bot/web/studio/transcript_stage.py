"""The flows that the transcript pages run on: the live ones, with the open flow's draft and the drafts named by `with=`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from flask import request
from sqlalchemy.orm import Session

from bot.domain.flows.language.script import STEP_NAME
from bot.usecases.flows.library import DraftLibrary
from bot.usecases.studio.flow_sets import FlowSet, flow_set_with_drafts, rehearsal_cards
from bot.usecases.studio.open_flow import OpenFlow, title_of
from bot.web.forms import current_runtime

MAX_OTHER_DRAFTS = 20
"""The most drafts that a URL may name; an installation has about ten flows."""


@dataclass(frozen=True, slots=True)
class TranscriptWorld:
    """The flows that transcripts run on. `other_drafts`: the other flows whose drafts are included -> their titles."""

    world: FlowSet
    flow: str
    other_drafts: dict[str, str]

    @property
    def unreadable_flow(self) -> str:
        """The first flow whose draft cannot be parsed, so that nothing can be run; "" if there is none."""
        return next((name for name in (self.flow, *self.other_drafts) if name not in self.world.flows), "")

    def library(self) -> DraftLibrary:
        context = current_runtime().context
        return self.world.library(context.zone, context.line_name, rehearsal_cards(context.zone))

    @property
    def menu_flow(self) -> str | None:
        """The flow in which every conversation begins; None if there is none."""
        return next((name for name, read in self.world.flows.items() if read.script.menu), None)


def load_world(db: Session, opened: OpenFlow) -> TranscriptWorld:
    """The open flow's draft or live version, with the named drafts that exist."""
    world, contents = flow_set_with_drafts(db, opened.flow, opened.content, other_draft_names(opened.flow))
    return TranscriptWorld(world, opened.flow, {name: title_of(content, name) for name, content in contents.items()})


def other_draft_names(flow: str) -> list[str]:
    """The other flows that the URL or the posted form names by `with`."""
    named = [name for name in dict.fromkeys(request.values.getlist("with")) if re.fullmatch(STEP_NAME, name)]
    return [name for name in named if name != flow][:MAX_OTHER_DRAFTS]


def transcript_path(flow: str, name: str) -> str:
    """The path of a transcript's page, or of the list if there is no name; the included drafts stay the same."""
    query = [*([f"name={quote(name)}"] if name else []), *(f"with={other}" for other in other_draft_names(flow))]
    return f"/console/flows/{flow}/transcripts{'/one' if name else ''}" + (f"?{'&'.join(query)}" if query else "")
