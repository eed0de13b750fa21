"""Invented residents, each with the six texts of the measured dialog as Twilio would post them, signed."""

from __future__ import annotations

import io
import random
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hmac import digest
from typing import Any
from urllib.parse import urlencode

from benchmarks.instance import ACCOUNT, TOKEN, URL

PATH = "/twilio/sms"
NEEDS = {
    "food": ["1", "food", "i need food please", "Food bank"],
    "housing": ["2", "housing", "need help with housing", "Housing!"],
    "health": ["3", "health", "health care for my son", "HEALTH"],
    "jobs": ["4", "jobs", "looking for jobs", "Jobs"],
}
GREETINGS = ["hi", "Hello", "hola", "HELP ME", "hey there"]
YES = ["yes", "Y", "Yes please", "YES"]
NO = ["no", "N", "no thanks", "NO"]

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Text:
    """One text: the posted form, its signature, what the answer must contain, and the carrier's id of the text."""

    form: bytes
    signature: str
    expected: str
    sid: str = ""


def dialogs(seed: int) -> Iterator[list[Text]]:
    """Endless different residents; the same ones for the same seed."""
    draw = random.Random(seed)
    for number in range(10**7):
        phone = f"+1{200 + seed % 800:03d}{number:07d}"
        yield [signed(phone, body, expected, f"SM{draw.getrandbits(128):032x}") for body, expected in _steps(draw)]


def _steps(draw: random.Random) -> list[tuple[str, str]]:
    need = draw.choice(list(NEEDS))
    zip_code, size, yes = f"{draw.randrange(1001, 99951):05d}", draw.randrange(1, 10), draw.random() < 0.7
    return [
        (draw.choice(GREETINGS), "What do you need"),
        (draw.choice(NEEDS[need]), "ZIP code"),
        (zip_code, "household"),
        (str(size), "call you back"),
        (draw.choice(YES if yes else NO), "Reply DONE"),
        ("done", f"Saved: {need}, ZIP {zip_code}, household {size}, call back {'yes' if yes else 'no'}"),
    ]


def signed(phone: str, body: str, expected: str, sid: str) -> Text:
    """One text as the carrier would post it, with its signature over the public address."""
    form = {
        "ToCountry": "US", "ToState": "MO", "SmsMessageSid": sid, "NumMedia": "0", "ToCity": "ST LOUIS",
        "FromZip": "63101", "SmsSid": sid, "FromState": "MO", "SmsStatus": "received", "FromCity": "ST LOUIS",
        "Body": body, "FromCountry": "US", "To": "+13145550100", "MessagingServiceSid": "MG" + "1" * 32,
        "ToZip": "63101", "NumSegments": "1", "MessageSid": sid, "AccountSid": ACCOUNT, "From": phone,
        "ApiVersion": "2010-04-01",
    }  # fmt: skip
    whole = URL + PATH + "".join(name + form[name] for name in sorted(form))
    signature = b64encode(digest(TOKEN.encode(), whole.encode(), "sha1")).decode()
    return Text(urlencode(form).encode(), signature, expected, sid)


def post(app: Wsgi, text: Text) -> None:
    """Hand the text to the application as its server would. Raises AssertionError if the answer is not the expected one."""
    environ = {
        "REQUEST_METHOD": "POST", "SCRIPT_NAME": "", "PATH_INFO": PATH, "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8000", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "application/x-www-form-urlencoded; charset=UTF-8", "CONTENT_LENGTH": str(len(text.form)),
        "HTTP_HOST": "127.0.0.1:8000", "HTTP_USER_AGENT": "TwilioProxy/1.1", "HTTP_ACCEPT": "*/*",
        "HTTP_X_TWILIO_SIGNATURE": text.signature, "wsgi.version": (1, 0), "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(text.form), "wsgi.errors": io.StringIO(), "wsgi.multithread": True,
        "wsgi.multiprocess": True, "wsgi.run_once": False,
    }  # fmt: skip
    status: list[str] = []
    answer = b"".join(app(environ, lambda said, headers, trouble=None: status.append(said))).decode()
    assert status[0].startswith("200") and text.expected in answer, f"{status[0]}: {text.expected!r} is not in the answer"
