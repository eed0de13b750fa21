"""What the pages of transcripts play on: the flow's draft among what is live, with the drafts that `with=` names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from flask import request
from sqlalchemy.orm import Session

from bot.domain.script import STEP_NAME
from bot.storage import drafts
from bot.usecases.library import DraftLibrary
from bot.usecases.studio.world import World, rehearsal_cards, world_with
from bot.web.forms import runtime
from bot.web.studio import frame
from bot.web.studio.frame import Opened

MOST_ALONG = 20
"""Drafts that are taken along; a line has some ten flows, and an address is typed by anybody who is signed in."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A world to play on. `along` are the flows, other than the one that is open, whose drafts are in it, with titles."""

    world: World
    flow: str
    along: dict[str, str]

    @property
    def unread(self) -> str:
        """The flow whose draft cannot be read, so that nothing can be played; "" where there is none."""
        return next((name for name in (self.flow, *self.along) if name not in self.world.flows), "")

    def library(self) -> DraftLibrary:
        desk = runtime().desk
        return self.world.library(desk.zone, desk.line_name, rehearsal_cards(desk.zone))

    @property
    def menu(self) -> str | None:
        """The flow that everybody meets first."""
        return next((name for name, read in self.world.flows.items() if read.script.menu), None)


def stage_of(db: Session, opened: Opened) -> Stage:
    """The draft of the flow that is open, or what is live of it, and the drafts that were named, where they are there."""
    named = {name: drafts.find(db, name) for name in named_along(opened.flow)}
    contents = {name: draft.revision.content for name, draft in named.items() if draft is not None}
    world = world_with(db, {**contents, opened.flow: opened.content})
    return Stage(world, opened.flow, {name: frame.title_of(content, name) for name, content in contents.items()})


def named_along(flow: str) -> list[str]:
    """The other flows that the address or the posted form names by `with`."""
    named = [name for name in dict.fromkeys(request.values.getlist("with")) if re.fullmatch(STEP_NAME, name)]
    return [name for name in named if name != flow][:MOST_ALONG]


def address(flow: str, name: str) -> str:
    """The page of a transcript, or of all where there is no name; what is played along stays so."""
    query = [*([f"name={quote(name)}"] if name else []), *(f"with={other}" for other in named_along(flow))]
    return f"/console/flows/{flow}/transcripts{'/one' if name else ''}" + (f"?{'&'.join(query)}" if query else "")
