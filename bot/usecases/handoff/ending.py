"""End of ownership: release, send to another team, hand back to the bot, close. The person is told each time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from bot.domain.conversation.state import Holder
from bot.domain.handoff.states import DISPOSITIONS, HELD_STATES, LAPSED, HandoffState
from bot.domain.staff.permissions import Permission, is_allowed
from bot.storage.handoff import handoffs
from bot.storage.handoff.handoffs import LockedHandoff
from bot.storage.staff import staff, staff_threads
from bot.storage.tables.staff import CallOut, Staff
from bot.usecases.context import Context
from bot.usecases.handoff import staff_alerts
from bot.usecases.handoff.claiming import store_note
from bot.usecases.handoff.common import HandoffResult, lock_own, lock_visible, owner_name, refused, require_worker
from bot.usecases.handoff.escalation import escalate
from bot.usecases.handoff.resident_notices import enqueue_notice
from bot.usecases.handoff.sla_times import AUTO_CLOSE_AFTER


def release(db: Session, context: Context, handoff_id: int, staff_id: int, now: datetime, note: str = "") -> HandoffResult:
    """Restart escalation without this social worker; the person is told that Warmline looks for a colleague.

    Raises Refused: not_yours, closed, unknown.
    """
    actor = require_worker(db, staff_id)
    locked = lock_own(db, context, handoff_id, actor)
    store_note(db, context, locked, staff_id, note, now)
    return HandoffResult(handoff_id, restart_escalation(db, context, locked, "released", now, staff_id=staff_id))


def send_to_team(
    db: Session, context: Context, handoff_id: int, staff_id: int, team: str, note: str, now: datetime
) -> HandoffResult:
    """Escalate to another team, with a note. Raises Refused: not_yours, closed, unknown (also for the team)."""
    actor = require_worker(db, staff_id)
    locked = lock_own(db, context, handoff_id, actor)
    if staff.find_team(db, team) is None:
        raise refused("unknown")
    store_note(db, context, locked, staff_id, note, now)
    locked.handoff.team = team
    return HandoffResult(
        handoff_id, restart_escalation(db, context, locked, "sent_to_team", now, staff_id=staff_id, team=team)
    )


def restart_escalation(
    db: Session,
    context: Context,
    locked: LockedHandoff,
    event_kind: str,
    now: datetime,
    *,
    staff_id: int | None,
    **detail: str | int,
) -> tuple[int, ...]:
    """Take the handoff from its owner and restart escalation in the same transaction, so that no person waits unwatched."""
    handoff = locked.handoff
    before = handoff.owner_id
    handoffs.apply_move(handoff, "release")
    handoffs.answer_call_outs(db, handoff.id, "over", now)
    if before is not None:
        # The new escalation does not start with the social worker who has just released it.
        db.add(
            CallOut(
                handoff_id=handoff.id, staff_id=before, tier=0, raised_at=handoff.claimed_at or now, answer="released",
                answered_at=now,
            )
        )  # fmt: skip
    handoff.owner_id = handoff.offered_to_id = handoff.shift_ends_at = handoff.unanswered_since = None
    handoffs.start_escalation(handoff, now)
    handoff.last_notice_at = now
    handoffs.add_event_and_touch(db, handoff, event_kind, now, staff_id=staff_id, **detail)
    staff_threads.unbind_all(db, locked.conversation_row.id)
    staff_threads.drop_alerts(db, handoff.id)
    locked.state = replace(locked.state, holder=Holder.WAITING, last_notice_at=now, last_notice_key=None)
    locked.save_state(context.sealer, now)
    ids = [*enqueue_notice(db, context, locked, "stepped_away", now)]
    if before is not None:
        ids += staff_alerts.enqueue_staff_text(
            db, context, before, "shift_over" if event_kind == "shift_over" else "released", now, handoff
        )
    return (*ids, *escalate(db, context, locked, now))


def hand_back(db: Session, context: Context, handoff_id: int, staff_id: int, now: datetime) -> HandoffResult:
    """Let the bot answer again; the disposition is recorded later, on closing. Raises Refused."""
    actor = require_worker(db, staff_id)
    locked = lock_own(db, context, handoff_id, actor)
    return HandoffResult(handoff_id, hand_back_to_bot(db, context, locked, "handed_back", now, staff_id=staff_id))


def hand_back_to_bot(
    db: Session, context: Context, locked: LockedHandoff, event_kind: str, now: datetime, *, staff_id: int | None
) -> tuple[int, ...]:
    """`how` is handed_back or handed_back_idle: the event's kind, and the key of the text to the person."""
    handoff = locked.handoff
    handoffs.apply_move(handoff, "hand_back")
    handoff.offered_to_id = handoff.unanswered_since = handoff.shift_ends_at = None
    handoff.due_at = now + AUTO_CLOSE_AFTER
    handoffs.add_event_and_touch(db, handoff, event_kind, now, staff_id=staff_id)
    handoffs.answer_call_outs(db, handoff.id, "over", now)
    staff_threads.unbind_all(db, locked.conversation_row.id)
    staff_threads.drop_alerts(db, handoff.id)
    _resume_bot(locked)
    locked.save_state(context.sealer, now)
    ids = list(enqueue_notice(db, context, locked, event_kind, now))
    if handoff.owner_id is not None:
        ids += staff_alerts.enqueue_staff_text(db, context, handoff.owner_id, "handed_back", now, handoff)
    return tuple(ids)


def close(
    db: Session, context: Context, handoff_id: int, staff_id: int, disposition: str, now: datetime, note: str = "",
    goodbye: bool = True,
) -> HandoffResult:  # fmt: skip
    """Close with a disposition; the bot may answer again. Allowed to the owner and to supervisors.

    Raises Refused: closed, not_yours, unknown; ValueError for a disposition that is not in DISPOSITIONS.
    """
    if disposition not in DISPOSITIONS:
        raise ValueError(f"{disposition} is no disposition")
    actor = require_worker(db, staff_id)
    locked = lock_visible(db, context, handoff_id, actor)
    if locked.handoff.state == HandoffState.CLOSED:
        raise refused("closed")
    if locked.handoff.owner_id != staff_id and not _is_supervisor(actor):
        raise refused("not_yours", owner_name(db, locked))
    store_note(db, context, locked, staff_id, note, now)
    return HandoffResult(handoff_id, close_locked(db, context, locked, disposition, now, staff_id=staff_id, goodbye=goodbye))


def _is_supervisor(actor: Staff) -> bool:
    return is_allowed(staff.roles_of(actor), Permission.TAKE_OVER)


def close_locked(
    db: Session,
    context: Context,
    locked: LockedHandoff,
    disposition: str,
    now: datetime,
    *,
    staff_id: int | None,
    goodbye: bool,
) -> tuple[int, ...]:
    """Close under the lock. The owner and others still alerted are told, and their telephones no longer reach the person."""
    handoff = locked.handoff
    spoke, with_bot = handoff.state in HELD_STATES, handoff.state == HandoffState.HANDED_BACK
    handoffs.apply_move(handoff, "close")
    owner = handoff.owner_id
    handoffs.acknowledge_alerts(db, handoff.id, now)
    called = handoffs.answer_call_outs(db, handoff.id, "over", now)
    handoff.disposition, handoff.closed_at = disposition, now
    handoff.due_at = handoff.offered_to_id = handoff.unanswered_since = handoff.shift_ends_at = None
    handoffs.add_event_and_touch(db, handoff, "closed", now, staff_id=staff_id, disposition=disposition)
    staff_threads.unbind_all(db, locked.conversation_row.id)
    staff_threads.drop_alerts(db, handoff.id)
    if not with_bot:
        # After a hand-back the bot may have asked a question since, and must go on waiting for its answer.
        _resume_bot(locked)
        locked.save_state(context.sealer, now)
    ids = list(enqueue_notice(db, context, locked, "goodbye", now)) if goodbye and spoke else []
    for one in {*called, *([owner] if owner and owner != staff_id else [])}:
        ids += staff_alerts.enqueue_staff_text(db, context, one, "gone", now, handoff)
    return tuple(ids)


def close_unattended(db: Session, context: Context, locked: LockedHandoff, now: datetime) -> tuple[int, ...]:
    """Close a handoff that was handed back a week ago and not closed by a social worker."""
    return close_locked(db, context, locked, LAPSED, now, staff_id=None, goodbye=False)


def close_by_operator(db: Session, context: Context, handoff_id: int, now: datetime) -> HandoffResult:
    """Close from the command line. Raises Refused: unknown, closed."""
    locked = handoffs.lock(db, context.sealer, handoff_id)
    if locked is None:
        raise refused("unknown")
    if locked.handoff.state == HandoffState.CLOSED:
        raise refused("closed")
    return HandoffResult(handoff_id, close_locked(db, context, locked, "other", now, staff_id=None, goodbye=False))


def _resume_bot(locked: LockedHandoff) -> None:
    locked.state = replace(
        locked.state,
        holder=Holder.BOT,
        in_danger=False,
        asked_danger=None,
        last_notice_key=None,
        last_notice_at=None,
        timeout_at=None,
    )
    if locked.state.check_in is not None:
        # A check-in question from before the talk with a social worker is no longer open.
        locked.state = replace(locked.state, frames=(), ended=True, check_in=None)
