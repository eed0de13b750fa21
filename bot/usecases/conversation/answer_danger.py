"""Danger in a text: the crisis reply, the call for a human, and the one direct question where the signs are unclear."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bot.domain.conversation.effects import HandoffReason, NotifyStaff, OpenHandoff
from bot.domain.conversation.state import Holder
from bot.domain.languages import SOURCE_LANGUAGE
from bot.domain.messages.message import OutboxLane
from bot.domain.safety import (
    Assessment,
    Danger,
    DirectAnswer,
    Level,
    must_alert_staff,
    read_direct_answer,
    reply_key,
    urgency_of,
)
from bot.usecases.conversation.answer_opt_out import opt_out, read_stop
from bot.usecases.conversation.turn_in_progress import TurnInProgress

DIRECT_ANSWER_TIMEOUT = timedelta(minutes=5)
"""A direct question about danger that is not answered in this time is a reason to call a human, not a no."""
SAME_DANGER_PAUSE = timedelta(seconds=20)
"""Several quick texts about the same danger get one answer; a worse danger is answered at once."""


def answer_danger(turn: TurnInProgress, assessment: Assessment) -> None:
    call_human(turn, assessment, reachable=True)
    conversation = turn.conversation
    if conversation.holder is Holder.HUMAN:
        turn.effects.append(NotifyStaff(urgent=True))
        return
    key = reply_key(assessment) or "active_self_harm"
    waiting, last_notice_at = conversation.holder is Holder.WAITING, conversation.last_notice_at
    if waiting and key == conversation.last_notice_key and last_notice_at and turn.now - last_notice_at < SAME_DANGER_PAUSE:
        turn.stay_silent("the same danger was answered a moment ago, and a human called")
        return
    turn.reply(key, OutboxLane.CRISIS)
    # The frames stay as they are: BACK leads to the very question at which the danger was heard.
    turn.wait_for_human(in_danger=True, asked_danger=None, last_notice_key=key)


def call_human(turn: TurnInProgress, assessment: Assessment, reachable: bool) -> None:
    """Open a crisis handoff. `reachable`: whether texts reach the person; otherwise the social worker must phone."""
    dangers = tuple(danger.value for danger in assessment.dangers)
    because = ", ".join(dangers).replace("_", " ") + (" (about somebody else)" if assessment.about_other else "")
    turn.effects.append(
        OpenHandoff(
            HandoffReason.DANGER, urgency_of(assessment), "crisis", because, dangers, tuple(assessment.rules), reachable
        )
    )


def ask_directly(turn: TurnInProgress, assessment: Assessment) -> None:
    """The signs are unclear: ask about the danger once, and wait five minutes for the answer."""
    if turn.conversation.holder is Holder.HUMAN:
        turn.effects.append(NotifyStaff(urgent=True))
        turn.stay_silent("a social worker holds the conversation")
        return
    if turn.conversation.asked_danger:
        # Asked once already; a second unclear answer is for a human to read.
        answer_danger(turn, replace(assessment, ask=None, level=max(assessment.level, Level.ACTIVE)))
        return
    if must_alert_staff(assessment):
        # Active signs call a human while the question is open. A "no" does not cancel the call: the human closes it.
        call_human(turn, assessment, reachable=True)
    turn.reply(reply_key(assessment) or "ask_self_harm", OutboxLane.CRISIS)
    turn.update(asked_danger=(assessment.ask or Danger.SELF_HARM).value, timeout_at=turn.now + DIRECT_ANSWER_TIMEOUT)


def hear_direct_answer(turn: TurnInProgress, assessment: Assessment) -> None:
    """Read the answer to the direct question. Only a clear no goes on with the flow."""
    danger = Danger(turn.conversation.asked_danger or Danger.SELF_HARM)
    if (method := read_stop(turn)) is not None:
        call_human(turn, assessment_of_answer(danger, Level.ACTIVE), reachable=False)
        turn.update(asked_danger=None, timeout_at=None)
        opt_out(turn, method)
        return
    language = turn.texts.keywords.language(turn.incoming.text)
    if language in turn.texts.languages:
        # A person who cannot read the question has not refused to answer it.
        turn.update(language=language or SOURCE_LANGUAGE, language_chosen=True)
        turn.reply(reply_key(Assessment(Level.DISTRESS, (danger,), ask=danger)) or "ask_self_harm", OutboxLane.CRISIS)
        return
    match read_direct_answer(turn.texts.rules, turn.incoming.text):
        case DirectAnswer.NO:
            turn.update(asked_danger=None, timeout_at=None)
            turn.reply("after_no")
            turn.ask_again()
        case DirectAnswer.YES:
            answer_danger(turn, assessment_of_answer(danger, Level.IMMINENT))
        case _:
            # Unsure, refused or unclear is never "no" (C-SSRS: incomplete goes to a human).
            answer_danger(turn, assessment_of_answer(danger, max(Level.ACTIVE, assessment.level)))


def assessment_of_answer(danger: Danger, level: Level) -> Assessment:
    """The assessment that follows from the answer to the direct question, or from its absence."""
    return Assessment(level, (danger,), ("direct_answer",), None, False)
