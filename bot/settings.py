"""The environment, read once at the door and checked whole, so that a wrong one stops the start, not a text.

Each field carries its variable, its help and its example; the operators' page and `warmline settings` are
printed from them.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from bot import setting_readers as read

TWILIO_API = "https://api.twilio.com"
_TWILIO_VARIABLES = (
    "TWILIO_ACCOUNT_SID",
    "TWILIO_AUTH_TOKEN",
    "TWILIO_API_KEY",
    "TWILIO_API_SECRET",
    "TWILIO_MESSAGING_SERVICE_SID",
    "TWILIO_FROM",
)
PRETEND_STAFF_NUMBERS = ("staff-1", "staff-2", "staff-3", "staff-4")
"""The pool of a demo; no telephone has such a number."""


class SettingsError(Exception):
    """Settings are missing or wrong. `problems` holds one sentence for each, and no secret's value."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n- ".join(("These settings need attention:", *self.problems)))


@dataclass(frozen=True, slots=True)
class Variable:
    """How one setting is read: its variable, help, example, the default as it would be typed, and the reader.

    `read` takes the stripped, non-empty text and raises ValueError with the end of the sentence "NAME ...".
    `secret` keeps the value out of every message, page and repr.
    """

    name: str
    help: str
    read: Callable[[str], object]
    default: str | None
    example: str
    secret: bool
    absent: object
    default_note: str

    def problem(self, complaint: object) -> str:
        """The complaint as a sentence that names the variable and shows how it should look."""
        return f"{self.name} {complaint}. Example: {self.name}={self.example}"


def _setting(
    name: str,
    help: str,
    reader: Callable[[str], object],
    *,
    example: str,
    default: str | None = None,
    secret: bool = False,
    absent: object = None,
    default_note: str = "",
) -> Any:
    variable = Variable(name, help, reader, default, example, secret, absent, default_note)
    return dataclasses.field(repr=not secret, metadata={"variable": variable})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that may differ between two installations, made by `Settings.from_env`.

    `database_url`, `redis_url`: None means that the embedded servers are used. `secret_key` is "" and
    `encryption_keys` empty only in a demo that was not started by the supervisor, which makes both.
    """

    data_dir: Path = _setting(
        "DATA_DIR",
        "Where all that must outlive a restart is kept: embedded servers' data, spool, the demo's keys.",
        read.path,
        default=".data",
        example="/var/lib/warmline",
    )
    host: str = _setting(
        "HOST",
        "The address that the web server listens on. Use 0.0.0.0 inside a container or behind a proxy.",
        read.text,
        default="127.0.0.1",
        example="0.0.0.0",
    )
    port: int = _setting(
        "PORT",
        "The port that the web server listens on.",
        read.count(1, 65535),
        default="8000",
        example="8000",
    )
    public_url: str = _setting(
        "PUBLIC_URL",
        "The address that Twilio and people's browsers use; Twilio's signature is checked against it.",
        read.web_address,
        example="https://help.example.org",
        default_note="http://127.0.0.1:PORT",
    )
    database_url: str | None = _setting(
        "DATABASE_URL",
        "The PostgreSQL database. When it is not set, an embedded PostgreSQL is started.",
        read.database_url,
        example="postgresql://warmline:PASSWORD@db.example.org/warmline",
        secret=True,
        default_note="embedded",
    )
    redis_url: str | None = _setting(
        "REDIS_URL",
        "The Redis or Valkey server that wakes jobs. When it is not set, an embedded Valkey is started.",
        read.scheme("redis", "rediss", "unix"),
        example="rediss://:PASSWORD@queue.example.org:6379/0",
        secret=True,
        default_note="embedded",
    )
    secret_key: str = _setting(
        "SECRET_KEY",
        "Signs sessions and links. Needed with Twilio; a demo makes its own.",
        read.secret_key,
        example="$(openssl rand -hex 32)",
        secret=True,
        absent="",
        default_note="made by the demo",
    )
    encryption_keys: tuple[str, ...] = _setting(
        "ENCRYPTION_KEYS",
        "Keys of 32 bytes in URL-safe base64 (`warmline keys new`), commas between, newest first, for message "
        "bodies and numbers at rest. "
        "Needed with Twilio; a demo makes its own. Losing them loses the transcripts.",
        read.fernet_keys,
        example="$(openssl rand -base64 32 | tr '+/' '-_')",
        secret=True,
        absent=(),
        default_note="made by the demo",
    )
    timezone: ZoneInfo = _setting(
        "TIMEZONE",
        "The city's time zone: quiet hours, rosters and dates that people name are in it.",
        read.timezone,
        default="America/Chicago",
        example="America/Chicago",
    )
    holidays: Container[date] = _setting(
        "HOLIDAYS",
        "Whose holidays are kept: no check-in leaves on them. A country, or a country and a state, like US-MO.",
        read.holidays,
        example="US-MO",
        absent=frozenset(),
        default_note="none",
    )
    line_name: str = _setting(
        "LINE_NAME",
        "What the line calls itself in its texts.",
        read.text,
        default="STL Help",
        example="STL Help",
    )
    languages: tuple[str, ...] = _setting(
        "LANGUAGES",
        "The languages that the line speaks, with commas between; the first is used until a person chooses.",
        read.languages,
        default="en,es",
        example="en,es",
    )
    twilio_account_sid: str | None = _setting(
        "TWILIO_ACCOUNT_SID",
        "Twilio's account. With any of Twilio's variables set, Twilio is the carrier, else the simulator.",
        read.sid("AC"),
        example="AC0123456789abcdef0123456789abcdef",
    )
    twilio_auth_tokens: tuple[str, ...] = _setting(
        "TWILIO_AUTH_TOKEN",
        "The token by which webhooks are proved genuine; while it is rotated: current,next.",
        read.secret_parts,
        example="CURRENT,NEXT",
        secret=True,
        absent=(),
    )
    twilio_api_key: str | None = _setting(
        "TWILIO_API_KEY",
        "The API key for sending, which can be revoked by itself. Without it the token is used.",
        read.sid("SK"),
        example="SK0123456789abcdef0123456789abcdef",
    )
    twilio_api_secret: str | None = _setting(
        "TWILIO_API_SECRET", "The secret of TWILIO_API_KEY.", read.text, example="SECRET", secret=True
    )
    twilio_messaging_service_sid: str | None = _setting(
        "TWILIO_MESSAGING_SERVICE_SID",
        "The messaging service that sends. Either this or TWILIO_FROM is needed with Twilio.",
        read.sid("MG"),
        example="MG0123456789abcdef0123456789abcdef",
    )
    twilio_from: str | None = _setting(
        "TWILIO_FROM",
        "The number that sends, when there is no messaging service.",
        read.sender,
        example="+13145550100",
    )
    twilio_api_url: str = _setting(
        "TWILIO_API_URL",
        "The base of Twilio's REST API; another one only for a local stand-in.",
        read.web_address,
        default=TWILIO_API,
        example="http://127.0.0.1:4010",
    )
    staff_numbers: tuple[str, ...] = _setting(
        "TWILIO_STAFF_NUMBERS",
        "Numbers of ours, with commas between, by which social workers are alerted and talk with people from their own "
        "telephones; each worker can talk with as many people at once as there are numbers.",
        read.numbers,
        example="+13145550111,+13145550112",
        absent=(),
        default_note="four pretend ones in a demo",
    )
    sender_segments_per_second: int = _setting(
        "SENDER_MPS",
        "How many message segments a second Twilio lets the sender send; a plain long code has 1.",
        read.count(1, 1000),
        default="1",
        example="3",
    )
    resend_after_seconds: int = _setting(
        "RESEND_AFTER",
        "Seconds after which a reply sent in the webhook's answer and never reported is looked into.",
        read.count(20, 86_400),
        default="120",
        example="120",
    )
    fold_accents: bool = _setting(
        "SMS_FOLD_ACCENTS",
        "Send accented letters that GSM-7 lacks as plain ones, so that a text is not split into more parts.",
        read.yes_or_no,
        default="true",
        example="false",
    )
    hand_back_minutes: int = _setting(
        "HAND_BACK_MINUTES",
        "Minutes of quiet after a social worker's last words before the bot speaks again; in danger the worker is asked.",
        read.count(5, 10_080),
        default="120",
        example="120",
    )
    smtp_url: str | None = _setting(
        "SMTP_URL",
        "The mail server for alerts and links to staff: smtp://, smtps:// or smtp+starttls://. Without it none are mailed.",
        read.scheme("smtp", "smtps", "smtp+starttls"),
        example="smtp+starttls://warmline:PASSWORD@mail.example.org:587",
        secret=True,
    )
    mail_from: str | None = _setting(
        "MAIL_FROM",
        "The address that mails to staff come from. Needed with SMTP_URL.",
        read.mail_address,
        example="warmline@example.org",
    )
    staff_passwords: bool = _setting(
        "STAFF_PASSWORDS",
        "Whether staff may sign in by e-mail and password. Turn it off where OIDC_ISSUER is the only way in.",
        read.yes_or_no,
        default="true",
        example="false",
    )
    needs_second_factor: bool = _setting(
        "STAFF_TOTP",
        "Whether everybody who signs in by password must also have an authenticator app: required or optional.",
        read.required,
        example="required",
        default_note="required with Twilio, optional in a demo",
    )
    oidc_issuer: str | None = _setting(
        "OIDC_ISSUER",
        "The city's own sign-in (OpenID Connect) for staff: the issuer's address. Its second factor counts.",
        read.web_address,
        example="https://login.example.org",
    )
    oidc_client_id: str | None = _setting(
        "OIDC_CLIENT_ID", "What the city's sign-in calls this line.", read.text, example="warmline"
    )
    oidc_client_secret: str | None = _setting(
        "OIDC_CLIENT_SECRET", "The secret of OIDC_CLIENT_ID.", read.text, example="SECRET", secret=True
    )
    retention_days: int = _setting(
        "RETENTION_DAYS",
        "Days that message bodies are kept.",
        read.count(1, 36_500),
        default="400",
        example="400",
    )
    answers_retention_days: int = _setting(
        "ANSWERS_RETENTION_DAYS",
        "Days that a person's answers in flows are kept.",
        read.count(1, 36_500),
        default="1095",
        example="1095",
    )
    segment_price: int = _setting(
        "SEGMENT_PRICE",
        "What one segment of a text costs, in hundredths of a US cent with the carriers' fees, for those who write flows. "
        "Nobody has checked the default: look at your own bill.",
        read.count(0, 100_000),
        default="110",
        example="95",
    )
    directory_fresh_days: int = _setting(
        "DIRECTORY_FRESH_DAYS",
        "Days for which a service of an imported directory is offered after somebody has checked it.",
        read.count(1, 3650),
        default="180",
        example="180",
    )
    spool_dir: Path = _setting(
        "SPOOL_DIR",
        "Where texts wait on this machine's disk while the database cannot be reached.",
        read.path,
        example="/var/lib/warmline/spool",
        default_note="DATA_DIR/spool",
    )
    web_workers: int = _setting(
        "WEB_WORKERS",
        "Processes that answer the web.",
        read.count(1, 256),
        example="4",
        default_note="one for each core",
    )
    web_threads: int = _setting(
        "WEB_THREADS", "Threads in each web process.", read.count(1, 512), default="16", example="16"
    )
    log_level: str = _setting(
        "LOG_LEVEL",
        "How much is logged. Bodies and phone numbers are never logged, at any level.",
        read.one_of("debug", "info", "warning", "error"),
        default="info",
        example="warning",
    )

    @property
    def uses_twilio(self) -> bool:
        """Whether Twilio is the carrier."""
        return self.twilio_account_sid is not None

    @property
    def is_demo(self) -> bool:
        """Whether the simulator is the carrier, so that pages which only a demo may show are shown."""
        return not self.uses_twilio

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """The settings that `env` holds. An empty variable counts as one that is not set.

        Raises SettingsError with every problem at once, each with the variable's name, what is wrong and an
        example, and never with a secret's value.
        """
        values: dict[str, Any] = {}
        problems: list[str] = []
        for field, variable in fields():
            try:
                values[field] = _read(variable, env)
            except ValueError as complaint:
                values[field] = variable.absent
                problems.append(variable.problem(complaint))
        problems += (*_incomplete(env), *_locked_out(env, values))
        if problems:
            raise SettingsError(problems)
        _derive(values)
        settings = cls(**values)
        if problem := _insecure(settings):
            raise SettingsError([problem])
        return settings


def fields() -> list[tuple[str, Variable]]:
    """Each field of Settings with the variable that it is read from, in the order of the page."""
    return [(field.name, field.metadata["variable"]) for field in dataclasses.fields(Settings)]


def _read(variable: Variable, env: Mapping[str, str]) -> object:
    text = env.get(variable.name, "").strip() or variable.default
    return variable.absent if text is None else variable.read(text)


def _derive(values: dict[str, Any]) -> None:
    """Fill in what is made from other settings, or from the machine, when it was not given."""
    if values["public_url"] is None:
        values["public_url"] = f"http://127.0.0.1:{values['port']}"
    if values["spool_dir"] is None:
        values["spool_dir"] = values["data_dir"] / "spool"
    if values["web_workers"] is None:
        values["web_workers"] = os.cpu_count() or 1
    is_demo = values["twilio_account_sid"] is None
    if values["needs_second_factor"] is None:
        values["needs_second_factor"] = not is_demo
    if is_demo and not values["staff_numbers"]:
        values["staff_numbers"] = PRETEND_STAFF_NUMBERS


def _incomplete(env: Mapping[str, str]) -> list[str]:
    """What is missing when Twilio is set up in part: half a carrier answers but can never write first."""
    given = {name for name, value in env.items() if value.strip()}
    if not given & set(_TWILIO_VARIABLES):
        return []
    needed = ["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "SECRET_KEY", "ENCRYPTION_KEYS"]
    if given & {"TWILIO_API_KEY", "TWILIO_API_SECRET"}:
        needed += ["TWILIO_API_KEY", "TWILIO_API_SECRET"]
    variables = {variable.name: variable for _, variable in fields()}
    complaint = "is missing and needed with Twilio"
    missing = [variables[name].problem(complaint) for name in needed if name not in given]
    if not given & {"TWILIO_MESSAGING_SERVICE_SID", "TWILIO_FROM"}:
        either = variables["TWILIO_MESSAGING_SERVICE_SID"]
        missing.append(either.problem(f"{complaint}, unless TWILIO_FROM is set"))
    return missing


def _locked_out(env: Mapping[str, str], values: Mapping[str, Any]) -> list[str]:
    """What is missing of the staff's sign-in and mail: half of it would shut out everybody, or lose every alert."""
    variables = {variable.name: variable for _, variable in fields()}
    given = {name for name, value in env.items() if value.strip()}
    missing = []
    oidc = ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET")
    if given & set(oidc):
        missing += [
            variables[name].problem("is missing and needed with the other two") for name in oidc if name not in given
        ]
    if values["staff_passwords"] is False and "OIDC_ISSUER" not in given:
        missing.append(variables["OIDC_ISSUER"].problem("is missing and needed when STAFF_PASSWORDS is false"))
    if "SMTP_URL" in given and "MAIL_FROM" not in given:
        missing.append(variables["MAIL_FROM"].problem("is missing and needed with SMTP_URL"))
    return missing


def _insecure(settings: Settings) -> str | None:
    # Over plain http anybody on the way reads the transcripts and the staff's passwords.
    if settings.uses_twilio and _is_open(settings.public_url):
        return dict(fields())["public_url"].problem("must start with https:// when Twilio is the carrier")
    # Whoever can change the issuer's answers on the way signs in as anybody.
    if settings.oidc_issuer and _is_open(settings.oidc_issuer):
        return dict(fields())["oidc_issuer"].problem("must start with https://")
    return None


def _is_open(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme != "https" and not read.is_loopback(parts.hostname or "")
