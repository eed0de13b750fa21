"""What a social worker's own telephone may say: answers to alerts, commands, and words for a person.

And what must be cut off before such words leave."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

import phonenumbers

from bot.domain.handoff import DISPOSITIONS


class Verb(StrEnum):
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
    """It begins like a command and is none that we know: nobody gets it."""


@dataclass(frozen=True, slots=True)
class StaffText:
    """A worker's text as it was understood. `handoff` is the number that was named, `disposition` what a CLOSE said."""

    verb: Verb
    handoff: int | None = None
    disposition: str | None = None
    words: str = ""


# A digit that touches the next one ("11", "2:30") is a number of somebody's own, never an answer and a handoff.
_ANSWER = re.compile(r"\s*([12])(?:(?:[ \t]+#?|#)[ \t]*(\d{1,18}))?\s*[.!]?\s*", re.ASCII)
_CLAIM = re.compile(r"\s*(claim|take|pass)\s+#?(\d{1,18})\s*[.!]?\s*", re.ASCII | re.IGNORECASE)
_COMMAND = re.compile(r"\s*#\s*([A-Za-z]+)\b[\s:]*(.*)", re.DOTALL)
_STOPS = frozenset({"stop", "stopall", "unsubscribe", "end", "quit", "cancel", "revoke", "optout"})
_STARTS = frozenset({"start", "unstop"})
_COMMANDS = {"back": Verb.BACK, "close": Verb.CLOSE, "help": Verb.HELP, "open": Verb.OPEN}


def is_start(text: str) -> bool:
    """Whether these words ask for our texts again. The carrier also counts a bare "Yes" as that."""
    return text.strip().lower() in _STARTS


def read(text: str, opt_out: str | None = None, *, for_person: bool = False) -> StaffText:
    """Understand a worker's text. A carrier's keyword counts as a whole message only, as the carrier itself counts it.

    `for_person`: it came by a number that means a person, and no alert comes from there. Then nothing is an answer.
    """
    word = text.strip().lower()
    if opt_out in ("STOP", "START", "HELP") or word in _STOPS | _STARTS | {"help", "info"}:
        stops = opt_out == "STOP" or (opt_out is None and word in _STOPS)
        starts = opt_out == "START" or (opt_out is None and word in _STARTS)
        return StaffText(Verb.STOP if stops else Verb.START if starts else Verb.HELP)
    if not for_person and (answer := _ANSWER.fullmatch(text)):
        number = int(answer[2]) if answer[2] else None
        return StaffText(Verb.TAKE if answer[1] == "1" else Verb.PASS, number, words=text.strip())
    if not for_person and (claim := _CLAIM.fullmatch(text)):
        return StaffText(Verb.PASS if claim[1].lower() == "pass" else Verb.TAKE, int(claim[2]), words=text.strip())
    if command := _COMMAND.fullmatch(text):
        return _command(command[1].lower(), command[2].strip())
    return StaffText(Verb.SAY, words=text)


def _command(name: str, rest: str) -> StaffText:
    verb = _COMMANDS.get(name)
    if verb is None:
        return StaffText(Verb.UNKNOWN)
    if verb is Verb.CLOSE:
        said = re.sub(r"[\s-]+", "_", rest.lower()).strip("_.!")
        return StaffText(verb, disposition=said if said in DISPOSITIONS else None)
    return StaffText(verb)


_PHONE_SIGNATURES = re.compile(
    r"\n\s*(?:sent from my \S.*|get outlook for .*|sent via .*|enviado desde mi \S.*)\s*\Z", re.IGNORECASE
)
# The mark of a signature stands alone on its line (RFC 3676, 4.3): behind a dash stand the items of a list.
_DASHED = re.compile(r"\n--[ \t]*\n(?:(?!--[ \t]*\n)[^\n]*\S[^\n]*(?:\n|\Z)){0,5}\s*\Z")


def without_signature(text: str, own_number: str) -> str:
    """The words without what a telephone adds below them, and without the worker's own number wherever it stands.

    A signature is the last lines, five at the most, below a line of two dashes, or a maker's line. `own_number` is E.164,
    or a simulator's address.
    """
    # The number first: it may stand below the maker's line.
    text = _without_number(text.replace("\r\n", "\n"), own_number)
    return _DASHED.sub("", _PHONE_SIGNATURES.sub("", text)).strip()


def _without_number(text: str, own_number: str) -> str:
    if not own_number.startswith("+"):
        return text.replace(own_number, "") if own_number else text
    for found in reversed(list(phonenumbers.PhoneNumberMatcher(text, "US", leniency=phonenumbers.Leniency.POSSIBLE))):
        if phonenumbers.format_number(found.number, phonenumbers.PhoneNumberFormat.E164) == own_number:
            text = text[: found.start] + text[found.end :]
    # As bare digits inside of other signs the library may pass it over.
    digits = own_number.removeprefix("+1")
    # Up to three signs of any kind may stand between two of them; a worker may hide a number from us, not from the person.
    gap = r"[^0-9A-Za-z\n]{0,3}"
    return re.sub(rf"\+?1?{gap}" + gap.join(map(re.escape, digits)), "", text)
