"""What a text is answered with: safety first, then keywords, then whoever holds the conversation, then the flow.

Pure but for the library that it is handed. The order is the promise of the house (design.md, the corridor), so it stands
in one place, `_Answering.answer`, and no flow can change it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.domain.conversation import Conversation, Holder
from bot.domain.effects import (
    CheckInAnswered,
    Choice,
    Method,
    OpenHandoff,
    Reason,
    RecordConsent,
    Reply,
    TellHuman,
)
from bot.domain.engine import offered
from bot.domain.flow import FlowFailed
from bot.domain.handoff import DANGEROUS
from bot.domain.keywords import Keyword
from bot.domain.message import Channel, Lane
from bot.domain.safe_contact import NOTHING, needs_word, says_exit
from bot.domain.safety import (
    Assessment,
    Level,
    alerts_human,
    assess,
    reply_key,
)
from bot.domain.safety.levels import Urgency
from bot.domain.turn import Turn, Words
from bot.usecases.converse import converse, enter, find_services
from bot.usecases.guarded_turn import REPEAT_WAITING, GuardedTurn, Said
from bot.usecases.library import Library
from bot.usecases.line import Line

MOST_IN_BUSY = 40
"""More turns than this in ten minutes is no person: a machine answers us (14107), and a human had better look."""
MOST_MORE = 3
"""Services that MORE brings at once."""
REPEAT_WAITING_IN_DANGER = timedelta(minutes=2)
"""How often somebody who waits for a human is told again that nobody has come yet. Their words reach the human anyway."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The turn, with what the safety net read."""

    turn: Turn
    assessment: Assessment


def answer(line: Line, library: Library, conversation: Conversation, said: Said, now: datetime) -> Answer:
    """Decide the turn for one text at `now` (aware UTC). Never raises for a broken flow: that is answered too."""
    return _Answering(line, library, conversation, said, now).answer()


class _Answering(GuardedTurn):
    def answer(self) -> Answer:
        """1. The safety net reads the text, together with those of the last two minutes.
        2. Who has opted out gets nothing; danger from them calls a human, START brings them back.
        3. Danger is answered and a human called; doubt is asked about, once, and the answer heard.
        4. An exit word ends it at once; where a safe word is agreed and missing, nothing is told to whoever wrote.
        5. Whole-message keywords, and the wish to be left alone.
        6. While a human holds the conversation the text goes to them.
        7. The flow.

        Last, where a human was called and nobody is on duty, that is said in the same answer.
        """
        earlier = [] if self.said.late else self.conversation.earlier(self.now)
        assessment = assess(self.line.rules, self.said.text, earlier)
        # Read once: joined again with the next text it would alarm a second time and swallow the answer to our question.
        acted_upon = self.said.late or assessment.ask is not None or alerts_human(assessment)
        self.conversation = self.conversation.hear(self.said.text, self.now, alone=acted_upon)
        self._hear_safe_word()
        self._hear_from_checked_on()
        self._settle_language()
        self._decide(assessment)
        self._say_that_nobody_is_on()
        return Answer(Turn(self.conversation, tuple(self.effects)), assessment)

    def _decide(self, assessment: Assessment) -> None:
        if self.said.opted_out and self.conversation.channel != Channel.WEB:
            # On an open page nothing is sent to anybody: who writes there is answered, whatever they said before.
            self._answer_opted_out(assessment)
        elif alerts_human(assessment) and not assessment.ask:
            self._answer_danger(assessment)
        elif self._leaves_in_a_hurry():
            self._exit()
        elif self.said.late and not assessment.ask and self._wants_to_stop() is None:
            self._answer_late()
        elif self.conversation.asked and not assessment.ask:
            self._hear_direct_answer(assessment)
        elif assessment.ask:
            self._ask_directly(assessment)
        elif self.said.opt_out:
            self._record_what_carrier_did(self.said.opt_out)
        elif self._is_of_unknown_hand():
            self._answer_unknown_hand()
        elif not self._answer_keyword():
            self._answer_in_conversation(assessment)

    def _hear_from_checked_on(self) -> None:
        """Whoever writes after a check-in has answered it, whatever they say: silence is what is worried about.

        Not with STOP, which tells nothing of how they are; and not where somebody else may hold the phone.
        """
        check_in = self.conversation.check_in
        if check_in is None or self._wants_to_stop() is not None or needs_word(self.conversation.safe, self.now):
            return
        self.checked_on = True
        self.effects.append(CheckInAnswered(check_in))
        self.conversation = replace(self.conversation, check_in=None)

    # 2. Opted out.

    def _answer_opted_out(self, assessment: Assessment) -> None:
        starts = self.said.opt_out == "START" or self.line.keywords.read(self.said.text) is Keyword.START
        if alerts_human(assessment) or assessment.ask:
            self._call_human_for(assessment, reachable=False)
            self.silent("opted out; a human was called to phone")
        elif starts:
            self._opt_in()
        else:
            if self.conversation.in_danger or self.conversation.holder is not Holder.BOT:
                # We may not text them; their words still reach the human who is called for them.
                self.effects.append(TellHuman())
            self.silent("opted out")

    def _opt_in(self) -> None:
        by_carrier = self.said.opt_out is not None
        self.effects.append(RecordConsent(Choice.OPTED_IN, Method.CARRIER if by_carrier else Method.KEYWORD))
        if by_carrier:
            self.silent("the carrier has answered START")
        else:
            self.reply("start_ack")
            if self.conversation.frames:
                self.ask_again()

    # A text that was kept while we were away.

    def _answer_late(self) -> None:
        """Hours later nobody knows what "no" answered: the person is told that we are back, and a human has a look."""
        if self.conversation.holder is Holder.HUMAN:
            self.effects.append(TellHuman())
            self.silent("a social worker holds the conversation")
            return
        self.effects.append(OpenHandoff(Reason.FAILURE, Urgency.ROUTINE, because="a text came in while the line was away"))
        if replace(self.conversation.safe, paused=False) != NOTHING:
            # It may be another hour now, and somebody else may hold the phone.
            self.silent("how they may be reached is agreed, and this text came late; a human has it")
            return
        self.reply("back_after_outage")

    # 5. Keywords.

    def _record_what_carrier_did(self, done: str) -> None:
        """The carrier has answered STOP, START or HELP itself: a second answer would be spam, or be blocked (21610)."""
        if done == "STOP":
            self._opt_out(Method.CARRIER)
        elif done == "START":
            self._opt_in()
        else:
            self.silent("the carrier has answered HELP")

    def _answer_keyword(self) -> bool:
        """Whether the text was a keyword that holds everywhere."""
        if (how := self._wants_to_stop()) is not None:
            self._opt_out(how)
            return True
        language = self.line.keywords.language(self.said.text)
        if language in self.line.languages and not self._is_asked_for_language():
            self._change_language(language)
            return True
        keyword = self.line.keywords.read(self.said.text)
        acts: dict[Keyword, Callable[[], None]] = {
            Keyword.HELP: self._help,
            Keyword.PERSON: self._call_asked_human,
        }
        if self.conversation.holder is not Holder.HUMAN:
            if self.conversation.offer is not None and self.conversation.holder is Holder.BOT:
                acts[Keyword.MORE] = self._offer_more
            acts |= {
                Keyword.START: lambda: self.begin(""),
                Keyword.MENU: lambda: self.begin(""),
                Keyword.BACK: self._go_back,
                Keyword.ERASE: lambda: self.run_flow(
                    lambda: enter(self.library, self.conversation, "privacy", self.said.text, self.now, self.line.text)
                ),
            }
            if self.conversation.ended:
                acts[Keyword.THANKS] = lambda: self.reply("closed_hello")
        if keyword not in acts:
            return self._says_exit()
        acts[keyword]()
        return True

    def _offer_more(self) -> None:
        """Other services for the same need, then the open question again."""
        offer = self.conversation.offer
        assert offer is not None
        found = find_services(self.library, self.conversation, offer.need, offer.near, MOST_MORE, self.now)
        if found.services:
            effects, self.conversation = offered(self.conversation, offer.need, offer.near, found, self.line.text)
            self.effects += effects
        else:
            self.conversation = replace(self.conversation, offer=None)
            self.reply("no_more_services")
        if self.conversation.frames and self.conversation.holder is Holder.BOT:
            self.ask_again()

    def _says_exit(self) -> bool:
        if not says_exit(self.conversation.safe, self.said.text):
            return False
        self._exit()
        return True

    def _help(self) -> None:
        asking = self.conversation.holder is Holder.BOT and bool(self.conversation.frames)
        self.reply("help_in_conversation" if asking else "help")
        if self.conversation.holder is Holder.HUMAN:
            # The carriers ask for the text above; whoever types it to a human means the human.
            self.effects.append(TellHuman())
        if asking:
            self.ask_again()

    def _call_asked_human(self) -> None:
        urgent = Urgency.MINUTES if self.conversation.in_danger else Urgency.THIS_SHIFT
        self.effects.append(OpenHandoff(Reason.ASKED, urgent))
        if self.conversation.holder is Holder.HUMAN:
            self.effects.append(TellHuman())
            self.silent("a social worker holds the conversation")
            return
        self.reply("waiting" if self.conversation.in_danger else "person_asked")
        self.conversation = replace(self.conversation, holder=Holder.WAITING, told_at=self.now, waking=None)

    def _go_back(self) -> None:
        was_waiting, resting = self.conversation.holder is Holder.WAITING, self._rests_with_human()
        self.conversation = replace(self.conversation, holder=Holder.BOT)
        if was_waiting and self.conversation.frames and not resting:
            # Back from waiting is back to the open question, not to the one before it.
            pass
        elif (earlier := self.conversation.back()) is not None:
            self.conversation = earlier
        elif resting:
            self.conversation = replace(self.conversation, frames=(), ended=True)
        elif self.conversation.frames:
            self.reply("nothing_before")
        self.ask_again()

    def _settle_language(self) -> None:
        """Before anything is said: the first words tell the language, until the person chooses one."""
        if not self.conversation.language_chosen and self.conversation.turn <= 3:
            guessed = self.line.guess.read(self.said.text, settled=self.conversation.language_guessed)
            if guessed:
                self.conversation = replace(self.conversation, language=guessed, language_guessed=True)

    def _change_language(self, language: str | None) -> None:
        self.conversation = replace(self.conversation, language=language or "en", language_chosen=True)
        if self.conversation.holder is Holder.HUMAN:
            self.effects.append(TellHuman())
            self.silent("a social worker holds the conversation")
            return
        told = self.conversation.told if self.conversation.in_danger else None
        self.reply(told or "language_changed", Lane.CRISIS if told else Lane.REPLY)
        self.ask_again()

    def _is_asked_for_language(self) -> bool:
        frame = self.conversation.frame
        return frame is not None and frame.step == "language" and self.conversation.holder is Holder.BOT

    # 6. A human.

    def _answer_in_conversation(self, assessment: Assessment) -> None:
        holder = self.conversation.holder
        if holder is Holder.BOT and self.conversation.in_danger:
            # They went back to the menu; the human who is still called must not lose sight of them.
            self.effects.append(TellHuman())
        if holder is Holder.HUMAN:
            self.effects.append(TellHuman())
            self.silent("a social worker holds the conversation")
        elif holder is Holder.BOT and self.conversation.busy > MOST_IN_BUSY:
            self.reply("too_many_messages")
            self.effects.append(
                OpenHandoff(Reason.NOT_UNDERSTOOD, Urgency.THIS_SHIFT, because="too many texts in ten minutes")
            )
            self.conversation = replace(self.conversation, holder=Holder.WAITING, told_at=self.now, waking=None)
        elif holder is Holder.WAITING:
            self._answer_waiting()
        else:
            offers = assessment.level is Level.DISTRESS and not self.conversation.offered
            greets = self.conversation.turn == 1
            if offers and not greets:
                self._offer_person(assessment)
            self._answer_from_flow()
            if offers and greets:
                # Who we are comes first; then, last and freshest to the eye, that a person can be had.
                self._offer_person(assessment)

    def _offer_person(self, assessment: Assessment) -> None:
        self.reply(reply_key(assessment) or "distress_offer")
        self.conversation = replace(self.conversation, offered=True)

    def _answer_waiting(self) -> None:
        danger, told = self.conversation.in_danger, self.conversation.told_at
        self.effects.append(TellHuman(urgent=danger))
        pause = REPEAT_WAITING_IN_DANGER if danger else REPEAT_WAITING
        key = "waiting" if danger else "waiting_calm"
        if told and self.conversation.told == key and self.now - told < pause:
            self.silent("waiting for a human, and told so a moment ago")
            return
        # The first words after the call for a human are always answered: "hola?" must not meet silence.
        self.reply(key, Lane.CRISIS if danger else Lane.REPLY)
        self.conversation = replace(self.conversation, told_at=self.now, told=key)

    def _say_that_nobody_is_on(self) -> None:
        """At night the first answer after a call for a human says that nobody is on duty (domain.md 4.3), once."""
        called = [effect for effect in self.effects if isinstance(effect, OpenHandoff) and effect.reachable]
        replies = [effect for effect in self.effects if isinstance(effect, Reply)]
        safe = self.conversation.safe
        if not called or not replies or self.conversation.holder is Holder.HUMAN or safe.neutral or safe.paused:
            return
        if replies[-1].key in ("neutral_word", "exit_ack"):
            return
        worst = min(called, key=lambda effect: list(Urgency).index(effect.urgency))
        presence = self.library.presence(worst.team, self.conversation.language, self.now)
        if presence.attended:
            return
        if worst.urgency in DANGEROUS:
            self.reply("nobody_on", Lane.CRISIS)
        elif presence.when:
            text = self.line.text("nobody_on_calm", self.conversation.language, when=presence.when)
            self.effects.append(Reply(text, Lane.REPLY, "nobody_on_calm"))
        else:
            self.reply("nobody_on_calm_open")

    # 7. The flow.

    def _rests_with_human(self) -> bool:
        """Whether the flow ended its part by calling a human; once that human is done, nothing in it waits for words."""
        frame = self.conversation.frame
        try:
            return frame is not None and frame.step in self.library.flow(frame.version).machine.waits_for_human
        except FlowFailed:
            return False

    def _answer_from_flow(self) -> None:
        text, media = self.said.text, self.said.media
        if self.conversation.frames and not self.conversation.ended and self._rests_with_human():
            self.conversation = replace(self.conversation, frames=(), ended=True)
        if self.conversation.frames and not self.conversation.ended:
            self.run_flow(lambda: converse(self.library, self.conversation, Words(text, media), self.now, self.line.text))
            return
        if not text.strip() and media:
            self.reply("media_only")
        if self.checked_on and text.strip().isdecimal():
            # A number that answers last week's question is no choice of today's menu.
            because = "answered a check-in late, with a number: please ask what they meant"
            self.effects.append(OpenHandoff(Reason.ASKED, Urgency.THIS_SHIFT, because=because))
            self.reply("person_asked")
            self.conversation = replace(self.conversation, holder=Holder.WAITING, told_at=self.now, waking=None)
            return
        self.begin(text)
