"""Asking again: what is sent is decided at the moment at which it would leave, and each time there is a reason or a text.

A check-in is a conversation in a flow of its own. Nobody answering is looked at as well: once more at another time, then
a human.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.domain.check_in import SILENT_AFTER, Ask, AskAgain, CheckInState, Drop, Facts, Hold, Reason, after_silence, decide
from bot.domain.conversation import Conversation as State
from bot.domain.directory.cards import shortened
from bot.domain.effects import Effect, OpenHandoff, RaiseAlarm, Reply
from bot.domain.effects import Reason as CalledFor
from bot.domain.flow_checks import saved
from bot.domain.message import Channel, Lane
from bot.domain.safety.levels import Urgency
from bot.domain.segments import fold_for_sms, join, measure
from bot.domain.turn import Turn
from bot.storage import cases, check_ins, consents, conversations, outbox, referrals
from bot.storage.check_ins import Locked
from bot.storage.database import DATABASE_ERRORS
from bot.usecases.answering.calling import call_human
from bot.usecases.apply_effects import Place, apply_effects
from bot.usecases.check_in_facts import SCOPE, facts
from bot.usecases.converse import enter
from bot.usecases.desk import Desk
from bot.usecases.library import StoredLibrary

log = logging.getLogger(__name__)

MOST_SILENCES = 3
"""So many unanswered check-ins one after the other end them, with one closing text (the tapering of domain.md 4.10)."""
LONGEST_NAME = 40
CALL_WITHIN = timedelta(hours=24)
"""By when a human should have done what the line could not."""
CRISIS_TEAM = "crisis"
KEY, NEUTRAL_KEY, CLOSING_KEY = "check_in", "check_in_neutral", "check_in_closing"


def send_check_in(db: Session, desk: Desk, check_in_id: int, now: datetime) -> list[int]:
    """Do what is due of this check-in; returns the outbox rows to be woken. Nothing where it is not due any more."""
    locked = check_ins.lock(db, desk.sealer, check_in_id)
    if locked is None or locked.check_in.due_at is None or locked.check_in.due_at > now:
        return []
    if locked.check_in.state == CheckInState.ASKED:
        return _hear_silence(db, desk, locked, now)
    known = facts(db, desk, locked, now)
    match decide(known, now):
        case Hold(until=until, reason=reason):
            check_ins.hold(db, locked.check_in, until, reason.value, now)
            return []
        case Drop(reason=reason, task=task):
            return _drop(db, locked, reason, now, task=task)
        case Ask() as ask:
            return _ask(db, desk, locked, ask, now)


def _ask(db: Session, desk: Desk, locked: Locked, ask: Ask, now: datetime) -> list[int]:
    if ask.neutral:
        # No question: whoever reads it must not learn that there was one, nor may a stranger's answer count as theirs.
        text = desk.line.text("check_in_neutral", locked.state.language)
        silent = replace(locked.state, frames=(), ended=True, waking=None, told=NEUTRAL_KEY, told_at=now)
        turn = Turn(silent, (Reply(text, Lane.FOLLOW_UP, NEUTRAL_KEY),))
    else:
        try:
            turn = _entered(db, desk, locked, now)
        except Exception as error:
            if isinstance(error, DATABASE_ERRORS):
                raise
            log.exception("a check-in's flow failed")
            detail = f"check-in {locked.check_in.id}: {locked.check_in.flow}"
            apply_effects(db, desk, (RaiseAlarm("flow_failed", detail),), _place(locked), now)
            return _drop(db, locked, Reason.NO_FLOW, now, task=True)
    check_ins.asked(db, locked.check_in, now + SILENT_AFTER, now)
    state = replace(turn.conversation, turn=locked.state.turn + 1, check_in=locked.check_in.id)
    conversations.store(locked.row, desk.sealer, state, now)
    ids = apply_effects(db, desk, turn.effects, _place(locked), now)
    key = NEUTRAL_KEY if ask.neutral else KEY
    return [*ids, *_promise(db, desk, locked, turn.effects, key, ask.valid_until, now)]


def still_asks(db: Session, desk: Desk, check_in_id: int, key: str, now: datetime) -> bool:
    """Whether its text may still leave, a while after it was promised: nobody has answered meanwhile, and what was decided
    then would be decided now. A text may wait for its turn for hours, and a person's life does not wait with it."""
    locked = check_ins.read(db, desk.sealer, check_in_id)
    # The closing text follows a silence: whoever has written since has not been silent.
    holds_in = CheckInState.SILENT if key == CLOSING_KEY else CheckInState.ASKED
    if locked is None or locked.check_in.state != holds_in or locked.state.check_in != check_in_id:
        return False
    could = decide(replace(facts(db, desk, locked, now), planned_for=now), now)
    return isinstance(could, Ask) and could.neutral == (key == NEUTRAL_KEY)


def _entered(db: Session, desk: Desk, locked: Locked, now: datetime) -> Turn:
    """The check-in's flow from its start; what was left open of another one long ago is closed."""
    library = StoredLibrary(db, desk.cache, desk.zone)
    # What they answered to this very flow a month ago is no answer of today.
    stale = saved(library.published(locked.check_in.flow).script)
    known = {name: value for name, value in locked.state.answers.items() if name not in stale}
    fresh = replace(
        locked.state, frames=(), answers={**known, **_offered(db, locked)}, ended=False, outcome=None, offered=False,
        waking=None, check_in=None,
    )  # fmt: skip
    return enter(library, fresh, locked.check_in.flow, "", now, desk.line.text)


def _offered(db: Session, locked: Locked) -> dict[str, str | int]:
    """The services whose outcome nobody knows yet, as the check-in's flow may name them."""
    # A directory's names may be as long as a page, or hold lines of their own.
    choices = referrals.open_choices(db, locked.row.id)
    open_ones = [(number, shortened(" ".join(name.split()), LONGEST_NAME)) for number, name in choices]
    return {
        "offered": ", ".join(name for _, name in open_ones),
        "offered_count": len(open_ones),
        "offered_list": "\n".join(f"{number} {name}" for number, name in open_ones),
    }


def _promise(
    db: Session, desk: Desk, locked: Locked, effects: tuple[Effect, ...], key: str, valid_until: datetime, now: datetime
) -> list[int]:
    replies = [effect for effect in effects if isinstance(effect, Reply)]
    folds = desk.fold_accents and locked.row.channel in (Channel.SMS, Channel.SIMULATOR)
    ids = []
    for body in join([reply.text for reply in replies]):
        text = fold_for_sms(body) if folds else body
        row = outbox.add(db, desk.sealer, locked.row.id, text, Lane.FOLLOW_UP, key, measure(text).segments, now)
        row.check_in_id, row.valid_until = locked.check_in.id, valid_until
        ids.append(row.id)
    db.flush()
    return ids


def _drop(db: Session, locked: Locked, reason: Reason, now: datetime, *, task: bool) -> list[int]:
    check_ins.end(db, locked.check_in, "drop", now, reason=reason.value)
    if task:
        _leave_to_human(db, locked, reason.value, now)
    return []


def _leave_to_human(db: Session, locked: Locked, reason: str, now: datetime) -> None:
    cases.add_task(
        db, locked.row.id, "call", reason, now + CALL_WITHIN, now, check_in_id=locked.check_in.id,
        staff_id=locked.check_in.made_by,
    )  # fmt: skip


# Nobody answered.


def _hear_silence(db: Session, desk: Desk, locked: Locked, now: datetime) -> list[int]:
    """The question stays open all the while: who answers late is heard in it."""
    check_in = locked.check_in
    known = facts(db, desk, locked, now)
    if not check_ins.has_left(db, check_in):
        # It never left (a human took over, the day was over, the carrier refused it): it was never asked.
        check_in.attempts -= 1
        check_in.holds += 1
        _close_question(db, desk, locked, now)
        check_ins.ask_again(db, check_in, now, Reason.NOT_SENT.value, now)
        return send_check_in(db, desk, check_in.id, now)
    match after_silence(known, now):
        case AskAgain(at=at):
            check_ins.ask_again(db, check_in, at, Reason.NO_ANSWER.value, now)
            other = check_ins.other_address(db, locked)
            # Consent is given for a number: where they never agreed, they are not asked.
            if other is not None and consents.holds(db, other, SCOPE, now):
                check_ins.move_to(db, check_in, other)
            return []
        case give_up:
            return _give_up(db, desk, locked, known, now, call=give_up.call)


def _give_up(db: Session, desk: Desk, locked: Locked, known: Facts, now: datetime, *, call: bool) -> list[int]:
    """A human is asked to look after them; after the third silence in a row one closing text, where nobody telephones."""
    check_ins.end(db, locked.check_in, "miss", now, reason=Reason.NO_ANSWER.value)
    ids: list[int] = []
    if call:
        # After a danger silence is no answer: somebody telephones (domain.md 4.10).
        effect = OpenHandoff(
            CalledFor.FLOW, Urgency.THIS_SHIFT, CRISIS_TEAM, "no answer to a check-in after a crisis: please telephone"
        )
        ids += call_human(db, desk, effect, locked.row.id, None, locked.state.language, now)
    # With a call as well: who has them already is not called anew, and must find it somewhere.
    _leave_to_human(db, locked, Reason.NO_ANSWER.value, now)
    silences = check_ins.silences(db, locked.row.id)
    if silences < MOST_SILENCES:
        return ids
    check_ins.drop_all(db, locked.row.id, Reason.SILENT_TOO_OFTEN.value, now)
    # Not while somebody is asked to telephone them, and once.
    return [*ids, *_close(db, desk, locked, known, now)] if silences == MOST_SILENCES and not call else ids


def _close(db: Session, desk: Desk, locked: Locked, known: Facts, now: datetime) -> list[int]:
    """One last text, where a check-in itself might leave now; in the open only."""
    could = decide(replace(known, planned_for=now, holds=0, talked_at=None), now)
    if not isinstance(could, Ask) or could.neutral:
        return []
    text = desk.line.text("check_in_closing", locked.state.language)
    effects: tuple[Effect, ...] = (Reply(text, Lane.FOLLOW_UP, CLOSING_KEY),)
    return _promise(db, desk, locked, effects, CLOSING_KEY, could.valid_until, now)


def _close_question(db: Session, desk: Desk, locked: Locked, now: datetime) -> None:
    """It was never asked, so nothing is an answer to it; unless the person is in another conversation by now."""
    if locked.state.check_in != locked.check_in.id:
        return
    locked.state = _without_question(locked.state)
    conversations.store(locked.row, desk.sealer, locked.state, now)


def _without_question(state: State) -> State:
    return replace(state, frames=(), ended=True, waking=None, check_in=None)


def _place(locked: Locked) -> Place:
    return Place(locked.row.id, None, locked.state.language)
