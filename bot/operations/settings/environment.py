"""How settings are read from the environment: the variables, the defaults that follow from other settings, and the checks
between settings."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from bot.operations.settings.readers import is_loopback

_TWILIO_VARIABLES = (
    "TWILIO_ACCOUNT_SID",
    "TWILIO_AUTH_TOKEN",
    "TWILIO_API_KEY",
    "TWILIO_API_SECRET",
    "TWILIO_MESSAGING_SERVICE_SID",
    "TWILIO_FROM",
)
_OIDC_VARIABLES = ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET")
_DEMO_STAFF_NUMBERS = ("staff-1", "staff-2", "staff-3", "staff-4")
"""The staff numbers of a demo; no telephone has such a number."""


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
        """The complaint as a sentence that names the variable and gives an example."""
        return f"{self.name} {complaint}. Example: {self.name}={self.example}"


def setting(
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
    """A dataclass field that is read from the environment variable `name`."""
    variable = Variable(name, help, reader, default, example, secret, absent, default_note)
    return dataclasses.field(repr=not secret, metadata={"variable": variable})


def read_environment(variables: Mapping[str, Variable], env: Mapping[str, str]) -> dict[str, Any]:
    """The value of each field from `env`; `variables` are by field name. Raises SettingsError with every problem at once."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    for field, variable in variables.items():
        try:
            values[field] = _read(variable, env)
        except ValueError as complaint:
            values[field] = variable.absent
            problems.append(variable.problem(complaint))
    by_name = {variable.name: variable for variable in variables.values()}
    given = {name for name, value in env.items() if value.strip()}
    problems += (*_missing_for_twilio(by_name, given), *_missing_for_staff(by_name, given, values))
    if problems:
        raise SettingsError(problems)
    _derive(values)
    if problem := _insecure(variables, values):
        raise SettingsError([problem])
    return values


def _read(variable: Variable, env: Mapping[str, str]) -> object:
    text = env.get(variable.name, "").strip() or variable.default
    return variable.absent if text is None else variable.read(text)


def _derive(values: dict[str, Any]) -> None:
    """Fill in settings that were not given and that follow from other settings or from the machine."""
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
        values["staff_numbers"] = _DEMO_STAFF_NUMBERS


def _missing_for_twilio(variables: Mapping[str, Variable], given: set[str]) -> list[str]:
    """What is missing when Twilio is only partly set up: such a line could answer and never write first."""
    if not given & set(_TWILIO_VARIABLES):
        return []
    needed = ["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "SECRET_KEY", "ENCRYPTION_KEYS"]
    if given & {"TWILIO_API_KEY", "TWILIO_API_SECRET"}:
        needed += ["TWILIO_API_KEY", "TWILIO_API_SECRET"]
    complaint = "is missing and needed with Twilio"
    missing = [variables[name].problem(complaint) for name in needed if name not in given]
    if not given & {"TWILIO_MESSAGING_SERVICE_SID", "TWILIO_FROM"}:
        either = variables["TWILIO_MESSAGING_SERVICE_SID"]
        missing.append(either.problem(f"{complaint}, unless TWILIO_FROM is set"))
    return missing


def _missing_for_staff(variables: Mapping[str, Variable], given: set[str], values: Mapping[str, Any]) -> list[str]:
    """What is missing for staff sign-in and mail. With half of it no staff could sign in, or every alert would be lost."""
    missing = []
    if given & set(_OIDC_VARIABLES):
        complaint = "is missing and needed with the other two"
        missing += [variables[name].problem(complaint) for name in _OIDC_VARIABLES if name not in given]
    if values["staff_passwords"] is False and "OIDC_ISSUER" not in given:
        missing.append(variables["OIDC_ISSUER"].problem("is missing and needed when STAFF_PASSWORDS is false"))
    if "SMTP_URL" in given and "MAIL_FROM" not in given:
        missing.append(variables["MAIL_FROM"].problem("is missing and needed with SMTP_URL"))
    return missing


def _insecure(variables: Mapping[str, Variable], values: Mapping[str, Any]) -> str | None:
    # Over plain HTTP anyone on the network path can read the transcripts and the staff's passwords.
    if values["twilio_account_sid"] is not None and _is_unencrypted(values["public_url"]):
        return variables["public_url"].problem("must start with https:// when Twilio is the carrier")
    # Anyone who can change the issuer's answers on the way can sign in as anyone.
    if values["oidc_issuer"] and _is_unencrypted(values["oidc_issuer"]):
        return variables["oidc_issuer"].problem("must start with https://")
    return None


def _is_unencrypted(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme != "https" and not is_loopback(parts.hostname or "")
