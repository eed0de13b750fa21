"""A turn while it is being decided: the conversation so far, the effects so far, and the ways to add to them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from bot.domain.conversation.effects import Effect, HandoffReason, NotifyStaff, OpenHandoff, RaiseAlarm, Reply, StaySilent
from bot.domain.conversation.state import Conversation, Holder
from bot.domain.conversation.turn import RepeatQuestion, Turn
from bot.domain.flows.language.flow import FlowFailed
from bot.domain.messages.message import OutboxLane
from bot.domain.safety.levels import Urgency
from bot.domain.state_machine import IllegalMove
from bot.storage.database import DATABASE_ERRORS
from bot.usecases.conversation.converse import begin_at_menu, run_flows
from bot.usecases.flows.library import Library
from bot.usecases.system_texts import SystemTexts

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class IncomingText:
    """One text from a person."""

    text: str
    media: int = 0
    """How many pictures came with it."""
    opt_out: str | None = None
    """STOP, START or HELP where the carrier has already answered it."""
    opted_out: bool = False
    """Whether the person had opted out before this text."""
    late: bool = False
    """Whether it comes out of the spool so late that the question it answered may no longer be the open one."""


class TurnInProgress:
    """Lives for one turn only. Its result is `conversation` and `effects`."""

    __slots__ = ("answers_check_in", "conversation", "effects", "incoming", "library", "now", "texts")

    def __init__(
        self, texts: SystemTexts, library: Library, conversation: Conversation, incoming: IncomingText, now: datetime
    ) -> None:
        self.texts, self.library, self.incoming, self.now = texts, library, incoming, now
        self.conversation = conversation
        self.effects: list[Effect] = []
        self.answers_check_in = False
        """Whether this text is the first one after a check-in."""

    def reply(self, key: str, lane: OutboxLane = OutboxLane.REPLY) -> None:
        """Send a reviewed text, in the person's language."""
        self.effects.append(Reply(self.texts.text(key, self.conversation.language), lane, key))

    def stay_silent(self, why: str) -> None:
        """Send nothing, on purpose; the reason is stored with the message."""
        self.effects.append(StaySilent(why))

    def update(self, **changes: Any) -> None:
        """Replace these fields of the conversation."""
        self.conversation = replace(self.conversation, **changes)

    def wait_for_human(self, **changes: Any) -> None:
        """The person has just been told that a human is coming: the flow pauses, and its timeout with it."""
        self.update(holder=Holder.WAITING, last_notice_at=self.now, timeout_at=None, **changes)

    def forward_to_holder(self) -> None:
        """A social worker holds the conversation: they get the text, and the bot says nothing."""
        self.effects.append(NotifyStaff())
        self.stay_silent("a social worker holds the conversation")

    def begin_menu(self, words: str) -> None:
        """Start again at the menu; the person's words may answer its first question."""
        self.run_flow(begin_at_menu, words)

    def ask_again(self) -> None:
        """Repeat the open question, or the menu where there is none. Nothing while a human is awaited or holds it."""
        if self.conversation.holder is not Holder.BOT:
            return
        if not self.conversation.frames or self.conversation.ended:
            self.begin_menu("")
        else:
            self.run_flow(run_flows, RepeatQuestion())

    def run_flow(self, run: Callable[..., Turn], *arguments: object) -> None:
        """Call one of the functions of `converse.py`. If it fails: apology, handoff and alarm, never silence.

        Database errors are raised: the transaction is lost, so an apology could not be stored, and the caller keeps the
        text in the spool instead.
        """
        try:
            turn = run(self.library, self.conversation, *arguments, self.now, self.texts.text)
        except Exception as error:
            if isinstance(error, DATABASE_ERRORS):
                raise
            self._apologise(error)
            return
        self.effects += turn.effects
        self.conversation = turn.conversation

    def _apologise(self, error: Exception) -> None:
        """Safety numbers for the person, a handoff, and an alarm that tells the operator which flow and step failed."""
        known = isinstance(error, (FlowFailed, IllegalMove))
        where = str(error) if known else f"{type(error).__name__} in a flow"
        if self.library.is_live:
            log.error("flow failed: %s", where, exc_info=not known)
        elif not known:
            # What is wrong with a draft is shown to the admin who tries it; only our own fault concerns the operator.
            log.warning("a draft failed in a way that nobody foresaw, and nobody was texted: %s", where, exc_info=True)
        self.reply("apology")
        self.effects.append(OpenHandoff(HandoffReason.FAILURE, Urgency.THIS_SHIFT, because=where))
        self.effects.append(RaiseAlarm("flow_failed", where))
        self.wait_for_human()
