"""The staff's accounts as Flask-Security wants them: the same tables, mapped a second time.

The storage room knows nothing of Flask, so its `Staff` cannot be Flask-Security's model. These classes map the account's
columns of the same rows, in a registry of their own, and are used by the doors alone.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from flask import Flask
from flask_security.core import RoleMixin, UserMixin
from flask_security.datastore import SQLAlchemySessionUserDatastore
from sqlalchemy import Engine
from sqlalchemy.orm import Session, registry, relationship, scoped_session, sessionmaker

from bot.storage.staff_tables import Role, Staff, staff_role
from bot.storage.tables import Table

_mapped = registry(metadata=Table.metadata)


@_mapped.mapped
class AccountRole(RoleMixin):
    """What somebody is here."""

    __table__ = Role.__table__


@_mapped.mapped
class Account(UserMixin):
    """One member of staff at the door. Locked, left and deactivated accounts are told apart by sign_in.py."""

    __table__ = Staff.__table__
    roles = relationship(AccountRole, secondary=staff_role, viewonly=True)

    if TYPE_CHECKING:
        name: str
        called: str
        left_at: datetime | None
        failed_sign_ins: int
        locked_until: datetime | None
        oidc_subject: str | None

    @property
    def may_come_in(self) -> bool:
        """Whether the account is open: not deactivated, and they have not left."""
        return bool(self.active) and self.left_at is None


class Accounts(SQLAlchemySessionUserDatastore):
    """Flask-Security's way to the accounts, with a session for each request that asks for one."""

    def __init__(self, engine: Engine) -> None:
        self.sessions: scoped_session[Session] = scoped_session(sessionmaker(engine, expire_on_commit=False))
        super().__init__(self.sessions, Account, AccountRole)

    @property
    def session(self) -> Session:
        """This request's session; it ends without a commit, unless `commit()` is called."""
        return self.sessions()

    def commit(self) -> None:
        """Keep what was changed in this request, and let the locked row go."""
        self.session.commit()

    def close_after_requests(self, app: Flask) -> None:
        """Give the connection back when a request is done."""
        app.teardown_appcontext(self._close)

    def _close(self, _error: BaseException | None) -> Any:
        # Most requests, a carrier's among them, never asked for one.
        if self.sessions.registry.has():
            self.sessions.remove()
