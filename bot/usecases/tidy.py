"""Deletion: erasure of people who asked for it, and of texts and answers past their retention time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.domain.conversation.state import Conversation as State
from bot.domain.conversation.state import load
from bot.storage import erasures, retention
from bot.storage.cases import cases
from bot.storage.sealing import Sealer


def carry_out_erasures(db: Session, sealer: Sealer, now: datetime) -> int:
    """Carry out the erasure requests that are due. Returns how many."""
    asked = erasures.lock_due(db, now)
    for erasure in asked:
        erasures.erase(db, sealer, erasure, now)
    return len(asked)


def delete_old_texts(db: Session, sealer: Sealer, now: datetime, keep: timedelta, limit: int = 500) -> int:
    """Delete the bodies of messages older than `keep`, except for people with an open handoff. Returns how many.

    In small batches: deleting a year at once would block the webhook.
    """
    found = retention.delete_old_bodies(db, now - keep, limit)
    _delete_recent_texts(db, sealer, {one for one in found if one is not None}, now - keep)
    return len(found)


def _delete_recent_texts(db: Session, sealer: Sealer, conversation_ids: set[int], before: datetime) -> None:
    """Delete the last few texts from the conversations' states too."""
    for row in retention.lock_quiet(db, conversation_ids, before):
        state = load(sealer.open(row.sealed_state))
        if state.recent:
            row.sealed_state = sealer.seal(replace(state, recent=()).dump())


def delete_old_answers(db: Session, sealer: Sealer, now: datetime, keep: timedelta, limit: int = 200) -> int:
    """Delete the answers, the name and the place in the flow of people who have not written for `keep`. Returns how many.

    Language, opt-out and address stay: a person who comes back after years is answered in their language, or left alone.
    """
    rows = retention.lock_forgettable(db, now - keep, limit)
    for row in rows:
        state = load(sealer.open(row.sealed_state))
        # Safe contact stays too: the danger at home may still be the same.
        chosen = {"language": state.language, "language_chosen": state.language_chosen, "safe": state.safe}
        kept = State(channel=state.channel, **chosen, ended=True, turn=state.turn)  # type: ignore[arg-type]
        row.sealed_state, row.flow_version, row.step, row.timeout_at = sealer.seal(kept.dump()), None, None, None
        row.holder, row.in_danger, row.forgotten_at = kept.holder.value, False, now
        retention.delete_words_about(db, row)
        if cases.lock_open_case(db, row.person_id) is None:
            # With an open case the person may still talk with their social worker and never text.
            cases.delete_words(db, row.person_id, row.id)
    return len(rows)
