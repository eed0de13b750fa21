"""Reading one person's page: who they are, how they may be reached safely, what they told, and all that happened."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy.orm import Session

from bot.domain.conversation import load
from bot.domain.handoff import HandoffState
from bot.domain.message import Channel
from bot.domain.permissions import Permission
from bot.domain.safe_contact import SafeContact, is_safe_time, needs_word, next_safe_time
from bot.storage import inbox, people, timeline
from bot.storage.people import HandedOver, Known
from bot.storage.sealing import Sealer
from bot.storage.tables import Conversation
from bot.usecases import person_timeline
from bot.usecases.desk import Desk
from bot.usecases.library import StoredLibrary
from bot.usecases.person_timeline import Line
from bot.usecases.read_case import Guarded, answers_of
from bot.usecases.read_inbox import sees

SAID_TIMES = "safe_times"
"""The answer of a flow in which a person says in their own words when and how they may be reached."""


@dataclass(frozen=True, slots=True)
class Other:
    """Another conversation of the same person, which the reader may read."""

    conversation_id: int
    number: str
    channel: str
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class PersonPage:
    """One conversation with its person. Times are aware UTC.

    `number` is masked; `answers` are (what was asked, what was answered); `said_times` what they answered when asked how
    they may be reached; `set_by` who wrote the safe contact down; `why_not` why nobody can write first now, or "".
    `read_at` is the newest handoff at which the reader may read the texts; `hidden` counts the person's conversations that
    they may not read.
    """

    conversation: Known
    number: str
    name: str
    language: str
    safe: SafeContact
    set_by: str
    is_safe_now: bool
    safe_from: datetime | None
    needs_word: bool
    said_times: str
    answers: tuple[tuple[str, str], ...]
    needs: tuple[str, ...]
    planned: tuple[tuple[str, datetime], ...]
    handoff: HandedOver | None
    read_at: int | None
    owner: str
    why_not: str
    others: tuple[Other, ...]
    hidden: int
    line: Line


def read_person(
    db: Session, desk: Desk, me: Guarded, conversation_id: int, now: datetime, before: date | None = None
) -> PersonPage | None:
    """The page of this conversation's person, with the timeline before the day `before` or the newest; None where there is
    no such conversation or it is not this reader's to read."""
    # Plain SQL sees only what was written.
    db.flush()
    known = people.of_same_person(db, conversation_id)
    handoffs = people.handed_over(db, [each.id for each in known], me.id) if known else []
    seen = [each for each in handoffs if sees(me, each, was_called=each.was_called)]
    readable = {each.conversation_id for each in seen} if me.may(Permission.READ_TRANSCRIPT) else set()
    if conversation_id not in readable:
        return None
    row, *others = known
    state = load(desk.sealer.open(row.sealed_state))
    safe = state.safe
    safe_now = is_safe_time(safe, now, desk.zone)
    safe_from = None if safe_now else next_safe_time(safe, now, desk.zone)
    handoff = next((each for each in handoffs if each.conversation_id == row.id and each.state != HandoffState.CLOSED), None)
    names = inbox.names(db, [safe.set_by, handoff.owner_id if handoff else None])
    other_answers = {name: value for name, value in state.answers.items() if name != SAID_TIMES}
    mine = [other for other in others if other.id in readable]
    return PersonPage(
        conversation=row,
        number=masked(desk.sealer, row.sealed_address),
        name=desk.sealer.open(row.sealed_name) if row.sealed_name else "",
        language=state.language,
        safe=safe,
        set_by=names.get(safe.set_by or 0, ""),
        is_safe_now=safe_now,
        safe_from=safe_from,
        needs_word=needs_word(safe, now),
        said_times=str(state.answers.get(SAID_TIMES) or ""),
        answers=tuple(answers_of(StoredLibrary(db, desk.cache, desk.zone), db, replace(state, answers=other_answers))),
        needs=tuple(timeline.needs(db, conversation_id)),
        planned=tuple(timeline.planned_check_ins(db, conversation_id, now)),
        handoff=handoff,
        read_at=max(each.id for each in seen if each.conversation_id == row.id),
        owner=names.get(handoff.owner_id or 0, "") if handoff else "",
        why_not=_why_not(row, handoff, safe, safe_now=safe_now),
        others=tuple(
            Other(each.id, masked(desk.sealer, each.sealed_address), each.channel, each.created_at) for each in mine
        ),
        hidden=len(others) - len(mine),
        line=person_timeline.read(db, desk.sealer, conversation_id, now, desk.zone, before),
    )


def whole_number(db: Session, sealer: Sealer, conversation_id: int) -> str | None:
    """The telephone number of somebody who must be phoned; None for a web chat, and where it was deleted."""
    row = db.get(Conversation, conversation_id)
    if row is None or row.unreachable == "erased":
        return None
    address = sealer.open_address(row.sealed_address)
    return None if address.channel is Channel.WEB else address.value


def masked(sealer: Sealer, sealed_address: str) -> str:
    """The last two digits of a telephone number; "" for a web chat, which has none."""
    address = sealer.open_address(sealed_address)
    digits = [char for char in address.value if char.isdigit()]
    return f"••{''.join(digits[-2:])}" if address.channel is not Channel.WEB and len(digits) > 2 else ""


def _why_not(row: Known, handoff: HandedOver | None, safe: SafeContact, *, safe_now: bool) -> str:
    """Why nobody can write to them first now, in words for the page; "" where somebody can."""
    if handoff is not None:
        return "A handoff is open already: write there."
    if row.channel == Channel.WEB:
        return "They write by web chat: nothing can be sent to a page that is closed."
    if row.opted_out:
        return "They have opted out of texts: nothing may be sent."
    if row.unreachable:
        return "Texts do not reach them."
    if safe.paused:
        return "Texts to them are paused until they write again."
    return "" if safe_now else "It is not a safe time for them."
