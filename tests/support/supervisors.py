"""What the tests of the supervisor's pages share: a demo with all pages, browsers by role, and handoffs with their story."""

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
    """A demo in which somebody of each role works."""

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
        # It is nine on a Monday: figures of "today" must not depend on when the tests are run.
        demo.runtime = dataclasses.replace(demo.runtime, clock=FrozenClock())
        app.extensions["warmline"] = demo.runtime
        yield Office(demo)


def call_for_human(
    db: Session, sealer: Sealer, number: str, opened_at: datetime, urgency: Urgency = Urgency.MINUTES, team: str = "housing"
) -> int:
    """Somebody for whom a human is called since then; the handoff's number."""
    made = make_person(db, sealer, number, team=team, state="alerted", at=opened_at)
    handoff = db.get_one(Handoff, made.handoff)
    handoff.urgency, handoff.limit_at = urgency.value, opened_at + CLAIM_WITHIN[urgency]
    happened(db, handoff, "opened", opened_at, urgency=urgency.value)
    return made.handoff


def happened(db: Session, handoff: Handoff, kind: str, at: datetime, **detail: str) -> None:
    """One event of its story."""
    handoff.updated_at = at
    db.add(
        HandoffEvent(
            handoff_id=handoff.id, conversation_id=handoff.conversation_id, staff_id=None, kind=kind, detail=detail, at=at
        )
    )
    db.flush()


def taken(db: Session, handoff_id: int, staff_id: int, at: datetime) -> Handoff:
    """Somebody said "I have it" at that moment."""
    handoff = db.get_one(Handoff, handoff_id)
    handoff.state, handoff.owner_id, handoff.claimed_at = "with_human", staff_id, at
    happened(db, handoff, "claimed", at)
    return handoff


def called(db: Session, handoff_id: int, staff_id: int, at: datetime, answer: str | None = None, rung: int = 1) -> None:
    """Somebody was called for it, and answered this."""
    row = CallOut(handoff_id=handoff_id, staff_id=staff_id, rung=rung, raised_at=at, answer=answer)
    row.answered_at = at if answer else None
    db.add(row)
    db.flush()
