"""The client for Twilio's REST API: one account, a time-out for every request, no logs, failures as CarrierError."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from requests.exceptions import RequestException
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from bot.carriers.twilio.codes import error_from_response, error_from_transport

NOT_FOUND: Final = 20404


@dataclass(frozen=True, slots=True)
class TwilioAccount:
    """Our Twilio account, and how to reach Twilio.

    `username` and `password` are an API key and its secret (preferable: they survive a change of the auth token) or the
    account's SID and token. `api_url` replaces https://api.twilio.com, for a stand-in; "" keeps it. `timeout` is in
    seconds, for each request.
    """

    sid: str
    username: str
    password: str = field(repr=False)
    api_url: str = ""
    timeout: float = 10

    def client(self) -> Client:
        """The library's client for this account; it may be shared between threads."""
        return Client(self.username, self.password, self.sid, http_client=_TwilioHttp(self.api_url, self.timeout))


class _TwilioHttp(TwilioHttpClient):
    """The library's HTTP client with a time-out, another base URL if one is set, and no logs.

    The library has no option for the base URL (its issues 521 and 821) and waits for ever by default.
    """

    def __init__(self, api_url: str, timeout: float) -> None:
        super().__init__(timeout=timeout)
        self._base = urlsplit(api_url) if api_url else None
        silence_url_logging()

    def request(self, method: str, url: str, *args: Any, **keywords: Any) -> Response:  # type: ignore[override]
        if self._base is not None:
            there = urlsplit(url)
            path = self._base.path.rstrip("/") + there.path
            url = urlunsplit((self._base.scheme, self._base.netloc, path, there.query, ""))
        return super().request(method, url, *args, **keywords)

    def log_request(self, kwargs: dict[str, Any]) -> None:
        """Does nothing: the library would log the person's number."""

    def log_response(self, status_code: int, response: object) -> None:
        """Does nothing, see `log_request`."""


def silence_url_logging() -> None:
    """Keep urllib3 from logging URLs: that of a search for a person's messages contains the number, and that of a picture
    opens the picture."""
    logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)


@contextmanager
def carrier_errors() -> Iterator[None]:
    """Turn failures of the library and of the network into CarrierError.

    The original is suppressed (`from None`): its text contains the person's number, and tracebacks are logged.
    """
    try:
        yield
    except TwilioRestException as error:
        raise error_from_response(error) from None
    except (RequestException, TwilioException, ValueError, KeyError, TypeError) as error:
        raise error_from_transport(error) from None
