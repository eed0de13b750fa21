from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator

import pytest

from bot.carriers.twilio.client import TwilioAccount
from bot.carriers.twilio.media import MediaError, MediaProblem, TwilioMediaClient
from tests.stand_ins.twilio import StandInTwilio

JPEG = b"\xff\xd8\xff" + bytes(range(256)) * 400


@pytest.fixture
def twilio() -> Iterator[StandInTwilio]:
    with StandInTwilio(api_keys={"SKtest": "secret"}) as stand_in:
        yield stand_in


def media_of(twilio: StandInTwilio, largest: int = 1024 * 1024, password: str = "secret") -> TwilioMediaClient:
    return TwilioMediaClient(
        TwilioAccount(twilio.account_sid, "SKtest", password, twilio.url, timeout=0.5), max_bytes=largest
    )


def trouble_with(twilio: StandInTwilio, url: str, **settings: object) -> MediaProblem:
    with pytest.raises(MediaError) as error:
        media_of(twilio, **settings).fetch(url)  # type: ignore[arg-type]
    shown = "".join(traceback.format_exception(error.value))
    assert "ME" not in str(error.value) and "/Media/" not in shown
    return error.value.problem


def test_it_fetches_a_picture_with_our_password_and_shows_it_to_the_api_alone(twilio: StandInTwilio) -> None:
    fetched = media_of(twilio).fetch(twilio.store.keep(JPEG, "image/jpeg"))
    assert (fetched.body, fetched.content_type) == (JPEG, "image/jpeg")
    assert (twilio.store.fetched, twilio.store.passwords_seen) == (1, 0)


def test_it_fetches_what_the_stand_in_has_under_its_own_address(twilio: StandInTwilio) -> None:
    url = twilio.store.keep(JPEG, "image/jpeg").replace("https://api.twilio.com", twilio.url)
    assert media_of(twilio).fetch(url).body == JPEG


@pytest.mark.parametrize(
    "url",
    [
        "https://simulator.invalid/picture.png",
        "http://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME1",
        "https://api.twilio.com.evil.example/x",
        "https://user@api.twilio.com/x",
        "https://api.twilio.com:8443/x",
        "https://evil.example/?https://api.twilio.com/",
        "file:///etc/passwd",
        "",
    ],
)
def test_it_shows_our_password_to_no_other_server(twilio: StandInTwilio, url: str) -> None:
    with pytest.raises(MediaError) as error:
        media_of(twilio).fetch(url)
    assert error.value.problem is MediaProblem.FOREIGN


@pytest.mark.parametrize(
    "place",
    [
        "http://mms.twiliocdn.com/x",
        "https://evil.example/x",
        "https://twiliocdn.com.evil.example/x",
        "https://eviltwiliocdn.com/x",
        "https://a@mms.twiliocdn.com/x",
        "https://mms.twiliocdn.com:8443/x",
        "https://169.254.169.254/latest",
        "http://127.0.0.1:1/x",
        "https://evil.example\\@mms.twiliocdn.com/x",
    ],
)
def test_it_follows_redirects_to_the_carriers_own_servers_only(twilio: StandInTwilio, place: str) -> None:
    url = twilio.store.keep(JPEG, "image/jpeg")
    twilio.store.redirect_to = place
    assert trouble_with(twilio, url) is MediaProblem.FOREIGN
    assert twilio.store.fetched == 0


def test_it_ends_a_loop_of_redirects(twilio: StandInTwilio) -> None:
    url = twilio.store.keep(JPEG, "image/jpeg")
    twilio.store.redirect_to = url.replace("https://api.twilio.com", twilio.url)
    assert trouble_with(twilio, url) is MediaProblem.REFUSED


@pytest.mark.parametrize("hides_length", [False, True])
def test_it_stops_at_what_is_too_large(twilio: StandInTwilio, hides_length: bool) -> None:
    url = twilio.store.keep(JPEG, "image/jpeg", hides_length=hides_length)
    assert trouble_with(twilio, url, largest=len(JPEG) - 1) is MediaProblem.TOO_LARGE
    assert media_of(twilio, largest=len(JPEG)).fetch(url).body == JPEG


def test_it_says_that_a_picture_is_gone(twilio: StandInTwilio) -> None:
    url = twilio.store.keep(JPEG, "image/jpeg")
    twilio.store.forget()
    assert trouble_with(twilio, url) is MediaProblem.GONE


def test_it_says_that_our_password_was_refused(twilio: StandInTwilio) -> None:
    assert trouble_with(twilio, twilio.store.keep(JPEG, "image/jpeg"), password="wrong") is MediaProblem.REFUSED


def test_it_says_that_the_carrier_is_away(twilio: StandInTwilio) -> None:
    url = twilio.store.keep(JPEG, "image/jpeg")
    twilio.stop_listening()
    assert trouble_with(twilio, url) is MediaProblem.UNREACHABLE


def test_it_logs_no_address(twilio: StandInTwilio, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    fetched = media_of(twilio).fetch(twilio.store.keep(JPEG, "image/jpeg"))
    assert "Media" not in caplog.text and "cdn" not in caplog.text
    assert len(repr(fetched)) < 100
