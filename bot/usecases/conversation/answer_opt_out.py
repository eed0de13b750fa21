"""STOP and START: how a person opts out of texts and back in, by keyword, in free words or through the carrier."""

from __future__ import annotations

from bot.domain.conversation.effects import ConsentChoice, ConsentMethod, HandoffReason, OpenHandoff, RecordConsent
from bot.domain.conversation.keywords import Keyword
from bot.domain.safety.levels import Urgency
from bot.usecases.conversation.turn_in_progress import TurnInProgress


def read_stop(turn: TurnInProgress) -> ConsentMethod | None:
    """How this text says that the person wants no texts; None where it does not say so."""
    if turn.incoming.opt_out == "STOP":
        return ConsentMethod.CARRIER
    if turn.texts.keywords.read(turn.incoming.text) is Keyword.STOP:
        return ConsentMethod.KEYWORD
    return ConsentMethod.FREE_TEXT if turn.texts.keywords.wants_no_texts(turn.incoming.text) else None


def opt_out(turn: TurnInProgress, method: ConsentMethod) -> None:
    turn.effects.append(RecordConsent(ConsentChoice.OPTED_OUT, method))
    if turn.conversation.in_danger:
        turn.effects.append(
            OpenHandoff(HandoffReason.DANGER, Urgency.MINUTES, "crisis", "opted out in danger", reachable=False)
        )
    if method is ConsentMethod.CARRIER:
        turn.stay_silent("the carrier has answered STOP")
    else:
        turn.reply("stop_ack" if method is ConsentMethod.KEYWORD else "opted_out_confirm_free_text")
    turn.update(timeout_at=None)


def opt_in(turn: TurnInProgress) -> None:
    by_carrier = turn.incoming.opt_out is not None
    turn.effects.append(
        RecordConsent(ConsentChoice.OPTED_IN, ConsentMethod.CARRIER if by_carrier else ConsentMethod.KEYWORD)
    )
    if by_carrier:
        turn.stay_silent("the carrier has answered START")
    else:
        turn.reply("start_ack")
        if turn.conversation.frames:
            turn.ask_again()


def record_carrier_keyword(turn: TurnInProgress, keyword: str) -> None:
    """The carrier has answered STOP, START or HELP itself: a second answer would be spam, or be blocked (21610)."""
    if keyword == "STOP":
        opt_out(turn, ConsentMethod.CARRIER)
    elif keyword == "START":
        opt_in(turn)
    else:
        turn.stay_silent("the carrier has answered HELP")
