"""The wire format of Twilio's REST API for the stand-in: what a request may contain, what an answer looks like."""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.paths import SHARED_DATA
from tests.stand_ins import twilio_calls as telephone
from tests.stand_ins.twilio_calls import Call, Store, Telephone

SPECIFICATION = SHARED_DATA / "twilio" / "twilio_api_v2010.json"
CALLED_BY_US = {"To", "From", "Twiml", "StatusCallback", "Timeout", "TimeLimit"}
SENT_BY_US = {"To", "From", "MessagingServiceSid", "Body", "StatusCallback", "ValidityPeriod", "SmartEncoded"}


@dataclass
class Message:
    """A message that the stand-in accepted. `came_by`: through the API ("api"), in a webhook's answer ("answer"), or
    from a person whose text could not be delivered to the webhook ("person")."""

    sid: str
    to: str
    from_: str
    body: str
    came_by: str
    status: str
    status_callback: str = ""
    error_code: int | None = None
    parameters: dict[str, str] = field(default_factory=dict)
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))


class Account(Protocol):
    """What the server below needs from the stand-in."""

    account_sid: str
    passwords: dict[str, str]
    telephone: Telephone
    store: Store

    @property
    def messages(self) -> list[Message]: ...

    def create(self, form: dict[str, str]) -> tuple[int, str] | None: ...

    def create_call(self, form: dict[str, str]) -> tuple[int, str] | None: ...


class Server(ThreadingHTTPServer):
    """Serves one account on a free port of this machine."""

    account: Account
    # So that threads are joined at the end, and none of one test writes into the next.
    daemon_threads = False


class Handler(BaseHTTPRequestHandler):
    """Checks the password, then creates, lists or shows messages and calls, and serves pictures."""

    server: Server

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        form = single_values(self.rfile.read(length).decode())
        if self._is_allowed():
            account = self.server.account
            is_call = urlsplit(self.path).path.endswith("/Calls.json")
            self._answer(account.create_call(form) if is_call else account.create(form))

    def do_GET(self) -> None:
        if self.path.startswith("/cdn/"):
            self._give_out(self.path.removeprefix("/cdn/"))
            return
        if not self._is_allowed():
            return
        place = urlsplit(self.path)
        sid = place.path.rpartition("/")[2].removesuffix(".json")
        if "/Media/" in place.path:
            self._point_to(sid)
        elif sid in ("Messages", "Calls"):
            self._answer((200, list_page(self.server.account, sid, single_values(place.query))))
        else:
            self._show(sid)

    def _show(self, sid: str) -> None:
        account = self.server.account
        every: list[Message | Call] = [*account.messages, *account.telephone.calls]
        found = [one for one in every if one.sid == sid]
        self._answer((200, json.dumps(_shown(account, found[0]))) if found else (404, error_text(404, 20404)))

    def _point_to(self, sid: str) -> None:
        place = self.server.account.store.place_of(sid)
        if place is None:
            self._answer((404, error_text(404, 20404)))
            return
        self.send_response(307)
        self.send_header("Location", place)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _give_out(self, sid: str) -> None:
        file = self.server.account.store.fetch(sid, "Authorization" in self.headers)
        if file is None:
            self._answer((404, "<html>gone</html>"))
            return
        self.send_response(200)
        self.send_header("Content-Type", file.content_type)
        if not file.hides_length:
            self.send_header("Content-Length", str(len(file.body)))
        self.end_headers()
        try:
            self.wfile.write(file.body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _is_allowed(self) -> bool:
        kind, _, word = self.headers.get("Authorization", "").partition(" ")
        name, _, password = base64.b64decode(word).decode().partition(":") if kind == "Basic" else ("", "", "")
        if self.server.account.passwords.get(name) != password:
            self._answer((401, error_text(401, 20003)))
            return False
        ours = f"/2010-04-01/Accounts/{self.server.account.account_sid}/"
        if not self.path.startswith((f"{ours}Messages", f"{ours}Calls")):
            self._answer((404, error_text(404, 20404)))
            return False
        return True

    def _answer(self, answer: tuple[int, str] | None) -> None:
        if answer is None:
            return
        status, text = answer
        try:
            self.send_response(status)
            self.send_header("Content-Type", "text/html" if text.startswith("<") else "application/json")
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())
        except (BrokenPipeError, ConnectionResetError):
            # The client timed out and disconnected, as some tests intend.
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the tests' output is for the tests."""


def refusal_of(form: dict[str, str], opted_out: set[str]) -> int | None:
    """The code with which Twilio refuses such a request for a message, None if it accepts it."""
    to, sender = form.get("To", ""), form.get("From", "")
    checks = [
        (20001, bool(set(form) - known_parameters("Messages"))),
        (21604, not to),
        (21602, not (form.get("Body") or form.get("MediaUrl") or form.get("ContentSid"))),
        (21603, not (sender or form.get("MessagingServiceSid"))),
        (21617, len(form.get("Body", "")) > 1600),
        (21910, bool(sender) and _channel(sender) != _channel(to)),
        (21610, to in opted_out),
    ]
    return next((code for code, applies in checks if applies), None)


def _channel(address: str) -> str:
    return address.partition(":")[0] if ":" in address else "sms"


@cache
def known_parameters(kind: str) -> frozenset[str]:
    """The parameters of a new message or call in Twilio's specification; without that file, those that we send."""
    if not SPECIFICATION.exists():
        return frozenset(CALLED_BY_US if kind == "Calls" else SENT_BY_US)
    paths = json.loads(SPECIFICATION.read_text(encoding="utf-8"))["paths"]
    create = paths[f"/2010-04-01/Accounts/{{AccountSid}}/{kind}.json"]["post"]
    schema = create["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
    return frozenset(schema["properties"])


def resource(account: Account, message: Message) -> dict[str, Any]:
    """A message as the API shows it."""
    path = f"/2010-04-01/Accounts/{account.account_sid}/Messages/{message.sid}"
    created = format_datetime(message.created_at)
    return {
        "account_sid": account.account_sid,
        "api_version": "2010-04-01",
        "body": message.body,
        "date_created": created,
        "date_sent": None if message.status in ("accepted", "queued") else created,
        "date_updated": created,
        "direction": {"api": "outbound-api", "person": "inbound"}.get(message.came_by, "outbound-reply"),
        "error_code": message.error_code,
        "error_message": None,
        "from": message.from_,
        "messaging_service_sid": message.parameters.get("MessagingServiceSid"),
        "num_media": "0",
        "num_segments": "0" if message.status == "accepted" else "1",
        "price": None,
        "price_unit": "USD",
        "sid": message.sid,
        "status": message.status,
        "subresource_uris": {"media": f"{path}/Media.json"},
        "to": message.to,
        "uri": f"{path}.json",
    }


def _shown(account: Account, one: Message | Call) -> dict[str, Any]:
    return resource(account, one) if isinstance(one, Message) else telephone.resource(account.account_sid, one)


def list_page(account: Account, kind: str, query: dict[str, str]) -> str:
    """A page of "Messages" or "Calls", newest first, filtered by To, From and DateSent (by day, as Twilio does)."""
    every: list[Message | Call] = [*(account.messages if kind == "Messages" else account.telephone.calls)]
    found = [one for one in reversed(every) if _matches(one, query)]
    size, page = int(query.get("PageSize", "50")), int(query.get("Page", "0"))
    first, last = page * size, (page + 1) * size
    path = f"/2010-04-01/Accounts/{account.account_sid}/{kind}.json"
    following = urlencode({**query, "Page": str(page + 1), "PageToken": f"PA{secrets.token_hex(8)}"})
    return json.dumps(
        {
            "end": min(len(found), last),
            "first_page_uri": path,
            kind.lower(): [_shown(account, one) for one in found[first:last]],
            "next_page_uri": f"{path}?{following}" if len(found) > last else None,
            "page": page,
            "page_size": size,
            "previous_page_uri": None,
            "start": first,
            "uri": path,
        }
    )


def _matches(one: Message | Call, query: dict[str, str]) -> bool:
    day = one.created_at.strftime("%Y-%m-%d")
    return (
        query.get("To", one.to) == one.to
        and query.get("From", one.from_) == one.from_
        and query.get("DateSent", day)[:10] == day
        and query.get("DateSent>", day)[:10] <= day <= query.get("DateSent<", day)[:10]
    )


def error_text(status: int, code: int | None) -> str:
    """An error as the API writes it. Like Twilio's own texts it repeats a number, so that a test can see one leak."""
    about = {
        "message": "The number +13145550123 is refused",
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
    }
    return json.dumps({"code": code, "status": status, **about})


def new_sid() -> str:
    """An id like Twilio's for a message."""
    return f"SM{secrets.token_hex(16)}"


def single_values(text: str) -> dict[str, str]:
    """The fields of a form or a query, with the first value of each."""
    return {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()}
