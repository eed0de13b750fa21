"""Receive a text: record it once, decide on the answer, and save both, in the transaction of the caller."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.domain.conversation.effects import ConsentChoice, Effect, OpenHandoff, RecordConsent, Reply, StaySilent
from bot.domain.conversation.state import Conversation
from bot.domain.messages.delivery import DeliveryState
from bot.domain.messages.message import Channel, InboundMessage, OutboxLane
from bot.domain.messages.segments import fold_for_sms, join_replies, measure_segments
from bot.storage.conversation import turns
from bot.storage.messages import threads
from bot.usecases.context import Context
from bot.usecases.conversation.answer import answer
from bot.usecases.conversation.apply_effects import TurnOrigin, apply_effects
from bot.usecases.conversation.turn_in_progress import IncomingText
from bot.usecases.flows.library import PublishedLibrary
from bot.usecases.system_texts import SystemTexts

LATE_AFTER = timedelta(hours=1)
"""A text received this long after it was written (from the spool, or fetched after an outage) answers no question."""


@dataclass(frozen=True, slots=True)
class StoredReply:
    """A stored reply, for the carrier."""

    id: int
    body: str


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """`replies` go into the response to the carrier. `fresh` is False for a message that was recorded before.

    `alarming` says that a human was called; `waiting` are outbox rows of replies that could not go into the response;
    `alerts` are outbox rows of texts to staff.
    """

    replies: tuple[StoredReply, ...]
    is_new: bool
    alarming: bool = False
    waiting: tuple[int, ...] = ()
    alerts: tuple[int, ...] = ()


def receive_message(
    db: Session, context: Context, inbound: InboundMessage, now: datetime, *, answered: bool = True
) -> ReceivedMessage:
    """Receive one message. With `answered` the replies go into the response to the carrier's request, else (for a message
    from the spool) into the outbox.

    Raises turns.Overtaken where the same message, or the first two of a new person, came at the same moment: the caller
    rolls back and calls again.
    """
    thread = turns.load_for_update(db, context.sealer, inbound, _first_language(context.system_texts, inbound))
    if thread.recorded_message_id is not None:
        return _repeat_replies(db, context, inbound, thread.recorded_message_id, now, answered)
    late = now - inbound.received_at > LATE_AFTER
    said = IncomingText(inbound.body, len(inbound.media), inbound.opt_out, thread.opted_out, late)
    decided = answer(
        context.system_texts, PublishedLibrary(db, context.flow_cache, context.zone), thread.conversation, said, now
    )
    effects = decided.turn.effects
    outgoing = _outgoing(context, inbound, effects, now, answered)
    saved = turns.save(
        db,
        context.sealer,
        thread,
        decided.turn.conversation,
        inbound,
        outgoing,
        opted_out=_opted_out(thread.opted_out, effects),
        rules=decided.assessment.rules,
        silence=_silence_reason(effects) if not outgoing else None,
        now=now,
    )
    rows = tuple(StoredReply(row, out.body) for row, out in zip(saved.outgoing_ids, outgoing, strict=True))
    alerts = apply_effects(db, context, effects, _turn_origin(saved, decided.turn.conversation, inbound), now)
    return ReceivedMessage(
        replies=rows if answered else (),
        is_new=True,
        alarming=any(isinstance(effect, OpenHandoff) for effect in effects),
        waiting=() if answered else saved.outgoing_ids,
        alerts=tuple(alerts),
    )


def _first_language(system_texts: SystemTexts, inbound: InboundMessage) -> str:
    """The language for a new person until their texts tell more: that of the web page, or the first configured."""
    hinted = inbound.extra.get("language", "")
    return hinted if hinted in system_texts.languages else system_texts.languages[0]


def _turn_origin(saved: turns.SavedTurn, conversation: Conversation, inbound: InboundMessage) -> TurnOrigin:
    return TurnOrigin(saved.conversation_id, saved.inbound_id, conversation.language, inbound.body, len(inbound.media))


def _repeat_replies(
    db: Session, context: Context, inbound: InboundMessage, inbound_id: int, now: datetime, answered: bool
) -> ReceivedMessage:
    """The carrier repeats a message because our response got lost: it gets the same response, and nothing else happens.

    Only replies that were not sent in another way are repeated. One that the outbox has taken over, or on which the
    carrier has reported, would reach the person twice.
    """
    if _is_read_from_database(inbound):
        rows = threads.list_replies(db, inbound_id)
    else:
        rows = threads.renew_inline_replies(db, inbound_id, now + context.resend_after if answered else now)
    replies = tuple(StoredReply(row.id, context.sealer.open(row.sealed_body)) for row in rows if row.sealed_body)
    if answered:
        return ReceivedMessage(replies, is_new=False)
    # It was spooled although it had been committed, so these replies were in no response.
    return ReceivedMessage((), is_new=False, waiting=tuple(reply.id for reply in replies))


def _is_read_from_database(inbound: InboundMessage) -> bool:
    """Whether the client reads its answer from the database, so that no carrier can lose it."""
    return inbound.sender.channel in (Channel.WEB, Channel.SIMULATOR)


def _outgoing(
    context: Context, inbound: InboundMessage, effects: tuple[Effect, ...], now: datetime, answered: bool
) -> list[turns.OutgoingText]:
    """The replies of the turn, joined into as few texts as possible, folded for SMS, in the most urgent lane."""
    replies = [effect for effect in effects if isinstance(effect, Reply)]
    if not replies:
        return []
    lane = min((reply.lane for reply in replies), key=list(OutboxLane).index)
    key = next((reply.key for reply in replies if reply.lane is lane and reply.key), None)
    # The simulator shows what an SMS would hold.
    folds = context.fold_accents and inbound.sender.channel in (Channel.SMS, Channel.SIMULATOR)
    texts = [fold_for_sms(body) if folds else body for body in join_replies([reply.text for reply in replies])]
    state = DeliveryState.ANSWERED if answered else DeliveryState.WAITING
    due: datetime | None = now + context.resend_after if answered else now
    if _is_read_from_database(inbound):
        state, due = DeliveryState.DELIVERED, None
    return [turns.OutgoingText(text, lane.value, key, state.value, due, measure_segments(text).segments) for text in texts]


def _opted_out(before: bool, effects: tuple[Effect, ...]) -> bool:
    for effect in effects:
        if isinstance(effect, RecordConsent) and effect.choice in (ConsentChoice.OPTED_OUT, ConsentChoice.OPTED_IN):
            before = effect.choice is ConsentChoice.OPTED_OUT
    return before


def _silence_reason(effects: tuple[Effect, ...]) -> str | None:
    return next((effect.why for effect in effects if isinstance(effect, StaySilent)), None)
