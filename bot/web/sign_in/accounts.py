"""The staff's accounts as Flask-Security needs them: the same tables, mapped a second time.

The storage package does not depend on Flask, so its `Staff` cannot be Flask-Security's model. These classes map the same
rows in a separate registry, and only the sign-in uses them.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from flask import Flask
from flask_security.core import RoleMixin, UserMixin
from flask_security.datastore import SQLAlchemySessionUserDatastore
from sqlalchemy import Engine
from sqlalchemy.orm import Session, registry, relationship, scoped_session, sessionmaker

from bot.storage.tables.residents import Base
from bot.storage.tables.staff import Role, Staff, staff_role

_mapped = registry(metadata=Base.metadata)


@_mapped.mapped
class AccountRole(RoleMixin):
    """A role of staff members, for Flask-Security."""

    __table__ = Role.__table__


@_mapped.mapped
class SignInAccount(UserMixin):
    """One staff member, for Flask-Security."""

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
    def may_sign_in(self) -> bool:
        """Whether the account is active and its owner has not left. A lock after wrong passwords is checked elsewhere."""
        return bool(self.active) and self.left_at is None


class AccountStore(SQLAlchemySessionUserDatastore):
    """Flask-Security's data store, with a database session for each request that needs one."""

    def __init__(self, engine: Engine) -> None:
        self.sessions: scoped_session[Session] = scoped_session(sessionmaker(engine, expire_on_commit=False))
        super().__init__(self.sessions, SignInAccount, AccountRole)

    @property
    def session(self) -> Session:
        """This request's session; it ends without a commit, unless `commit()` is called."""
        return self.sessions()

    def commit(self) -> None:
        """Commit this request's changes and release the locked row."""
        self.session.commit()

    def close_after_requests(self, app: Flask) -> None:
        """Return the connection to the pool when a request ends."""
        app.teardown_appcontext(self._close)

    def _close(self, _error: BaseException | None) -> Any:
        # Most requests, such as the carrier's, never opened one.
        if self.sessions.registry.has():
            self.sessions.remove()
