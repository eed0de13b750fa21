"""A social worker records how a person can be reached safely."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from bot.domain.conversation.safe_contact import SafeContact, SafeContactProblem, find_problems
from bot.domain.conversation.state import load
from bot.domain.flows.language.flow import Flow
from bot.domain.flows.language.script import Ask
from bot.domain.listening.understanding import words_of
from bot.storage.conversation import conversations, timeouts
from bot.storage.flows import flows
from bot.storage.handoff import handoffs
from bot.storage.people.timeline import SAFE_CONTACT_CHANGED
from bot.storage.staff import audits
from bot.usecases.context import Context

_FORM_FIELDS = ("times", "word", "exit_word", "neutral", "may_leave_voice", "may_name_line", "note", "paused")
_FIELD_LABELS = {
    "times": "safe times", "word": "safe word", "exit_word": "exit word", "neutral": "neutral texts",
    "may_leave_voice": "voice messages", "may_name_line": "naming the line", "note": "note", "paused": "pause",
}  # fmt: skip


class PersonNotFound(Exception):
    """There is no such conversation, or it was erased."""


@dataclass(frozen=True, slots=True)
class SafeContactForm:
    """The submitted form. `seen_at` and `was_paused` are `set_at` and `paused` of the settings that it was opened with: the
    person may have left with an exit word since."""

    safe: SafeContact
    seen_at: datetime | None
    was_paused: bool


def set_safe_contact(
    db: Session, context: Context, conversation_id: int, staff_id: int, form: SafeContactForm, now: datetime
) -> list[SafeContactProblem]:
    """Store these settings. Returns complaints where they are invalid, and then changes nothing.

    Locks the conversation, so that no turn goes on with the old settings. A new safe word must be verified again. The
    audit names the changed fields but not their values. Raises PersonNotFound.
    """
    row = conversations.lock_row(db, conversation_id)
    if row is None or row.unreachable == "erased":
        raise PersonNotFound
    state = load(context.sealer.open(row.sealed_state))
    current = state.safe
    if current.set_at != form.seen_at:
        return [
            SafeContactProblem(
                "form", "Somebody else changed these settings meanwhile. Look at them again; nothing was saved."
            )
        ]
    wanted = replace(
        form.safe,
        paused=current.paused if form.safe.paused == form.was_paused else form.safe.paused,
        verified_at=current.verified_at if words_of(current.word) == words_of(form.safe.word) else None,
        set_at=current.set_at,
        set_by=current.set_by,
    )
    changed = [name for name in _FORM_FIELDS if getattr(wanted, name) != getattr(current, name)]
    if not changed:
        return []
    if wrong := find_problems(wanted, context.system_texts.keywords, choice_words(db, context)):
        return wrong
    state = replace(state, safe=replace(wanted, set_at=now, set_by=staff_id))
    timeouts.save_state(row, context.sealer, state, now)
    detail = ", ".join(_FIELD_LABELS[name] for name in changed)
    handoff = handoffs.find_open(db, conversation_id)
    audits.record(db, staff_id, SAFE_CONTACT_CHANGED, now, conversation_id, handoff.id if handoff else None, detail)
    if handoff is not None:
        handoffs.add_event_and_touch(db, handoff, SAFE_CONTACT_CHANGED, now, staff_id=staff_id, changed=changed)
    return []


def choice_words(db: Session, context: Context) -> frozenset[str]:
    """All folded words that select a choice of a published flow, in all languages."""
    published = [context.flow_cache.get(db, version) for version in flows.current_version_ids(db)]
    texts = [text for flow in published for language in context.system_texts.languages for text in _choices(flow, language)]
    return frozenset(" ".join(words_of(part)) for text in texts for part in text.split(","))


def _choices(flow: Flow, language: str) -> Iterator[str]:
    for step, ask in flow.script.steps.items():
        for name, choice in ask.choices.items() if isinstance(ask, Ask) else ():
            at, words = f"{step}.choices.{name}", ", ".join(choice.words)
            yield from (choice.label, words)
            yield flow.translated(f"{at}.label", choice.label, language)
            yield flow.translated(f"{at}.words", words, language)
