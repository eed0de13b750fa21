"""What a text is answered with. The order of the steps is fixed here; no flow can change it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from bot.domain.conversation.effects import HandoffReason, MarkCheckInAnswered, NotifyStaff, OpenHandoff, Reply
from bot.domain.conversation.keywords import Keyword
from bot.domain.conversation.safe_contact import DEFAULT_CONTACT, needs_safe_word
from bot.domain.conversation.state import Conversation, Holder
from bot.domain.conversation.turn import Turn
from bot.domain.handoff.states import DANGEROUS_URGENCIES
from bot.domain.messages.message import Channel, OutboxLane
from bot.domain.safety import Assessment, assess, must_alert_staff
from bot.domain.safety.levels import Urgency
from bot.usecases.conversation.answer_danger import answer_danger, ask_directly, call_human, hear_direct_answer
from bot.usecases.conversation.answer_in_flow import answer_from_flow, answer_waiting
from bot.usecases.conversation.answer_keywords import answer_keyword
from bot.usecases.conversation.answer_opt_out import opt_in, read_stop, record_carrier_keyword
from bot.usecases.conversation.answer_safe_contact import (
    answer_unverified_sender,
    exit_conversation,
    hear_safe_word,
    is_unverified_sender,
    must_exit_first,
)
from bot.usecases.conversation.turn_in_progress import IncomingText, TurnInProgress
from bot.usecases.flows.library import Library
from bot.usecases.system_texts import SystemTexts


@dataclass(frozen=True, slots=True)
class AssessedTurn:
    """The turn, with what the safety net read in the text."""

    turn: Turn
    assessment: Assessment


def answer(
    texts: SystemTexts, library: Library, conversation: Conversation, incoming: IncomingText, now: datetime
) -> AssessedTurn:
    """Decide the turn for one text at `now` (aware UTC). No side effects but reads through `library`.

    A broken flow does not raise: it is answered with an apology. Database errors do.

    The text is first read by the safety net, whatever the state (with the texts of the last two minutes), and for the
    safe word, an answer to a check-in, and the language. Then the first of these steps that fits answers it:

     1. Opted out: nothing is sent. Danger calls a human, START opts in again.
     2. Danger without doubt: the crisis reply, and a human is called.
     3. An exit word of a person at risk: one harmless text, then nothing.
     4. A text that comes late, after an outage: Warmline is back, and a human will look.
     5. The answer to the direct question about danger.
     6. Doubt: the direct question, once.
     7. STOP, START or HELP that the carrier has answered: recorded.
     8. A sender without the agreed safe word: one neutral text.
     9. Keywords, languages, exit words, and the wish to get no texts.
    10. A social worker holds the conversation: the text goes to them.
    11. The person waits for a human: they are told so from time to time.
    12. The flow.

    Last, where a human was called and no social worker is on duty, the same answer says so.
    """
    turn = TurnInProgress(texts, library, conversation, incoming, now)
    earlier = [] if incoming.late else conversation.recent_texts(now)
    assessment = assess(texts.rules, incoming.text, earlier)
    # Acted upon now, so not read again: joined with the next text it would alarm twice and hide the answer to our question.
    acted_upon = incoming.late or assessment.ask is not None or must_alert_staff(assessment)
    turn.conversation = conversation.record_text(incoming.text, now, acted_upon=acted_upon)
    hear_safe_word(turn)
    _hear_answer_to_check_in(turn)
    _settle_language(turn)
    _decide(turn, assessment)
    _say_if_unattended(turn)
    return AssessedTurn(Turn(turn.conversation, tuple(turn.effects)), assessment)


def _decide(turn: TurnInProgress, assessment: Assessment) -> None:
    """Take the first step of `answer` that fits."""
    incoming = turn.incoming
    # 1. On an open web page nothing is ever sent unasked: a person who writes there is answered despite an earlier STOP.
    if incoming.opted_out and turn.conversation.channel != Channel.WEB:
        _answer_opted_out(turn, assessment)
    # 2.
    elif must_alert_staff(assessment) and not assessment.ask:
        answer_danger(turn, assessment)
    # 3.
    elif must_exit_first(turn):
        exit_conversation(turn)
    # 4.
    elif incoming.late and not assessment.ask and read_stop(turn) is None:
        _answer_late(turn)
    # 5.
    elif turn.conversation.asked_danger and not assessment.ask:
        hear_direct_answer(turn, assessment)
    # 6.
    elif assessment.ask:
        ask_directly(turn, assessment)
    # 7.
    elif incoming.opt_out:
        record_carrier_keyword(turn, incoming.opt_out)
    # 8.
    elif is_unverified_sender(turn):
        answer_unverified_sender(turn)
    # 9.
    elif answer_keyword(turn):
        pass
    # 10.
    elif turn.conversation.holder is Holder.HUMAN:
        turn.forward_to_holder()
    # 11.
    elif turn.conversation.holder is Holder.WAITING:
        answer_waiting(turn)
    # 12.
    else:
        answer_from_flow(turn, assessment)


def _hear_answer_to_check_in(turn: TurnInProgress) -> None:
    """The first text after a check-in answers it, whatever it says: only silence is worrying.

    Not STOP, which does not tell how the person is; and not where another person may hold the phone.
    """
    check_in = turn.conversation.check_in
    if check_in is None or read_stop(turn) is not None or needs_safe_word(turn.conversation.safe, turn.now):
        return
    turn.answers_check_in = True
    turn.effects.append(MarkCheckInAnswered(check_in))
    turn.update(check_in=None)


def _settle_language(turn: TurnInProgress) -> None:
    """Guess the language from the first three texts, before any reply, until the person chooses one."""
    conversation = turn.conversation
    if not conversation.language_chosen and conversation.turn <= 3:
        guessed = turn.texts.language_guess.guess(turn.incoming.text, settled=conversation.language_guessed)
        if guessed:
            turn.update(language=guessed, language_guessed=True)


def _answer_opted_out(turn: TurnInProgress, assessment: Assessment) -> None:
    text = turn.incoming.text
    starts = turn.incoming.opt_out == "START" or turn.texts.keywords.read(text) is Keyword.START
    if must_alert_staff(assessment) or assessment.ask:
        call_human(turn, assessment, reachable=False)
        turn.stay_silent("opted out; a human was called to phone")
    elif starts:
        opt_in(turn)
    else:
        if turn.conversation.in_danger or turn.conversation.holder is not Holder.BOT:
            # We may not text them; their words still reach the human who is called for them.
            turn.effects.append(NotifyStaff())
        turn.stay_silent("opted out")


def _answer_late(turn: TurnInProgress) -> None:
    """Hours later it is unclear what "no" answered: the person is told that Warmline is back, and a human looks."""
    if turn.conversation.holder is Holder.HUMAN:
        turn.forward_to_holder()
        return
    because = "a text came in while the line was away"
    turn.effects.append(OpenHandoff(HandoffReason.FAILURE, Urgency.ROUTINE, because=because))
    if replace(turn.conversation.safe, paused=False) != DEFAULT_CONTACT:
        # The safe hours may be over by now, and another person may hold the phone.
        turn.stay_silent("how they may be reached is agreed, and this text came late; a human has it")
        return
    turn.reply("back_after_outage")


def _say_if_unattended(turn: TurnInProgress) -> None:
    """The first answer after a call for a human says that no social worker is on duty, once."""
    called = [effect for effect in turn.effects if isinstance(effect, OpenHandoff) and effect.reachable]
    replies = [effect for effect in turn.effects if isinstance(effect, Reply)]
    conversation = turn.conversation
    safe = conversation.safe
    if not called or not replies or conversation.holder is Holder.HUMAN or safe.neutral or safe.paused:
        return
    if replies[-1].key in ("neutral_word", "exit_ack"):
        return
    worst = min(called, key=lambda effect: list(Urgency).index(effect.urgency))
    presence = turn.library.presence(worst.team, conversation.language, turn.now)
    if presence.attended:
        return
    if worst.urgency in DANGEROUS_URGENCIES:
        turn.reply("nobody_on", OutboxLane.CRISIS)
    elif presence.next_shift:
        text = turn.texts.text("nobody_on_calm", conversation.language, when=presence.next_shift)
        turn.effects.append(Reply(text, OutboxLane.REPLY, "nobody_on_calm"))
    else:
        turn.reply("nobody_on_calm_open")
