"""Readers for the text of one setting: each takes the stripped, non-empty text and returns the value.

Each raises ValueError with the end of a sentence that starts with the variable's name. The sentence never
contains the value, which may be a secret.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Container
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from holidays import country_holidays


def text(value: str) -> str:
    return value


def whole_number(low: int, high: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", value) or not low <= int(value) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(value)

    return read


def yes_or_no(value: str) -> bool:
    if value.lower() in {"true", "yes", "on", "1"}:
        return True
    if value.lower() in {"false", "no", "off", "0"}:
        return False
    raise ValueError("must be true or false")


def one_of(*choices: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value.lower() not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value.lower()

    return read


def path(value: str) -> Path:
    # Web, worker and command line may be started in different directories and must use the same absolute path.
    return Path(value).expanduser().absolute()


def comma_list(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def url_with_scheme(*schemes: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value.partition("://")[0] not in schemes:
            raise ValueError(f"must start with {' or '.join(f'{scheme}://' for scheme in schemes)}")
        return value

    return read


def database_url(value: str) -> str:
    # Hosting providers still hand out the short form, which SQLAlchemy refuses.
    if value.startswith("postgres://"):
        value = f"postgresql://{value.removeprefix('postgres://')}"
    return url_with_scheme("postgresql", "postgresql+psycopg")(value)


def web_address(value: str) -> str:
    try:
        address = urlsplit(value)
    except ValueError:
        raise ValueError("must be a whole address") from None
    if address.scheme not in {"http", "https"} or not address.hostname:
        raise ValueError("must be a whole address that starts with https:// (or http:// on this machine)")
    if address.query or address.fragment:
        raise ValueError("must not have a ? or # part")
    return value.rstrip("/")


def secret_key(value: str) -> str:
    if len(value) < 32:
        raise ValueError("must be at least 32 characters of randomness")
    return value


def fernet_keys(value: str) -> tuple[str, ...]:
    keys = comma_list(value)
    for place, key in enumerate(keys, start=1):
        try:
            whole = len(base64.b64decode(key, altchars=b"-_", validate=True)) == 32
        except (binascii.Error, ValueError):
            whole = False
        if not whole:
            raise ValueError(f"must be keys of 32 bytes in URL-safe base64, and key {place} is none (`warmline keys new`)")
    return keys


def secret_list(value: str) -> tuple[str, ...]:
    tokens = comma_list(value)
    if not tokens:
        raise ValueError("must hold at least one token")
    return tokens


def twilio_sid(prefix: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if not re.fullmatch(rf"{prefix}[0-9A-Za-z_-]+", value):
            raise ValueError(f"must be Twilio's id, which starts with {prefix}")
        return value

    return read


def sender_number(value: str) -> str:
    if not re.fullmatch(r"\+[1-9][0-9]{6,14}|[0-9]{5,6}", value):
        raise ValueError("must be a number in international form or a short code of 5 or 6 digits")
    return value


def phone_numbers(value: str) -> tuple[str, ...]:
    found = comma_list(value)
    if not found or any(not re.fullmatch(r"\+[1-9][0-9]{6,14}", number) for number in found):
        raise ValueError("must be numbers in international form with commas between")
    if len(set(found)) != len(found):
        raise ValueError("must not name a number twice")
    return found


def mail_address(value: str) -> str:
    if not re.fullmatch(r"[^@\s<>,]+@[^@\s<>,]+", value):
        raise ValueError("must be one plain e-mail address")
    return value


def required_or_optional(value: str) -> bool:
    return one_of("required", "optional")(value) == "required"


def timezone(value: str) -> ZoneInfo:
    try:
        return ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError("must be the name of a time zone of the IANA database") from None


def holidays(value: str) -> Container[date]:
    country, _, state = value.partition("-")
    try:
        # The library computes the years lazily.
        return country_holidays(country, subdiv=state or None)
    except (KeyError, NotImplementedError):
        raise ValueError("must be a country's two letters, or a country and a state, like US-MO") from None


def languages(value: str) -> tuple[str, ...]:
    codes = comma_list(value)
    if not codes or any(not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", code) for code in codes):
        raise ValueError("must be language codes with commas between, the line's first language first")
    if len(set(codes)) != len(codes):
        raise ValueError("must not name a language twice")
    return codes


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
