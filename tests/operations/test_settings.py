from __future__ import annotations

import re

import pytest

from bot.operations.settings import manual as module
from bot.operations.settings.settings import Settings, SettingsError
from tests.paths import ROOT

KEY = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="
TWILIO = {
    "TWILIO_ACCOUNT_SID": "AC0123456789abcdef0123456789abcdef",
    "TWILIO_AUTH_TOKEN": "now, next",
    "TWILIO_FROM": "+13145550100",
    "SECRET_KEY": "s" * 32,
    "ENCRYPTION_KEYS": KEY,
    "PUBLIC_URL": "https://help.example.org/",
}


def problems(env: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as refused:
        Settings.from_env(env)
    return refused.value.problems


def test_it_is_a_demo_with_nothing_set() -> None:
    settings = Settings.from_env({})
    assert settings.is_demo and not settings.uses_twilio
    assert settings.public_url == "http://127.0.0.1:8000"
    assert settings.spool_dir == settings.data_dir / "spool"
    assert (settings.database_url, settings.secret_key, settings.encryption_keys) == (None, "", ())
    assert settings.languages == ("en", "es")


def test_it_uses_twilio_when_twilio_is_set() -> None:
    settings = Settings.from_env(TWILIO)
    assert settings.uses_twilio and not settings.is_demo
    assert settings.twilio_auth_tokens == ("now", "next")
    assert settings.public_url == "https://help.example.org"


def test_it_counts_an_empty_variable_as_one_that_is_not_set() -> None:
    assert Settings.from_env({"PORT": " ", "TWILIO_FROM": "", "LANGUAGES": ""}) == Settings.from_env({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "٣"),
        ("PORT", "eighty"),
        ("TIMEZONE", "Mars/Olympus"),
        ("TIMEZONE", "../etc/passwd"),
        ("LANGUAGES", "English"),
        ("LANGUAGES", "en,en"),
        ("DATABASE_URL", "mysql://db/warmline"),
        ("REDIS_URL", "localhost:6379"),
        ("SECRET_KEY", "short"),
        ("ENCRYPTION_KEYS", KEY[:-4]),
        ("PUBLIC_URL", "help.example.org"),
        ("PUBLIC_URL", "https://help.example.org/?a=b"),
        ("PUBLIC_URL", "https://[help"),
        ("TWILIO_API_URL", "ftp://127.0.0.1"),
        ("SMS_FOLD_ACCENTS", "perhaps"),
        ("LOG_LEVEL", "loud"),
        ("RETENTION_DAYS", "-1"),
        ("WEB_WORKERS", "0"),
        ("TWILIO_STAFF_NUMBERS", "314-555-0142"),
        ("TWILIO_STAFF_NUMBERS", "+13145550111,+13145550111"),
        ("HAND_BACK_MINUTES", "0"),
        ("STAFF_PASSWORDS", "perhaps"),
        ("STAFF_TOTP", "sometimes"),
    ],
)
def test_it_names_a_wrong_variable_and_shows_an_example(name: str, value: str) -> None:
    (problem,) = problems({name: value})
    assert re.fullmatch(rf"{name} must .+\. Example: {name}=.+", problem)
    assert value not in problem.partition("Example")[0] or len(value) < 3


def test_it_reports_every_problem_at_once() -> None:
    assert [each.split()[0] for each in problems({"PORT": "x", "TIMEZONE": "x", "LOG_LEVEL": "x"})] == [
        "PORT",
        "TIMEZONE",
        "LOG_LEVEL",
    ]


@pytest.mark.parametrize("missing", ["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "SECRET_KEY", "ENCRYPTION_KEYS"])
def test_it_refuses_half_a_carrier(missing: str) -> None:
    env = {name: value for name, value in TWILIO.items() if name != missing}
    (problem,) = problems(env)
    assert problem.startswith(f"{missing} is missing")


def test_it_requires_a_sender_and_both_halves_of_an_api_key() -> None:
    env = {name: value for name, value in TWILIO.items() if name != "TWILIO_FROM"} | {"TWILIO_API_SECRET": "x"}
    assert {each.split()[0] for each in problems(env)} == {"TWILIO_API_KEY", "TWILIO_MESSAGING_SERVICE_SID"}


def test_it_requires_https_with_twilio_but_not_on_this_machine() -> None:
    (problem,) = problems(TWILIO | {"PUBLIC_URL": "http://help.example.org"})
    assert problem.startswith("PUBLIC_URL must start with https://")
    for here in ("http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000"):
        assert Settings.from_env(TWILIO | {"PUBLIC_URL": here}).public_url == here


def test_it_needs_a_second_factor_with_twilio_and_not_in_a_demo() -> None:
    assert Settings.from_env(TWILIO).needs_second_factor and not Settings.from_env({}).needs_second_factor
    assert Settings.from_env({"STAFF_TOTP": "required"}).needs_second_factor
    assert not Settings.from_env(TWILIO | {"STAFF_TOTP": "optional"}).needs_second_factor


def test_it_has_pretend_numbers_for_staff_in_a_demo_only() -> None:
    assert Settings.from_env({}).staff_numbers == ("staff-1", "staff-2", "staff-3", "staff-4")
    assert Settings.from_env(TWILIO).staff_numbers == ()
    given = Settings.from_env(TWILIO | {"TWILIO_STAFF_NUMBERS": "+13145550111, +13145550112"})
    assert given.staff_numbers == ("+13145550111", "+13145550112")


def test_it_refuses_a_half_configured_sign_in() -> None:
    assert problems({"STAFF_PASSWORDS": "false"})[0].startswith("OIDC_ISSUER is missing")
    (problem,) = problems({"OIDC_ISSUER": "https://login.example.org", "OIDC_CLIENT_ID": "warmline"})
    assert problem.startswith("OIDC_CLIENT_SECRET is missing")
    city = {"OIDC_CLIENT_ID": "warmline", "OIDC_CLIENT_SECRET": "x", "STAFF_PASSWORDS": "false"}
    assert not Settings.from_env(city | {"OIDC_ISSUER": "https://login.example.org/"}).staff_passwords
    (problem,) = problems(city | {"OIDC_ISSUER": "http://login.example.org"})
    assert problem.startswith("OIDC_ISSUER must start with https://")


def test_it_needs_an_address_that_mails_come_from() -> None:
    (problem,) = problems({"SMTP_URL": "smtp://mail.example.org"})
    assert problem.startswith("MAIL_FROM is missing")
    assert Settings.from_env({"SMTP_URL": "smtp://mail.example.org", "MAIL_FROM": "line@example.org"}).mail_from


def test_it_never_shows_a_secret() -> None:
    secrets = {"SECRET_KEY": "hush-" * 8, "TWILIO_AUTH_TOKEN": "hush-token", "TWILIO_API_SECRET": "hush-api"}
    secrets |= {"DATABASE_URL": "postgresql://u:hush@db/w", "REDIS_URL": "redis://:hush@q/0"}
    secrets |= {"SMTP_URL": "smtps://u:hush@mail.example.org", "MAIL_FROM": "line@example.org"}
    secrets |= {"OIDC_ISSUER": "https://login.example.org", "OIDC_CLIENT_ID": "w", "OIDC_CLIENT_SECRET": "hush"}
    settings = Settings.from_env(TWILIO | secrets | {"TWILIO_API_KEY": "SK0123"})
    assert "hush" not in repr(settings) + module.describe(settings)
    wrong = {"SECRET_KEY": "hush", "ENCRYPTION_KEYS": "hush", "DATABASE_URL": "hush://", "REDIS_URL": "hush"}
    assert "hush" not in str(problems(wrong))


def test_it_takes_the_short_form_of_a_database_address() -> None:
    assert Settings.from_env({"DATABASE_URL": "postgres://u:p@db/w"}).database_url == "postgresql://u:p@db/w"


def test_it_is_described_on_the_operators_page() -> None:
    page = ROOT / "docs" / "operators" / "settings.md"
    assert page.read_text(encoding="utf-8") == module.operators_page(), "write the page again: warmline settings --page"
