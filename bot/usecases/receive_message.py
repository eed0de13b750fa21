"""A text comes in: record it once, decide, and save the decision, all in the transaction that the door opened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.domain.conversation import Conversation
from bot.domain.delivery import State
from bot.domain.effects import Choice, Effect, OpenHandoff, RecordConsent, Reply, StaySilent
from bot.domain.message import Channel, Inbound, Lane
from bot.domain.segments import fold_for_sms, join, measure
from bot.storage import messages, turns
from bot.usecases.answer import answer
from bot.usecases.apply_effects import Place, apply_effects
from bot.usecases.desk import Desk
from bot.usecases.guarded_turn import Said
from bot.usecases.library import StoredLibrary
from bot.usecases.line import Line

LATE = timedelta(hours=1)
"""A text taken so long after it was written (from the spool, or fetched after an outage) is no answer any more."""


@dataclass(frozen=True, slots=True)
class ReplyRow:
    """A stored reply, as the door gives it to the carrier."""

    id: int
    body: str


@dataclass(frozen=True, slots=True)
class Received:
    """`replies` answer this very message. `fresh` is False for one that was recorded before.

    `alarming` says that a human was called; `waiting` are rows that could not ride in an answer and wait in the outbox;
    `alerts` are texts to staff, which wait there too.
    """

    replies: tuple[ReplyRow, ...]
    fresh: bool
    alarming: bool = False
    waiting: tuple[int, ...] = ()
    alerts: tuple[int, ...] = ()


def receive_message(db: Session, desk: Desk, inbound: Inbound, now: datetime, *, answered: bool = True) -> Received:
    """Take one message. `answered` says that the replies ride back in the answer to the carrier's request; where it is
    False (a message that was spooled and is replayed) they wait in the outbox instead.

    Raises turns.Overtaken where the same message, or the first two of a new person, came at the same instant: the
    door rolls back and calls again.
    """
    thread = turns.load_for_update(db, desk.sealer, inbound, _first_language(desk.line, inbound))
    if thread.seen is not None:
        return _same_again(db, desk, inbound, thread.seen, now, answered)
    late = now - inbound.received_at > LATE
    said = Said(inbound.body, len(inbound.media), inbound.opt_out, thread.opted_out, late)
    decided = answer(desk.line, StoredLibrary(db, desk.cache, desk.zone), thread.conversation, said, now)
    effects = decided.turn.effects
    outgoing = _outgoing(desk, inbound, effects, now, answered)
    saved = turns.save(
        db,
        desk.sealer,
        thread,
        decided.turn.conversation,
        inbound,
        outgoing,
        opted_out=_opted_out(thread.opted_out, effects),
        rules=decided.assessment.rules,
        silence=_silence(effects) if not outgoing else None,
        now=now,
    )
    rows = tuple(ReplyRow(row, out.body) for row, out in zip(saved.outgoing_ids, outgoing, strict=True))
    alerts = apply_effects(db, desk, effects, _place(saved, decided.turn.conversation, inbound), now)
    return Received(
        replies=rows if answered else (),
        fresh=True,
        alarming=any(isinstance(effect, OpenHandoff) for effect in effects),
        waiting=() if answered else saved.outgoing_ids,
        alerts=tuple(alerts),
    )


def _first_language(line: Line, inbound: Inbound) -> str:
    """What a stranger is answered in until their words tell more: the page's language, or the line's first."""
    hinted = inbound.extra.get("language", "")
    return hinted if hinted in line.languages else line.languages[0]


def _place(saved: turns.Saved, conversation: Conversation, inbound: Inbound) -> Place:
    return Place(saved.conversation_id, saved.inbound_id, conversation.language, inbound.body, len(inbound.media))


def _same_again(db: Session, desk: Desk, inbound: Inbound, inbound_id: int, now: datetime, answered: bool) -> Received:
    """The carrier sent a message again because our answer got lost: it gets the same answer, and nothing else happens.

    Only replies that have not left another way ride again. One that the outbox has (it was spooled, or its time to be
    looked into came) or that the carrier has reported on would reach the person twice.
    """
    if _is_read_from_row(inbound):
        rows = messages.replies_to(db, inbound_id)
    else:
        rows = messages.ride_again(db, inbound_id, now + desk.resend_after if answered else now)
    replies = tuple(ReplyRow(row.id, desk.sealer.open(row.sealed_body)) for row in rows if row.sealed_body)
    if answered:
        return Received(replies, fresh=False)
    # It was spooled because the answer to its commit was lost, so these replies rode in no answer.
    return Received((), fresh=False, waiting=tuple(reply.id for reply in replies))


def _is_read_from_row(inbound: Inbound) -> bool:
    """Whether the page that asked reads its answer from the row: there is no carrier that could lose it."""
    return inbound.sender.channel in (Channel.WEB, Channel.SIMULATOR)


def _outgoing(
    desk: Desk, inbound: Inbound, effects: tuple[Effect, ...], now: datetime, answered: bool
) -> list[turns.Outgoing]:
    """The replies of the turn joined into as few texts as can be, folded for SMS, in the lane of the most urgent."""
    replies = [effect for effect in effects if isinstance(effect, Reply)]
    if not replies:
        return []
    lane = min((reply.lane for reply in replies), key=list(Lane).index)
    key = next((reply.key for reply in replies if reply.lane is lane and reply.key), None)
    # The simulator is a telephone too: it shows what an SMS would hold.
    folds = desk.fold_accents and inbound.sender.channel in (Channel.SMS, Channel.SIMULATOR)
    texts = [fold_for_sms(body) if folds else body for body in join([reply.text for reply in replies])]
    state = State.ANSWERED if answered else State.WAITING
    due: datetime | None = now + desk.resend_after if answered else now
    if _is_read_from_row(inbound):
        state, due = State.DELIVERED, None
    return [turns.Outgoing(text, lane.value, key, state.value, due, measure(text).segments) for text in texts]


def _opted_out(before: bool, effects: tuple[Effect, ...]) -> bool:
    for effect in effects:
        if isinstance(effect, RecordConsent) and effect.choice in (Choice.OPTED_OUT, Choice.OPTED_IN):
            before = effect.choice is Choice.OPTED_OUT
    return before


def _silence(effects: tuple[Effect, ...]) -> str | None:
    return next((effect.why for effect in effects if isinstance(effect, StaySilent)), None)
