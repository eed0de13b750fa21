"""The part of a turn that protects: danger and the one question about it, opting out, exit words and safe words.

It comes before every keyword and every flow; `answer.py` has the order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.domain.conversation import Conversation, Holder
from bot.domain.effects import Choice, HoldTexts, Method, OpenHandoff, Reason, RecordConsent, TellHuman
from bot.domain.keywords import Keyword
from bot.domain.message import Lane
from bot.domain.safe_contact import NOTHING, has_word, needs_word, says_exit, without_word
from bot.domain.safety import (
    Assessment,
    Danger,
    DirectAnswer,
    Level,
    alerts_human,
    read_direct_answer,
    reply_key,
    urgency,
)
from bot.domain.safety.levels import Urgency
from bot.usecases.library import Library
from bot.usecases.line import Line
from bot.usecases.turn_in_progress import TurnInProgress

PATIENCE_FOR_DIRECT_ANSWER = timedelta(minutes=5)
"""A direct question about danger that nobody answers in this time is a reason to call a human, not a no."""
SAME_BREATH = timedelta(seconds=20)
"""Several texts of one breath that hold the same danger get one answer; a worse danger is answered at once."""
REPEAT_WAITING = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Said:
    """One text as it is answered: the words, how many pictures came along, and what the carrier has answered itself."""

    text: str
    media: int = 0
    opt_out: str | None = None
    opted_out: bool = False
    """Whether the person had opted out before this text."""
    late: bool = False
    """Whether it comes out of the spool so late that the question it answered may be another one now."""


class GuardedTurn(TurnInProgress):
    """What `_Answering` is built on."""

    def __init__(self, line: Line, library: Library, conversation: Conversation, said: Said, now: datetime) -> None:
        super().__init__(line, library, conversation, now)
        self.said = said
        self.checked_on = False
        """Whether this text is the first one after a check-in."""

    # 3. Danger.

    def _answer_danger(self, assessment: Assessment) -> None:
        self._call_human_for(assessment, reachable=True)
        if self.conversation.holder is Holder.HUMAN:
            self.effects.append(TellHuman(urgent=True))
            return
        key = reply_key(assessment) or "active_self_harm"
        waiting, told_at = self.conversation.holder is Holder.WAITING, self.conversation.told_at
        if waiting and key == self.conversation.told and told_at and self.now - told_at < SAME_BREATH:
            self.silent("the same danger was answered a moment ago, and a human called")
            return
        self.reply(key, Lane.CRISIS)
        # The frames stay as they are: BACK leads to the very question at which the danger was heard.
        self.conversation = replace(
            self.conversation, holder=Holder.WAITING, in_danger=True, asked=None, told_at=self.now, told=key, waking=None
        )

    def _call_human_for(self, assessment: Assessment, reachable: bool) -> None:
        dangers = tuple(danger.value for danger in assessment.dangers)
        because = ", ".join(dangers).replace("_", " ") + (" (about somebody else)" if assessment.about_other else "")
        self.effects.append(
            OpenHandoff(Reason.DANGER, urgency(assessment), "crisis", because, dangers, tuple(assessment.rules), reachable)
        )

    def _ask_directly(self, assessment: Assessment) -> None:
        if self.conversation.holder is Holder.HUMAN:
            self.effects.append(TellHuman(urgent=True))
            self.silent("a social worker holds the conversation")
            return
        if self.conversation.asked:
            # Asked once already; a second doubtful answer is for a human to read.
            self._answer_danger(replace(assessment, ask=None, level=max(assessment.level, Level.ACTIVE)))
            return
        if alerts_human(assessment):
            # Active signs wake a human while the question is out; a "no" does not send them away, they close it themselves.
            self._call_human_for(assessment, reachable=True)
        self.reply(reply_key(assessment) or "ask_self_harm", Lane.CRISIS)
        asked = (assessment.ask or Danger.SELF_HARM).value
        waking = self.now + PATIENCE_FOR_DIRECT_ANSWER
        self.conversation = replace(self.conversation, asked=asked, waking=waking)

    def _hear_direct_answer(self, assessment: Assessment) -> None:
        danger = Danger(self.conversation.asked or Danger.SELF_HARM)
        if (how := self._wants_to_stop()) is not None:
            self._call_human_for(_believed(danger, Level.ACTIVE), reachable=False)
            self.conversation = replace(self.conversation, asked=None, waking=None)
            self._opt_out(how)
            return
        language = self.line.keywords.language(self.said.text)
        if language in self.line.languages:
            # Who cannot read the question has not refused to answer it.
            self.conversation = replace(self.conversation, language=language or "en", language_chosen=True)
            self.reply(reply_key(Assessment(Level.DISTRESS, (danger,), ask=danger)) or "ask_self_harm", Lane.CRISIS)
            return
        match read_direct_answer(self.line.rules, self.said.text):
            case DirectAnswer.NO:
                self.conversation = replace(self.conversation, asked=None, waking=None)
                self.reply("after_no")
                self.ask_again()
            case DirectAnswer.YES:
                self._answer_danger(_believed(danger, Level.IMMINENT))
            case _:
                # Unsure, refused or unclear is never "no" (C-SSRS: incomplete goes to a human).
                self._answer_danger(_believed(danger, max(Level.ACTIVE, assessment.level)))

    # 4. A phone that others may hold.

    def _hear_safe_word(self) -> None:
        """Who writes again wants to be written to again; who gives the safe word is who they say."""
        safe = self.conversation.safe
        if safe.paused:
            safe = replace(safe, paused=False)
        if safe.word and has_word(safe, self.said.text):
            safe = replace(safe, verified_at=self.now)
            self.said = replace(self.said, text=without_word(safe, self.said.text))
        if safe != self.conversation.safe:
            self.conversation = replace(self.conversation, safe=safe)

    def _exit(self) -> None:
        """Nothing but a line that tells nothing, and nothing of ours after it, until they write again."""
        self.effects.append(HoldTexts())
        if self.conversation.holder is not Holder.BOT:
            self.effects.append(TellHuman())
        if self.conversation.asked:
            # They were asked about a danger and had to go: a human is called, and nothing is said of it.
            self._call_human_for(_believed(Danger(self.conversation.asked), Level.ACTIVE), reachable=True)
        self.reply("exit_ack")
        safe = replace(self.conversation.safe, paused=True, verified_at=None)
        self.conversation = replace(self.conversation, safe=safe, asked=None, waking=None)
        if self.checked_on:
            # Whoever writes next from there may not be whom we asked, and has agreed to nothing.
            self.effects.append(RecordConsent(Choice.WITHDRAWN, Method.FREE_TEXT, "followup"))
            self.conversation = replace(self.conversation, frames=(), ended=True)

    def _leaves_in_a_hurry(self) -> bool:
        """Whether the text is an exit word of somebody who is at risk of being read, or was just asked about a danger, or
        wrote it while we were away. Others who say "wrong number" are heard by the keywords first."""
        if not says_exit(self.conversation.safe, self.said.text):
            return False
        if self.conversation.safe != NOTHING:
            return True
        return (self.conversation.asked is not None or self.said.late) and self._wants_to_stop() is None

    def _is_of_unknown_hand(self) -> bool:
        """Whether a safe word is agreed and was not given lately. STOP is anybody's, and a human reads for themselves."""
        unknown = needs_word(self.conversation.safe, self.now) or self._answers_neutral_text()
        return self.conversation.holder is not Holder.HUMAN and unknown and self._wants_to_stop() is None

    def _answers_neutral_text(self) -> bool:
        """Whether they write after a check-in that named nothing: whoever holds the phone learns no more from an answer."""
        return self.conversation.told == "check_in_neutral"

    def _answer_unknown_hand(self) -> None:
        because, urgency_ = "the safe word was not given: somebody else may hold the phone", Urgency.QUARTER_HOUR
        if not needs_word(self.conversation.safe, self.now):
            because, urgency_ = "wrote after a check-in that named nothing: find out safely how they are", Urgency.THIS_SHIFT
        self.effects.append(OpenHandoff(Reason.ASKED, urgency_, because=because))
        told, at = self.conversation.told, self.conversation.told_at
        if told == "neutral_word" and at and self.now - at < REPEAT_WAITING:
            self.silent("the safe word was not given, and that was answered a moment ago")
            return
        self.reply("neutral_word")
        self.conversation = replace(
            self.conversation, holder=Holder.WAITING, told="neutral_word", told_at=self.now, waking=None
        )

    # Opting out.

    def _wants_to_stop(self) -> Method | None:
        """How the person said that they want no texts, if they did."""
        if self.said.opt_out == "STOP":
            return Method.CARRIER
        if self.line.keywords.read(self.said.text) is Keyword.STOP:
            return Method.KEYWORD
        return Method.FREE_TEXT if self.line.keywords.wants_no_texts(self.said.text) else None

    def _opt_out(self, method: Method) -> None:
        self.effects.append(RecordConsent(Choice.OPTED_OUT, method))
        if self.conversation.in_danger:
            self.effects.append(
                OpenHandoff(Reason.DANGER, Urgency.MINUTES, "crisis", "opted out in danger", reachable=False)
            )
        if method is Method.CARRIER:
            self.silent("the carrier has answered STOP")
        else:
            self.reply("stop_ack" if method is Method.KEYWORD else "opted_out_confirm_free_text")
        self.conversation = replace(self.conversation, waking=None)


def _believed(danger: Danger, level: Level) -> Assessment:
    """The assessment that an answer to the direct question makes."""
    return Assessment(level, (danger,), ("direct_answer",), None, False)
