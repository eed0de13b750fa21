"""A turn while it is being decided: the conversation so far, the effects so far, and the ways to add to them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from bot.domain.conversation import Conversation, Holder
from bot.domain.effects import Effect, OpenHandoff, RaiseAlarm, Reason, Reply, StaySilent
from bot.domain.flow import FlowFailed
from bot.domain.machine import IllegalMove
from bot.domain.message import Lane
from bot.domain.safety.levels import Urgency
from bot.domain.turn import AskedAgain, Turn
from bot.storage.database import DATABASE_ERRORS
from bot.usecases.converse import begin, converse
from bot.usecases.library import Library
from bot.usecases.line import Line

log = logging.getLogger(__name__)


class TurnInProgress:
    """Nothing of it outlives the turn; what comes out is `conversation` and `effects`."""

    def __init__(self, line: Line, library: Library, conversation: Conversation, now: datetime) -> None:
        self.line, self.library, self.now = line, library, now
        self.conversation = conversation
        self.effects: list[Effect] = []

    def begin(self, words: str) -> None:
        """Start anew at the menu; the person's words may answer its first question."""
        self.run_flow(lambda: begin(self.library, self.conversation, words, self.now, self.line.text))

    def ask_again(self) -> None:
        """The open question once more, or the menu where there is none; nothing while a human is called or holds it."""
        if self.conversation.holder is not Holder.BOT:
            return
        if not self.conversation.frames or self.conversation.ended:
            self.begin("")
        else:
            self.run_flow(lambda: converse(self.library, self.conversation, AskedAgain(), self.now, self.line.text))

    def run_flow(self, work: Callable[[], Turn]) -> None:
        """Run the flow; where it fails the person is told, a human called and the operator alarmed: never silence."""
        try:
            turn = work()
        except Exception as error:
            if isinstance(error, DATABASE_ERRORS):
                # The transaction is lost with it, an apology could not be stored: the door keeps the text instead.
                raise
            self.apologise(error)
            return
        self.effects += turn.effects
        self.conversation = turn.conversation

    def apologise(self, error: Exception) -> None:
        """The flow failed: safety numbers for the person, a human, and the operator told which flow and step."""
        known = isinstance(error, (FlowFailed, IllegalMove))
        where = str(error) if known else f"{type(error).__name__} in a flow"
        if self.library.is_live:
            log.error("flow failed: %s", where, exc_info=not known)
        elif not known:
            # What is wrong with a draft stands before whoever tries it; only a fault of our own is for the operator.
            log.warning("a draft failed in a way that nobody foresaw, and nobody was texted: %s", where, exc_info=True)
        self.reply("apology")
        self.effects.append(OpenHandoff(Reason.FAILURE, Urgency.THIS_SHIFT, because=where))
        self.effects.append(RaiseAlarm("flow_failed", where))
        self.conversation = replace(self.conversation, holder=Holder.WAITING, told_at=self.now, waking=None)

    def reply(self, key: str, lane: Lane = Lane.REPLY) -> None:
        """Say a reviewed text, in the person's language."""
        self.effects.append(Reply(self.line.text(key, self.conversation.language), lane, key))

    def silent(self, why: str) -> None:
        """Say nothing, on purpose; why is kept with the message."""
        self.effects.append(StaySilent(why))
