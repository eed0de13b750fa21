"""Fetches pictures and voice notes that people sent from Twilio's storage.

Their URLs never leave Warmline: anyone who has one can fetch the picture (twilio.com/docs/messaging/api/media-resource).
So staff see them through a page of ours, and no log, error or repr contains one.
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

from bot.carriers.twilio.client import TwilioAccount, silence_url_logging

MAX_BYTES: Final = 5 * 1024 * 1024
"""Bytes; media by MMS is smaller (Twilio: 5 MB per message)."""
_API: Final = "https://api.twilio.com"
_STORAGE_HOSTS: Final = re.compile(r"([a-z0-9-]+\.)*(twilio\.com|twiliocdn\.com)|s3(-external-1)?\.amazonaws\.com")
"""Twilio's own hosts, and the storage where it keeps media from before an account required authentication."""
_MAX_REDIRECTS: Final = 2
_CHUNK: Final = 64 * 1024


class MediaProblem(StrEnum):
    """Why a picture cannot be shown."""

    FOREIGN = "foreign"
    """The URL is not one of Twilio's: our password is not sent there."""
    GONE = "gone"
    TOO_LARGE = "too_large"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


class MediaError(Exception):
    """It could not be fetched. The text contains no URL."""

    def __init__(self, problem: MediaProblem, reason: str) -> None:
        super().__init__(f"the picture could not be fetched: {reason}")
        self.problem = problem


@dataclass(frozen=True, slots=True)
class FetchedMedia:
    """The complete media: if it were streamed, a limit that is reached halfway could not be reported any more."""

    content_type: str
    body: bytes = field(repr=False)


class _NoAuth(AuthBase):
    """Sends no password. Without an auth object, `requests` would look for one in the machine's .netrc."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class TwilioMediaClient:
    """Fetches media of one account. It keeps no state between calls and may be shared between threads."""

    def __init__(self, account: TwilioAccount, *, max_bytes: int = MAX_BYTES) -> None:
        self._account, self._max_bytes = account, max_bytes
        self._api = urlsplit(account.api_url or _API)
        silence_url_logging()

    def fetch(self, url: str) -> FetchedMedia:
        """The media at a URL that Twilio gave us with a message, at most `max_bytes` bytes; MediaError otherwise.

        Our password is sent only to Twilio's API. From there one or two redirects lead to its storage, which needs none;
        they are followed only over https and to known hosts, so that an attacker cannot make us fetch from our own network.
        """
        place, auth = self._start_url(url), self._auth()
        for _ in range(_MAX_REDIRECTS + 1):
            with self._get(place, auth) as answer:
                if not answer.is_redirect:
                    return self._read_response(answer)
                place, auth = self._redirect_url(place, answer.headers["Location"]), _NoAuth()
        raise MediaError(MediaProblem.REFUSED, "too many redirects")

    def _start_url(self, url: str) -> str:
        there = urlsplit(url)
        if self._is_api(there):
            return url
        if there.scheme == "https" and there.netloc == urlsplit(_API).netloc:
            # The URL is always that of Twilio's own API; if we use a stand-in, the picture is there.
            return self._api._replace(path=self._api.path.rstrip("/") + there.path, query=there.query).geturl()
        raise MediaError(MediaProblem.FOREIGN, "its address is not one of the carrier's")

    def _redirect_url(self, place: str, location: str) -> str:
        there = urlsplit(urljoin(place, location))
        # The whole netloc must match, without user or port: how a parser reads "a@b" is no basis for trusting a host.
        if self._is_api(there) or (there.scheme == "https" and _STORAGE_HOSTS.fullmatch(there.netloc)):
            return there.geturl()
        raise MediaError(MediaProblem.FOREIGN, "the carrier sent us to a place that is not its own")

    def _is_api(self, there: SplitResult) -> bool:
        return (there.scheme, there.netloc) == (self._api.scheme, self._api.netloc)

    def _auth(self) -> AuthBase:
        return HTTPBasicAuth(self._account.username, self._account.password)

    def _get(self, place: str, auth: AuthBase) -> requests.Response:
        try:
            return requests.get(place, auth=auth, timeout=self._account.timeout, stream=True, allow_redirects=False)
        except (RequestException, ValueError) as error:
            raise MediaError(MediaProblem.UNREACHABLE, type(error).__name__) from None

    def _read_response(self, answer: requests.Response) -> FetchedMedia:
        if answer.status_code in (404, 410):
            raise MediaError(MediaProblem.GONE, "the carrier does not have it any more")
        if answer.status_code != 200:
            raise MediaError(MediaProblem.REFUSED, f"the carrier answered {answer.status_code}")
        length = answer.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) > self._max_bytes:
            raise self._too_large()
        body = bytearray()
        try:
            for chunk in answer.iter_content(_CHUNK):
                body += chunk
                if len(body) > self._max_bytes:
                    raise self._too_large()
        except (RequestException, ValueError) as error:
            raise MediaError(MediaProblem.UNREACHABLE, type(error).__name__) from None
        return FetchedMedia(answer.headers.get("Content-Type", ""), bytes(body))

    def _too_large(self) -> MediaError:
        return MediaError(MediaProblem.TOO_LARGE, f"it is over {self._max_bytes // (1024 * 1024)} MB")
