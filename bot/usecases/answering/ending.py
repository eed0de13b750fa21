"""Letting go: back to the ladder, to another team, back to the bot, closed. The person is told each time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from bot.domain.conversation import Holder
from bot.domain.handoff import DISPOSITIONS, HELD, LAPSED, HandoffState
from bot.domain.permissions import Permission, allowed
from bot.storage import handoffs, staff, staff_threads
from bot.storage.handoffs import Locked
from bot.storage.staff_tables import CallOut, Staff
from bot.usecases.answering import alerting
from bot.usecases.answering.attention import LAPSES_AFTER
from bot.usecases.answering.calling import climb
from bot.usecases.answering.claiming import write_note
from bot.usecases.answering.common import Done, Refused, lock, lock_mine, owner_name, worker
from bot.usecases.answering.telling import tell
from bot.usecases.desk import Desk


def release(db: Session, desk: Desk, handoff_id: int, staff_id: int, now: datetime, note: str = "") -> Done:
    """Back to the ladder without this worker; the person hears that somebody else is being looked for.

    Raises Refused: not_yours, closed, unknown.
    """
    actor = worker(db, staff_id)
    locked = lock_mine(db, desk, handoff_id, actor)
    write_note(db, desk, locked, staff_id, note, now)
    return Done(handoff_id, let_go(db, desk, locked, "released", now, staff_id=staff_id))


def send_to_team(db: Session, desk: Desk, handoff_id: int, staff_id: int, team: str, note: str, now: datetime) -> Done:
    """Give it to another team's ladder, with a note. Raises Refused; "unknown" for a team that does not exist."""
    actor = worker(db, staff_id)
    locked = lock_mine(db, desk, handoff_id, actor)
    if staff.find_team(db, team) is None:
        raise Refused("unknown")
    write_note(db, desk, locked, staff_id, note, now)
    locked.handoff.team = team
    return Done(handoff_id, let_go(db, desk, locked, "sent_to_team", now, staff_id=staff_id, team=team))


def let_go(
    db: Session, desk: Desk, locked: Locked, how: str, now: datetime, *, staff_id: int | None, **detail: str | int
) -> tuple[int, ...]:
    """The owner no longer has it: the ladder begins anew in the same transaction, so that nobody waits without a rung."""
    handoff = locked.handoff
    before = handoff.owner_id
    handoffs.move(handoff, "release")
    handoffs.answer_call_outs(db, handoff.id, "over", now)
    if before is not None:
        # The next ladder does not begin with the one who has just given it back.
        db.add(
            CallOut(
                handoff_id=handoff.id, staff_id=before, rung=0, raised_at=handoff.claimed_at or now, answer="released",
                answered_at=now,
            )
        )  # fmt: skip
    handoff.owner_id = handoff.offered_to_id = handoff.shift_ends_at = handoff.unanswered_since = None
    handoffs.begin_ladder(handoff, now)
    handoff.told_at = now
    handoffs.record(db, handoff, how, now, staff_id=staff_id, **detail)
    staff_threads.unbind(db, locked.row.id)
    staff_threads.drop_alerts(db, handoff.id)
    locked.state = replace(locked.state, holder=Holder.WAITING, told_at=now, told=None)
    locked.store(desk.sealer, now)
    ids = [*tell(db, desk, locked, "stepped_away", now)]
    if before is not None:
        ids += alerting.inform(db, desk, before, "shift_over" if how == "shift_over" else "released", now, handoff)
    return (*ids, *climb(db, desk, locked, now))


def hand_back(db: Session, desk: Desk, handoff_id: int, staff_id: int, now: datetime) -> Done:
    """The bot speaks again; how it ended is written down later, by closing. Raises Refused."""
    actor = worker(db, staff_id)
    locked = lock_mine(db, desk, handoff_id, actor)
    return Done(handoff_id, to_bot(db, desk, locked, "handed_back", now, staff_id=staff_id))


def to_bot(db: Session, desk: Desk, locked: Locked, how: str, now: datetime, *, staff_id: int | None) -> tuple[int, ...]:
    """`how` is handed_back or handed_back_idle: the event, and the text that the person is sent."""
    handoff = locked.handoff
    handoffs.move(handoff, "hand_back")
    handoff.offered_to_id = handoff.unanswered_since = handoff.shift_ends_at = None
    handoff.rung_due_at = now + LAPSES_AFTER
    handoffs.record(db, handoff, how, now, staff_id=staff_id)
    handoffs.answer_call_outs(db, handoff.id, "over", now)
    staff_threads.unbind(db, locked.row.id)
    staff_threads.drop_alerts(db, handoff.id)
    _free(locked)
    locked.store(desk.sealer, now)
    ids = list(tell(db, desk, locked, how, now))
    if handoff.owner_id is not None:
        ids += alerting.inform(db, desk, handoff.owner_id, "handed_back", now, handoff)
    return tuple(ids)


def close(
    db: Session, desk: Desk, handoff_id: int, staff_id: int, disposition: str, now: datetime, note: str = "",
    goodbye: bool = True,
) -> Done:  # fmt: skip
    """It is over: how it ended is kept, the bot may speak again. The owner closes it, or a supervisor.

    Raises Refused: closed, not_yours, unknown; ValueError for a disposition that is not in DISPOSITIONS.
    """
    if disposition not in DISPOSITIONS:
        raise ValueError(f"{disposition} is no disposition")
    actor = worker(db, staff_id)
    locked = lock(db, desk, handoff_id, actor)
    if locked.handoff.state == HandoffState.CLOSED:
        raise Refused("closed")
    if locked.handoff.owner_id != staff_id and not _supervises(actor):
        raise Refused("not_yours", owner_name(db, locked))
    write_note(db, desk, locked, staff_id, note, now)
    return Done(handoff_id, end(db, desk, locked, disposition, now, staff_id=staff_id, goodbye=goodbye))


def _supervises(actor: Staff) -> bool:
    return allowed(staff.roles(actor), Permission.TAKE_OVER)


def end(
    db: Session, desk: Desk, locked: Locked, disposition: str, now: datetime, *, staff_id: int | None, goodbye: bool
) -> tuple[int, ...]:
    """Close under the lock. Somebody else's telephone that still leads to the person is cut off and told."""
    handoff = locked.handoff
    spoke, with_bot = handoff.state in HELD, handoff.state == HandoffState.HANDED_BACK
    handoffs.move(handoff, "close")
    owner = handoff.owner_id
    handoffs.acknowledge(db, handoff.id, now)
    called = handoffs.answer_call_outs(db, handoff.id, "over", now)
    handoff.disposition, handoff.closed_at = disposition, now
    handoff.rung_due_at = handoff.offered_to_id = handoff.unanswered_since = handoff.shift_ends_at = None
    handoffs.record(db, handoff, "closed", now, staff_id=staff_id, disposition=disposition)
    staff_threads.unbind(db, locked.row.id)
    staff_threads.drop_alerts(db, handoff.id)
    if not with_bot:
        # Handed back, the conversation is the bot's again: what it has asked since, it must go on waiting for.
        _free(locked)
        locked.store(desk.sealer, now)
    ids = list(tell(db, desk, locked, "goodbye", now)) if goodbye and spoke else []
    for one in {*called, *([owner] if owner and owner != staff_id else [])}:
        ids += alerting.inform(db, desk, one, "gone", now, handoff)
    return tuple(ids)


def lapse(db: Session, desk: Desk, locked: Locked, now: datetime) -> tuple[int, ...]:
    """Nobody closed it in a week since it was handed back."""
    return end(db, desk, locked, LAPSED, now, staff_id=None, goodbye=False)


def close_by_operator(db: Session, desk: Desk, handoff_id: int, now: datetime) -> Done:
    """From the command line, where no console is at hand. Raises Refused: unknown, closed."""
    locked = handoffs.lock(db, desk.sealer, handoff_id)
    if locked is None:
        raise Refused("unknown")
    if locked.handoff.state == HandoffState.CLOSED:
        raise Refused("closed")
    return Done(handoff_id, end(db, desk, locked, "other", now, staff_id=None, goodbye=False))


def _free(locked: Locked) -> None:
    locked.state = replace(
        locked.state, holder=Holder.BOT, in_danger=False, asked=None, told=None, told_at=None, waking=None
    )
    if locked.state.check_in is not None:
        # What the line had asked before somebody talked with them is no open question any more.
        locked.state = replace(locked.state, frames=(), ended=True, check_in=None)
