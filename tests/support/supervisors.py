"""For tests of the supervisor's pages: a demo with staff of each role, and handoffs with their recorded events."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from bot.domain.handoff.states import CLAIM_WITHIN
from bot.domain.safety.levels import Urgency
from bot.operations.settings.settings import Settings
from bot.storage.sealing import Sealer
from bot.storage.tables.residents import Handoff
from bot.storage.tables.staff import CallOut, HandoffEvent
from tests.support.clock import FrozenClock
from tests.support.console import make_staff, signed_in
from tests.support.demo import Demo, open_demo
from tests.support.people import make_person


class Office:
    """A demo with one member of staff per role."""

    def __init__(self, demo: Demo) -> None:
        self.demo, self.runtime = demo, demo.runtime
        with demo.db() as db:
            self.worker = make_staff(db, "wanda@example.org", ("social_worker",), ("housing",))
            self.supervisor = make_staff(db, "sol@example.org", ("supervisor",), ("housing",))
            self.admin = make_staff(db, "ada@example.org", ("admin",))
            self.auditor = make_staff(db, "otto@example.org", ("auditor",))

    def browser(self, staff_id: int) -> FlaskClient:
        return signed_in(self.demo.app, staff_id)

    @property
    def now(self) -> datetime:
        return self.runtime.clock.now()

    def minutes_ago(self, minutes: float) -> datetime:
        return self.now - timedelta(minutes=minutes)


@contextmanager
def open_office(settings: Settings) -> Iterator[Office]:
    with open_demo(settings) as demo:
        app = demo.app
        # Always nine on a Monday: figures of "today" must not depend on when the tests run.
        demo.runtime = dataclasses.replace(demo.runtime, clock=FrozenClock())
        app.extensions["warmline"] = demo.runtime
        yield Office(demo)


def call_for_human(
    db: Session, sealer: Sealer, number: str, opened_at: datetime, urgency: Urgency = Urgency.MINUTES, team: str = "housing"
) -> int:
    """Open a handoff at this moment that staff are being called for; gives its id."""
    person = make_person(db, sealer, number, team=team, state="alerted", at=opened_at)
    handoff = db.get_one(Handoff, person.handoff)
    handoff.urgency, handoff.limit_at = urgency.value, opened_at + CLAIM_WITHIN[urgency]
    record_event(db, handoff, "opened", opened_at, urgency=urgency.value)
    return person.handoff


def record_event(db: Session, handoff: Handoff, kind: str, at: datetime, **detail: str) -> None:
    """Add one event to a handoff's history."""
    handoff.updated_at = at
    db.add(
        HandoffEvent(
            handoff_id=handoff.id, conversation_id=handoff.conversation_id, staff_id=None, kind=kind, detail=detail, at=at
        )
    )
    db.flush()


def record_claim(db: Session, handoff_id: int, staff_id: int, at: datetime) -> Handoff:
    """Let a member of staff claim the handoff at this moment."""
    handoff = db.get_one(Handoff, handoff_id)
    handoff.state, handoff.owner_id, handoff.claimed_at = "with_human", staff_id, at
    record_event(db, handoff, "claimed", at)
    return handoff


def record_call_out(
    db: Session, handoff_id: int, staff_id: int, at: datetime, answer: str | None = None, tier: int = 1
) -> None:
    """Record that a member of staff was called for the handoff, and how they answered (None: not yet)."""
    row = CallOut(handoff_id=handoff_id, staff_id=staff_id, tier=tier, raised_at=at, answer=answer)
    row.answered_at = at if answer else None
    db.add(row)
    db.flush()
