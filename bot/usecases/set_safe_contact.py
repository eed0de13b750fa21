"""A social worker writes down how somebody may be reached without betraying them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.domain.conversation import load
from bot.domain.flow import Flow
from bot.domain.safe_contact import Complaint, SafeContact, complaints
from bot.domain.script import Ask
from bot.domain.understanding import words_of
from bot.storage import audits, conversations, flows, handoffs
from bot.storage.tables import Conversation
from bot.storage.timeline import SAFE_CONTACT_CHANGED
from bot.usecases.desk import Desk

_BY_FORM = ("times", "word", "exit_word", "neutral", "may_leave_voice", "may_name_line", "note", "paused")
_IN_WORDS = {
    "times": "safe times", "word": "safe word", "exit_word": "exit word", "neutral": "neutral texts",
    "may_leave_voice": "voice messages", "may_name_line": "naming the line", "note": "note", "paused": "pause",
}  # fmt: skip


class NoSuchPerson(Exception):
    """There is no such conversation, or what was kept of it has been deleted."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the form says. `seen_at` is `set_at` of the settings that the form was made from, and `was_paused` their
    `paused`: the person may have left with an exit word while the form was open."""

    safe: SafeContact
    seen_at: datetime | None
    was_paused: bool


def set_safe_contact(
    db: Session, desk: Desk, conversation_id: int, staff_id: int, asked: Asked, now: datetime
) -> list[Complaint]:
    """Keep these settings; the complaints, where they cannot be kept (nothing has changed then).

    Locks the conversation's row, so that no turn goes on with the old ones. A new safe word has to be given anew. The
    audit names the fields that changed and never a word. Raises NoSuchPerson.
    """
    row = db.scalar(
        select(Conversation)
        .where(Conversation.id == conversation_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if row is None or row.unreachable == "erased":
        raise NoSuchPerson
    state = load(desk.sealer.open(row.sealed_state))
    current = state.safe
    if current.set_at != asked.seen_at:
        return [Complaint("form", "Somebody else changed these settings meanwhile. Look at them again; nothing was saved.")]
    wanted = replace(
        asked.safe,
        paused=current.paused if asked.safe.paused == asked.was_paused else asked.safe.paused,
        verified_at=current.verified_at if words_of(current.word) == words_of(asked.safe.word) else None,
        set_at=current.set_at,
        set_by=current.set_by,
    )
    changed = [name for name in _BY_FORM if getattr(wanted, name) != getattr(current, name)]
    if not changed:
        return []
    if wrong := complaints(wanted, desk.line.keywords, menu_words(db, desk)):
        return wrong
    state = replace(state, safe=replace(wanted, set_at=now, set_by=staff_id))
    conversations.store(row, desk.sealer, state, now)
    detail = ", ".join(_IN_WORDS[name] for name in changed)
    handoff = handoffs.current(db, conversation_id)
    audits.record(db, staff_id, SAFE_CONTACT_CHANGED, now, conversation_id, handoff.id if handoff else None, detail)
    if handoff is not None:
        handoffs.record(db, handoff, SAFE_CONTACT_CHANGED, now, staff_id=staff_id, changed=changed)
    return []


def menu_words(db: Session, desk: Desk) -> frozenset[str]:
    """Everything, folded, by which a choice of a published flow can be picked, in each language."""
    published = [desk.cache.get(db, version) for version in flows.all_published(db)]
    texts = [text for flow in published for language in desk.line.languages for text in _choices(flow, language)]
    return frozenset(" ".join(words_of(part)) for text in texts for part in text.split(","))


def _choices(flow: Flow, language: str) -> Iterator[str]:
    for step, ask in flow.script.steps.items():
        for name, choice in ask.choices.items() if isinstance(ask, Ask) else ():
            at, words = f"{step}.choices.{name}", ", ".join(choice.words)
            yield from (choice.label, words)
            yield flow.translated(f"{at}.label", choice.label, language)
            yield flow.translated(f"{at}.words", words, language)
