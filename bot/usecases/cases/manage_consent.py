"""A social worker records a consent or its withdrawal. The ledger is append-only: a change is a new entry."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.domain.conversation.effects import ConsentChoice, ConsentMethod
from bot.domain.conversation.state import load
from bot.domain.refused import Refused
from bot.domain.staff.permissions import Permission
from bot.storage.cases import cases, related
from bot.storage.people.consents import AGENCY_PREFIX
from bot.storage.sealing import Sealer
from bot.storage.tables.residents import Consent, Conversation
from bot.usecases.handoff.common import require_worker

SCOPE_LABELS = {
    "followup": "Check-ins, to ask how it goes",
    "survey": "A short survey",
    "share": "Sharing a referral with one agency",
}
"""The scopes that a social worker can record -> label. `share` is stored as `share:agency:<agency>`, where the agency is
`<source>/<key>` of its organization in the directory."""
LONGEST_SHARE = timedelta(days=366)
_CHOICES = (ConsentChoice.AGREED, ConsentChoice.WITHDRAWN)

_SENTENCES = {
    "unknown_person": "There is no such person here.",
    "scope": "Choose what they agreed to or took back. Nothing was saved.",
    "choice": "Choose whether they agreed or took it back. Nothing was saved.",
    "agency": "Choose the agency. Nothing was saved.",
    "no_end": "Say until when it may be shared: the law wants an end. Nothing was saved.",
    "past": "That day is over. Nothing was saved.",
    "too_far": "That is more than a year ahead. Choose an earlier day; they can agree again. Nothing was saved.",
}


def refused(reason: str) -> Refused:
    """The exception for a reason of the table above."""
    return Refused(_SENTENCES[reason], reason)


@dataclass(frozen=True, slots=True)
class ConsentEntry:
    """What the person agreed to or withdrew. `agency` and `until` (aware UTC, when it expires) are only for sharing."""

    scope: str
    choice: str
    agency: str = ""
    until: datetime | None = None


def record_consent(
    db: Session, sealer: Sealer, conversation_id: int, entry: ConsentEntry, staff_id: int, now: datetime
) -> str:
    """Add the entry and return its scope, for the audit.

    A release to an agency needs an end, at most a year ahead (34 USC 12291(b)(2)(B): written, informed, reasonably limited
    in time). Raises Refused, also without the permission to follow up.
    """
    require_worker(db, staff_id, Permission.FOLLOW_UP)
    row = db.get(Conversation, conversation_id)
    if row is None or cases.lock_person(db, conversation_id) is None:
        raise refused("unknown_person")
    if entry.choice not in _CHOICES:
        raise refused("choice")
    scope, until = _ledger_scope(db, conversation_id, entry), None
    if entry.scope == "share" and entry.choice == ConsentChoice.AGREED:
        until = _checked_end(entry.until, now)
    consent = Consent(
        conversation_id=conversation_id,
        message_id=None,
        scope=scope,
        choice=entry.choice,
        method=ConsentMethod.STAFF.value,
        source="staff",
        language=load(sealer.open(row.sealed_state)).language,
        at=now,
        staff_id=staff_id,
        until=until,
    )
    db.add(consent)
    db.flush()
    return scope


def _ledger_scope(db: Session, conversation_id: int, entry: ConsentEntry) -> str:
    if entry.scope not in SCOPE_LABELS:
        raise refused("scope")
    if entry.scope != "share":
        return entry.scope
    # Consent can be withdrawn even when the agency has left the directory.
    known = related.agency_names(db, [entry.agency]) or related.has_consent_entry(db, conversation_id, entry.agency)
    if not known:
        raise refused("agency")
    return f"{AGENCY_PREFIX}{entry.agency}"


def _checked_end(until: datetime | None, now: datetime) -> datetime:
    if until is None:
        raise refused("no_end")
    if until <= now:
        raise refused("past")
    if until > now + LONGEST_SHARE:
        raise refused("too_far")
    return until
