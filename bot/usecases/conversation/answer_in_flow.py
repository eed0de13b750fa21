"""Answers from the flow, while the bot holds the conversation, and to a person who waits for a human."""

from __future__ import annotations

from datetime import timedelta

from bot.domain.conversation.effects import HandoffReason, NotifyStaff, OpenHandoff
from bot.domain.conversation.turn import TextReceived
from bot.domain.flows.language.flow import FlowFailed
from bot.domain.messages.message import OutboxLane
from bot.domain.safety import Assessment, Level, reply_key
from bot.domain.safety.levels import Urgency
from bot.usecases.conversation.converse import run_flows
from bot.usecases.conversation.turn_in_progress import TurnInProgress

MAX_TURNS_WHILE_BUSY = 40
"""More turns than this in ten minutes is a machine that answers us, not a person (14107): a human should look."""
REPEAT_WAITING = timedelta(minutes=5)
"""How soon a person who waits for a human is told again that they are still waited for. Each text reaches the human."""
REPEAT_WAITING_IN_DANGER = timedelta(minutes=2)


def answer_waiting(turn: TurnInProgress) -> None:
    """The person writes while no social worker has claimed the handoff yet."""
    danger, last_notice_at = turn.conversation.in_danger, turn.conversation.last_notice_at
    turn.effects.append(NotifyStaff(urgent=danger))
    pause = REPEAT_WAITING_IN_DANGER if danger else REPEAT_WAITING
    key = "waiting" if danger else "waiting_calm"
    if last_notice_at and turn.conversation.last_notice_key == key and turn.now - last_notice_at < pause:
        turn.stay_silent("waiting for a human, and told so a moment ago")
        return
    # The first words after the call for a human are always answered: "hola?" must not meet silence.
    turn.reply(key, OutboxLane.CRISIS if danger else OutboxLane.REPLY)
    turn.update(last_notice_at=turn.now, last_notice_key=key)


def answer_from_flow(turn: TurnInProgress, assessment: Assessment) -> None:
    """The bot holds the conversation: the flow answers, and in distress a human is offered, once."""
    if turn.conversation.in_danger:
        # They went back to the menu; the human who is still called must not lose sight of them.
        turn.effects.append(NotifyStaff())
    if turn.conversation.busy_turns > MAX_TURNS_WHILE_BUSY:
        turn.reply("too_many_messages")
        turn.effects.append(
            OpenHandoff(HandoffReason.NOT_UNDERSTOOD, Urgency.THIS_SHIFT, because="too many texts in ten minutes")
        )
        turn.wait_for_human()
        return
    offers_human = assessment.level is Level.DISTRESS and not turn.conversation.human_offered
    is_first_text = turn.conversation.turn == 1
    if offers_human and not is_first_text:
        _offer_human(turn, assessment)
    _run_flow_with_text(turn)
    if offers_human and is_first_text:
        # The greeting comes first; the offer is the last thing read.
        _offer_human(turn, assessment)


def flow_waits_for_human(turn: TurnInProgress) -> bool:
    """Whether the flow ended by calling a human; once that human is done, no step of it waits for the person's words."""
    frame = turn.conversation.frame
    try:
        return frame is not None and frame.step in turn.library.flow(frame.version).machine.waits_for_human
    except FlowFailed:
        return False


def _offer_human(turn: TurnInProgress, assessment: Assessment) -> None:
    turn.reply(reply_key(assessment) or "distress_offer")
    turn.update(human_offered=True)


def _run_flow_with_text(turn: TurnInProgress) -> None:
    """Go on in the open flow, or begin at the menu."""
    text, media = turn.incoming.text, turn.incoming.media
    in_flow = bool(turn.conversation.frames) and not turn.conversation.ended
    if in_flow and flow_waits_for_human(turn):
        turn.update(frames=(), ended=True)
        in_flow = False
    if in_flow:
        turn.run_flow(run_flows, TextReceived(text, media))
        return
    if not text.strip() and media:
        turn.reply("media_only")
    if turn.answers_check_in and text.strip().isdecimal():
        # A number that answers last week's question must not be read as a choice of today's menu.
        because = "answered a check-in late, with a number: please ask what they meant"
        turn.effects.append(OpenHandoff(HandoffReason.ASKED, Urgency.THIS_SHIFT, because=because))
        turn.reply("person_asked")
        turn.wait_for_human()
        return
    turn.begin_menu(text)
