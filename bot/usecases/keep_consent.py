"""A social worker writes down what a person agreed to or took back. The ledger only grows: a change is a new entry."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.domain.conversation import load
from bot.domain.effects import Choice, Method
from bot.domain.permissions import Permission
from bot.storage import case_reading, cases
from bot.storage.consents import AGENCY
from bot.storage.sealing import Sealer
from bot.storage.tables import Consent, Conversation
from bot.usecases.answering.common import worker

SCOPES = {
    "followup": "Check-ins, to ask how it goes",
    "survey": "A short survey",
    "share": "Sharing a referral with one agency",
}
"""What can be agreed to with a social worker -> what a page says. `share` is kept as `share:agency:<agency>`, and an agency
is `<source>/<key>` of its organization in the directory."""
LONGEST_SHARE = timedelta(days=366)
_CHOICES = (Choice.AGREED, Choice.WITHDRAWN)

_SENTENCES = {
    "unknown_person": "There is no such person here.",
    "scope": "Choose what they agreed to or took back. Nothing was saved.",
    "choice": "Choose whether they agreed or took it back. Nothing was saved.",
    "agency": "Choose the agency. Nothing was saved.",
    "no_end": "Say until when it may be shared: the law wants an end. Nothing was saved.",
    "past": "That day is over. Nothing was saved.",
    "too_far": "That is more than a year ahead. Choose an earlier day; they can agree again. Nothing was saved.",
}


class NotKept(Exception):
    """Nothing was written down. `text` is a sentence for the page."""

    def __init__(self, reason: str) -> None:
        self.reason, self.text = reason, _SENTENCES[reason]
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Told:
    """What the person said. `agency` counts for sharing alone, as `until` does (aware UTC; when it ends by itself)."""

    scope: str
    choice: str
    agency: str = ""
    until: datetime | None = None


def record_consent(db: Session, sealer: Sealer, conversation_id: int, told: Told, staff_id: int, now: datetime) -> str:
    """Add the entry and give its scope, for the audit.

    A release to an agency needs an end, at most a year ahead (34 USC 12291(b)(2)(B): written, informed, reasonably limited
    in time). Raises NotKept, and Refused for somebody who may not follow up.
    """
    worker(db, staff_id, Permission.FOLLOW_UP)
    row = db.get(Conversation, conversation_id)
    if row is None or cases.person_of(db, conversation_id) is None:
        raise NotKept("unknown_person")
    if told.choice not in _CHOICES:
        raise NotKept("choice")
    scope, until = _scope(db, conversation_id, told), None
    if told.scope == "share" and told.choice == Choice.AGREED:
        until = _end(told.until, now)
    entry = Consent(
        conversation_id=conversation_id,
        message_id=None,
        scope=scope,
        choice=told.choice,
        method=Method.STAFF.value,
        source="staff",
        language=load(sealer.open(row.sealed_state)).language,
        at=now,
        staff_id=staff_id,
        until=until,
    )
    db.add(entry)
    db.flush()
    return scope


def _scope(db: Session, conversation_id: int, told: Told) -> str:
    if told.scope not in SCOPES:
        raise NotKept("scope")
    if told.scope != "share":
        return told.scope
    # What was agreed to can be taken back when the agency has left the directory, too.
    known = case_reading.agency_names(db, [told.agency]) or case_reading.was_shared(db, conversation_id, told.agency)
    if not known:
        raise NotKept("agency")
    return f"{AGENCY}{told.agency}"


def _end(until: datetime | None, now: datetime) -> datetime:
    if until is None:
        raise NotKept("no_end")
    if until <= now:
        raise NotKept("past")
    if until > now + LONGEST_SHARE:
        raise NotKept("too_far")
    return until
