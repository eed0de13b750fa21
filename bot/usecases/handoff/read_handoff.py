"""Read one handoff with its person: the summary that a social worker needs first, then the conversation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from bot.domain.conversation.safe_contact import SafeContact, is_safe_time, needs_safe_word, next_safe_time
from bot.domain.conversation.state import Conversation as State
from bot.domain.conversation.state import load
from bot.domain.flows.language.flow import Flow, FlowFailed
from bot.domain.flows.language.script import Ask
from bot.domain.handoff.states import HELD_STATES, UNCLAIMED_STATES, HandoffState
from bot.domain.staff.permissions import Permission
from bot.storage.flows import flows
from bot.storage.handoff import inbox, ready_replies
from bot.storage.handoff.inbox import EarlierHandoff, HandoffDetail, OfferedServiceRow, SealedNote
from bot.storage.handoff.ready_replies import ReadyReplyRow
from bot.storage.sealing import Sealer
from bot.storage.tables.residents import Handoff
from bot.usecases.context import Context
from bot.usecases.flows.library import PublishedLibrary
from bot.usecases.handoff.escalation import list_candidates
from bot.usecases.handoff.read_inbox import HandoffAccess, InboxReader, first_name, is_visible_to
from bot.usecases.handoff.read_timeline import ConversationTimeline, read_timeline


class PermittedReader(InboxReader, Protocol):
    """A reader whose permissions are known."""

    def may(self, permission: Permission) -> bool: ...


@dataclass(frozen=True, slots=True)
class NoteView:
    """A note; `body` is "" where it was erased."""

    body: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ColleagueChoice:
    """A social worker to whom the handoff can be offered."""

    id: int
    name: str
    languages: tuple[str, ...]
    load: int
    capacity: int
    on_duty: bool


@dataclass(frozen=True, slots=True)
class HandoffSummary:
    """What is shown before the transcript. `answers` are (question, answer); `rules` why the safety rules fired, in words;
    `safe_from` is the next safe time where now is not safe."""

    because: str
    answers: tuple[tuple[str, str], ...]
    rules: tuple[str, ...]
    in_danger: bool
    safe: SafeContact
    is_safe_now: bool
    safe_from: datetime | None
    needs_word: bool
    earlier: tuple[EarlierHandoff, ...]
    last_worker: str
    referrals: tuple[OfferedServiceRow, ...]
    notes: tuple[NoteView, ...]


@dataclass(frozen=True, slots=True)
class HandoffPage:
    """One handoff as its reader sees it. The row is detached: it is only read."""

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
    summary: HandoffSummary
    timeline: ConversationTimeline
    is_mine: bool
    is_offered_to_me: bool
    i_am_called: bool

    @property
    def is_open(self) -> bool:
        return self.handoff.state != HandoffState.CLOSED

    @property
    def is_waiting(self) -> bool:
        return self.handoff.state in UNCLAIMED_STATES

    @property
    def is_held(self) -> bool:
        return self.handoff.state in HELD_STATES

    @property
    def reachable(self) -> bool:
        return self.handoff.reachable and not self.opted_out and not self.unreachable


def may_read_conversation(db: Session, reader: PermittedReader, conversation_id: int) -> bool:
    """Whether `me` may read this conversation: they may read transcripts, and may see a handoff of it, open or closed. A
    conversation that never had a handoff may not be read by any member of staff."""
    if not reader.may(Permission.READ_TRANSCRIPT):
        return False
    return any(
        is_visible_to(reader, each, was_called=each.was_called) for each in inbox.list_access(db, conversation_id, reader.id)
    )


def may_see_handoff(db: Session, reader: PermittedReader, handoff_id: int) -> bool:
    """Whether the handoff exists and `me` may see it."""
    found = inbox.find_access(db, handoff_id, reader.id)
    return found is not None and _may_see(reader, found, found.was_called)


def _may_see(reader: PermittedReader, handoff: HandoffAccess, was_called: bool) -> bool:
    return reader.may(Permission.READ_TRANSCRIPT) and is_visible_to(reader, handoff, was_called=was_called)


def conversation_of(db: Session, handoff_id: int) -> int | None:
    """The id of the handoff's conversation; None if there is no such handoff."""
    found = inbox.find_handoff(db, handoff_id)
    return found.conversation_id if found else None


def read_handoff(
    db: Session,
    context: Context,
    handoff_id: int,
    reader: PermittedReader,
    now: datetime,
    zone: ZoneInfo,
    before: int | None = None,
) -> HandoffPage | None:
    """The handoff with its summary and a page of the transcript (before row `before`, or the newest); None where it does
    not exist or `me` may not see it."""
    # Read before the rows, as in the inbox: a change in between then shows as news.
    version = inbox.handoff_versions(db, [handoff_id]).get(handoff_id, "")
    found = inbox.find_detail(db, handoff_id, reader.id)
    if found is None or not _may_see(reader, found.handoff, found.was_called):
        return None
    handoff, calling = found.handoff, tuple(dict.fromkeys(found.calling))
    staff_of_it = (handoff.owner_id, handoff.offered_to_id, *calling)
    timeline = read_timeline(db, context.sealer, handoff.conversation_id, reader.id, now, before, also=staff_of_it)
    is_open = handoff.state != HandoffState.CLOSED
    return HandoffPage(
        handoff=handoff,
        version=version,
        conversation_id=handoff.conversation_id,
        first_name=first_name(context.sealer, found.sealed_name),
        channel=found.channel,
        opted_out=found.opted_out,
        unreachable=found.unreachable or "",
        owner=timeline.names.get(handoff.owner_id or 0, ""),
        offered_to=timeline.names.get(handoff.offered_to_id or 0, ""),
        calling=tuple(timeline.names.get(each, "") for each in calling),
        teams=inbox.team_names(db),
        summary=_summary(db, context, found, now, zone),
        timeline=timeline,
        is_mine=handoff.owner_id == reader.id and is_open,
        is_offered_to_me=handoff.offered_to_id == reader.id and is_open,
        i_am_called=reader.id in calling,
    )


def _summary(db: Session, context: Context, found: HandoffDetail, now: datetime, zone: ZoneInfo) -> HandoffSummary:
    handoff, state = found.handoff, load(context.sealer.open(found.sealed_state))
    conversation_id = handoff.conversation_id
    earlier = inbox.list_earlier(db, conversation_id, handoff.id)
    safe_now = is_safe_time(state.safe, now, zone)
    return HandoffSummary(
        because=context.sealer.open(handoff.sealed_because) if handoff.sealed_because else "",
        answers=tuple(describe_answers(PublishedLibrary(db, context.flow_cache), db, state)),
        rules=tuple(_rule_reasons(context, inbox.rules_met(db, conversation_id))),
        in_danger=found.in_danger,
        safe=state.safe,
        is_safe_now=safe_now,
        safe_from=None if safe_now else next_safe_time(state.safe, now, zone),
        needs_word=needs_safe_word(state.safe, now),
        earlier=tuple(earlier),
        last_worker=next((each.owner for each in earlier if each.owner), ""),
        referrals=tuple(inbox.list_referrals(db, conversation_id)),
        notes=tuple(_note_view(context.sealer, row) for row in inbox.list_notes(db, conversation_id)),
    )


def _rule_reasons(context: Context, rule_ids: Sequence[str]) -> Iterable[str]:
    """Why these safety rules fired, in words, each once."""
    if not rule_ids:
        return ()
    known = context.system_texts.rules
    why = {
        **{rule.id: rule.why for rule in known.rules},
        **{rule.id: rule.why for rule in known.raises},
        **{rule.id: rule.why for rule in known.scores},
    }
    return dict.fromkeys(why.get(rule, rule) for rule in rule_ids)


def _note_view(sealer: Sealer, row: SealedNote) -> NoteView:
    return NoteView(sealer.open(row.sealed_body) if row.sealed_body else "", row.by, row.at)


def describe_answers(library: PublishedLibrary, db: Session, state: State) -> Iterator[tuple[str, str]]:
    """The answers in the words of the flows that asked, whichever version the person is on."""
    known = _relevant_flows(library, db, state)
    for name, value in state.answers.items():
        if value in (None, ""):
            continue
        choices = [ask.choices for ask in _ask_steps(known, name)]
        label = next((each[value].label for each in choices if isinstance(value, str) and value in each), None)
        yield name.replace("_", " ").capitalize(), label or _plain_value(value)


def _relevant_flows(library: PublishedLibrary, db: Session, state: State) -> list[Flow]:
    found: list[Flow] = []
    try:
        found += [library.flow(frame.version) for frame in reversed(state.frames)]
        found += [library.flow(version) for version in flows.current_version_ids(db)]
    except FlowFailed:
        # An unreadable version concerns the operator; the page then shows the answers as they are stored.
        return found
    return found


def _ask_steps(known: Sequence[Flow], name: str) -> Iterator[Ask]:
    for flow in known:
        for step, ask in flow.script.steps.items():
            if isinstance(ask, Ask) and (ask.save or step) == name:
                yield ask


def _plain_value(value: Any) -> str:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return ", ".join(str(each) for each in value) if isinstance(value, list) else str(value)


def list_colleagues(
    db: Session, context: Context, handoff: Handoff, reader: InboxReader, now: datetime
) -> list[ColleagueChoice]:
    """Whom the handoff can be offered to: those on duty first, then those of its team, then the least busy."""
    found = [one for one in list_candidates(db, context, handoff, now) if one.staff_id != reader.id]
    names = inbox.staff_names(db, [one.staff_id for one in found])
    found.sort(key=lambda one: (not one.on_duty, not one.in_team, one.load, names[one.staff_id]))
    return [
        ColleagueChoice(one.staff_id, names[one.staff_id], one.languages, one.load, one.capacity, one.on_duty)
        for one in found
    ]


def ready_replies_for(db: Session, reader: InboxReader, language: str) -> tuple[list[ReadyReplyRow], list[ReadyReplyRow]]:
    """The ready replies in this language, and those in other languages."""
    rows = [row for row in ready_replies.list_all(db) if row.team is None or row.team in reader.teams]
    return [row for row in rows if row.language == language], [row for row in rows if row.language != language]
