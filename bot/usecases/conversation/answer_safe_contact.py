"""A phone that others may read or hold: safe words, exit words, and a sender who is not known to be the person."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bot.domain.conversation.effects import (
    ConsentChoice,
    ConsentMethod,
    DropQueuedTexts,
    HandoffReason,
    NotifyStaff,
    OpenHandoff,
    RecordConsent,
)
from bot.domain.conversation.safe_contact import (
    DEFAULT_CONTACT,
    contains_safe_word,
    needs_safe_word,
    remove_safe_word,
    says_exit,
)
from bot.domain.conversation.state import Holder
from bot.domain.safety import Danger, Level
from bot.domain.safety.levels import Urgency
from bot.usecases.conversation.answer_danger import assessment_of_answer, call_human
from bot.usecases.conversation.answer_opt_out import read_stop
from bot.usecases.conversation.turn_in_progress import TurnInProgress

REPEAT_UNVERIFIED = timedelta(minutes=5)
"""How soon an unverified sender gets the neutral answer again."""


def hear_safe_word(turn: TurnInProgress) -> None:
    """A new text ends the pause after an exit word; the safe word verifies the sender and is cut out of the text."""
    safe = turn.conversation.safe
    if safe.paused:
        safe = replace(safe, paused=False)
    if safe.word and contains_safe_word(safe, turn.incoming.text):
        safe = replace(safe, verified_at=turn.now)
        turn.incoming = replace(turn.incoming, text=remove_safe_word(safe, turn.incoming.text))
    if safe != turn.conversation.safe:
        turn.update(safe=safe)


def must_exit_first(turn: TurnInProgress) -> bool:
    """Whether the text is an exit word that comes before everything but danger.

    So it is for a person whose texts others may read, who was just asked about a danger, or who wrote during an outage.
    For all others the keywords are read first: "wrong number" is both.
    """
    if not says_exit(turn.conversation.safe, turn.incoming.text):
        return False
    if turn.conversation.safe != DEFAULT_CONTACT:
        return True
    return (turn.conversation.asked_danger is not None or turn.incoming.late) and read_stop(turn) is None


def exit_conversation(turn: TurnInProgress) -> None:
    """Send one harmless text, and nothing more until the person writes again."""
    turn.effects.append(DropQueuedTexts())
    if turn.conversation.holder is not Holder.BOT:
        turn.effects.append(NotifyStaff())
    if turn.conversation.asked_danger:
        # They were asked about a danger and had to go: a human is called, and the reply does not mention it.
        call_human(turn, assessment_of_answer(Danger(turn.conversation.asked_danger), Level.ACTIVE), reachable=True)
    turn.reply("exit_ack")
    turn.update(safe=replace(turn.conversation.safe, paused=True, verified_at=None), asked_danger=None, timeout_at=None)
    if turn.answers_check_in:
        # The next text may come from another person at this phone, who has agreed to no check-ins.
        turn.effects.append(RecordConsent(ConsentChoice.WITHDRAWN, ConsentMethod.FREE_TEXT, "followup"))
        turn.update(frames=(), ended=True)


def is_unverified_sender(turn: TurnInProgress) -> bool:
    """Whether a safe word is agreed and was not given lately, or the text answers a check-in that named nothing.

    Never for STOP, which anyone may send, nor while a social worker holds the conversation and judges it themselves.
    """
    # `told`: whoever holds the phone after a neutral check-in must learn no more from our answer.
    unverified = needs_safe_word(turn.conversation.safe, turn.now) or turn.conversation.last_notice_key == "check_in_neutral"
    return turn.conversation.holder is not Holder.HUMAN and unverified and read_stop(turn) is None


def answer_unverified_sender(turn: TurnInProgress) -> None:
    because, urgency = "the safe word was not given: somebody else may hold the phone", Urgency.QUARTER_HOUR
    if not needs_safe_word(turn.conversation.safe, turn.now):
        because, urgency = "wrote after a check-in that named nothing: find out safely how they are", Urgency.THIS_SHIFT
    turn.effects.append(OpenHandoff(HandoffReason.ASKED, urgency, because=because))
    told, at = turn.conversation.last_notice_key, turn.conversation.last_notice_at
    if told == "neutral_word" and at and turn.now - at < REPEAT_UNVERIFIED:
        turn.stay_silent("the safe word was not given, and that was answered a moment ago")
        return
    turn.reply("neutral_word")
    turn.wait_for_human(last_notice_key="neutral_word")
