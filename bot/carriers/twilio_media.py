"""Pictures and voice notes that people sent, fetched from where Twilio keeps them.

Their addresses never leave the house: whoever has one may have the picture (twilio.com/docs/messaging/api/media-resource),
so staff see them through a page of ours, and no log, error or repr holds one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

import requests
from requests.auth import AuthBase, HTTPBasicAuth
from requests.exceptions import RequestException

from bot.carriers.twilio_client import Account, log_no_addresses

LARGEST: Final = 5 * 1024 * 1024
"""Bytes; what carriers bring by MMS is smaller (Twilio: 5 MB a message)."""
_API: Final = "https://api.twilio.com"
_STORES: Final = re.compile(r"([a-z0-9-]+\.)*(twilio\.com|twiliocdn\.com)|s3(-external-1)?\.amazonaws\.com")
"""Twilio's own hosts, and the store in which it keeps what came before a project asked for sign-ins."""
_MOST_HOPS: Final = 2
_CHUNK: Final = 64 * 1024


class Trouble(StrEnum):
    """Why a picture cannot be shown."""

    FOREIGN = "foreign"
    """The address is not one of Twilio's: our password is not shown there."""
    GONE = "gone"
    TOO_LARGE = "too_large"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


class MediaError(Exception):
    """It could not be fetched. The text holds no address."""

    def __init__(self, trouble: Trouble, reason: str) -> None:
        super().__init__(f"the picture could not be fetched: {reason}")
        self.trouble = trouble


@dataclass(frozen=True, slots=True)
class Fetched:
    """The whole of it: a limit that is met in the middle of an answer could not be told to anybody any more."""

    content_type: str
    body: bytes = field(repr=False)


class _Nobody(AuthBase):
    """Sends no password. Without any, `requests` would look for one in the machine's .netrc."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class TwilioMedia:
    """Fetches media of one account. It keeps nothing between two calls and may be shared by threads."""

    def __init__(self, account: Account, *, largest: int = LARGEST) -> None:
        self._account, self._largest = account, largest
        self._api = urlsplit(account.api_url or _API)
        log_no_addresses()

    def fetch(self, url: str) -> Fetched:
        """The media behind an address that Twilio gave us with a message, at most `largest` bytes; MediaError otherwise.

        Our password goes to Twilio's API only. From there one or two redirects lead to its store, which takes none; they
        are followed over https to known hosts alone, so that nobody can have us fetch from inside our own network.
        """
        place, auth = self._first(url), self._password()
        for _ in range(_MOST_HOPS + 1):
            with self._get(place, auth) as answer:
                if not answer.is_redirect:
                    return self._read(answer)
                place, auth = self._next(place, answer.headers["Location"]), _Nobody()
        raise MediaError(Trouble.REFUSED, "too many redirects")

    def _first(self, url: str) -> str:
        there = urlsplit(url)
        if self._is_api(there):
            return url
        if there.scheme == "https" and there.netloc == urlsplit(_API).netloc:
            # The address names Twilio's own API whatever base ours has been given; the stand-in has the picture then.
            return self._api._replace(path=self._api.path.rstrip("/") + there.path, query=there.query).geturl()
        raise MediaError(Trouble.FOREIGN, "its address is not one of the carrier's")

    def _next(self, place: str, location: str) -> str:
        there = urlsplit(urljoin(place, location))
        # The whole of it, without a name or a port: what a parser makes of "a@b" is no ground to trust a host on.
        if self._is_api(there) or (there.scheme == "https" and _STORES.fullmatch(there.netloc)):
            return there.geturl()
        raise MediaError(Trouble.FOREIGN, "the carrier sent us to a place that is not its own")

    def _is_api(self, there: SplitResult) -> bool:
        return (there.scheme, there.netloc) == (self._api.scheme, self._api.netloc)

    def _password(self) -> AuthBase:
        return HTTPBasicAuth(self._account.username, self._account.password)

    def _get(self, place: str, auth: AuthBase) -> requests.Response:
        try:
            return requests.get(place, auth=auth, timeout=self._account.timeout, stream=True, allow_redirects=False)
        except (RequestException, ValueError) as error:
            raise MediaError(Trouble.UNREACHABLE, type(error).__name__) from None

    def _read(self, answer: requests.Response) -> Fetched:
        if answer.status_code in (404, 410):
            raise MediaError(Trouble.GONE, "the carrier does not have it any more")
        if answer.status_code != 200:
            raise MediaError(Trouble.REFUSED, f"the carrier answered {answer.status_code}")
        length = answer.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) > self._largest:
            raise self._too_large()
        body = bytearray()
        try:
            for chunk in answer.iter_content(_CHUNK):
                body += chunk
                if len(body) > self._largest:
                    raise self._too_large()
        except (RequestException, ValueError) as error:
            raise MediaError(Trouble.UNREACHABLE, type(error).__name__) from None
        return Fetched(answer.headers.get("Content-Type", ""), bytes(body))

    def _too_large(self) -> MediaError:
        return MediaError(Trouble.TOO_LARGE, f"it is over {self._largest // (1024 * 1024)} MB")
