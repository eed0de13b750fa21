"""Run a conversation through its flows until it waits for the person again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bot.domain.conversation.effects import Effect
from bot.domain.conversation.engine import take_turn
from bot.domain.conversation.state import Conversation, Frame, Holder
from bot.domain.conversation.turn import (
    EnterFlow,
    FindServices,
    FlowReturned,
    FlowStarted,
    LeaveFlow,
    ServicesFound,
    SystemTextLookup,
    Turn,
    TurnInput,
)
from bot.domain.flows.language.flow import Flow, FlowFailed
from bot.usecases.flows.library import Library

MAX_HOPS = 20
"""Flows entered or left and searches made in one turn; more means a loop between flows."""
MAX_FRAMES = 16
"""Nested flows; imported flows of real organisations nest ten deep."""


def run_flows(
    library: Library, conversation: Conversation, event: TurnInput, now: datetime, standing_text: SystemTextLookup
) -> Turn:
    """Take turns until no flow requests anything more. Returns the last conversation and all effects in order.

    Raises FlowFailed where a flow cannot go on.
    """
    effects: list[Effect] = []
    flow_name = "?"
    for _ in range(MAX_HOPS):
        frame = conversation.frame
        if frame is None:
            raise FlowFailed("?", "-", "the conversation is in no flow")
        flow_name = frame.flow
        turn = take_turn(library.flow(frame.version), conversation, event, now, standing_text)
        conversation = turn.conversation
        effects += turn.effects
        match turn.request:
            case None:
                return Turn(conversation, tuple(effects))
            case FindServices(need=need, near=near, limit=limit):
                event = find_services(library, conversation, need, near, limit, now)
            case EnterFlow(name=name, words=words):
                conversation, event = _push_frame(conversation, library.published(name)), FlowStarted(words)
            case LeaveFlow(words=words):
                event = FlowReturned(words)
    raise FlowFailed(flow_name, "-", f"more than {MAX_HOPS} flows in one turn")


def find_services(
    library: Library, conversation: Conversation, need: str, near: str | None, limit: int, now: datetime
) -> ServicesFound:
    """Services for this need that the person has not been told of, and whether there are more."""
    offer = conversation.offer
    told = offer.service_ids if offer and (offer.need, offer.near) == (need, near) else ()
    found = library.services(need, near, limit + 1, conversation.language, now, told)
    return ServicesFound(found[:limit], len(found) > limit)


def begin_at_menu(
    library: Library, conversation: Conversation, words: str, now: datetime, standing_text: SystemTextLookup
) -> Turn:
    """Start again at the menu flow; the person's words may answer its first question."""
    menu = library.menu()
    # After an ended conversation the old answers are dropped: months later they may be wrong.
    kept = {} if conversation.ended else conversation.answers
    fresh = replace(
        conversation,
        frames=(),
        answers=kept,
        ended=False,
        outcome=None,
        human_offered=False,
        holder=Holder.BOT,
        timeout_at=None,
    )
    return run_flows(library, _push_frame(fresh, menu), FlowStarted(words), now, standing_text)


def enter_flow(
    library: Library, conversation: Conversation, name: str, words: str, now: datetime, standing_text: SystemTextLookup
) -> Turn:
    """Enter a flow from any point of the conversation; its end returns there."""
    entered = _push_frame(replace(conversation, holder=Holder.BOT), library.published(name))
    return run_flows(library, entered, FlowStarted(words), now, standing_text)


def _push_frame(conversation: Conversation, flow: Flow) -> Conversation:
    if len(conversation.frames) >= MAX_FRAMES:
        raise FlowFailed(flow.name, "-", f"more than {MAX_FRAMES} flows within one another")
    frame = Frame(flow.name, flow.version, flow.script.start)
    return replace(conversation, frames=(*conversation.frames, frame), ended=False)
