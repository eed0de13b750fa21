"""Shared by all acts on a handoff: permission, lock, refusal and result."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from bot.domain.handoff.states import HELD_STATES, HandoffState
from bot.domain.refused import Refused
from bot.domain.staff.permissions import Permission, is_allowed, may_see_handoff
from bot.storage.handoff import handoffs
from bot.storage.handoff.handoffs import LockedHandoff
from bot.storage.staff import staff
from bot.storage.tables.staff import Staff
from bot.usecases.context import Context

_SENTENCES = {
    "taken": "{by} has this one already.",
    "closed": "This handoff is closed.",
    "not_yours": "This handoff is not yours now.",
    "unknown": "There is no such handoff here.",
    "opted_out": "This person has opted out of texts. Nothing was sent: phone them, if you may.",
    "unreachable": "Texts do not reach this person. Nothing was sent: phone them, if you may.",
    "too_long": "That is longer than a text can be. Nothing was sent: make it shorter.",
    "empty": "There was nothing to send.",
    "no_such_person": "There is nobody with that number here.",
    "unsafe_time": "It is not a safe time to text this person first. Nothing was sent.",
    "gone": "That text has left already, or was cancelled.",
    "left": "They left with an exit word. Nothing was sent: wait until they write again.",
    "past": "That time is over. Choose a later one.",
    "busy": "Somebody talks with this person already, or is being called for them.",
    "not_staff": "They cannot take handoffs.",
    "erased": "What was kept of this person has been deleted.",
}


class HandoffRefused(Refused):
    """The act on a handoff is not possible. `by` is the first name of the colleague who has the handoff, where known."""

    def __init__(self, text: str, reason: str, by: str | None = None) -> None:
        super().__init__(text, reason)
        self.by = by


def refused(reason: str, by: str | None = None) -> HandoffRefused:
    """The exception for a reason of the table above; `by` is the first name of the colleague who has the handoff."""
    return HandoffRefused(_SENTENCES[reason].format(by=by or "Somebody"), reason, by)


@dataclass(frozen=True, slots=True)
class HandoffResult:
    """`outbox_ids` are rows of the outbox that the caller sends after the commit."""

    handoff_id: int
    outbox_ids: tuple[int, ...] = ()


def require_worker(db: Session, staff_id: int, permission: Permission = Permission.ANSWER) -> Staff:
    """The member of staff who acts. Raises Refused ("not_staff") without this permission, or when they have left."""
    found = staff.get(db, staff_id)
    if found is None or not found.active or found.left_at is not None or not is_allowed(staff.roles_of(found), permission):
        raise refused("not_staff")
    return found


def lock_visible(db: Session, context: Context, handoff_id: int, actor: Staff) -> LockedHandoff:
    """The handoff, locked, if this member of staff may see it. Otherwise raises Refused ("unknown"): a guessed id reveals
    nothing."""
    locked = handoffs.lock(db, context.sealer, handoff_id)
    if locked is None or not is_visible(db, locked, actor):
        raise refused("unknown")
    return locked


def is_visible(db: Session, locked: LockedHandoff, actor: Staff) -> bool:
    handoff = locked.handoff
    called = actor.id in (handoff.owner_id, handoff.offered_to_id) or any(
        one.staff_id == actor.id for one in handoffs.list_call_outs(db, handoff.id)
    )
    return may_see_handoff(handoff.team, staff.teams_of(db, actor.id), is_alerted=called)


def lock_own(db: Session, context: Context, handoff_id: int, actor: Staff) -> LockedHandoff:
    """The handoff, locked, if this member of staff owns it. Raises Refused: unknown, closed, not_yours."""
    locked = lock_visible(db, context, handoff_id, actor)
    if locked.handoff.state == HandoffState.CLOSED:
        raise refused("closed")
    if locked.handoff.owner_id != actor.id or locked.handoff.state not in HELD_STATES:
        raise refused("not_yours", owner_name(db, locked))
    return locked


def owner_name(db: Session, locked: LockedHandoff) -> str | None:
    """The owner's first name, for colleagues."""
    if locked.handoff.owner_id is None:
        return None
    owner = staff.get(db, locked.handoff.owner_id)
    return owner.called if owner else None
