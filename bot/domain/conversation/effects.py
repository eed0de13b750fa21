"""What a turn wants done. The engine only lists effects; `usecases/conversation/apply_effects.py` carries them out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from bot.domain.messages.message import OutboxLane
from bot.domain.safety.levels import Urgency


@dataclass(frozen=True, slots=True)
class Reply:
    """Say this to the person. `key` is set where it is a system text."""

    text: str
    lane: OutboxLane = OutboxLane.REPLY
    key: str | None = None


class HandoffReason(StrEnum):
    """Why a human is called."""

    DANGER = "danger"
    ASKED = "asked"
    FLOW = "flow"
    NOT_UNDERSTOOD = "not_understood"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class OpenHandoff:
    """Call a human. `because` is for the social worker and is encrypted at rest; `reachable` is False where the person has
    opted out of texts and must be phoned."""

    reason: HandoffReason
    urgency: Urgency
    team: str = "anyone"
    because: str = ""
    dangers: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    reachable: bool = True
    wish: str = ""
    """The community that the social worker should know well, in the person's own words; only one that staff is registered
    for is stored."""


@dataclass(frozen=True, slots=True)
class NotifyStaff:
    """The person wrote while a social worker was called or holds the conversation: tell the social worker."""

    urgent: bool = False


@dataclass(frozen=True, slots=True)
class DropQueuedTexts:
    """The person used an exit word: texts that are still queued for them are not sent."""


@dataclass(frozen=True, slots=True)
class RaiseAlarm:
    """Tell the operator. `kind` is a fixed word; `detail` names rows, flows and steps, never what a person wrote."""

    kind: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class OfferServices:
    """These services were texted to the person for this need; each becomes a referral."""

    need: str
    near: str | None
    services: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ScheduleCheckIns:
    flow: str
    after: tuple[timedelta, ...]


@dataclass(frozen=True, slots=True)
class MarkCheckInAnswered:
    """The person wrote after a check-in asked how they are. Any text counts as an answer."""

    check_in: int


@dataclass(frozen=True, slots=True)
class RecordReferralOutcome:
    """The person said what came of a referral; `outcome` is one of bot/domain/referrals.py.

    `which` is the service's number in the newest offer; None means all of that offer.
    """

    outcome: str
    which: int | None = None


@dataclass(frozen=True, slots=True)
class RecordMeasure:
    """The person said how the household is. `name` and `value` are from bot/domain/cases.py."""

    name: str
    value: str


class ConsentChoice(StrEnum):
    """What an entry of the consent ledger says."""

    AGREED = "agreed"
    WITHDRAWN = "withdrawn"
    """The person takes back an agreement; replies to what they write go on."""
    OPTED_OUT = "opted_out"
    OPTED_IN = "opted_in"


class ConsentMethod(StrEnum):
    """How the person gave or withdrew consent; the law requires a record of it."""

    KEYWORD = "keyword"
    FREE_TEXT = "free_text"
    CARRIER = "carrier"
    FLOW = "flow"
    STAFF = "staff"
    """The person told a social worker, who recorded it."""


@dataclass(frozen=True, slots=True)
class RecordConsent:
    """An entry for the consent ledger; OPTED_OUT and OPTED_IN also stop and start all texts to this address."""

    choice: ConsentChoice
    method: ConsentMethod
    scope: str = "all"
    text: str = ""
    """The text that was agreed to: `flow/step@version`."""


@dataclass(frozen=True, slots=True)
class EraseData:
    """Delete what is stored about this person."""


@dataclass(frozen=True, slots=True)
class RecordOutcome:
    outcome: str
    flow: str


@dataclass(frozen=True, slots=True)
class StaySilent:
    """Nothing is said on purpose; `why` gives the reason."""

    why: str


Effect = (
    Reply | OpenHandoff | NotifyStaff | DropQueuedTexts | RaiseAlarm | OfferServices | ScheduleCheckIns | MarkCheckInAnswered
    | RecordReferralOutcome | RecordMeasure | RecordConsent | EraseData | RecordOutcome | StaySilent
)  # fmt: skip
