"""Search for people: by conversation id, telephone, name, or properties of the handoff."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.domain.listening.understanding import words_of
from bot.domain.messages.message import Address, Channel
from bot.storage.people import people
from bot.storage.people.people import MAX_NAMES, PAGE_SIZE, FoundHandoff, Viewer
from bot.storage.people.people import PeopleFilter as PeopleFilter
from bot.storage.sealing import Sealer
from bot.storage.staff import staff
from bot.storage.staff.staff import InvalidPhone as InvalidPhone
from bot.usecases.handoff.read_handoff import PermittedReader, may_read_conversation
from bot.usecases.people.read_person import mask_number

NAME_SEARCH_PERIOD = timedelta(days=90)
_TELEPHONE_CHANNELS = (Channel.SMS, Channel.WHATSAPP, Channel.SIMULATOR)


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One handoff of a person, as a list shows it. `number` is masked, `owner` and `name` may be ""."""

    conversation_id: int
    handoff_id: int
    number: str
    name: str
    channel: str
    language: str
    team: str
    state: str
    urgency: str
    owner: str
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class PeopleResults:
    """`more` is the handoff id below which the next page begins; `cut`: there were too many to search them all."""

    rows: tuple[PersonRow, ...]
    more: int | None = None
    cut: bool = False


def list_handoffs(db: Session, sealer: Sealer, reader: PermittedReader, people_filter: PeopleFilter) -> PeopleResults:
    """A page of the handoffs that `me` may see and that match the filter, newest first."""
    found = people.search_handoffs(db, Viewer(reader.id, reader.teams), people_filter)
    return PeopleResults(
        _rows(sealer, found[:PAGE_SIZE]), found[PAGE_SIZE - 1].handoff_id if len(found) > PAGE_SIZE else None
    )


def list_own(db: Session, sealer: Sealer, reader: PermittedReader) -> PeopleResults:
    """The people whose handoffs `me` owns now."""
    return PeopleResults(_rows(sealer, people.list_held_by(db, reader.id)))


def find_by_id(db: Session, reader: PermittedReader, conversation_id: int) -> int | None:
    """The conversation with this id, if it exists and `me` may read it."""
    return conversation_id if may_read_conversation(db, reader, conversation_id) else None


def find_by_telephone(db: Session, sealer: Sealer, reader: PermittedReader, typed: str) -> list[int]:
    """The conversations with exactly this telephone that `me` may read. Raises staff.BadPhone, without the number.

    A number that never wrote and one that only other teams may see look the same: that a number is known to a help line
    is private.
    """
    number = staff.parse_phone(typed).value
    found = people.find_by_addresses(db, sealer, [Address(channel, number) for channel in _TELEPHONE_CHANNELS])
    return [each for each in found if may_read_conversation(db, reader, each)]


def find_by_name(db: Session, sealer: Sealer, reader: PermittedReader, typed: str, now: datetime) -> PeopleResults:
    """People of this name with an open handoff that `me` may see, or with whom `me` talked in the last 90 days.

    Names are sealed and must each be opened to be compared, so all people ever cannot be searched. Each typed word must
    begin a word of the name.
    """
    wanted = words_of(typed)
    candidates = people.list_with_names(db, Viewer(reader.id, reader.teams), now - NAME_SEARCH_PERIOD)
    rows = [row for row in _rows(sealer, candidates) if wanted and _matches_name(row.name, wanted)]
    return PeopleResults(tuple(rows[:PAGE_SIZE]), cut=len(rows) > PAGE_SIZE or len(candidates) >= MAX_NAMES)


def _matches_name(name: str, wanted: list[str]) -> bool:
    words = words_of(name)
    return all(any(word.startswith(part) for word in words) for part in wanted)


def _rows(sealer: Sealer, found: list[FoundHandoff]) -> tuple[PersonRow, ...]:
    return tuple(
        PersonRow(
            conversation_id=each.conversation_id,
            handoff_id=each.handoff_id,
            number=mask_number(sealer, each.sealed_address),
            name=sealer.open(each.sealed_name) if each.sealed_name else "",
            channel=each.channel,
            language=each.language,
            team=each.team,
            state=each.state,
            urgency=each.urgency,
            owner=each.owner,
            opened_at=each.opened_at,
        )
        for each in found
    )
