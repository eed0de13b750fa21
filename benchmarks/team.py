"""A team in three shifts round the clock, each with a telephone, and how one of them is signed in."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import time as time_of_day

from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy.orm import Session

from benchmarks import instance
from bot.domain.staff.permissions import Role
from bot.operations.clock import SystemClock
from bot.storage.database import Database
from bot.storage.sealing import Sealer
from bot.storage.staff import staff
from bot.storage.tables.staff import Shift

TEAM = "crisis"
POOL = ("+13145550111", "+13145550112", "+13145550113")
"""Warmline's numbers for staff."""
SHIFTS = ((0, 8), (8, 16), (16, 0))
"""Hours of every day, in the city's time zone."""
COOKIE = "warmline"
_FORMS = "f" * 40
"""The secret of the session's forms; any will do."""


@dataclass(frozen=True, slots=True)
class Team:
    """Who is on duty, and the person who looks at the pages, a social worker and supervisor."""

    workers: tuple[int, ...]
    viewer: int
    viewer_key: str


def hire(env: Mapping[str, str], on_duty: int) -> Team:
    """Add a team with `on_duty` members on duty at any time, and one more who may see every page."""
    many = on_duty * len(SHIFTS)
    with _open(env) as (db, sealer):
        staff.get_or_add_team(db, TEAM, "Crisis")
        workers = tuple(_add(db, sealer, number, Role.SOCIAL_WORKER) for number in range(many))
        viewer = staff.get(db, _add(db, sealer, many, Role.SOCIAL_WORKER, Role.SUPERVISOR))
        assert viewer is not None
        return Team(workers, viewer.id, viewer.fs_uniquifier)


@contextmanager
def _open(env: Mapping[str, str]) -> Iterator[tuple[Session, Sealer]]:
    database = Database(env["DATABASE_URL"], connections=1)
    try:
        with database.transaction() as db:
            yield db, sealer(env)
    finally:
        database.close()


def sealer(env: Mapping[str, str]) -> Sealer:
    """The sealer with this instance's keys."""
    settings = instance.settings(env)
    return Sealer(settings.encryption_keys, settings.secret_key)


def _add(db: Session, sealer: Sealer, number: int, *roles: Role) -> int:
    row = staff.add(db, f"worker{number}@example.org", f"Worker {number}", SystemClock().now(), roles=roles, teams=[TEAM])
    staff.set_phone(db, sealer, row, f"+1314555{2000 + number}")
    # There is no mail server, so e-mails would be wasted work.
    row.alerts_by_email = False
    team = staff.find_team(db, TEAM)
    assert team is not None
    starts, ends = (time_of_day(hour) for hour in SHIFTS[number % len(SHIFTS)])
    db.add_all(Shift(team_id=team.id, staff_id=row.id, weekday=day, starts=starts, ends=ends) for day in range(7))
    return row.id


def cookie(env: Mapping[str, str], team: Team) -> dict[str, str]:
    """The header of a viewer who has just signed in."""
    now = time.time()
    held = {"_user_id": team.viewer_key, "_fresh": True, "since": now, "seen": now, "csrf_token": _FORMS}
    app = Flask(__name__)
    app.secret_key = env["SECRET_KEY"]
    signer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert signer is not None
    return {"Cookie": f"{COOKIE}={signer.dumps(held)}"}


def form_secret(env: Mapping[str, str]) -> str:
    """What every form of the viewer's pages carries."""
    return str(URLSafeTimedSerializer(env["SECRET_KEY"], salt="wtf-csrf-token").dumps(_FORMS))
