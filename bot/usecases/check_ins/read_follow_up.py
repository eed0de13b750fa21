"""Read follow-up: the lists of one member of staff, and the check-ins, tasks and referrals of one person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from bot.domain.check_ins.decision import CheckInState
from bot.domain.conversation.safe_contact import SafeContact
from bot.domain.referrals import OPEN_STATES
from bot.storage import referrals
from bot.storage.cases import cases, related
from bot.storage.check_ins import follow_up
from bot.storage.check_ins.follow_up import FollowUpList as FollowUpList
from bot.storage.check_ins.follow_up import FollowUpQuery, FollowUpRow
from bot.storage.handoff import inbox
from bot.storage.people import consents
from bot.storage.people.people import Viewer
from bot.storage.sealing import Sealer
from bot.storage.tables.residents import CheckIn, CheckInEvent, Conversation, Person
from bot.usecases.cases.read_case import ReferralStep, ReferralView, TaskView
from bot.usecases.check_ins.facts import FOLLOW_UP_SCOPE, time_zone_of
from bot.usecases.check_ins.manage_check_ins import blocked_reason, check_in_flows, with_empty_check_in
from bot.usecases.context import Context
from bot.usecases.handoff.read_handoff import PermittedReader, may_read_conversation
from bot.usecases.handoff.read_inbox import first_name
from bot.usecases.people.read_person import mask_number
from bot.usecases.referrals.share_referral import may_share

ENTRIES_ON_OVERVIEW, ENTRIES_ON_PAGE = 8, 25
"""Entries of a list on the page of all lists, and on its own pages."""
LATE_AFTER = timedelta(minutes=15)
"""A check-in due for longer than this was missed by the sweep; before that it is only about to be sent."""
LOOK_AHEAD = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class FollowUpEntry:
    """One line of a list. `name` is a first name, "" where it is unknown or the reader may not see it."""

    row: FollowUpRow
    name: str


@dataclass(frozen=True, slots=True)
class FollowUpLists:
    """`entries` holds the list `kind`, page `page` of `pages`, or the beginning of every list where `kind` is None."""

    counts: Mapping[FollowUpList, int]
    entries: Mapping[FollowUpList, tuple[FollowUpEntry, ...]]
    kind: FollowUpList | None
    page: int
    pages: int

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class CheckInHistoryEntry:
    """An event of a check-in. `due_at` is when it was due next; `by` a name of staff, "" for Warmline itself."""

    at: datetime
    kind: str
    reason: str
    due_at: datetime | None
    by: str


@dataclass(frozen=True, slots=True)
class CheckInEntry:
    """A check-in, past or to come. `at` is when it is due, was sent, or was planned for; `by` as in its events."""

    id: int
    conversation_id: int
    flow: str
    state: str
    at: datetime
    reason: str
    after_crisis: bool
    attempts: int
    by: str
    events: tuple[CheckInHistoryEntry, ...]

    @property
    def is_open(self) -> bool:
        return self.state in (CheckInState.PLANNED, CheckInState.ASKED)


@dataclass(frozen=True, slots=True)
class ReferralEntry:
    """A referral; `may_share`: the person has consented, so that a link for the agency can be made."""

    referred: ReferralView
    is_open: bool
    may_share: bool


@dataclass(frozen=True, slots=True)
class PersonAddress:
    """A conversation of the person, with its address, that the reader may follow up."""

    conversation_id: int
    channel: str
    number: str


@dataclass(frozen=True, slots=True)
class FollowUpPage:
    """One person's page. Times are aware UTC.

    `name` and the text of tasks are "" where the person never had a handoff (`is_known` False). `zone` is the time zone in
    use, `own_zone` the recorded one, and with `is_city_time` the city's is used because safe times are recorded in it.
    `why_not` is a key of keep_check_ins.sentence. `hidden` counts the person's conversations that the reader may not
    follow up, which are left out.
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
    check_ins: tuple[CheckInEntry, ...]
    tasks: tuple[TaskView, ...]
    referrals: tuple[ReferralEntry, ...]
    addresses: tuple[PersonAddress, ...]
    hidden: int
    may_call: bool

    @property
    def to_come(self) -> tuple[CheckInEntry, ...]:
        return tuple(each for each in self.check_ins if each.is_open)

    @property
    def may_stop(self) -> bool:
        """Whether there may be anything to stop: check-ins of other teams are hidden here but would be stopped too."""
        return bool(self.to_come or self.has_agreed or self.hidden)

    @property
    def past(self) -> tuple[CheckInEntry, ...]:
        """Check-ins that are over, newest first."""
        return tuple(each for each in reversed(self.check_ins) if not each.is_open)


def may_follow_up(db: Session, reader: PermittedReader, conversation_id: int) -> bool:
    """Whether `me` may follow up this person: they may read the conversation, or it never had a handoff."""
    if not follow_up.conversation_exists(db, conversation_id):
        return False
    return may_read_conversation(db, reader, conversation_id) or not inbox.list_access(db, conversation_id, reader.id)


def may_call(db: Session, reader: PermittedReader, conversation_id: int) -> bool:
    """Whether `me` may see the whole telephone number: they may read the conversation, or it never had a handoff and
    Warmline has added a task to call the person."""
    return may_read_conversation(db, reader, conversation_id) or (
        may_follow_up(db, reader, conversation_id) and follow_up.has_call_task(db, conversation_id)
    )


# -- the lists --


def read_lists(
    db: Session, sealer: Sealer, reader: PermittedReader, now: datetime, zone: ZoneInfo, *, only_mine: bool = False,
    kind: FollowUpList | None = None, page: int = 1,
) -> FollowUpLists:  # fmt: skip
    """What is due for this reader: the beginning of all lists, or one page of one list."""
    sight = _list_scope(reader, now, zone, only_mine=only_mine)
    counts = follow_up.count_rows(db, sight)
    if kind is None:
        found = {
            each: _entries(follow_up.list_rows(db, sight, each, ENTRIES_ON_OVERVIEW), sealer)
            for each in FollowUpList
            if counts[each]
        }
        return FollowUpLists(counts, found, None, 1, 1)
    pages = max(1, -(-counts[kind] // ENTRIES_ON_PAGE))
    page = min(max(page, 1), pages)
    rows = follow_up.list_rows(db, sight, kind, ENTRIES_ON_PAGE, (page - 1) * ENTRIES_ON_PAGE)
    return FollowUpLists(counts, {kind: _entries(rows, sealer)}, kind, page, pages)


def count_lists(
    db: Session, reader: PermittedReader, now: datetime, zone: ZoneInfo, *, only_mine: bool = False
) -> Mapping[FollowUpList, int]:
    """The length of each list, for updating an open page."""
    return follow_up.count_rows(db, _list_scope(reader, now, zone, only_mine=only_mine))


def _list_scope(reader: PermittedReader, now: datetime, zone: ZoneInfo, *, only_mine: bool) -> FollowUpQuery:
    today = now.astimezone(zone).date()
    tonight, horizon = (
        datetime.combine(today + ahead, time(), zone).astimezone(UTC)
        for ahead in (timedelta(days=1), timedelta(days=1) + LOOK_AHEAD)
    )
    return FollowUpQuery(Viewer(reader.id, reader.teams), only_mine, now - LATE_AFTER, tonight, horizon)


def _entries(rows: Sequence[FollowUpRow], sealer: Sealer) -> tuple[FollowUpEntry, ...]:
    return tuple(FollowUpEntry(row, first_name(sealer, row.sealed_name) if row.is_known else "") for row in rows)


# -- one person --


def read_follow_up(
    db: Session, context: Context, reader: PermittedReader, conversation_id: int, now: datetime
) -> FollowUpPage | None:
    """The follow-up page of a person, over all conversations that the reader may follow up; None where this one is not."""
    if not may_follow_up(db, reader, conversation_id):
        return None
    everything = cases.list_same_person_conversations(db, conversation_id)
    mine = [each for each in everything if each == conversation_id or may_follow_up(db, reader, each)]
    row = db.get_one(Conversation, conversation_id, populate_existing=True)
    place, is_known = with_empty_check_in(db, context, row), may_read_conversation(db, reader, conversation_id)
    reading = _FollowUpReader(db, context.sealer, mine, now)
    sealed_name = db.get_one(Person, row.person_id).sealed_name
    return FollowUpPage(
        conversation_id=conversation_id,
        name=context.sealer.open(sealed_name) if is_known and sealed_name else "",
        is_known=is_known,
        language=place.state.language,
        zone=time_zone_of(place, context),
        own_zone=place.zone or "",
        is_city_time=bool(place.state.safe.times),
        safe=place.state.safe,
        has_agreed=consents.is_agreed(db, conversation_id, FOLLOW_UP_SCOPE, now),
        why_not=blocked_reason(row, place),
        flows=check_in_flows(db, context),
        check_ins=reading.check_ins(),
        tasks=reading.tasks({each for each in mine if may_read_conversation(db, reader, each)}),
        referrals=reading.referrals(),
        addresses=tuple(_address(db, context.sealer, each) for each in mine),
        hidden=len(everything) - len(mine),
        may_call=row.channel != "web" and may_call(db, reader, conversation_id),
    )


def _address(db: Session, sealer: Sealer, conversation_id: int) -> PersonAddress:
    row = db.get_one(Conversation, conversation_id)
    return PersonAddress(row.id, row.channel, mask_number(sealer, row.sealed_address))


class _FollowUpReader:
    """Reads the rows of one person, with the names of the staff involved."""

    def __init__(self, db: Session, sealer: Sealer, ids: list[int], now: datetime) -> None:
        self._db, self._sealer, self._ids, self._now = db, sealer, ids, now

    def check_ins(self) -> tuple[CheckInEntry, ...]:
        rows = related.list_check_ins(self._db, self._ids)
        events = follow_up.events_by_check_in(self._db, [row.id for row in rows])
        did = {each.staff_id for one in events.values() for each in one}
        names = inbox.staff_names(self._db, {*did, *(row.made_by for row in rows)})
        return tuple(
            sorted((_check_in_entry(row, events[row.id], names) for row in rows), key=lambda each: (each.at, each.id))
        )

    def tasks(self, readable: set[int]) -> tuple[TaskView, ...]:
        """Open tasks, their text only where the conversation may be read."""
        rows = [row for row in cases.list_tasks(self._db, self._ids) if row.done_at is None]
        names = inbox.staff_names(self._db, {each for row in rows for each in (row.staff_id, row.made_by)})
        return tuple(
            TaskView(
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

    def referrals(self) -> tuple[ReferralEntry, ...]:
        """The newest offer first."""
        known = [each for one in self._ids for each in referrals.list_for_conversation(self._db, one)]
        known.sort(key=lambda each: (each.made_at, -each.place), reverse=True)
        events = related.referral_events(self._db, self._ids)
        names = inbox.staff_names(self._db, {row.staff_id for rows in events.values() for row in rows})
        found = []
        for each in known:
            steps = tuple(
                ReferralStep(row.at, row.kind, row.by, row.outcome or "", names.get(row.staff_id or 0, ""))
                for row in events.get(each.id, ())
            )
            is_open = each.closed_at is None and each.state in OPEN_STATES
            row = referrals.get(self._db, each.id) if is_open else None
            can_share = row is not None and may_share(self._db, row, self._now)
            found.append(ReferralEntry(ReferralView(each, steps), is_open, can_share))
        return tuple(found)


def _check_in_entry(row: CheckIn, events: Sequence[CheckInEvent], names: Mapping[int, str]) -> CheckInEntry:
    meant = row.planned_for or row.made_at or row.ended_at or datetime.min.replace(tzinfo=UTC)
    # For one that was sent, `due_at` is only the deadline of its answer.
    at = row.due_at if row.state == CheckInState.PLANNED else row.asked_at or row.ended_at
    return CheckInEntry(
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
            CheckInHistoryEntry(each.at, each.kind, each.reason or "", each.due_at, names.get(each.staff_id or 0, ""))
            for each in events
        ),
    )
