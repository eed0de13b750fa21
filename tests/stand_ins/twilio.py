"""A Twilio for tests: it takes messages and calls through the REST API, posts signed webhooks, and fails on request.

    with StandInTwilio() as twilio:
        answer = twilio.text_the_line("http://127.0.0.1:8000/twilio/sms", "+13145550123", "I need help")
        twilio.report(answer.messages[0].sid, "delivered", "sent", "sent")

It keeps every message that it accepted, whether it answered or not. Twilio's own library signs the webhooks.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Self
from xml.etree import ElementTree

import requests
from twilio.request_validator import RequestValidator

from tests.stand_ins import twilio_calls as calls
from tests.stand_ins.twilio_calls import Store, Telephone
from tests.stand_ins.twilio_wire import Handler, Message, Server, error_text, known_parameters, new_sid, refusal_of, resource

OUR_NUMBER = "+13145550199"
FINAL_STATES = frozenset({"delivered", "undelivered", "failed", "read", "canceled"})
API_VERSION = "2010-04-01"

Post = Callable[[str, dict[str, str], dict[str, str]], tuple[int, str, str]]
"""Posts a form: (url, form, headers) -> (status, content type, text). A test can put Flask's test client behind it."""


@dataclass(frozen=True)
class Answer:
    """What our webhook answered. `error_code` is the error that Twilio would have logged, None without one."""

    sid: str
    status: int
    text: str
    messages: tuple[Message, ...] = ()
    error_code: int | None = None


@dataclass(frozen=True)
class _Fault:
    """How one request fails. With `status` 0 there is no answer: the connection hangs, or is cut at once."""

    status: int = 0
    code: int | None = None
    page: str = ""
    takes: bool = False
    hangs: bool = False

    def answer(self) -> tuple[int, str] | None:
        return (self.status, self.page or error_text(self.status, self.code)) if self.status else None


class StandInTwilio:
    """One account with its webhooks. Use it as a context manager; `url` is the base for TWILIO_API_URL.

    `reach` maps public addresses to where they are served ({"https://help.example.gov":
    "http://127.0.0.1:8000"}): the public one is signed, the other is posted to. `post` replaces the network.
    """

    def __init__(
        self,
        *,
        auth_token: str = "the-auth-token",
        api_keys: Mapping[str, str] | None = None,
        reach: Mapping[str, str] | None = None,
        post: Post | None = None,
    ) -> None:
        self.account_sid = f"AC{secrets.token_hex(16)}"
        self.auth_token = auth_token
        self.passwords = {self.account_sid: auth_token, **(api_keys or {})}
        self.opted_out: set[str] = set()
        self.telephone = Telephone(self)
        self.store = Store(self.account_sid, lambda: self.url)
        self.requests = 0
        self.delay_seconds = 0.0
        self._reach = dict(reach or {})
        self._post = post or _post_over_the_network
        self._messages: list[Message] = []
        self._faults: deque[_Fault] = deque()
        self._lock = threading.Lock()
        self._let_go = threading.Event()
        self._port = 0
        self._server: Server | None = None

    # Listening

    def __enter__(self) -> Self:
        self.listen()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.stop_listening()

    def listen(self) -> None:
        """Start listening, on the same port as before if there was one."""
        self._let_go.clear()
        server = Server(("127.0.0.1", self._port), Handler)
        server.account = self
        self._port = server.server_address[1]
        self._server = server
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def stop_listening(self) -> None:
        """Refuse connections from now on; hanging requests end without an answer."""
        self._let_go.set()
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    # What it accepted

    @property
    def messages(self) -> list[Message]:
        """Every accepted message, oldest first."""
        with self._lock:
            return list(self._messages)

    def message(self, sid: str) -> Message:
        """The message with this id. Raises LookupError if there is none."""
        for message in self.messages:
            if message.sid == sid:
                return message
        raise LookupError(f"no message {sid} was accepted")

    def texts_to(self, to: str) -> list[str]:
        """The bodies that this person was sent, oldest first."""
        return [message.body for message in self.messages if message.to == to]

    # Failures; each applies to the next `times` requests that create a message or a call

    def refuse(self, code: int, status: int = 400, times: int = 1) -> None:
        """Refuse with an error code and accept nothing."""
        self._faults.extend([_Fault(status=status, code=code)] * times)

    def break_down(self, status: int = 502, times: int = 1, *, takes: bool = False) -> None:
        """Answer like a failing gateway: a page without an error code. `takes`: the message is accepted nevertheless."""
        page = "<html><body>Bad gateway</body></html>"
        self._faults.extend([_Fault(status=status, takes=takes, page=page)] * times)

    def hang(self, times: int = 1) -> None:
        """Accept the message and never answer."""
        self._faults.extend([_Fault(takes=True, hangs=True)] * times)

    def cut_off(self, times: int = 1, *, takes: bool = True) -> None:
        """Accept the message (or not, without `takes`) and cut the connection without an answer."""
        self._faults.extend([_Fault(takes=takes)] * times)

    # Webhooks

    def text_the_line(self, url: str, from_: str, body: str, **parameters: str) -> Answer:
        """Post a person's text to our webhook, signed, and accept the replies that the answer contains.

        `parameters` use Twilio's names (MessageSid to repeat a message, OptOutType, MediaUrl0, ButtonText).
        """
        form = {
            "AccountSid": self.account_sid,
            "ApiVersion": API_VERSION,
            "Body": body,
            "From": from_,
            "FromCity": "ST LOUIS",
            "FromCountry": "US",
            "FromState": "MO",
            "FromZip": "",
            "MessageSid": new_sid(),
            "NumMedia": "0",
            "NumSegments": "1",
            "SmsStatus": "received",
            "To": OUR_NUMBER,
        } | parameters
        form |= {"SmsSid": form["MessageSid"], "SmsMessageSid": form["MessageSid"]}
        status, content_type, text = self.post_signed(url, form)
        answer = Answer(form["MessageSid"], status, text)
        if status != 200:
            return replace(answer, error_code=11200)
        return self._take_answer(answer, content_type, from_, form["To"])

    def keep_inbound(self, from_: str, body: str, sid: str) -> None:
        """Keep a person's text that Twilio accepted and could not deliver to our webhook."""
        with self._lock:
            self._messages.append(Message(sid, "+13145550100", from_, body, "person", "received"))

    def report(self, sid: str, *states: str, error_code: int | None = None) -> list[int]:
        """Post a status callback for each of `states`, in that order; gives the HTTP statuses.

        A state may come twice, late or not at all. The stand-in's own record of the message keeps the last one.
        """
        message = self.message(sid)
        if not message.status_callback:
            raise ValueError(f"message {sid} was sent without a status callback")
        return [self._report(message, state, error_code) for state in states]

    def _report(self, message: Message, state: str, error_code: int | None) -> int:
        message.status, message.error_code = state, error_code
        form = {
            "AccountSid": self.account_sid,
            "ApiVersion": API_VERSION,
            "From": message.from_,
            "MessageSid": message.sid,
            "MessageStatus": state,
            "SmsSid": message.sid,
            "SmsStatus": state,
            "To": message.to,
        }
        if error_code:
            form["ErrorCode"] = str(error_code)
        if state in FINAL_STATES:
            form["RawDlrDoneDate"] = f"{datetime.now(UTC):%y%m%d%H%M}"
        return self.post_signed(message.status_callback, form)[0]

    def post_signed(self, url: str, form: dict[str, str], token: str | None = None) -> tuple[int, str, str]:
        """Post a form as Twilio would; gives (status, content type, text). `token` replaces the account's auth token."""
        # Connection overrides (#rc=2&rp=5xx) are for Twilio itself; they are neither signed nor sent.
        url = url.partition("#")[0]
        signature = RequestValidator(token or self.auth_token).compute_signature(url, form)
        headers = {"X-Twilio-Signature": signature, "I-Twilio-Idempotency-Token": secrets.token_hex(16)}
        for public, local in self._reach.items():
            if url.startswith(public):
                url = local + url.removeprefix(public)
                break
        return self._post(url, form, headers)

    def _take_answer(self, answer: Answer, content_type: str, person: str, line: str) -> Answer:
        if content_type.partition(";")[0].strip() not in ("text/xml", "application/xml"):
            return replace(answer, error_code=12300)
        try:
            root = ElementTree.fromstring(answer.text.encode())
        except ElementTree.ParseError:
            return replace(answer, error_code=12100)
        if root.tag != "Response" or any(child.tag != "Message" for child in root):
            return replace(answer, error_code=12200)
        taken = tuple(self._take_reply(element, person, line) for element in root[:10])
        return replace(answer, messages=taken, error_code=14109 if len(root) > 10 else None)

    def _take_reply(self, element: ElementTree.Element, person: str, line: str) -> Message:
        stopped = person in self.opted_out
        return self._take(
            Message(
                new_sid(),
                to=element.get("to", person),
                from_=element.get("from", line),
                body=element.findtext("Body") or element.text or "",
                came_by="answer",
                status="failed" if stopped else "queued",
                error_code=21610 if stopped else None,
                status_callback=element.get("statusCallback", ""),
            )
        )

    # The API's side

    def create(self, form: dict[str, str]) -> tuple[int, str] | None:
        """Answer a request for a new message as (status, text); None to cut the connection."""
        return self._create(refusal_of(form, self.opted_out), lambda: resource(self, self._take(_from_api(form))))

    def create_call(self, form: dict[str, str]) -> tuple[int, str] | None:
        """Answer a request for a new call; see `create`."""
        refusal = calls.refusal_of(form, known_parameters("Calls"))
        return self._create(refusal, lambda: calls.resource(self.account_sid, self.telephone.place(form)))

    def _create(self, refusal: int | None, take: Callable[[], dict[str, object]]) -> tuple[int, str] | None:
        with self._lock:
            self.requests += 1
            fault = self._faults.popleft() if self._faults else None
        time.sleep(self.delay_seconds)
        if fault and not fault.takes:
            return fault.answer()
        if refusal:
            return 400, error_text(400, refusal)
        taken = take()
        if fault and fault.hangs:
            self._let_go.wait()
        return fault.answer() if fault else (201, json.dumps(taken))

    def _take(self, message: Message) -> Message:
        with self._lock:
            self._messages.append(message)
        return message


def _from_api(form: dict[str, str]) -> Message:
    return Message(
        new_sid(),
        to=form["To"],
        from_=form.get("From") or OUR_NUMBER,
        body=form["Body"],
        came_by="api",
        status="accepted" if "MessagingServiceSid" in form else "queued",
        status_callback=form.get("StatusCallback", ""),
        parameters=form,
    )


def _post_over_the_network(url: str, form: dict[str, str], headers: dict[str, str]) -> tuple[int, str, str]:
    # Twilio waits fifteen seconds. It follows redirects with GET, which no webhook can use, so none is followed here.
    answer = requests.post(url, data=form, headers=headers, timeout=15, allow_redirects=False)
    return answer.status_code, answer.headers.get("Content-Type", ""), answer.text
