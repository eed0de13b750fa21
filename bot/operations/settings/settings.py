"""The settings, one field per environment variable. All are read and checked once, at the start: a wrong setting stops the
start instead of losing a text later.

Each field carries its variable, its help and its example; the operators' page and `warmline settings` are printed from
them. How a variable is read, and which settings must go together, is in `settings_environment.py`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo

from bot.operations.settings import readers as read
from bot.operations.settings.environment import SettingsError, Variable, read_environment, setting

__all__ = ["TWILIO_API", "Settings", "SettingsError", "Variable", "fields"]

TWILIO_API = "https://api.twilio.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that may differ between two installations. Build with `Settings.from_env`.

    `database_url`, `redis_url`: None means that the embedded servers are used. `secret_key` is "" and
    `encryption_keys` empty only in a demo that was not started by the supervisor, which makes both.
    """

    data_dir: Path = setting(
        "DATA_DIR",
        "Where all that must outlive a restart is kept: embedded servers' data, spool, the demo's keys.",
        read.path,
        default=".data",
        example="/var/lib/warmline",
    )
    host: str = setting(
        "HOST",
        "The address that the web server listens on. Use 0.0.0.0 inside a container or behind a proxy.",
        read.text,
        default="127.0.0.1",
        example="0.0.0.0",
    )
    port: int = setting(
        "PORT",
        "The port that the web server listens on.",
        read.whole_number(1, 65535),
        default="8000",
        example="8000",
    )
    public_url: str = setting(
        "PUBLIC_URL",
        "The address that Twilio and people's browsers use; Twilio's signature is checked against it.",
        read.web_address,
        example="https://help.example.org",
        default_note="http://127.0.0.1:PORT",
    )
    database_url: str | None = setting(
        "DATABASE_URL",
        "The PostgreSQL database. When it is not set, an embedded PostgreSQL is started.",
        read.database_url,
        example="postgresql://warmline:PASSWORD@db.example.org/warmline",
        secret=True,
        default_note="embedded",
    )
    redis_url: str | None = setting(
        "REDIS_URL",
        "The Redis or Valkey server that wakes jobs. When it is not set, an embedded Valkey is started.",
        read.url_with_scheme("redis", "rediss", "unix"),
        example="rediss://:PASSWORD@queue.example.org:6379/0",
        secret=True,
        default_note="embedded",
    )
    secret_key: str = setting(
        "SECRET_KEY",
        "Signs sessions and links. Needed with Twilio; a demo makes its own.",
        read.secret_key,
        example="$(openssl rand -hex 32)",
        secret=True,
        absent="",
        default_note="made by the demo",
    )
    encryption_keys: tuple[str, ...] = setting(
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
    timezone: ZoneInfo = setting(
        "TIMEZONE",
        "The city's time zone: quiet hours, rosters and dates that people name are in it.",
        read.timezone,
        default="America/Chicago",
        example="America/Chicago",
    )
    holidays: Container[date] = setting(
        "HOLIDAYS",
        "Whose holidays are kept: no check-in leaves on them. A country, or a country and a state, like US-MO.",
        read.holidays,
        example="US-MO",
        absent=frozenset(),
        default_note="none",
    )
    line_name: str = setting(
        "LINE_NAME",
        "What the line calls itself in its texts.",
        read.text,
        default="STL Help",
        example="STL Help",
    )
    languages: tuple[str, ...] = setting(
        "LANGUAGES",
        "The languages that the line speaks, with commas between; the first is used until a person chooses.",
        read.languages,
        default="en,es",
        example="en,es",
    )
    twilio_account_sid: str | None = setting(
        "TWILIO_ACCOUNT_SID",
        "Twilio's account. With any of Twilio's variables set, Twilio is the carrier, else the simulator.",
        read.twilio_sid("AC"),
        example="AC0123456789abcdef0123456789abcdef",
    )
    twilio_auth_tokens: tuple[str, ...] = setting(
        "TWILIO_AUTH_TOKEN",
        "The token by which webhooks are proved genuine; while it is rotated: current,next.",
        read.secret_list,
        example="CURRENT,NEXT",
        secret=True,
        absent=(),
    )
    twilio_api_key: str | None = setting(
        "TWILIO_API_KEY",
        "The API key for sending, which can be revoked by itself. Without it the token is used.",
        read.twilio_sid("SK"),
        example="SK0123456789abcdef0123456789abcdef",
    )
    twilio_api_secret: str | None = setting(
        "TWILIO_API_SECRET", "The secret of TWILIO_API_KEY.", read.text, example="SECRET", secret=True
    )
    twilio_messaging_service_sid: str | None = setting(
        "TWILIO_MESSAGING_SERVICE_SID",
        "The messaging service that sends. Either this or TWILIO_FROM is needed with Twilio.",
        read.twilio_sid("MG"),
        example="MG0123456789abcdef0123456789abcdef",
    )
    twilio_from: str | None = setting(
        "TWILIO_FROM",
        "The number that sends, when there is no messaging service.",
        read.sender_number,
        example="+13145550100",
    )
    twilio_api_url: str = setting(
        "TWILIO_API_URL",
        "The base of Twilio's REST API; another one only for a local stand-in.",
        read.web_address,
        default=TWILIO_API,
        example="http://127.0.0.1:4010",
    )
    staff_numbers: tuple[str, ...] = setting(
        "TWILIO_STAFF_NUMBERS",
        "Numbers of ours, with commas between, by which social workers are alerted and talk with people from their own "
        "telephones; each worker can talk with as many people at once as there are numbers.",
        read.phone_numbers,
        example="+13145550111,+13145550112",
        absent=(),
        default_note="four pretend ones in a demo",
    )
    sender_segments_per_second: int = setting(
        "SENDER_MPS",
        "How many message segments a second Twilio lets the sender send; a plain long code has 1.",
        read.whole_number(1, 1000),
        default="1",
        example="3",
    )
    resend_after_seconds: int = setting(
        "RESEND_AFTER",
        "Seconds after which a reply sent in the webhook's answer and never reported is looked into.",
        read.whole_number(20, 86_400),
        default="120",
        example="120",
    )
    fold_accents: bool = setting(
        "SMS_FOLD_ACCENTS",
        "Send accented letters that GSM-7 lacks as plain ones, so that a text is not split into more parts.",
        read.yes_or_no,
        default="true",
        example="false",
    )
    hand_back_minutes: int = setting(
        "HAND_BACK_MINUTES",
        "Minutes of quiet after a social worker's last words before the bot speaks again; in danger the worker is asked.",
        read.whole_number(5, 10_080),
        default="120",
        example="120",
    )
    smtp_url: str | None = setting(
        "SMTP_URL",
        "The mail server for alerts and links to staff: smtp://, smtps:// or smtp+starttls://. Without it none are mailed.",
        read.url_with_scheme("smtp", "smtps", "smtp+starttls"),
        example="smtp+starttls://warmline:PASSWORD@mail.example.org:587",
        secret=True,
    )
    mail_from: str | None = setting(
        "MAIL_FROM",
        "The address that mails to staff come from. Needed with SMTP_URL.",
        read.mail_address,
        example="warmline@example.org",
    )
    staff_passwords: bool = setting(
        "STAFF_PASSWORDS",
        "Whether staff may sign in by e-mail and password. Turn it off where OIDC_ISSUER is the only way in.",
        read.yes_or_no,
        default="true",
        example="false",
    )
    needs_second_factor: bool = setting(
        "STAFF_TOTP",
        "Whether everybody who signs in by password must also have an authenticator app: required or optional.",
        read.required_or_optional,
        example="required",
        default_note="required with Twilio, optional in a demo",
    )
    oidc_issuer: str | None = setting(
        "OIDC_ISSUER",
        "The city's own sign-in (OpenID Connect) for staff: the issuer's address. Its second factor counts.",
        read.web_address,
        example="https://login.example.org",
    )
    oidc_client_id: str | None = setting(
        "OIDC_CLIENT_ID", "What the city's sign-in calls this line.", read.text, example="warmline"
    )
    oidc_client_secret: str | None = setting(
        "OIDC_CLIENT_SECRET", "The secret of OIDC_CLIENT_ID.", read.text, example="SECRET", secret=True
    )
    retention_days: int = setting(
        "RETENTION_DAYS",
        "Days that message bodies are kept.",
        read.whole_number(1, 36_500),
        default="400",
        example="400",
    )
    answers_retention_days: int = setting(
        "ANSWERS_RETENTION_DAYS",
        "Days that a person's answers in flows are kept.",
        read.whole_number(1, 36_500),
        default="1095",
        example="1095",
    )
    segment_price: int = setting(
        "SEGMENT_PRICE",
        "What one segment of a text costs, in hundredths of a US cent with the carriers' fees, for those who write flows. "
        "Nobody has checked the default: look at your own bill.",
        read.whole_number(0, 100_000),
        default="110",
        example="95",
    )
    directory_fresh_days: int = setting(
        "DIRECTORY_FRESH_DAYS",
        "Days for which a service of an imported directory is offered after somebody has checked it.",
        read.whole_number(1, 3650),
        default="180",
        example="180",
    )
    spool_dir: Path = setting(
        "SPOOL_DIR",
        "Where texts wait on this machine's disk while the database cannot be reached.",
        read.path,
        example="/var/lib/warmline/spool",
        default_note="DATA_DIR/spool",
    )
    web_workers: int = setting(
        "WEB_WORKERS",
        "Processes that answer the web.",
        read.whole_number(1, 256),
        example="4",
        default_note="one for each core",
    )
    web_threads: int = setting(
        "WEB_THREADS", "Threads in each web process.", read.whole_number(1, 512), default="16", example="16"
    )
    log_level: str = setting(
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
        """Whether the simulator is the carrier. Some pages exist only in a demo."""
        return not self.uses_twilio

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """The settings in `env`. An empty variable counts as one that is not set.

        Raises SettingsError with every problem at once, each with the variable's name, what is wrong and an
        example, and never with a secret's value.
        """
        return cls(**read_environment(dict(fields()), env))


def fields() -> list[tuple[str, Variable]]:
    """Each field of Settings with its variable, in the order of the operators' page."""
    return [(field.name, field.metadata["variable"]) for field in dataclasses.fields(Settings)]
