"""Read the page of a person: name, safe contact, answers, and timeline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy.orm import Session

from bot.domain.conversation.safe_contact import SafeContact, is_safe_time, needs_safe_word, next_safe_time
from bot.domain.conversation.state import load
from bot.domain.handoff.states import HandoffState
from bot.domain.messages.message import Channel
from bot.domain.staff.permissions import Permission
from bot.storage.handoff import inbox
from bot.storage.people import people, timeline
from bot.storage.people.people import PersonConversation, PersonHandoffRow
from bot.storage.sealing import Sealer
from bot.storage.tables.residents import Conversation
from bot.usecases.context import Context
from bot.usecases.flows.library import PublishedLibrary
from bot.usecases.handoff.read_handoff import PermittedReader, describe_answers
from bot.usecases.handoff.read_inbox import is_visible_to
from bot.usecases.people import read_person_timeline
from bot.usecases.people.read_person_timeline import PersonTimeline

SAFE_TIMES_ANSWER = "safe_times"
"""The name of the flow answer in which people say in their own words when and how they may be reached."""


@dataclass(frozen=True, slots=True)
class OtherConversation:
    """Another conversation of the same person, which the reader may read."""

    conversation_id: int
    number: str
    channel: str
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class PersonPage:
    """One conversation with its person. Times are aware UTC.

    `number` is masked; `answers` are (question, answer); `said_times` their own words on how they may be reached; `set_by`
    who recorded the safe contact; `why_not` why no social worker can write first now, or "". `read_at` is the newest
    handoff on whose page the reader may read the texts; `hidden` counts the person's conversations that they may not read.
    """

    conversation: PersonConversation
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
    handoff: PersonHandoffRow | None
    read_at: int | None
    owner: str
    why_not: str
    others: tuple[OtherConversation, ...]
    hidden: int
    line: PersonTimeline


def read_person(
    db: Session, context: Context, reader: PermittedReader, conversation_id: int, now: datetime, before: date | None = None
) -> PersonPage | None:
    """The page of this conversation's person, with the newest page of the timeline or the one before the day `before`;
    None where the conversation does not exist or `reader` may not read it."""
    # The plain SQL below does not see pending changes of the session.
    db.flush()
    known = people.list_same_person_conversations(db, conversation_id)
    handoffs = people.list_handoffs(db, [each.id for each in known], reader.id) if known else []
    seen = [each for each in handoffs if is_visible_to(reader, each, was_called=each.was_called)]
    readable = {each.conversation_id for each in seen} if reader.may(Permission.READ_TRANSCRIPT) else set()
    if conversation_id not in readable:
        return None
    row, *others = known
    state = load(context.sealer.open(row.sealed_state))
    safe = state.safe
    safe_now = is_safe_time(safe, now, context.zone)
    safe_from = None if safe_now else next_safe_time(safe, now, context.zone)
    handoff = next((each for each in handoffs if each.conversation_id == row.id and each.state != HandoffState.CLOSED), None)
    names = inbox.staff_names(db, [safe.set_by, handoff.owner_id if handoff else None])
    other_answers = {name: value for name, value in state.answers.items() if name != SAFE_TIMES_ANSWER}
    mine = [other for other in others if other.id in readable]
    library = PublishedLibrary(db, context.flow_cache, context.zone)
    return PersonPage(
        conversation=row,
        number=mask_number(context.sealer, row.sealed_address),
        name=context.sealer.open(row.sealed_name) if row.sealed_name else "",
        language=state.language,
        safe=safe,
        set_by=names.get(safe.set_by or 0, ""),
        is_safe_now=safe_now,
        safe_from=safe_from,
        needs_word=needs_safe_word(safe, now),
        said_times=str(state.answers.get(SAFE_TIMES_ANSWER) or ""),
        answers=tuple(describe_answers(library, db, replace(state, answers=other_answers))),
        needs=tuple(timeline.list_needs(db, conversation_id)),
        planned=tuple(timeline.planned_check_ins(db, conversation_id, now)),
        handoff=handoff,
        read_at=max(each.id for each in seen if each.conversation_id == row.id),
        owner=names.get(handoff.owner_id or 0, "") if handoff else "",
        why_not=_reason_not_to_write(row, handoff, safe, safe_now=safe_now),
        others=tuple(
            OtherConversation(each.id, mask_number(context.sealer, each.sealed_address), each.channel, each.created_at)
            for each in mine
        ),
        hidden=len(others) - len(mine),
        line=read_person_timeline.read_person_timeline(db, context.sealer, conversation_id, now, context.zone, before),
    )


def full_number(db: Session, sealer: Sealer, conversation_id: int) -> str | None:
    """The full telephone number of a person who must be phoned; None for a web chat, and where it was erased."""
    row = db.get(Conversation, conversation_id)
    if row is None or row.unreachable == "erased":
        return None
    address = sealer.open_address(row.sealed_address)
    return None if address.channel is Channel.WEB else address.value


def mask_number(sealer: Sealer, sealed_address: str) -> str:
    """The last two digits of a telephone number; "" for a web chat, which has none."""
    address = sealer.open_address(sealed_address)
    digits = [char for char in address.value if char.isdigit()]
    return f"••{''.join(digits[-2:])}" if address.channel is not Channel.WEB and len(digits) > 2 else ""


def _reason_not_to_write(
    row: PersonConversation, handoff: PersonHandoffRow | None, safe: SafeContact, *, safe_now: bool
) -> str:
    """Why no social worker can write first now, as a sentence for the page; "" where one can."""
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
