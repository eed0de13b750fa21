"""Whole-message keywords that hold at every step: STOP, languages, HELP, PERSON, MENU, BACK, MORE, ERASE, exit words."""

from __future__ import annotations

from bot.domain.conversation.effects import HandoffReason, NotifyStaff, OpenHandoff
from bot.domain.conversation.keywords import Keyword
from bot.domain.conversation.safe_contact import says_exit
from bot.domain.conversation.state import Holder
from bot.domain.conversation.turn_state import offer_services
from bot.domain.languages import SOURCE_LANGUAGE
from bot.domain.messages.message import OutboxLane
from bot.domain.safety.levels import Urgency
from bot.usecases.conversation.answer_in_flow import flow_waits_for_human
from bot.usecases.conversation.answer_opt_out import opt_out, read_stop
from bot.usecases.conversation.answer_safe_contact import exit_conversation
from bot.usecases.conversation.converse import enter_flow, find_services
from bot.usecases.conversation.turn_in_progress import TurnInProgress

MORE_SERVICES = 3
"""Services that MORE brings at once."""


def answer_keyword(turn: TurnInProgress) -> bool:
    """Answer the text if it is a keyword, an exit word or a wish to get no texts. False where it is none of these."""
    if (method := read_stop(turn)) is not None:
        opt_out(turn, method)
        return True
    language = turn.texts.keywords.language(turn.incoming.text)
    if language in turn.texts.languages and not _is_asked_for_language(turn):
        _change_language(turn, language)
        return True
    keyword = turn.texts.keywords.read(turn.incoming.text)
    if keyword is not None and _act_on_keyword(turn, keyword):
        return True
    if says_exit(turn.conversation.safe, turn.incoming.text):
        exit_conversation(turn)
        return True
    return False


def _act_on_keyword(turn: TurnInProgress, keyword: Keyword) -> bool:
    """False where the keyword means nothing in this state of the conversation."""
    conversation = turn.conversation
    match keyword:
        case Keyword.HELP:
            _help(turn)
        case Keyword.PERSON:
            _call_requested_human(turn)
        case _ if conversation.holder is Holder.HUMAN:
            return False
        case Keyword.MORE if conversation.offer is not None and conversation.holder is Holder.BOT:
            _offer_more(turn)
        case Keyword.START | Keyword.MENU:
            turn.begin_menu("")
        case Keyword.BACK:
            _go_back(turn)
        case Keyword.ERASE:
            turn.run_flow(enter_flow, "privacy", turn.incoming.text)
        case Keyword.THANKS if conversation.ended:
            turn.reply("closed_hello")
        case _:
            return False
    return True


def _offer_more(turn: TurnInProgress) -> None:
    """Other services for the same need, then the open question again."""
    offer = turn.conversation.offer
    assert offer is not None
    found = find_services(turn.library, turn.conversation, offer.need, offer.near, MORE_SERVICES, turn.now)
    if found.services:
        effects, turn.conversation = offer_services(turn.conversation, offer.need, offer.near, found, turn.texts.text)
        turn.effects += effects
    else:
        turn.update(offer=None)
        turn.reply("no_more_services")
    if turn.conversation.frames and turn.conversation.holder is Holder.BOT:
        turn.ask_again()


def _help(turn: TurnInProgress) -> None:
    asking = turn.conversation.holder is Holder.BOT and bool(turn.conversation.frames)
    turn.reply("help_in_conversation" if asking else "help")
    if turn.conversation.holder is Holder.HUMAN:
        # The carriers require the text above; a person who types HELP to a social worker means the social worker.
        turn.effects.append(NotifyStaff())
    if asking:
        turn.ask_again()


def _call_requested_human(turn: TurnInProgress) -> None:
    in_danger = turn.conversation.in_danger
    turn.effects.append(OpenHandoff(HandoffReason.ASKED, Urgency.MINUTES if in_danger else Urgency.THIS_SHIFT))
    if turn.conversation.holder is Holder.HUMAN:
        turn.forward_to_holder()
        return
    turn.reply("waiting" if in_danger else "person_asked")
    turn.wait_for_human()


def _go_back(turn: TurnInProgress) -> None:
    was_waiting, with_human = turn.conversation.holder is Holder.WAITING, flow_waits_for_human(turn)
    turn.update(holder=Holder.BOT)
    if was_waiting and turn.conversation.frames and not with_human:
        # Back from waiting is back to the open question, not to the one before it.
        pass
    elif (earlier := turn.conversation.at_previous_question()) is not None:
        turn.conversation = earlier
    elif with_human:
        turn.update(frames=(), ended=True)
    elif turn.conversation.frames:
        turn.reply("nothing_before")
    turn.ask_again()


def _change_language(turn: TurnInProgress, language: str | None) -> None:
    turn.update(language=language or SOURCE_LANGUAGE, language_chosen=True)
    if turn.conversation.holder is Holder.HUMAN:
        turn.forward_to_holder()
        return
    told = turn.conversation.last_notice_key if turn.conversation.in_danger else None
    turn.reply(told or "language_changed", OutboxLane.CRISIS if told else OutboxLane.REPLY)
    turn.ask_again()


def _is_asked_for_language(turn: TurnInProgress) -> bool:
    frame = turn.conversation.frame
    return frame is not None and frame.step == "language" and turn.conversation.holder is Holder.BOT
