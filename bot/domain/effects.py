"""What a turn asks the house to do. The engine only names it; `usecases/apply_effects.py` makes rows of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from bot.domain.message import Lane
from bot.domain.safety.levels import Urgency


@dataclass(frozen=True, slots=True)
class Reply:
    """Say this to the person. `key` names the scripted text where it is a standing one."""

    text: str
    lane: Lane = Lane.REPLY
    key: str | None = None


class Reason(StrEnum):
    """Why a human is called."""

    DANGER = "danger"
    ASKED = "asked"
    FLOW = "flow"
    NOT_UNDERSTOOD = "not_understood"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class OpenHandoff:
    """Call a human. `because` is for the social worker and is sealed at rest; `reachable` is False where the person has
    opted out of texts, so that somebody must phone."""

    reason: Reason
    urgency: Urgency
    team: str = "anyone"
    because: str = ""
    dangers: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    reachable: bool = True
    wish: str = ""
    """What a worker should know well, in the person's own words; only a community of the staff's own is kept of it."""


@dataclass(frozen=True, slots=True)
class TellHuman:
    """The person wrote while a human is waited for or holds the conversation: show it to them."""

    urgent: bool = False


@dataclass(frozen=True, slots=True)
class HoldTexts:
    """The person left in a hurry: what waits to be sent to them is not sent any more."""


@dataclass(frozen=True, slots=True)
class RaiseAlarm:
    """Tell the operator. `kind` is a fixed word, `detail` names rows, flows and steps, never a person's words."""

    kind: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class OfferServices:
    """These services were texted to the person for this need: a referral each."""

    need: str
    near: str | None
    services: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ScheduleCheckIns:
    flow: str
    after: tuple[timedelta, ...]


@dataclass(frozen=True, slots=True)
class CheckInAnswered:
    """The person wrote after a check-in had asked them how they are; whatever they wrote, they are there."""

    check_in: int


@dataclass(frozen=True, slots=True)
class TellReferral:
    """The person told what became of a service that they were referred to: one of bot/domain/referral.py's outcomes.

    `which` is its number in the texts of the newest offer; None where all of that offer are meant, or there is just one.
    """

    outcome: str
    which: int | None = None


@dataclass(frozen=True, slots=True)
class RecordMeasure:
    """The person told how the household is: `name` and `value` are of bot/domain/case.py."""

    name: str
    value: str


class Choice(StrEnum):
    """What a ledger entry says."""

    AGREED = "agreed"
    WITHDRAWN = "withdrawn"
    """They take back what they had agreed to; texts they ask for themselves go on."""
    OPTED_OUT = "opted_out"
    OPTED_IN = "opted_in"


class Method(StrEnum):
    """How the person said it (the law asks)."""

    KEYWORD = "keyword"
    FREE_TEXT = "free_text"
    CARRIER = "carrier"
    FLOW = "flow"
    STAFF = "staff"
    """They told a social worker, who wrote it down."""


@dataclass(frozen=True, slots=True)
class RecordConsent:
    """An entry for the consent ledger; OPTED_OUT and OPTED_IN also stop and start all texts to this address."""

    choice: Choice
    method: Method
    scope: str = "all"
    text: str = ""
    """Which words were agreed to: `flow/step@version`."""


@dataclass(frozen=True, slots=True)
class EraseData:
    """Delete what is kept of this person."""


@dataclass(frozen=True, slots=True)
class RecordOutcome:
    outcome: str
    flow: str


@dataclass(frozen=True, slots=True)
class StaySilent:
    """Nothing is said, on purpose, and this is why."""

    why: str


Effect = (
    Reply | OpenHandoff | TellHuman | HoldTexts | RaiseAlarm | OfferServices | ScheduleCheckIns | CheckInAnswered
    | TellReferral | RecordMeasure | RecordConsent | EraseData | RecordOutcome | StaySilent
)  # fmt: skip
