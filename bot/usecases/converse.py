"""Carry a conversation through its flows until it waits for the person again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bot.domain.conversation import Conversation, Frame, Holder
from bot.domain.effects import Effect
from bot.domain.engine import StandingText, take_turn
from bot.domain.flow import Flow, FlowFailed
from bot.domain.turn import EnterFlow, FindServices, Found, LeaveFlow, Returned, Said, Started, Turn
from bot.usecases.library import Library

MOST_HOPS = 20
"""Flows entered, left and looked up in one turn; more of them is a loop between flows."""
MOST_FRAMES = 16
"""Flows within one another; flows of real organisations that were imported run each other ten deep."""


def converse(library: Library, conversation: Conversation, said: Said, now: datetime, standing: StandingText) -> Turn:
    """Take turns until no flow asks for anything more. The effects of all of them come back in order.

    Raises FlowFailed where a flow cannot go on.
    """
    effects: list[Effect] = []
    flow_name = "?"
    for _ in range(MOST_HOPS):
        frame = conversation.frame
        if frame is None:
            raise FlowFailed("?", "-", "the conversation is in no flow")
        flow_name = frame.flow
        turn = take_turn(library.flow(frame.version), conversation, said, now, standing)
        conversation = turn.conversation
        effects += turn.effects
        match turn.request:
            case None:
                return Turn(conversation, tuple(effects))
            case FindServices(need=need, near=near, limit=limit):
                said = find_services(library, conversation, need, near, limit, now)
            case EnterFlow(name=name, words=words):
                conversation, said = _entered(conversation, library.published(name)), Started(words)
            case LeaveFlow(words=words):
                said = Returned(words)
    raise FlowFailed(flow_name, "-", f"more than {MOST_HOPS} flows in one turn")


def find_services(
    library: Library, conversation: Conversation, need: str, near: str | None, limit: int, now: datetime
) -> Found:
    """Services that this person has not been told of for this need, and whether there are more of them."""
    offer = conversation.offer
    told = offer.shown if offer and (offer.need, offer.near) == (need, near) else ()
    found = library.services(need, near, limit + 1, conversation.language, now, told)
    return Found(found[:limit], len(found) > limit)


def begin(library: Library, conversation: Conversation, words: str, now: datetime, standing: StandingText) -> Turn:
    """Start anew at the menu flow; the person's first words may answer its first question."""
    menu = library.menu()
    # Somebody who comes back after months is told anew who reads; their old answers are not passed off as new ones.
    kept = {} if conversation.ended else conversation.answers
    fresh = replace(
        conversation, frames=(), answers=kept, ended=False, outcome=None, offered=False, holder=Holder.BOT, waking=None
    )
    return converse(library, _entered(fresh, menu), Started(words), now, standing)


def enter(
    library: Library, conversation: Conversation, name: str, words: str, now: datetime, standing: StandingText
) -> Turn:
    """Go into a flow from wherever the conversation is; its end leads back there."""
    entered = _entered(replace(conversation, holder=Holder.BOT), library.published(name))
    return converse(library, entered, Started(words), now, standing)


def _entered(conversation: Conversation, flow: Flow) -> Conversation:
    if len(conversation.frames) >= MOST_FRAMES:
        raise FlowFailed(flow.name, "-", f"more than {MOST_FRAMES} flows within one another")
    frame = Frame(flow.name, flow.version, flow.script.start)
    return replace(conversation, frames=(*conversation.frames, frame), ended=False)
