"""A line with one member of staff before its doors, on a clock that stands still."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from flask.testing import FlaskClient
from sqlalchemy import select

from bot.operations.settings.settings import Settings
from bot.runtime import Runtime
from bot.storage.tables.staff import Audit, Staff
from bot.usecases.staff import invite
from bot.web.app import create_app
from tests.support.clock import FrozenClock
from tests.support.console import PASSWORD, make_staff, password_hash, post, signed_in

ROSA = "rosa@example.org"
WRONG = "a different river"


@dataclasses.dataclass
class House:
    """A line with one member of staff, on a clock that stands still."""

    runtime: Runtime
    clock: FrozenClock

    def __post_init__(self) -> None:
        self.app = create_app(self.runtime)
        self.rosa = make_staff(self.runtime, ROSA, password=password_hash(self.app))

    def row(self) -> Staff:
        with self.runtime.database.transaction() as db:
            return db.scalars(select(Staff).where(Staff.id == self.rosa)).one()

    def change(self, **values: object) -> None:
        with self.runtime.database.transaction() as db:
            member = db.get_one(Staff, self.rosa)
            for name, value in values.items():
                setattr(member, name, value)

    def acts(self) -> list[tuple[str, str]]:
        with self.runtime.database.transaction() as db:
            return [(row.act, row.detail) for row in db.scalars(select(Audit).order_by(Audit.id))]

    def later(self, **span: float) -> None:
        self.clock.advance(timedelta(**span))

    def code(self) -> str:
        """What Rosa's authenticator shows now."""
        totp = self.app.extensions["security"].totp_factory
        return str(totp.code(self.row().tf_totp_secret))

    def turn_on(self) -> list[str]:
        """Rosa sets up her second factor on her page; gives the recovery codes that she is shown."""
        client = signed_in(self.app, self.rosa)
        page = client.get("/console/account/second-factor")
        done = post(client, "/console/account/second-factor", code=self.key_code(page.text), proof=PASSWORD)
        assert done.status_code == 200, done.text
        self.later(seconds=60)
        return re.findall(r"<li>([0-9a-f-]{14})</li>", done.text)

    def key_code(self, page: str) -> str:
        """The code for the key that a set-up page shows."""
        key = re.search(r'class="door-key">([^<]+)<', page)
        assert key
        totp = self.app.extensions["security"].totp_factory
        return str(totp._totp(key=key[1], format="base32").generate(self.clock.now()).token)

    def link(self, purpose: invite.LinkPurpose = invite.LinkPurpose.INVITATION) -> str:
        return invite.make_link("", self.runtime.settings.secret_key, self.row(), purpose)


@contextmanager
def open_house(settings: Settings, clock: FrozenClock) -> Iterator[House]:
    runtime = Runtime.start(settings, clock)
    try:
        yield House(runtime, clock)
    finally:
        runtime.close()


def is_in(client: FlaskClient) -> bool:
    """Whether somebody is signed in in this browser."""
    return client.get("/console/account").status_code == 200
