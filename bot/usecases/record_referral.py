"""A person is referred to a service by hand, and what became of a referral is told: by the person, a worker, the agency."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from bot.domain.machine import IllegalMove
from bot.domain.referral import MOVES, OPEN, STATES, UNMET, Capacity, Outcome, ReferralState, Teller, answered, told
from bot.storage import audits, case_reading, referrals
from bot.storage.tables import Referral

DOUBLE_PRESS: Final = timedelta(minutes=10)
"""The same told again by the same teller in this time is a second press of a button and not news."""
PRESSED_TWICE: Final = timedelta(minutes=1)
"""The same referral by the same worker in this time is one: the person would be asked of a number that nobody gave them."""
_OF_ALL: Final = frozenset({Outcome.NOT_REACHED, Outcome.COULD_NOT_HELP, Outcome.NO_LONGER_NEEDED})
"""What a person may say of all services of an offer at once: "I reached nobody", "none could help", "it is solved"."""
_NEED = re.compile(r"[a-z][a-z0-9_-]{0,59}")

_SENTENCES = {
    "unknown": "There is no such referral here.",
    "over": "This referral is over ({state}). Nothing was changed. If that is wrong, take it back and make a new one.",
    "nothing": "Choose one of the answers. Nothing was changed.",
    "retracted": "This referral was taken back before.",
    "no_service": "This service is not offered any more. Choose another one; nothing was written down.",
    "no_need": "Choose what the person needs. Nothing was written down.",
    "no_person": "There is nobody with that number here, or what was kept of them has been deleted.",
    "not_agreed": (
        "The person has not agreed that this agency is told, or the time that they agreed to is over. Ask them, write down "
        "what they agree to and until when, and then make the link."
    ),
}


class Refused(Exception):
    """The act is not possible, and nothing has happened. `text` is a sentence for the page."""

    def __init__(self, reason: str, state: str = "") -> None:
        self.reason = reason
        self.text = _SENTENCES[reason].format(state=STATES.get(state, state).lower())
        super().__init__(reason)


def make(db: Session, conversation_id: int, service_id: int, need: str, staff_id: int, now: datetime) -> int:
    """A social worker refers the person to a service; the referral's number. Audited.

    `need` is a fixed word (of our flows, or a code of bot/domain/case.py), never somebody's sentence: it is kept in the
    clear. The same within a minute is a second press: it gives the number of the first. Raises Refused.
    """
    if not _NEED.fullmatch(need):
        raise Refused("no_need")
    conversation = referrals.lock_conversation(db, conversation_id)
    if conversation is None or conversation.unreachable == "erased":
        raise Refused("no_person")
    destination = referrals.destination(db, service_id)
    if destination is None or not destination.is_offered:
        raise Refused("no_service")
    first = case_reading.referred_since(db, conversation_id, service_id, need, staff_id, now - PRESSED_TWICE)
    if first is not None:
        return first
    row = referrals.add(db, conversation_id, service_id, need, staff_id, now)
    _audit(db, "referral_made", row, staff_id, now)
    return row.id


def by_person(db: Session, conversation_id: int, outcome: str, which: int | None, now: datetime) -> bool:
    """The person told what became of number `which` of the newest offer that is still open. In a turn, which has the lock.

    Without a number it is of the only one that is open; "not reached", "could not help" and "no longer needed" are of all of
    them. False where it is not clear of which, or nothing is open: nothing is written down, and the flow may ask. Raises
    ValueError for a word that is no outcome.
    """
    what = Outcome(outcome)
    offer = referrals.last_open_offer(db, conversation_id)
    waiting = [row for row in offer if row.state in OPEN]
    if which is not None:
        chosen = [row for row in offer if row.place == which]
        if chosen and chosen[0] not in waiting:
            # They tell once more what is known; anything else needs a human to look.
            return chosen[0].outcome == what
    elif what in _OF_ALL:
        chosen = waiting
    else:
        chosen = waiting if len(waiting) == 1 else []
    for row in chosen:
        _tell(db, row, what, Teller.PERSON, now)
    return bool(chosen)


def by_worker(db: Session, referral_id: int, staff_id: int, outcome: str, now: datetime) -> Referral:
    """A social worker writes down what they heard from the person or from the agency. Audited. Raises Refused."""
    row = _lock(db, referral_id)
    if outcome not in [*Outcome]:
        raise Refused("nothing")
    if not _is_known(db, row, "told", Teller.WORKER, outcome, now):
        _tell(db, row, Outcome(outcome), Teller.WORKER, now, staff_id=staff_id)
        _audit(db, "referral_told", row, staff_id, now, outcome)
    return row


def by_agency(
    db: Session, referral_id: int, outcome: str | None, capacity: str | None, now: datetime, *, started: bool = False
) -> Referral:
    """The agency told what became of it (`outcome`), whether it has room (`capacity`), or that it has begun (`started`).

    An outcome says more than the room does, so it decides where both are told. Where the agency does not help, a worker
    gets the task to look further. Raises Refused.
    """
    row = _lock(db, referral_id)
    if not (outcome or capacity or started) or outcome not in (None, *Outcome) or capacity not in (None, *Capacity):
        raise Refused("nothing")
    kind = capacity or ("told" if outcome else "started")
    if _is_known(db, row, kind, Teller.AGENCY, outcome, now):
        return row
    if outcome:
        _tell(db, row, Outcome(outcome), Teller.AGENCY, now, kind=kind)
    elif capacity:
        _take_answer(db, row, Capacity(capacity), now)
    else:
        _start(db, row, now)
    if row.closed_at is not None and row.outcome in UNMET:
        referrals.ask_worker(db, row, now)
    return row


def retract(db: Session, referral_id: int, staff_id: int, now: datetime) -> Referral:
    """A worker takes back what was written down by mistake. Audited. Raises Refused.

    It counts neither as open nor as closed any more: its events keep what was told of it.
    """
    row = _lock(db, referral_id)
    if not MOVES.allows(row.state, "retract"):
        raise Refused("retracted")
    row.state = MOVES.move(row.state, "retract")
    row.outcome = row.told_by = row.closed_at = None
    referrals.record(db, row, "retracted", Teller.WORKER.value, now, staff_id=staff_id)
    _audit(db, "referral_told", row, staff_id, now, "retracted")
    return row


def _lock(db: Session, referral_id: int) -> Referral:
    row = referrals.lock(db, referral_id)
    if row is None:
        raise Refused("unknown")
    return row


def _is_known(db: Session, row: Referral, kind: str, by: Teller, outcome: str | None, now: datetime) -> bool:
    """Whether the last thing that happened to it is this very thing, a moment ago."""
    last = referrals.last_event(db, row.id)
    if last is None or now - last.at > DOUBLE_PRESS:
        return False
    return (last.kind, last.by) == (kind, by) and (outcome is None or last.outcome == outcome)


def _tell(
    db: Session, row: Referral, what: Outcome, by: Teller, now: datetime, *, kind: str = "told", staff_id: int | None = None
) -> None:
    """The one place at which an outcome is written to a row, which is locked."""
    try:
        state, closed = told(row.state, what, by)
    except IllegalMove:
        raise Refused("over", row.state) from None
    _set(row, state, what, by, now if closed else None)
    referrals.record(db, row, kind, by.value, now, outcome=what.value, staff_id=staff_id)


def _take_answer(db: Session, row: Referral, capacity: Capacity, now: datetime) -> None:
    try:
        state, what = answered(row.state, capacity)
    except IllegalMove:
        raise Refused("over", row.state) from None
    _set(row, state, what, Teller.AGENCY, None if state in OPEN else now)
    referrals.record(db, row, capacity.value, Teller.AGENCY.value, now, outcome=what)


def _start(db: Session, row: Referral, now: datetime) -> None:
    try:
        state = MOVES.move(row.state, "start") if row.state != ReferralState.IN_PROGRESS else row.state
    except IllegalMove:
        raise Refused("over", row.state) from None
    _set(row, ReferralState(state), None, Teller.AGENCY, None)
    referrals.record(db, row, "started", Teller.AGENCY.value, now)


def _set(row: Referral, state: ReferralState, what: Outcome | None, by: Teller, closed_at: datetime | None) -> None:
    """Without an outcome the row forgets an earlier one: who was on a waiting list and is taken on now waits no longer."""
    row.state, row.closed_at = state.value, closed_at
    row.outcome, row.told_by = (what.value, by.value) if what else (None, None)


def _audit(db: Session, act: str, row: Referral, staff_id: int, now: datetime, what: str = "") -> None:
    detail = f"referral {row.id} {what}".strip()
    audits.record(db, staff_id, act, now, row.conversation_id, detail=detail)
