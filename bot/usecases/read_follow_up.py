"""Reading what is due for follow-up: the lists of one member of staff, and one person's check-ins, tasks and referrals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from bot.domain.check_in import CheckInState
from bot.domain.referral import OPEN
from bot.domain.safe_contact import SafeContact
from bot.storage import case_reading, cases, consents, follow_up, inbox, referrals
from bot.storage.follow_up import Kind, Row, Sight
from bot.storage.people import Viewer
from bot.storage.sealing import Sealer
from bot.storage.tables import CheckIn, CheckInEvent, Conversation, Person
from bot.usecases.check_in_facts import SCOPE, zone_of
from bot.usecases.desk import Desk
from bot.usecases.keep_check_ins import askable, place_of, why_not
from bot.usecases.read_case import Guarded, may_read
from bot.usecases.read_case_file import Referred, Step, Task
from bot.usecases.read_inbox import first_name
from bot.usecases.read_person import masked
from bot.usecases.share_referral import may_share

FIRST, PAGE = 8, 25
"""So many entries each list has on the page of all lists, and on a page of its own."""
LATE = timedelta(minutes=15)
"""What is due this long was not seen to by the sweep; before that it is only about to be."""
AHEAD = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a list. `name` is a first name, "" where it is not known or not theirs to read."""

    row: Row
    name: str


@dataclass(frozen=True, slots=True)
class Lists:
    """`entries` holds the list `kind`, page `page` of `pages`, or the beginning of every list where `kind` is None."""

    counts: Mapping[Kind, int]
    entries: Mapping[Kind, tuple[Entry, ...]]
    kind: Kind | None
    page: int
    pages: int

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to a check-in. `due_at` is when it was to be looked at next; `by` a name of staff, "" for the line."""

    at: datetime
    kind: str
    reason: str
    due_at: datetime | None
    by: str


@dataclass(frozen=True, slots=True)
class Planned:
    """A check-in, past or to come. `at` is when it is due, was asked, or was meant to be; `by` as in Event."""

    id: int
    conversation_id: int
    flow: str
    state: str
    at: datetime
    reason: str
    after_crisis: bool
    attempts: int
    by: str
    events: tuple[Event, ...]

    @property
    def is_open(self) -> bool:
        return self.state in (CheckInState.PLANNED, CheckInState.ASKED)


@dataclass(frozen=True, slots=True)
class Sent:
    """A referral; `may_share`: the person has released it to the agency, so that a link can be made."""

    referred: Referred
    is_open: bool
    may_share: bool


@dataclass(frozen=True, slots=True)
class Address:
    """A conversation of the person that the reader may follow up."""

    conversation_id: int
    channel: str
    number: str


@dataclass(frozen=True, slots=True)
class FollowUp:
    """One person's page. Times are aware UTC.

    `name` and the words of tasks are "" where nobody was ever called for the person (`is_known` False). `zone` is where
    they live, `own_zone` what is written down of it, and `is_city_time` whether the city's clock counts all the same, since
    their safe times are written in it. `why_not` is a key of keep_check_ins.sentence; `hidden` counts the person's
    conversations that the reader may not follow up, of which nothing is here.
    """

    conversation_id: int
    name: str
    is_known: bool
    language: str
    zone: ZoneInfo
    own_zone: str
    is_city_time: bool
    safe: SafeContact
    has_agreed: bool
    why_not: str
    flows: Mapping[str, str]
    check_ins: tuple[Planned, ...]
    tasks: tuple[Task, ...]
    referrals: tuple[Sent, ...]
    addresses: tuple[Address, ...]
    hidden: int
    may_call: bool

    @property
    def to_come(self) -> tuple[Planned, ...]:
        return tuple(each for each in self.check_ins if each.is_open)

    @property
    def may_stop(self) -> bool:
        """Whether there may be anything to stop: what another team planned is not seen here, and is stopped as well."""
        return bool(self.to_come or self.has_agreed or self.hidden)

    @property
    def past(self) -> tuple[Planned, ...]:
        """Those that are over, the newest first."""
        return tuple(each for each in reversed(self.check_ins) if not each.is_open)


def may_follow_up(db: Session, me: Guarded, conversation_id: int) -> bool:
    """Whether this person's follow-up is theirs: they may read the conversation, or no human was ever called for it."""
    if not follow_up.exists(db, conversation_id):
        return False
    return may_read(db, me, conversation_id) or not inbox.standings(db, conversation_id, me.id)


def may_call(db: Session, me: Guarded, conversation_id: int) -> bool:
    """Whether they may see the whole number, to telephone: who may read the conversation may, and everybody where the line
    left it to a human to call somebody for whom nobody was ever called."""
    return may_read(db, me, conversation_id) or (
        may_follow_up(db, me, conversation_id) and follow_up.has_call_task(db, conversation_id)
    )


# -- the lists --


def read_lists(
    db: Session, sealer: Sealer, me: Guarded, now: datetime, zone: ZoneInfo, *, only_mine: bool = False,
    kind: Kind | None = None, page: int = 1,
) -> Lists:  # fmt: skip
    """What is due, for this reader: all lists from their beginning, or one page of one list."""
    sight = _sight(me, now, zone, only_mine=only_mine)
    counts = follow_up.counts(db, sight)
    if kind is None:
        found = {each: _entries(follow_up.rows(db, sight, each, FIRST), sealer) for each in Kind if counts[each]}
        return Lists(counts, found, None, 1, 1)
    pages = max(1, -(-counts[kind] // PAGE))
    page = min(max(page, 1), pages)
    rows = follow_up.rows(db, sight, kind, PAGE, (page - 1) * PAGE)
    return Lists(counts, {kind: _entries(rows, sealer)}, kind, page, pages)


def count_lists(db: Session, me: Guarded, now: datetime, zone: ZoneInfo, *, only_mine: bool = False) -> Mapping[Kind, int]:
    """How long each list is now, for a page that is open."""
    return follow_up.counts(db, _sight(me, now, zone, only_mine=only_mine))


def _sight(me: Guarded, now: datetime, zone: ZoneInfo, *, only_mine: bool) -> Sight:
    today = now.astimezone(zone).date()
    tonight, horizon = (
        datetime.combine(today + ahead, time(), zone).astimezone(UTC)
        for ahead in (timedelta(days=1), timedelta(days=1) + AHEAD)
    )
    return Sight(Viewer(me.id, me.teams), only_mine, now - LATE, tonight, horizon)


def _entries(rows: Sequence[Row], sealer: Sealer) -> tuple[Entry, ...]:
    return tuple(Entry(row, first_name(sealer, row.sealed_name) if row.is_known else "") for row in rows)


# -- one person --


def read_follow_up(db: Session, desk: Desk, me: Guarded, conversation_id: int, now: datetime) -> FollowUp | None:
    """One person's page, over all their conversations that are the reader's to follow up; None where this one is not."""
    if not may_follow_up(db, me, conversation_id):
        return None
    everything = cases.conversations_of(db, conversation_id)
    mine = [each for each in everything if each == conversation_id or may_follow_up(db, me, each)]
    row = db.get_one(Conversation, conversation_id, populate_existing=True)
    place, is_known = place_of(db, desk, row), may_read(db, me, conversation_id)
    reading = _Reading(db, desk.sealer, mine, now)
    sealed_name = db.get_one(Person, row.person_id).sealed_name
    return FollowUp(
        conversation_id=conversation_id,
        name=desk.sealer.open(sealed_name) if is_known and sealed_name else "",
        is_known=is_known,
        language=place.state.language,
        zone=zone_of(place, desk),
        own_zone=place.zone or "",
        is_city_time=bool(place.state.safe.times),
        safe=place.state.safe,
        has_agreed=consents.holds(db, conversation_id, SCOPE, now),
        why_not=why_not(row, place),
        flows=askable(db, desk),
        check_ins=reading.check_ins(),
        tasks=reading.tasks({each for each in mine if may_read(db, me, each)}),
        referrals=reading.referrals(),
        addresses=tuple(_address(db, desk.sealer, each) for each in mine),
        hidden=len(everything) - len(mine),
        may_call=row.channel != "web" and may_call(db, me, conversation_id),
    )


def _address(db: Session, sealer: Sealer, conversation_id: int) -> Address:
    row = db.get_one(Conversation, conversation_id)
    return Address(row.id, row.channel, masked(sealer, row.sealed_address))


class _Reading:
    """Reads the rows of one person and gives each with the names of those who did it."""

    def __init__(self, db: Session, sealer: Sealer, ids: list[int], now: datetime) -> None:
        self._db, self._sealer, self._ids, self._now = db, sealer, ids, now

    def check_ins(self) -> tuple[Planned, ...]:
        rows = case_reading.check_ins(self._db, self._ids)
        events = follow_up.events(self._db, [row.id for row in rows])
        did = {each.staff_id for one in events.values() for each in one}
        names = inbox.names(self._db, {*did, *(row.made_by for row in rows)})
        return tuple(sorted((_planned(row, events[row.id], names) for row in rows), key=lambda each: (each.at, each.id)))

    def tasks(self, readable: set[int]) -> tuple[Task, ...]:
        """What is open; the words of a task only where its conversation may be read."""
        rows = [row for row in cases.tasks(self._db, self._ids) if row.done_at is None]
        names = inbox.names(self._db, {each for row in rows for each in (row.staff_id, row.made_by)})
        return tuple(
            Task(
                id=row.id,
                kind=row.kind,
                reason=row.reason or "",
                what=self._sealer.open(row.sealed_what) if row.sealed_what and row.conversation_id in readable else "",
                due_at=row.due_at,
                whose=names.get(row.staff_id or 0, ""),
                made_by=names.get(row.made_by or 0, ""),
                done_at=None,
                done_by="",
            )
            for row in rows
        )

    def referrals(self) -> tuple[Sent, ...]:
        """The newest offer first."""
        known = [each for one in self._ids for each in referrals.of_conversation(self._db, one)]
        known.sort(key=lambda each: (each.made_at, -each.place), reverse=True)
        events = case_reading.referral_events(self._db, self._ids)
        names = inbox.names(self._db, {row.staff_id for rows in events.values() for row in rows})
        found = []
        for each in known:
            steps = tuple(
                Step(row.at, row.kind, row.by, row.outcome or "", names.get(row.staff_id or 0, ""))
                for row in events.get(each.id, ())
            )
            is_open = each.closed_at is None and each.state in OPEN
            row = referrals.get(self._db, each.id) if is_open else None
            can_share = row is not None and may_share(self._db, row, self._now)
            found.append(Sent(Referred(each, steps), is_open, can_share))
        return tuple(found)


def _planned(row: CheckIn, events: Sequence[CheckInEvent], names: Mapping[int, str]) -> Planned:
    meant = row.planned_for or row.made_at or row.ended_at or datetime.min.replace(tzinfo=UTC)
    # Where it waits for its answer, `due_at` is when nobody will have answered.
    at = row.due_at if row.state == CheckInState.PLANNED else row.asked_at or row.ended_at
    return Planned(
        id=row.id,
        conversation_id=row.conversation_id,
        flow=row.flow,
        state=row.state,
        at=at or meant,
        reason=row.reason or "",
        after_crisis=row.after_crisis,
        attempts=row.attempts,
        by=names.get(row.made_by or 0, ""),
        events=tuple(
            Event(each.at, each.kind, each.reason or "", each.due_at, names.get(each.staff_id or 0, "")) for each in events
        ),
    )
