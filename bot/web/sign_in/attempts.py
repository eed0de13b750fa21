"""Brute-force protection: an account is locked after five wrong passwords or codes, and each IP address is throttled.

The account's row is locked during an attempt, so that parallel guesses are counted one after another.
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

from bot.domain.staff.lockout import lock_duration
from bot.domain.staff.passwords import MAX_LENGTH
from bot.usecases.staff.record_audit import record_act
from bot.web import access
from bot.web.forms import current_runtime
from bot.web.sign_in import security
from bot.web.sign_in.accounts import SignInAccount

MAX_FAILURES = 30
WINDOW_SECONDS = 600.0
"""Seconds. Thirty failures in ten minutes from one address, counted per process: more than a whole office mistypes."""
_MAX_ADDRESSES = 10_000


class Throttle:
    """Counts the recent failures of each IP address, in this process only."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: dict[str, deque[float]] = {}

    def seconds_to_wait(self, address: str) -> int:
        """Seconds until this address may try again; 0 if it may now."""
        with self._lock:
            times = self._recent(address)
            return int(times[0] + WINDOW_SECONDS - time.monotonic()) + 1 if len(times) >= MAX_FAILURES else 0

    def add_failure(self, address: str) -> None:
        """Count a failure of this address."""
        with self._lock:
            times = self._recent(address)
            times.append(time.monotonic())
            self._failures[address] = times
            if len(self._failures) > _MAX_ADDRESSES:
                self._failures.pop(next(iter(self._failures)))

    def _recent(self, address: str) -> deque[float]:
        times = self._failures.get(address) or deque(maxlen=MAX_FAILURES)
        while times and times[0] < time.monotonic() - WINDOW_SECONDS:
            times.popleft()
        return times


def current_throttle() -> Throttle:
    """The throttle of the current Flask application."""
    found: Throttle = current_app.extensions["warmline throttle"]
    return found


def client_address() -> str:
    """The IP address of the request's sender. X-Forwarded-For counts only if the peer is a proxy in a private network."""
    peer = request.remote_addr or ""
    if _is_private(peer) and (hops := request.headers.get("X-Forwarded-For", "").split(",")):
        last = hops[-1].strip()
        return last if _is_address(last) else peer
    return peer


def _is_private(text: str) -> bool:
    return _is_address(text) and ipaddress.ip_address(text).is_private


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def lock_row(*conditions: object) -> SignInAccount | None:
    """The matching account, with its row locked until the request's database session ends or commits."""
    found = select(SignInAccount).where(*conditions).with_for_update()  # type: ignore[arg-type]
    return security.accounts().session.scalar(found.execution_options(populate_existing=True))


def authenticate(email: str, password: str) -> SignInAccount | None:
    """The account with this e-mail address and password; None for any kind of failure, always after the same time."""
    account = lock_row(SignInAccount.__table__.c.email == email.strip().lower())
    now = access.real_now(current_runtime())
    password = security.current_security().password_util.normalize(password[: MAX_LENGTH + 1])
    if account is None or not account.password or not account.may_sign_in or is_locked(account, now):
        hash_password(password)
        _record_audit(account, "sign_in_failed", _failure_reason(account, now))
        return None
    if not is_password(account, password):
        record_failure(account, "password")
        return None
    return account


def is_password(account: SignInAccount, password: str) -> bool:
    """Whether this is the account's password."""
    try:
        return bool(account.verify_and_update_password(password))
    except ValueError:
        # Characters that no password can hold.
        return False


def _failure_reason(account: SignInAccount | None, now: datetime) -> str:
    if account is None:
        return "unknown address"
    if not account.may_sign_in:
        return "account closed"
    return "account locked" if is_locked(account, now) else "no password"


def is_locked(account: SignInAccount, now: datetime) -> bool:
    """Whether the account is locked for a while after wrong passwords or codes."""
    return account.locked_until is not None and account.locked_until > now


def record_failure(account: SignInAccount, factor: str) -> None:
    """Count and audit a wrong password or code, and lock the account after too many."""
    now = access.real_now(current_runtime())
    account.failed_sign_ins += 1
    _record_audit(account, "sign_in_failed", factor)
    shut = lock_duration(account.failed_sign_ins)
    if shut:
        account.locked_until = now + shut
        _record_audit(account, "locked", f"{int(shut.total_seconds() // 60)} minutes")


def _record_audit(account: SignInAccount | None, act: str, detail: str) -> None:
    """Write an audit row and commit at once: a failure must be recorded whatever happens next."""
    accounts = security.accounts()
    record_act(accounts.session, account.id if account else None, act, current_runtime().clock.now(), detail=detail)
    accounts.commit()
