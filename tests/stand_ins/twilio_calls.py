"""The telephone and the picture store of the stand-in for Twilio.

call = twilio.telephone.calls_to("+13145550111")[-1]
twilio.telephone.press(call, "1")     # what is said next
twilio.telephone.end(call, "no-answer")
url = twilio.store.keep(b"...", "image/jpeg")
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Protocol
from xml.etree import ElementTree

FINAL_STATES = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})
VERBS = {
    "Response": {"Say", "Gather", "Pause", "Hangup"},
    "Gather": {"Say", "Pause"},
    "Say": set(),
    "Pause": set(),
    "Hangup": set(),
}
"""The verbs of TwiML that we use, each with the verbs that it may contain."""


class Poster(Protocol):
    account_sid: str

    def post_signed(self, url: str, form: dict[str, str], token: str | None = None) -> tuple[int, str, str]: ...


@dataclass
class Call:
    """A call that the stand-in placed. `twiml` is what is being said now; every pressed key replaces it."""

    sid: str
    to: str
    from_: str
    twiml: str
    status: str = "queued"
    status_callback: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    @property
    def said(self) -> list[str]:
        """The sentences that are said, in order."""
        return sentences(self.twiml)


class Telephone:
    """Every call that was placed, and what the person who was called does."""

    def __init__(self, account: Poster) -> None:
        self._account = account
        self._calls: list[Call] = []
        self._lock = threading.Lock()

    @property
    def calls(self) -> list[Call]:
        """Oldest first."""
        with self._lock:
            return list(self._calls)

    def calls_to(self, to: str) -> list[Call]:
        return [call for call in self.calls if call.to == to]

    def place(self, form: dict[str, str]) -> Call:
        call = Call(
            f"CA{secrets.token_hex(16)}",
            form["To"],
            form["From"],
            form["Twiml"],
            status_callback=form.get("StatusCallback", ""),
            parameters=form,
        )
        with self._lock:
            self._calls.append(call)
        return call

    def press(self, call: Call, digit: str) -> list[str]:
        """Press a key in a call: it is posted, signed, to the action of the current <Gather>; gives what is said next.

        Raises LookupError where the call does not wait for a key, AssertionError for an answer that Twilio would reject.
        """
        gather = _check(call.twiml).find("Gather")
        if gather is None:
            raise LookupError(f"call {call.sid} does not wait for a key")
        call.status = "in-progress"
        status, content_type, text = self._account.post_signed(gather.attrib["action"], self._form(call) | {"Digits": digit})
        assert (status, content_type.partition(";")[0]) == (200, "text/xml"), (
            f"an application error: {status}, {content_type}"
        )
        call.twiml = text
        return sentences(text)

    def ring_us(self, url: str, from_: str, to: str) -> list[str]:
        """Call one of our numbers; gives the sentences that the caller hears."""
        call = Call(f"CA{secrets.token_hex(16)}", to, from_, "", "ringing")
        status, _, text = self._account.post_signed(url, self._form(call) | {"Direction": "inbound"})
        assert status == 200, f"an application error: {status}"
        return sentences(text)

    def end(self, call: Call, status: str = "completed") -> int:
        """End a call, and report it if it has a status callback; gives the HTTP status, 0 without a callback."""
        assert status in FINAL_STATES, f"no call ends as {status}"
        call.status = status
        if not call.status_callback:
            return 0
        return self._account.post_signed(call.status_callback, self._form(call))[0]

    def _form(self, call: Call) -> dict[str, str]:
        return {
            "AccountSid": self._account.account_sid,
            "ApiVersion": "2010-04-01",
            "CallSid": call.sid,
            "CallStatus": call.status,
            "Direction": "outbound-api",
            "From": call.from_,
            "To": call.to,
        }


def refusal_of(form: dict[str, str], known: frozenset[str]) -> int | None:
    """The code with which Twilio refuses such a request for a call, None when it takes it."""
    checks = [
        (20001, bool(set(form) - known)),
        (21201, not form.get("To")),
        (21213, not form.get("From")),
        (21205, not (form.get("Url") or form.get("Twiml") or form.get("ApplicationSid"))),
        (21211, not form.get("To", "+").startswith("+")),
        (21212, not form.get("From", "+").startswith("+")),
        (12100, len(form.get("Twiml", "")) > 4000 or not _is_twiml(form.get("Twiml", "<Response/>"))),
    ]
    return next((code for code, applies in checks if applies), None)


def sentences(twiml: str) -> list[str]:
    """All sentences that are said, in order. Raises AssertionError for TwiML that Twilio would reject."""
    return [say.text or "" for say in _check(twiml).iter("Say")]


def _check(twiml: str) -> ElementTree.Element:
    root = ElementTree.fromstring(twiml.encode())
    assert root.tag == "Response", "TwiML is a <Response>"
    for parent in root.iter():
        assert all(child.tag in VERBS[parent.tag] for child in parent), f"a verb that is not allowed in <{parent.tag}>"
    return root


def _is_twiml(twiml: str) -> bool:
    try:
        return _check(twiml) is not None
    except (ElementTree.ParseError, AssertionError, KeyError):
        return False


def resource(account_sid: str, call: Call) -> dict[str, Any]:
    """A call as the API shows it."""
    path = f"/2010-04-01/Accounts/{account_sid}/Calls/{call.sid}"
    created = format_datetime(call.created_at)
    return {
        "account_sid": account_sid,
        "annotation": None,
        "answered_by": None,
        "api_version": "2010-04-01",
        "caller_name": None,
        "date_created": created,
        "date_updated": created,
        "direction": "outbound-api",
        "duration": "20" if call.status == "completed" else None,
        "end_time": created if call.status in FINAL_STATES else None,
        "forwarded_from": None,
        "from": call.from_,
        "from_formatted": call.from_,
        "group_sid": None,
        "parent_call_sid": None,
        "phone_number_sid": None,
        "price": None,
        "price_unit": "USD",
        "queue_time": "0",
        "sid": call.sid,
        "start_time": None if call.status == "queued" else created,
        "status": call.status,
        "subresource_uris": {},
        "to": call.to,
        "to_formatted": call.to,
        "trunk_sid": None,
        "uri": f"{path}.json",
    }


@dataclass
class File:
    body: bytes
    content_type: str
    hides_length: bool = False


class Store:
    """Holds the pictures of messages: the API wants a password and redirects to an address that takes none."""

    def __init__(self, account_sid: str, url: Callable[[], str]) -> None:
        self._account_sid, self._url = account_sid, url
        self._files: dict[str, File] = {}
        self.redirect_to = ""
        """Another address to redirect to, in place of our own."""
        self.passwords_seen = 0
        """How often a password was sent to the address that takes none."""
        self.fetched = 0

    def keep(self, body: bytes, content_type: str, *, hides_length: bool = False) -> str:
        """Store a picture; gives its address as MediaUrl0 would contain it."""
        sid = f"ME{secrets.token_hex(16)}"
        self._files[sid] = File(body, content_type, hides_length)
        return f"https://api.twilio.com/2010-04-01/Accounts/{self._account_sid}/Messages/MM{'0' * 32}/Media/{sid}"

    def forget(self) -> None:
        self._files.clear()

    def place_of(self, sid: str) -> str | None:
        """The address that the API redirects to; None where there is no such picture."""
        return (self.redirect_to or f"{self._url()}/cdn/{sid}") if sid in self._files else None

    def fetch(self, sid: str, has_password: bool) -> File | None:
        self.fetched += 1
        self.passwords_seen += has_password
        return self._files.get(sid)
