"""Warmline with one member of staff, Rosa, for tests of signing in; its clock only moves when the test moves it."""

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
class Site:
    """The web application, its runtime and clock, and Rosa's account."""

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

    def advance(self, **span: float) -> None:
        self.clock.advance(timedelta(**span))

    def code(self) -> str:
        """The code that Rosa's authenticator shows now."""
        totp = self.app.extensions["security"].totp_factory
        return str(totp.code(self.row().tf_totp_secret))

    def turn_on_second_factor(self) -> list[str]:
        """Set up Rosa's second factor on her account page; gives the recovery codes that the page shows."""
        client = signed_in(self.app, self.rosa)
        page = client.get("/console/account/second-factor")
        done = post(client, "/console/account/second-factor", code=self.key_code(page.text), proof=PASSWORD)
        assert done.status_code == 200, done.text
        self.advance(seconds=60)
        return re.findall(r"<li>([0-9a-f-]{14})</li>", done.text)

    def key_code(self, page: str) -> str:
        """The current code for the key that a set-up page shows."""
        key = re.search(r'class="door-key">([^<]+)<', page)
        assert key
        totp = self.app.extensions["security"].totp_factory
        return str(totp._totp(key=key[1], format="base32").generate(self.clock.now()).token)

    def link(self, purpose: invite.LinkPurpose = invite.LinkPurpose.INVITATION) -> str:
        return invite.make_link("", self.runtime.settings.secret_key, self.row(), purpose)


@contextmanager
def open_site(settings: Settings, clock: FrozenClock) -> Iterator[Site]:
    runtime = Runtime.start(settings, clock)
    try:
        yield Site(runtime, clock)
    finally:
        runtime.close()


def is_signed_in(client: FlaskClient) -> bool:
    """Whether this browser has a signed-in session."""
    return client.get("/console/account").status_code == 200
