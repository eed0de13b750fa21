"""Which carrier brings what, for each way of setting the house up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.carriers.email import EmailCarrier
from bot.carriers.simulator import SimulatorCarrier
from bot.carriers.twilio.texts import TwilioCarrier
from bot.carriers.twilio.voice import TwilioVoiceCarrier
from bot.domain.messages.message import Channel
from bot.operations.settings.settings import Settings
from bot.runtime import Runtime, twilio_account

MAIL = {"smtp_url": "smtps://mail.example.org", "mail_from": "line@example.org"}
TWILIO = {"twilio_account_sid": f"AC{'0' * 32}", "twilio_auth_tokens": ("token",), "twilio_from": "+13145550100"}


@pytest.mark.parametrize(
    ("more", "email", "voice"),
    [
        ({}, SimulatorCarrier, SimulatorCarrier),
        (MAIL, EmailCarrier, SimulatorCarrier),
        (TWILIO, None, TwilioVoiceCarrier),
        (TWILIO | MAIL, EmailCarrier, TwilioVoiceCarrier),
    ],
)
def test_it_opens_the_carriers_of_its_settings(
    settings: Settings, more: dict[str, object], email: type | None, voice: type
) -> None:
    opened = Runtime.start(replace(settings, **more))  # type: ignore[arg-type]
    try:
        by_mail = opened.carriers.get(Channel.EMAIL)
        assert (type(by_mail) if by_mail else None, type(opened.carriers[Channel.VOICE])) == (email, voice)
        assert isinstance(opened.carriers.get(Channel.SMS), TwilioCarrier) is bool(opened.settings.uses_twilio)
    finally:
        opened.close()


def test_it_speaks_to_twilio_by_the_key_where_one_is_set(settings: Settings) -> None:
    by_token = replace(settings, **TWILIO)  # type: ignore[arg-type]
    by_key = replace(by_token, twilio_api_key=f"SK{'0' * 32}", twilio_api_secret="secret")
    assert twilio_account(settings) is None
    accounts = [twilio_account(by_token), twilio_account(by_key)]
    assert [(one.username[:2], one.password) for one in accounts if one] == [("AC", "token"), ("SK", "secret")]
