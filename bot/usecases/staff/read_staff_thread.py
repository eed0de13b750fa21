"""Read the simulated telephone of a social worker: its texts, calls and e-mails."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.domain.messages.delivery import DeliveryState
from bot.domain.messages.message import Address, Channel
from bot.storage.messages.threads import ThreadText
from bot.storage.sealing import Sealer
from bot.storage.staff import staff, staff_records
from bot.storage.staff.staff_threads import TEXT_CHANNELS
from bot.storage.tables.residents import Message
from bot.storage.tables.staff import Staff, StaffThread

RING_DURATION = timedelta(minutes=2)
"""How long a call without a handoff rings; one about a handoff rings while its alert is unanswered."""
_ARRIVED = frozenset({DeliveryState.DELIVERED, DeliveryState.READ})
_NEVER_SENT = frozenset({DeliveryState.DROPPED, DeliveryState.CANCELED})


@dataclass(frozen=True, slots=True)
class TelephoneOwner:
    """The owner of the telephone. `has_number`: they have given us a telephone number."""

    id: int
    name: str
    roles: tuple[str, ...]
    has_number: bool


@dataclass(frozen=True, slots=True)
class StaffThreadView:
    """The texts with one number of the pool. `talks`: texts sent there are relayed to a person."""

    line: str
    talks: bool
    opted_out: bool
    unreachable: str
    texts: tuple[ThreadText, ...]


@dataclass(frozen=True, slots=True)
class AlertCall:
    """A call with the words `says`. `answer` is the outcome of its alert ("" while unanswered)."""

    id: int
    says: str
    at: datetime
    state: str
    rings: bool
    answer: str


@dataclass(frozen=True, slots=True)
class StaffTelephone:
    """What one member of staff sees. `threads` by number of the pool; `calls` and `mails` newest first.

    `address` is None where they have given no number; `last_line` is the number that wrote last, "" where none has.
    """

    owner: TelephoneOwner
    address: Address | None
    threads: tuple[StaffThreadView, ...]
    calls: tuple[AlertCall, ...]
    mails: tuple[ThreadText, ...]
    last_line: str

    @property
    def ringing(self) -> tuple[AlertCall, ...]:
        return tuple(call for call in self.calls if call.rings)


def list_owners(db: Session) -> list[TelephoneOwner]:
    """All current staff, in the order in which they were added."""
    return [_owner(member) for member in staff.list_active(db)]


def read_telephone(db: Session, sealer: Sealer, staff_id: int, now: datetime) -> StaffTelephone | None:
    """The telephone of this member of staff at `now` (aware); None where no current member has that id."""
    rows = staff_records.find_for_staff(db, staff_id)
    if rows is None:
        return None
    texts = {thread.id: _texts(sealer, rows.messages[thread.id]) for thread in rows.threads}
    texted = [thread for thread in rows.threads if thread.channel in TEXT_CHANNELS]
    return StaffTelephone(
        owner=_owner(rows.staff),
        address=staff.phone_of(sealer, rows.staff),
        threads=tuple(_thread(thread, texts[thread.id]) for thread in texted),
        calls=_calls(rows, texts, now),
        mails=_newest_first(
            text for thread in rows.threads if thread.channel == Channel.EMAIL.value for text in texts[thread.id]
        ),
        last_line=_last_line(texted, texts),
    )


def has_call(db: Session, staff_id: int, message_id: int) -> bool:
    """Whether this message is a call to that member of staff."""
    return staff_records.is_call_to(db, staff_id, message_id)


def _owner(member: Staff) -> TelephoneOwner:
    return TelephoneOwner(member.id, member.name, tuple(role.name for role in member.roles), member.sealed_phone is not None)


def _thread(row: StaffThread, texts: list[ThreadText]) -> StaffThreadView:
    # A failed text is shown, marked: who tries Warmline wants to see which alert did not arrive.
    shown = tuple(text for text in texts if text.state not in _NEVER_SENT)
    return StaffThreadView(row.line, row.conversation_id is not None, row.opted_out, row.unreachable or "", shown)


def _texts(sealer: Sealer, rows: Iterable[Message]) -> list[ThreadText]:
    return [
        ThreadText(
            id=row.id,
            outbound=row.outbound,
            body=sealer.open(row.sealed_body) if row.sealed_body else "",
            at=row.at,
            state=row.state,
            segments=row.segments or 0,
            media=len(sealer.open_json(row.sealed_media)) if row.sealed_media else 0,
        )
        for row in rows
    ]


def _calls(rows: staff_records.StaffRecords, texts: dict[int, list[ThreadText]], now: datetime) -> tuple[AlertCall, ...]:
    spoken = [thread.id for thread in rows.threads if thread.channel == Channel.VOICE.value]
    about = {row.id: row.handoff_id for key in spoken for row in rows.messages[key] if row.outbound}
    calls = _newest_first(text for key in spoken for text in texts[key] if text.id in about)
    # A second call about the same handoff ends the first.
    newest = {handoff: max(call for call in about if about[call] == handoff) for handoff in about.values()}
    return tuple(_call(call, about[call.id], newest[about[call.id]] == call.id, rows.answers, now) for call in calls)


def _call(
    text: ThreadText, handoff_id: int | None, is_newest: bool, answers: dict[int, str | None], now: datetime
) -> AlertCall:
    if handoff_id is not None and handoff_id in answers:
        answer = answers[handoff_id]
        is_open = answer is None
    else:
        answer, is_open = None, now - text.at < RING_DURATION
    rings = is_open and is_newest and DeliveryState(text.state) in _ARRIVED
    return AlertCall(text.id, text.body, text.at, text.state, rings, answer or "")


def _newest_first(texts: Iterable[ThreadText]) -> tuple[ThreadText, ...]:
    return tuple(sorted(texts, key=lambda text: text.id, reverse=True))


def _last_line(threads: list[StaffThread], texts: dict[int, list[ThreadText]]) -> str:
    written = [(text.id, thread.line) for thread in threads for text in texts[thread.id] if text.outbound]
    return max(written, default=(0, ""))[1]
