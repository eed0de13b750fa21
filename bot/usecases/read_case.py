"""Reading one handoff with its person: what a social worker must know before they write, then the conversation itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from bot.domain.conversation import Conversation as State
from bot.domain.conversation import load
from bot.domain.flow import Flow, FlowFailed
from bot.domain.handoff import HELD, UNCLAIMED, HandoffState
from bot.domain.permissions import Permission
from bot.domain.safe_contact import SafeContact, is_safe_time, needs_word, next_safe_time
from bot.domain.script import Ask
from bot.storage import canned_replies, flows, inbox
from bot.storage.canned_replies import Stored
from bot.storage.inbox import Earlier, Found, Offered, SealedNote
from bot.storage.sealing import Sealer
from bot.storage.tables import Handoff
from bot.usecases.answering.calling import candidate_list
from bot.usecases.desk import Desk
from bot.usecases.library import StoredLibrary
from bot.usecases.read_inbox import Answered, Reader, first_name, sees
from bot.usecases.read_timeline import Timeline, read_timeline


class Guarded(Reader, Protocol):
    """A reader of whom it is known what they may do."""

    def may(self, permission: Permission) -> bool: ...


@dataclass(frozen=True, slots=True)
class Noted:
    """A note; "" where its words were deleted."""

    body: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody to whom it can be passed on."""

    id: int
    name: str
    languages: tuple[str, ...]
    load: int
    capacity: int
    on_duty: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """What is read before the transcript. `answers` are (what was asked, what was answered); `rules` reasons in words;
    `safe_from` is the next safe moment where now is none."""

    because: str
    answers: tuple[tuple[str, str], ...]
    rules: tuple[str, ...]
    in_danger: bool
    safe: SafeContact
    is_safe_now: bool
    safe_from: datetime | None
    needs_word: bool
    earlier: tuple[Earlier, ...]
    last_worker: str
    referrals: tuple[Offered, ...]
    notes: tuple[Noted, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One handoff as `reader` sees it. The row is detached: it is only read."""

    handoff: Handoff
    version: str
    conversation_id: int
    first_name: str
    channel: str
    opted_out: bool
    unreachable: str
    owner: str
    offered_to: str
    calling: tuple[str, ...]
    teams: Mapping[str, str]
    summary: Summary
    timeline: Timeline
    is_mine: bool
    is_offered_to_me: bool
    i_am_called: bool

    @property
    def is_open(self) -> bool:
        return self.handoff.state != HandoffState.CLOSED

    @property
    def is_waiting(self) -> bool:
        """Whether nobody has it yet."""
        return self.handoff.state in UNCLAIMED

    @property
    def is_held(self) -> bool:
        return self.handoff.state in HELD

    @property
    def reachable(self) -> bool:
        return self.handoff.reachable and not self.opted_out and not self.unreachable


def may_read(db: Session, me: Guarded, conversation_id: int) -> bool:
    """Whether `me` may read this conversation: they may read transcripts, and a handoff of it, open or closed, is theirs to
    see. A conversation for which no human was ever called is nobody's to read."""
    if not me.may(Permission.READ_TRANSCRIPT):
        return False
    return any(sees(me, each, was_called=each.was_called) for each in inbox.standings(db, conversation_id, me.id))


def may_see_handoff(db: Session, me: Guarded, handoff_id: int) -> bool:
    """Whether there is such a handoff and it is theirs to see."""
    found = inbox.standing(db, handoff_id, me.id)
    return found is not None and _may_see(me, found, found.was_called)


def _may_see(me: Guarded, one: Answered, was_called: bool) -> bool:
    return me.may(Permission.READ_TRANSCRIPT) and sees(me, one, was_called=was_called)


def handoff_for(
    db: Session,
    desk: Desk,
    handoff_id: int,
    me: Guarded,
    now: datetime,
    zone: ZoneInfo,
    before: int | None = None,
) -> Case | None:
    """The handoff with its summary and a page of the transcript (before row `before`, or the newest); None where there is
    no such handoff or it is not theirs to see."""
    # Before the rows, as in the inbox.
    version = inbox.versions(db, [handoff_id]).get(handoff_id, "")
    found = inbox.case(db, handoff_id, me.id)
    if found is None or not _may_see(me, found.handoff, found.was_called):
        return None
    handoff, calling = found.handoff, tuple(dict.fromkeys(found.calling))
    staff_of_it = (handoff.owner_id, handoff.offered_to_id, *calling)
    timeline = read_timeline(db, desk.sealer, handoff.conversation_id, me.id, now, before, also=staff_of_it)
    is_open = handoff.state != HandoffState.CLOSED
    return Case(
        handoff=handoff,
        version=version,
        conversation_id=handoff.conversation_id,
        first_name=first_name(desk.sealer, found.sealed_name),
        channel=found.channel,
        opted_out=found.opted_out,
        unreachable=found.unreachable or "",
        owner=timeline.names.get(handoff.owner_id or 0, ""),
        offered_to=timeline.names.get(handoff.offered_to_id or 0, ""),
        calling=tuple(timeline.names.get(each, "") for each in calling),
        teams=inbox.team_names(db),
        summary=_summary(db, desk, found, now, zone),
        timeline=timeline,
        is_mine=handoff.owner_id == me.id and is_open,
        is_offered_to_me=handoff.offered_to_id == me.id and is_open,
        i_am_called=me.id in calling,
    )


def _summary(db: Session, desk: Desk, found: Found, now: datetime, zone: ZoneInfo) -> Summary:
    handoff, state = found.handoff, load(desk.sealer.open(found.sealed_state))
    conversation_id = handoff.conversation_id
    earlier = inbox.earlier(db, conversation_id, handoff.id)
    safe_now = is_safe_time(state.safe, now, zone)
    return Summary(
        because=desk.sealer.open(handoff.sealed_because) if handoff.sealed_because else "",
        answers=tuple(answers_of(StoredLibrary(db, desk.cache), db, state)),
        rules=tuple(_why(desk, inbox.rules_met(db, conversation_id))),
        in_danger=found.in_danger,
        safe=state.safe,
        is_safe_now=safe_now,
        safe_from=None if safe_now else next_safe_time(state.safe, now, zone),
        needs_word=needs_word(state.safe, now),
        earlier=tuple(earlier),
        last_worker=next((each.owner for each in earlier if each.owner), ""),
        referrals=tuple(inbox.referrals(db, conversation_id)),
        notes=tuple(_noted(desk.sealer, row) for row in inbox.notes(db, conversation_id)),
    )


def _why(desk: Desk, met: Sequence[str]) -> Iterable[str]:
    """What these safety rules heard, in words, each once."""
    if not met:
        return ()
    known = desk.line.rules
    why = {
        **{rule.id: rule.why for rule in known.rules},
        **{rule.id: rule.why for rule in known.raises},
        **{rule.id: rule.why for rule in known.scores},
    }
    return dict.fromkeys(why.get(rule, rule) for rule in met)


def _noted(sealer: Sealer, row: SealedNote) -> Noted:
    return Noted(sealer.open(row.sealed_body) if row.sealed_body else "", row.by, row.at)


def answers_of(library: StoredLibrary, db: Session, state: State) -> Iterator[tuple[str, str]]:
    """The answers in the words of the flows that asked for them, whichever version the person is on."""
    known = _flows(library, db, state)
    for name, value in state.answers.items():
        if value in (None, ""):
            continue
        choices = [ask.choices for ask in _asking(known, name)]
        label = next((each[value].label for each in choices if isinstance(value, str) and value in each), None)
        yield name.replace("_", " ").capitalize(), label or _plainly(value)


def _flows(library: StoredLibrary, db: Session, state: State) -> list[Flow]:
    found: list[Flow] = []
    try:
        found += [library.flow(frame.version) for frame in reversed(state.frames)]
        found += [library.flow(version) for version in flows.all_published(db)]
    except FlowFailed:
        # A version that cannot be read is an operator's trouble; the page then shows the answers as they are stored.
        return found
    return found


def _asking(known: Sequence[Flow], name: str) -> Iterator[Ask]:
    for flow in known:
        for step, ask in flow.script.steps.items():
            if isinstance(ask, Ask) and (ask.save or step) == name:
                yield ask


def _plainly(value: Any) -> str:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return ", ".join(str(each) for each in value) if isinstance(value, list) else str(value)


def colleagues(db: Session, desk: Desk, handoff: Handoff, me: Reader, now: datetime) -> list[Colleague]:
    """To whom it can be passed on: those on duty first, those of its team before others, the least busy before others."""
    found = [one for one in candidate_list(db, desk, handoff, now) if one.staff_id != me.id]
    names = inbox.names(db, [one.staff_id for one in found])
    found.sort(key=lambda one: (not one.on_duty, not one.in_team, one.load, names[one.staff_id]))
    return [
        Colleague(one.staff_id, names[one.staff_id], one.languages, one.load, one.capacity, one.on_duty) for one in found
    ]


def replies_for(db: Session, me: Reader, language: str) -> tuple[list[Stored], list[Stored]]:
    """The replies that are offered for a person of this language, and those in other languages."""
    rows = [row for row in canned_replies.everything(db) if row.team is None or row.team in me.teams]
    return [row for row in rows if row.language == language], [row for row in rows if row.language != language]
