"""What all acts on a handoff share: who may act, the lock, the refusal and what is woken afterwards."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from bot.domain.handoff import HELD, HandoffState
from bot.domain.permissions import Permission, allowed, may_see
from bot.storage import handoffs, staff
from bot.storage.handoffs import Locked
from bot.storage.staff_tables import Staff
from bot.usecases.desk import Desk

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


class Refused(Exception):
    """The act is not possible, and nothing has happened. `text` is a sentence for the page or the telephone."""

    def __init__(self, reason: str, by: str | None = None) -> None:
        self.reason, self.by = reason, by
        self.text = _SENTENCES[reason].format(by=by or "Somebody")
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Done:
    """`wake` are rows of the outbox that the door wakes after the commit."""

    handoff_id: int
    wake: tuple[int, ...] = ()


def worker(db: Session, staff_id: int, permission: Permission = Permission.ANSWER) -> Staff:
    """The member of staff who acts. Raises Refused("not_staff") for one who may not, or has left."""
    found = staff.get(db, staff_id)
    if found is None or not found.active or found.left_at is not None or not allowed(staff.roles(found), permission):
        raise Refused("not_staff")
    return found


def lock(db: Session, desk: Desk, handoff_id: int, actor: Staff) -> Locked:
    """The handoff, locked, if this member of staff may see it. Raises Refused("unknown") else: a forged id learns
    nothing."""
    locked = handoffs.lock(db, desk.sealer, handoff_id)
    if locked is None or not is_visible(db, locked, actor):
        raise Refused("unknown")
    return locked


def is_visible(db: Session, locked: Locked, actor: Staff) -> bool:
    handoff = locked.handoff
    called = actor.id in (handoff.owner_id, handoff.offered_to_id) or any(
        one.staff_id == actor.id for one in handoffs.call_outs(db, handoff.id)
    )
    return may_see(handoff.team, staff.teams_of(db, actor.id), is_called=called)


def lock_mine(db: Session, desk: Desk, handoff_id: int, actor: Staff) -> Locked:
    """The handoff, locked, which this member of staff holds. Raises Refused."""
    locked = lock(db, desk, handoff_id, actor)
    if locked.handoff.state == HandoffState.CLOSED:
        raise Refused("closed")
    if locked.handoff.owner_id != actor.id or locked.handoff.state not in HELD:
        raise Refused("not_yours", owner_name(db, locked))
    return locked


def owner_name(db: Session, locked: Locked) -> str | None:
    """The first name of who has it, for colleagues."""
    if locked.handoff.owner_id is None:
        return None
    owner = staff.get(db, locked.handoff.owner_id)
    return owner.called if owner else None
