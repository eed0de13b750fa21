"""Texts from a social worker's own telephone: answers to alerts, commands, and words for a person.

Also what must be removed from such words before they are sent on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

import phonenumbers

from bot.domain.handoff.states import DISPOSITIONS


class StaffCommand(StrEnum):
    TAKE = "take"
    PASS = "pass"  # noqa: S105
    BACK = "back"
    CLOSE = "close"
    HELP = "help"
    OPEN = "open"
    STOP = "stop"
    START = "start"
    SAY = "say"
    UNKNOWN = "unknown"
    """It begins like a command and is none that we know: it is sent to no one."""


@dataclass(frozen=True, slots=True)
class StaffText:
    """A social worker's text as understood. `handoff` is the number that it names, `disposition` what a CLOSE says."""

    command: StaffCommand
    handoff: int | None = None
    disposition: str | None = None
    words: str = ""


# A digit directly followed by another ("11", "2:30") is part of a longer number, never an answer with a handoff.
_ANSWER = re.compile(r"\s*([12])(?:(?:[ \t]+#?|#)[ \t]*(\d{1,18}))?\s*[.!]?\s*", re.ASCII)
_CLAIM = re.compile(r"\s*(claim|take|pass)\s+#?(\d{1,18})\s*[.!]?\s*", re.ASCII | re.IGNORECASE)
_COMMAND = re.compile(r"\s*#\s*([A-Za-z]+)\b[\s:]*(.*)", re.DOTALL)
_STOP_WORDS = frozenset({"stop", "stopall", "unsubscribe", "end", "quit", "cancel", "revoke", "optout"})
_START_WORDS = frozenset({"start", "unstop"})
_COMMANDS = {"back": StaffCommand.BACK, "close": StaffCommand.CLOSE, "help": StaffCommand.HELP, "open": StaffCommand.OPEN}


def is_opt_in(text: str) -> bool:
    """Whether these words opt in to our texts again. The carrier also counts a bare "Yes" as that."""
    return text.strip().lower() in _START_WORDS


def read_staff_text(text: str, opt_out: str | None = None, *, for_person: bool = False) -> StaffText:
    """Understand a social worker's text. A carrier's keyword counts only as the whole message, as it does for the carrier.

    `for_person`: it came to a staff number that stands for a person. No alert is sent from there, so nothing is an answer.
    """
    word = text.strip().lower()
    if opt_out in ("STOP", "START", "HELP") or word in _STOP_WORDS | _START_WORDS | {"help", "info"}:
        stops = opt_out == "STOP" or (opt_out is None and word in _STOP_WORDS)
        starts = opt_out == "START" or (opt_out is None and word in _START_WORDS)
        return StaffText(StaffCommand.STOP if stops else StaffCommand.START if starts else StaffCommand.HELP)
    if not for_person and (answer := _ANSWER.fullmatch(text)):
        number = int(answer[2]) if answer[2] else None
        return StaffText(StaffCommand.TAKE if answer[1] == "1" else StaffCommand.PASS, number, words=text.strip())
    if not for_person and (claim := _CLAIM.fullmatch(text)):
        return StaffText(
            StaffCommand.PASS if claim[1].lower() == "pass" else StaffCommand.TAKE, int(claim[2]), words=text.strip()
        )
    if command := _COMMAND.fullmatch(text):
        return _command(command[1].lower(), command[2].strip())
    return StaffText(StaffCommand.SAY, words=text)


def _command(name: str, rest: str) -> StaffText:
    verb = _COMMANDS.get(name)
    if verb is None:
        return StaffText(StaffCommand.UNKNOWN)
    if verb is StaffCommand.CLOSE:
        said = re.sub(r"[\s-]+", "_", rest.lower()).strip("_.!")
        return StaffText(verb, disposition=said if said in DISPOSITIONS else None)
    return StaffText(verb)


_PHONE_SIGNATURES = re.compile(
    r"\n\s*(?:sent from my \S.*|get outlook for .*|sent via .*|enviado desde mi \S.*)\s*\Z", re.IGNORECASE
)
# A signature separator stands alone on its line (RFC 3676, 4.3); a dash with text after it is a list item.
_DASH_SIGNATURE = re.compile(r"\n--[ \t]*\n(?:(?!--[ \t]*\n)[^\n]*\S[^\n]*(?:\n|\Z)){0,5}\s*\Z")


def strip_signature(text: str, own_number: str) -> str:
    """The words without the signature that a telephone adds, and without the social worker's own number anywhere in them.

    A signature is at most five last lines below a line of two dashes, or a line such as "Sent from my ...". `own_number` is
    E.164, or a simulator's address.
    """
    # The number first: it may stand below the signature line.
    text = _strip_number(text.replace("\r\n", "\n"), own_number)
    return _DASH_SIGNATURE.sub("", _PHONE_SIGNATURES.sub("", text)).strip()


def _strip_number(text: str, own_number: str) -> str:
    if not own_number.startswith("+"):
        return text.replace(own_number, "") if own_number else text
    for found in reversed(list(phonenumbers.PhoneNumberMatcher(text, "US", leniency=phonenumbers.Leniency.POSSIBLE))):
        if phonenumbers.format_number(found.number, phonenumbers.PhoneNumberFormat.E164) == own_number:
            text = text[: found.start] + text[found.end :]
    # The library may miss it as bare digits among other characters.
    digits = own_number.removeprefix("+1")
    # Up to three characters of any kind may stand between two digits, so that a disguised number is removed as well.
    gap = r"[^0-9A-Za-z\n]{0,3}"
    return re.sub(rf"\+?1?{gap}" + gap.join(map(re.escape, digits)), "", text)
