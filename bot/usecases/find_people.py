"""Finding somebody: by their number here, their telephone, their name, or by what is known of the handoff."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.domain.message import Address, Channel
from bot.domain.understanding import words_of
from bot.storage import people, staff
from bot.storage.people import MOST_NAMES, PAGE, Filter, Found, Viewer
from bot.storage.sealing import Sealer
from bot.usecases.read_case import Guarded, may_read
from bot.usecases.read_person import masked

TALKED_WITHIN = timedelta(days=90)
_TELEPHONES = (Channel.SMS, Channel.WHATSAPP, Channel.SIMULATOR)


@dataclass(frozen=True, slots=True)
class Row:
    """One time that a person was handed to us, as a list shows it. `number` is masked, `owner` and `name` may be ""."""

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
class Results:
    """`more` is the handoff below which the next page begins; `cut` tells that there were too many to look through."""

    rows: tuple[Row, ...]
    more: int | None = None
    cut: bool = False


def by_list(db: Session, sealer: Sealer, me: Guarded, sought: Filter) -> Results:
    """A page of the handoffs that `me` may see and the filter finds, newest first."""
    found = people.by_handoff(db, Viewer(me.id, me.teams), sought)
    return Results(_rows(sealer, found[:PAGE]), found[PAGE - 1].handoff_id if len(found) > PAGE else None)


def mine(db: Session, sealer: Sealer, me: Guarded) -> Results:
    """The people whom `me` has now."""
    return Results(_rows(sealer, people.held_by(db, me.id)))


def by_number(db: Session, me: Guarded, number: int) -> int | None:
    """The conversation with this number, if it is there and theirs to read."""
    return number if may_read(db, me, number) else None


def by_telephone(db: Session, sealer: Sealer, me: Guarded, typed: str) -> list[int]:
    """The conversations with exactly this telephone that `me` may read. Raises staff.BadPhone, without the number.

    Somebody who never wrote, and somebody whom others talk to, look the same: to learn that a number is known to a
    help line is to learn something of a person.
    """
    number = staff.telephone(typed).value
    found = people.with_addresses(db, sealer, [Address(channel, number) for channel in _TELEPHONES])
    return [each for each in found if may_read(db, me, each)]


def by_name(db: Session, sealer: Sealer, me: Guarded, typed: str, now: datetime) -> Results:
    """People of this name, among those with an open handoff that `me` may see and those they talked with in 90 days.

    Names are sealed, so each has to be opened to be compared: to look through all people ever is not possible. Every
    word that was typed begins a word of the name.
    """
    wanted = words_of(typed)
    candidates = people.with_names(db, Viewer(me.id, me.teams), now - TALKED_WITHIN)
    rows = [row for row in _rows(sealer, candidates) if wanted and _is_called(row.name, wanted)]
    return Results(tuple(rows[:PAGE]), cut=len(rows) > PAGE or len(candidates) >= MOST_NAMES)


def _is_called(name: str, wanted: list[str]) -> bool:
    words = words_of(name)
    return all(any(word.startswith(part) for word in words) for part in wanted)


def _rows(sealer: Sealer, found: list[Found]) -> tuple[Row, ...]:
    return tuple(
        Row(
            conversation_id=each.conversation_id,
            handoff_id=each.handoff_id,
            number=masked(sealer, each.sealed_address),
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
