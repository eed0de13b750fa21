"""Who may try: each account is shut after five wrong passwords or codes, and each address is slowed down.

The account's row is locked while it is tried, so that a hundred guesses at once are a hundred guesses one after another.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import deque
from datetime import datetime

from flask import current_app, request
from flask_security.utils import hash_password
from sqlalchemy import select

from bot.domain.lockout import shut_for
from bot.domain.passwords import LONGEST
from bot.storage import audits
from bot.web.console import access
from bot.web.forms import runtime
from bot.web.sign_in import security
from bot.web.sign_in.accounts import Account

MOST = 30
WINDOW = 600.0
"""Thirty failures in ten minutes from one address, in each of our processes: more than a whole office mistypes."""
_ADDRESSES = 10_000


class Throttle:
    """Remembers the failures of each address for a while. Each process counts for itself."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: dict[str, deque[float]] = {}

    def wait(self, address: str) -> int:
        """Seconds until this address may try again; 0 where it may now."""
        with self._lock:
            times = self._recent(address)
            return int(times[0] + WINDOW - time.monotonic()) + 1 if len(times) >= MOST else 0

    def count(self, address: str) -> None:
        """One more failure of this address."""
        with self._lock:
            times = self._recent(address)
            times.append(time.monotonic())
            self._failures[address] = times
            if len(self._failures) > _ADDRESSES:
                self._failures.pop(next(iter(self._failures)))

    def _recent(self, address: str) -> deque[float]:
        times = self._failures.get(address) or deque(maxlen=MOST)
        while times and times[0] < time.monotonic() - WINDOW:
            times.popleft()
        return times


def throttle() -> Throttle:
    """The one of the application that answers."""
    found: Throttle = current_app.extensions["warmline throttle"]
    return found


def address() -> str:
    """Where the request comes from: behind a proxy of our own, what the proxy says."""
    peer = request.remote_addr or ""
    if _is_near(peer) and (hops := request.headers.get("X-Forwarded-For", "").split(",")):
        last = hops[-1].strip()
        return last if _is_address(last) else peer
    return peer


def _is_near(text: str) -> bool:
    return _is_address(text) and ipaddress.ip_address(text).is_private


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def lock_row(*conditions: object) -> Account | None:
    """The account, with its row locked until the request's session ends or commits."""
    found = select(Account).where(*conditions).with_for_update()  # type: ignore[arg-type]
    return security.accounts().session.scalar(found.execution_options(populate_existing=True))


def by_password(email: str, password: str) -> Account | None:
    """The account whose e-mail address and password these are; None for every reason there is, in the same time."""
    account = lock_row(Account.__table__.c.email == email.strip().lower())
    now = access.real_now(runtime())
    password = security.engine().password_util.normalize(password[: LONGEST + 1])
    if account is None or not account.password or not account.may_come_in or is_shut(account, now):
        hash_password(password)
        _write_down(account, "sign_in_failed", _why(account, now))
        return None
    if not fits(account, password):
        failed(account, "password")
        return None
    return account


def fits(account: Account, password: str) -> bool:
    """Whether this is their password."""
    try:
        return bool(account.verify_and_update_password(password))
    except ValueError:
        # Characters that no password can hold.
        return False


def _why(account: Account | None, now: datetime) -> str:
    if account is None:
        return "unknown address"
    if not account.may_come_in:
        return "account closed"
    return "account locked" if is_shut(account, now) else "no password"


def is_shut(account: Account, now: datetime) -> bool:
    """Whether the account is shut for a while after wrong passwords or codes."""
    return account.locked_until is not None and account.locked_until > now


def failed(account: Account, what: str) -> None:
    """Count a wrong password or code, and shut the account where it was one too many."""
    now = access.real_now(runtime())
    account.failed_sign_ins += 1
    _write_down(account, "sign_in_failed", what)
    shut = shut_for(account.failed_sign_ins)
    if shut:
        account.locked_until = now + shut
        _write_down(account, "locked", f"{int(shut.total_seconds() // 60)} minutes")


def _write_down(account: Account | None, act: str, detail: str) -> None:
    """Into the audit, and committed: what failed must be remembered whatever comes after."""
    accounts = security.accounts()
    audits.record(accounts.session, account.id if account else None, act, runtime().clock.now(), detail=detail)
    accounts.commit()
