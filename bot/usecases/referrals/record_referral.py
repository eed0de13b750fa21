"""Make referrals by hand, and record their outcome as told by the person, a social worker or the agency."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from bot.domain.referrals import (
    MOVES,
    OPEN_STATES,
    STATES,
    UNMET_OUTCOMES,
    AgencyCapacity,
    ReferralOutcome,
    ReferralState,
    Reporter,
    state_after_capacity,
    state_after_outcome,
)
from bot.domain.refused import Refused
from bot.domain.state_machine import IllegalMove
from bot.storage import referrals
from bot.storage.cases import related
from bot.storage.staff import audits
from bot.storage.tables.residents import Referral

DOUBLE_PRESS: Final = timedelta(minutes=10)
"""The same report by the same teller within this time is a second press of a button."""
DUPLICATE_WINDOW: Final = timedelta(minutes=1)
"""The same referral by the same social worker within this time is a second press: a duplicate would be asked about too."""
_OUTCOMES_OF_ALL: Final = frozenset(
    {ReferralOutcome.NOT_REACHED, ReferralOutcome.COULD_NOT_HELP, ReferralOutcome.NO_LONGER_NEEDED}
)
"""Outcomes that a person may report for all services of an offer at once."""
_NEED_PATTERN = re.compile(r"[a-z][a-z0-9_-]{0,59}")

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


def refused(reason: str, state: str = "") -> Refused:
    """The exception for a reason of the table above; `state` is the referral's, where the sentence names it."""
    return Refused(_SENTENCES[reason].format(state=STATES.get(state, state).lower()), reason)


def make_referral(db: Session, conversation_id: int, service_id: int, need: str, staff_id: int, now: datetime) -> int:
    """A social worker refers the person to a service. Returns the referral's id. Audited.

    `need` is a fixed word (of our flows, or a code of bot/domain/cases.py), never free text: it is stored unsealed. The
    same within a minute is a second press and returns the first one's id. Raises Refused.
    """
    if not _NEED_PATTERN.fullmatch(need):
        raise refused("no_need")
    conversation = referrals.lock_conversation(db, conversation_id)
    if conversation is None or conversation.unreachable == "erased":
        raise refused("no_person")
    destination = referrals.find_destination(db, service_id)
    if destination is None or not destination.is_offered:
        raise refused("no_service")
    first = related.find_referral_since(db, conversation_id, service_id, need, staff_id, now - DUPLICATE_WINDOW)
    if first is not None:
        return first
    row = referrals.add_by_staff(db, conversation_id, service_id, need, staff_id, now)
    _audit(db, "referral_made", row, staff_id, now)
    return row.id


def record_from_person(db: Session, conversation_id: int, outcome: str, which: int | None, now: datetime) -> bool:
    """The person reports the outcome of number `which` of the newest offer that is still open. The turn holds the lock.

    Without a number it is about the only open one; "not reached", "could not help" and "no longer needed" are about all of
    them. Returns False, and records nothing, where it is unclear which one is meant, or none is open: the flow may ask.
    Raises ValueError for an unknown outcome.
    """
    what = ReferralOutcome(outcome)
    offer = referrals.lock_last_open_offer(db, conversation_id)
    waiting = [row for row in offer if row.state in OPEN_STATES]
    if which is not None:
        chosen = [row for row in offer if row.place == which]
        if chosen and chosen[0] not in waiting:
            # Already closed: the same outcome again is fine, another one is for a human to look at.
            return chosen[0].outcome == what
    elif what in _OUTCOMES_OF_ALL:
        chosen = waiting
    else:
        chosen = waiting if len(waiting) == 1 else []
    for row in chosen:
        _store_outcome(db, row, what, Reporter.PERSON, now)
    return bool(chosen)


def record_from_worker(
    db: Session, referral_id: int, staff_id: int, outcome: str, now: datetime, *, conversation_id: int | None = None
) -> Referral:
    """A social worker records what the person or the agency told them. Audited. Raises Refused, also for a referral of
    another conversation than this one, if it is given."""
    row = lock_referral(db, referral_id, conversation_id)
    if outcome not in [*ReferralOutcome]:
        raise refused("nothing")
    if not _is_repeated(db, row, "told", Reporter.WORKER, outcome, now):
        _store_outcome(db, row, ReferralOutcome(outcome), Reporter.WORKER, now, staff_id=staff_id)
        _audit(db, "referral_told", row, staff_id, now, outcome)
    return row


def record_from_agency(
    db: Session, referral_id: int, outcome: str | None, capacity: str | None, now: datetime, *, started: bool = False
) -> Referral:
    """The agency reports the outcome, its capacity, or that it has started.

    Where both are given, the outcome counts and the capacity is only noted. Where the agency does not help, a task asks a
    social worker to look further. Raises Refused.
    """
    row = lock_referral(db, referral_id)
    if (
        not (outcome or capacity or started)
        or outcome not in (None, *ReferralOutcome)
        or capacity not in (None, *AgencyCapacity)
    ):
        raise refused("nothing")
    kind = capacity or ("told" if outcome else "started")
    if _is_repeated(db, row, kind, Reporter.AGENCY, outcome, now):
        return row
    if outcome:
        _store_outcome(db, row, ReferralOutcome(outcome), Reporter.AGENCY, now, kind=kind)
    elif capacity:
        _store_capacity(db, row, AgencyCapacity(capacity), now)
    else:
        _store_start(db, row, now)
    if row.closed_at is not None and row.outcome in UNMET_OUTCOMES:
        referrals.add_agency_refused_task(db, row, now)
    return row


def retract_referral(
    db: Session, referral_id: int, staff_id: int, now: datetime, *, conversation_id: int | None = None
) -> Referral:
    """A social worker retracts a referral made by mistake. Audited. Raises Refused, also for a referral of another
    conversation than this one, if it is given.

    It then counts neither as open nor as closed; its events stay.
    """
    row = lock_referral(db, referral_id, conversation_id)
    if not MOVES.allows(row.state, "retract"):
        raise refused("retracted")
    row.state = MOVES.move(row.state, "retract")
    row.outcome = row.reported_by = row.closed_at = None
    referrals.add_event_and_touch(db, row, "retracted", Reporter.WORKER.value, now, staff_id=staff_id)
    _audit(db, "referral_told", row, staff_id, now, "retracted")
    return row


def lock_referral(db: Session, referral_id: int, conversation_id: int | None = None) -> Referral:
    """The referral, locked until the transaction ends. Raises Refused("unknown") if there is none, or none of this
    conversation."""
    row = referrals.lock(db, referral_id)
    if row is None or conversation_id not in (None, row.conversation_id):
        raise refused("unknown")
    return row


def _is_repeated(db: Session, row: Referral, kind: str, by: Reporter, outcome: str | None, now: datetime) -> bool:
    """Whether its last event is this same one, a moment ago."""
    last = referrals.find_last_event(db, row.id)
    if last is None or now - last.at > DOUBLE_PRESS:
        return False
    return (last.kind, last.by) == (kind, by) and (outcome is None or last.outcome == outcome)


def _store_outcome(
    db: Session,
    row: Referral,
    what: ReferralOutcome,
    by: Reporter,
    now: datetime,
    *,
    kind: str = "told",
    staff_id: int | None = None,
) -> None:
    """Store an outcome in the row, which is locked."""
    try:
        state, closed = state_after_outcome(row.state, what, by)
    except IllegalMove:
        raise refused("over", row.state) from None
    _store_state(row, state, what, by, now if closed else None)
    referrals.add_event_and_touch(db, row, kind, by.value, now, outcome=what.value, staff_id=staff_id)


def _store_capacity(db: Session, row: Referral, capacity: AgencyCapacity, now: datetime) -> None:
    try:
        state, what = state_after_capacity(row.state, capacity)
    except IllegalMove:
        raise refused("over", row.state) from None
    _store_state(row, state, what, Reporter.AGENCY, None if state in OPEN_STATES else now)
    referrals.add_event_and_touch(db, row, capacity.value, Reporter.AGENCY.value, now, outcome=what)


def _store_start(db: Session, row: Referral, now: datetime) -> None:
    try:
        state = MOVES.move(row.state, "start") if row.state != ReferralState.IN_PROGRESS else row.state
    except IllegalMove:
        raise refused("over", row.state) from None
    _store_state(row, ReferralState(state), None, Reporter.AGENCY, None)
    referrals.add_event_and_touch(db, row, "started", Reporter.AGENCY.value, now)


def _store_state(
    row: Referral, state: ReferralState, what: ReferralOutcome | None, by: Reporter, closed_at: datetime | None
) -> None:
    """Store the new state. Without an outcome an earlier one is cleared: a person taken on no longer waits on a list."""
    row.state, row.closed_at = state.value, closed_at
    row.outcome, row.reported_by = (what.value, by.value) if what else (None, None)


def _audit(db: Session, act: str, row: Referral, staff_id: int, now: datetime, what: str = "") -> None:
    detail = f"referral {row.id} {what}".strip()
    audits.record(db, staff_id, act, now, row.conversation_id, detail=detail)
