"""Who has it: claim, pass on, offer to a colleague, take over. One owner at any time, by the lock on the conversation."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.domain.conversation import Holder
from bot.domain.effects import Reason
from bot.domain.handoff import HELD, UNCLAIMED, HandoffState
from bot.domain.ladder import Way
from bot.domain.message import Lane
from bot.domain.permissions import Permission
from bot.storage import handoffs, rosters, staff, staff_threads
from bot.storage.handoffs import Locked
from bot.storage.staff_tables import CallOut, Note, Staff, StaffThread
from bot.usecases.answering import alerting
from bot.usecases.answering.attention import first_look
from bot.usecases.answering.common import Done, Refused, lock, lock_mine, owner_name, worker
from bot.usecases.answering.telling import is_blocked, tell, unsay_waiting
from bot.usecases.desk import Desk

OFFER_LASTS = timedelta(minutes=5)


def claim(db: Session, desk: Desk, handoff_id: int, staff_id: int, now: datetime, *, by_phone: bool = False) -> Done:
    """ "I have it": the conversation is theirs, the bot is silent, the person is told. Claiming one's own again changes
    nothing. `by_phone`: they write from their own telephone, through a number of the pool.

    Raises Refused: taken (by whom), closed, unknown, not_staff.
    """
    actor = worker(db, staff_id)
    locked = lock(db, desk, handoff_id, actor)
    handoff = locked.handoff
    if handoff.state == HandoffState.CLOSED:
        raise Refused("closed")
    if handoff.state in HELD:
        if handoff.owner_id == staff_id:
            # Claimed in the console, and now by their telephone as well.
            theirs = any(one.staff_id == staff_id for one in staff_threads.relays_of(db, locked.row.id))
            return Done(handoff_id, tuple(_open_relay(db, desk, locked, actor, now)) if by_phone and not theirs else ())
        if handoff.offered_to_id == staff_id:
            return answer_offer(db, desk, handoff_id, staff_id, True, now, by_phone=by_phone)
        raise Refused("taken", owner_name(db, locked))
    return Done(handoff_id, give(db, desk, locked, actor, now, "claimed", "taken", by_phone=by_phone))


def take_over(
    db: Session, desk: Desk, handoff_id: int, staff_id: int, now: datetime, note: str = "", *, by_phone: bool = False
) -> Done:
    """A supervisor takes a handoff from whoever has it; both the worker and the person are told."""
    actor = worker(db, staff_id, Permission.TAKE_OVER)
    locked = lock(db, desk, handoff_id, actor)
    handoff = locked.handoff
    if handoff.state == HandoffState.CLOSED:
        raise Refused("closed")
    if handoff.owner_id == staff_id and handoff.state in HELD:
        return Done(handoff_id)
    before = handoff.owner_id if handoff.state in HELD else None
    write_note(db, desk, locked, staff_id, note, now)
    ids = give(db, desk, locked, actor, now, "took_over", "transfer" if before else "taken", by_phone=by_phone)
    if before:
        ids += tuple(alerting.inform(db, desk, before, "transferred_to", now, handoff, name=actor.called))
    return Done(handoff_id, ids)


def pass_on(db: Session, desk: Desk, handoff_id: int, staff_id: int, now: datetime) -> Done:
    """ "Not me": the next rung is due now, where this worker was the last one still called. Also says no to an offer.

    Raises Refused("gone") where they were not called, or have answered.
    """
    actor = worker(db, staff_id)
    locked = lock(db, desk, handoff_id, actor)
    handoff = locked.handoff
    if handoff.state in HELD and handoff.offered_to_id == staff_id:
        return answer_offer(db, desk, handoff_id, staff_id, False, now)
    if not handoffs.answer_call_outs(db, handoff_id, "passed", now, of=staff_id):
        raise Refused("gone")
    handoffs.record(db, handoff, "passed", now, staff_id=staff_id)
    if handoff.state in UNCLAIMED and not any(one.answer is None for one in handoffs.call_outs(db, handoff_id)):
        handoff.rung_due_at = now
    return Done(handoff_id)


def offer(db: Session, desk: Desk, handoff_id: int, staff_id: int, to_staff_id: int, note: str, now: datetime) -> Done:
    """Ask a colleague to take it over, with a note. It stays with the owner until the colleague says yes.

    Raises Refused: not_yours, closed, not_staff (the colleague cannot take handoffs).
    """
    actor = worker(db, staff_id)
    locked = lock_mine(db, desk, handoff_id, actor)
    to = worker(db, to_staff_id)
    if to.id == actor.id:
        raise Refused("not_staff")
    write_note(db, desk, locked, staff_id, note, now)
    handoff = locked.handoff
    if handoff.offered_to_id is not None:
        # One is asked at a time: the "1" of whoever was asked before must not be taken for a yes any more.
        handoffs.answer_call_outs(db, handoff_id, "over", now, of=handoff.offered_to_id)
    handoff.offered_to_id = to.id
    handoff.rung_due_at = min(handoff.rung_due_at or now + OFFER_LASTS, now + OFFER_LASTS)
    db.add(CallOut(handoff_id=handoff_id, staff_id=to.id, rung=0, raised_at=now))
    handoffs.record(db, handoff, "offered", now, staff_id=staff_id, to=to.id)
    ids = alerting.alert(db, desk, handoff, to, (Way.TEXT, Way.EMAIL), "alert_offer", now, name=actor.called)
    return Done(handoff_id, tuple(ids))


def answer_offer(
    db: Session, desk: Desk, handoff_id: int, staff_id: int, accepts: bool, now: datetime, *, by_phone: bool = False
) -> Done:
    """The colleague's yes or no; the owner is told, and after a yes the person too. Raises Refused("gone")."""
    actor = worker(db, staff_id)
    locked = lock(db, desk, handoff_id, actor)
    handoff = locked.handoff
    if handoff.state not in HELD or handoff.offered_to_id != staff_id:
        raise Refused("gone")
    before = handoff.owner_id
    if not accepts:
        return Done(handoff_id, tuple(end_offer(db, desk, locked, "offer_declined", now)))
    ids = give(db, desk, locked, actor, now, "accepted", "transfer", by_phone=by_phone)
    if before:
        ids += tuple(alerting.inform(db, desk, before, "transferred_to", now, handoff, name=actor.called))
    return Done(handoff_id, ids)


def end_offer(db: Session, desk: Desk, locked: Locked, how: str, now: datetime) -> list[int]:
    """An offer was declined or expired: it stays where it is, and the owner knows. Returns rows to be woken."""
    handoff = locked.handoff
    asked = staff.get(db, handoff.offered_to_id) if handoff.offered_to_id else None
    handoffs.answer_call_outs(
        db, handoff.id, "passed" if how == "offer_declined" else "missed", now, of=handoff.offered_to_id
    )
    handoffs.record(db, handoff, how, now, staff_id=handoff.offered_to_id)
    handoff.offered_to_id = None
    if handoff.owner_id is None or asked is None:
        return []
    return alerting.inform(db, desk, handoff.owner_id, how, now, handoff, name=asked.called)


def give(
    db: Session, desk: Desk, locked: Locked, to: Staff, now: datetime, how: str, text: str, *, by_phone: bool = False
) -> tuple[int, ...]:
    """Make `to` the owner, under the lock: everybody else who was called is told, the bot falls silent, the person hears
    who has their texts now."""
    handoff = locked.handoff
    others = handoffs.answer_call_outs(db, handoff.id, "taken", now, but=to.id)
    handoffs.answer_call_outs(db, handoff.id, "took", now, of=to.id)
    handoffs.acknowledge(db, handoff.id, now)
    staff_threads.drop_alerts(db, handoff.id)
    handoffs.move(handoff, "claim")
    handoff.owner_id, handoff.offered_to_id, handoff.rung = to.id, None, 0
    handoff.claimed_at, handoff.spoke_at = now, None
    # The person waits for the first word from now on.
    handoff.unanswered_since = now
    handoff.shift_ends_at = rosters.of_turn(db, desk.zone).shift_end(to.id, now)
    handoff.rung_due_at = first_look(handoff, now)
    handoffs.record(db, handoff, how, now, staff_id=to.id)
    # A question of the net's own is the worker's to ask now: an answer to it must not be answered by the bot.
    in_danger = locked.state.in_danger or handoff.reason == Reason.DANGER.value
    locked.state = replace(locked.state, holder=Holder.HUMAN, in_danger=in_danger, asked=None, waking=None)
    locked.store(desk.sealer, now)
    unsay_waiting(db, locked.row.id)
    ids = [*tell(db, desk, locked, text, now, to)] if text else []
    staff_threads.unbind(db, locked.row.id)
    ids += _open_relay(db, desk, locked, to, now) if by_phone else []
    for other in others:
        ids += alerting.inform(db, desk, other, "taken_by", now, handoff, name=to.called)
    return tuple(ids)


def _open_relay(db: Session, desk: Desk, locked: Locked, to: Staff, now: datetime) -> list[int]:
    """Their own telephone and a number of the pool name this person from now on."""
    handoff = locked.handoff
    fields = alerting.facts(desk, handoff, now)
    thread: StaffThread | None = None
    if handoff.reachable and not is_blocked(locked.row):
        thread = staff_threads.bind(db, desk.sealer, to, desk.staff_numbers, locked.row.id, handoff.id, now)
    if thread is None:
        # Their numbers are all in use, or the person can only be phoned: the console has it.
        return alerting.inform(db, desk, to.id, "took_console", now, handoff)
    about = staff_threads.Concerns("took_relay", handoff.id)
    body = desk.staff_words.say("took_relay", **fields)
    return [staff_threads.write_in(db, desk.sealer, thread, body, Lane.REPLY, now, about)]


def write_note(db: Session, desk: Desk, locked: Locked, staff_id: int, note: str, now: datetime) -> None:
    """Keep what a worker wrote for the others, where they wrote something."""
    if note.strip():
        db.add(
            Note(
                conversation_id=locked.row.id, handoff_id=locked.handoff.id, staff_id=staff_id,
                sealed_body=desk.sealer.seal(note.strip()), at=now,
            )
        )  # fmt: skip
