"""Reading for the page that shows a social worker's own telephone: its texts, calls and mails."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.domain.delivery import State
from bot.domain.message import Address, Channel
from bot.storage import staff, staff_records
from bot.storage.messages import Text
from bot.storage.sealing import Sealer
from bot.storage.staff_tables import Staff, StaffThread
from bot.storage.staff_threads import BY_TEXT
from bot.storage.tables import Message

RINGS = timedelta(minutes=2)
"""For how long a call rings that is about no handoff; one about a handoff rings while its call-out is open."""
_HEARD = frozenset({State.DELIVERED, State.READ})
_NEVER_SENT = frozenset({State.DROPPED, State.CANCELED})


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose telephone it is. `roles` are permissions' words; `has_number`: they have told us one."""

    id: int
    name: str
    roles: tuple[str, ...]
    has_number: bool


@dataclass(frozen=True, slots=True)
class Thread:
    """The texts with one number of the pool. `talks`: what is texted there goes to a person."""

    line: str
    talks: bool
    opted_out: bool
    unreachable: str
    texts: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A call that says `says`. `answer` is what became of its call-out ("" while nothing has)."""

    id: int
    says: str
    at: datetime
    state: str
    rings: bool
    answer: str


@dataclass(frozen=True, slots=True)
class Telephone:
    """What one member of staff sees. `threads` by number of the pool; `calls` and `mails` newest first.

    `address` is None where they have given no number; `last_line` is the number that wrote last, "" where none has.
    """

    owner: Owner
    address: Address | None
    threads: tuple[Thread, ...]
    calls: tuple[Call, ...]
    mails: tuple[Text, ...]
    last_line: str

    @property
    def ringing(self) -> tuple[Call, ...]:
        return tuple(call for call in self.calls if call.rings)


def list_owners(db: Session) -> list[Owner]:
    """Everybody in service, in the order in which they came."""
    return [_owner(member) for member in staff.all_active(db)]


def read_telephone(db: Session, sealer: Sealer, staff_id: int, now: datetime) -> Telephone | None:
    """The telephone of this member of staff at `now` (aware), or None where nobody in service has that id."""
    rows = staff_records.of_staff(db, staff_id)
    if rows is None:
        return None
    texts = {thread.id: _texts(sealer, rows.messages[thread.id]) for thread in rows.threads}
    texted = [thread for thread in rows.threads if thread.channel in BY_TEXT]
    return Telephone(
        owner=_owner(rows.staff),
        address=staff.phone(sealer, rows.staff),
        threads=tuple(_thread(thread, texts[thread.id]) for thread in texted),
        calls=_calls(rows, texts, now),
        mails=_newest_first(
            text for thread in rows.threads if thread.channel == Channel.EMAIL.value for text in texts[thread.id]
        ),
        last_line=_last_line(texted, texts),
    )


def is_called(db: Session, staff_id: int, message_id: int) -> bool:
    """Whether this row is a call to that member of staff: no telephone answers another one's call."""
    return staff_records.has_call(db, staff_id, message_id)


def _owner(member: Staff) -> Owner:
    return Owner(member.id, member.name, tuple(role.name for role in member.roles), member.sealed_phone is not None)


def _thread(row: StaffThread, texts: list[Text]) -> Thread:
    # A text that failed stays, marked: whoever tries the line wants to see which alert did not arrive.
    shown = tuple(text for text in texts if text.state not in _NEVER_SENT)
    return Thread(row.line, row.conversation_id is not None, row.opted_out, row.unreachable or "", shown)


def _texts(sealer: Sealer, rows: Iterable[Message]) -> list[Text]:
    return [
        Text(
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


def _calls(rows: staff_records.Rows, texts: dict[int, list[Text]], now: datetime) -> tuple[Call, ...]:
    spoken = [thread.id for thread in rows.threads if thread.channel == Channel.VOICE.value]
    about = {row.id: row.handoff_id for key in spoken for row in rows.messages[key] if row.outbound}
    calls = _newest_first(text for key in spoken for text in texts[key] if text.id in about)
    # Two calls about one handoff are one telephone ringing twice: the first is over when the second begins.
    newest = {handoff: max(call for call in about if about[call] == handoff) for handoff in about.values()}
    return tuple(_call(call, about[call.id], newest[about[call.id]] == call.id, rows.answers, now) for call in calls)


def _call(text: Text, handoff_id: int | None, is_newest: bool, answers: dict[int, str | None], now: datetime) -> Call:
    if handoff_id is not None and handoff_id in answers:
        answer = answers[handoff_id]
        is_open = answer is None
    else:
        answer, is_open = None, now - text.at < RINGS
    rings = is_open and is_newest and State(text.state) in _HEARD
    return Call(text.id, text.body, text.at, text.state, rings, answer or "")


def _newest_first(texts: Iterable[Text]) -> tuple[Text, ...]:
    return tuple(sorted(texts, key=lambda text: text.id, reverse=True))


def _last_line(threads: list[StaffThread], texts: dict[int, list[Text]]) -> str:
    written = [(text.id, thread.line) for thread in threads for text in texts[thread.id] if text.outbound]
    return max(written, default=(0, ""))[1]
