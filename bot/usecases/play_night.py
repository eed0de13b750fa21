"""Play the demo's night: its acts go through the same use cases as those of real people, at moments of the last hours.

All of it is one transaction: a start that was cut off leaves no half of a night behind.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.domain.delivery import State
from bot.domain.safe_contact import SafeContact, Window
from bot.storage import check_ins, conversations, handoffs, next_due, outbox, staff
from bot.storage.people import with_addresses
from bot.storage.tables import Conversation
from bot.usecases import answering, keep_case, keep_check_ins
from bot.usecases.answering.attending import attend
from bot.usecases.demo_night import Act, SafeTimes, Scene, Story, scenes
from bot.usecases.desk import Desk
from bot.usecases.keep_case import Met
from bot.usecases.name_person import name_person
from bot.usecases.receive_message import receive_message
from bot.usecases.send_check_ins import send_check_in
from bot.usecases.set_safe_contact import Asked, set_safe_contact
from bot.usecases.wake_conversation import wake_conversation

log = logging.getLogger(__name__)
_TICK = timedelta(milliseconds=1)
_MOST_ROUNDS = 50
"""Of the alarm clock between two acts; more would mean that something falls due again and again."""


def is_untouched(db: Session) -> bool:
    """Whether nobody has texted this line yet: the night is played into an empty house alone, and so only once."""
    return db.scalar(select(Conversation.id).limit(1)) is None


def play(db: Session, desk: Desk, night: tuple[Story, ...], now: datetime) -> int:
    """Play it up to `now` (aware UTC), for a demo that is untouched; returns how many acts had to be left out.

    What is written is delivered as the simulator does it, and nobody is woken: no worker of ours may run meanwhile.
    """
    cast = {row.called: row.id for row in staff.all_active(db)}
    left_out, before = 0, now
    for scene in scenes(night, now):
        _run_clock(db, desk, min(before, scene.at), scene.at)
        left_out += not _play_one(db, desk, scene, cast)
        _settle(db)
        before = scene.at
    _run_clock(db, desk, before, now)
    return left_out


def _settle(db: Session) -> None:
    # A turn is plain SQL beside the session: neither may go on with what the other has changed.
    db.flush()
    db.expire_all()


def _run_clock(db: Session, desk: Desk, at: datetime, until: datetime) -> None:
    """What the sweep does, at each moment at which something falls due."""
    for _ in range(_MOST_ROUNDS):
        due = next_due.moment(db)
        if due is None or due > until:
            return
        at = max(due, at + _TICK)
        for handoff_id in handoffs.due(db, at):
            attend(db, desk, handoff_id, at)
        for conversation_id in conversations.waking(db, at):
            wake_conversation(db, desk, conversation_id, at)
        for check_in_id in check_ins.due(db, at):
            send_check_in(db, desk, check_in_id, at)
        for message_id, _lane in outbox.due(db, at):
            _deliver(db, desk, message_id, at)
        _settle(db)


def _deliver(db: Session, desk: Desk, message_id: int, at: datetime) -> None:
    claimed = outbox.claim(db, desk.sealer, message_id, at)
    if claimed is not None:
        blocked = claimed.opted_out or claimed.unreachable
        outbox.settle(db, claimed.id, State.DROPPED if blocked else State.DELIVERED, sid=f"NIGHT-{claimed.id}")


def _play_one(db: Session, desk: Desk, scene: Scene, cast: Mapping[str, int]) -> bool:
    """Whether it could be done; a demo with a gap in its night is still one."""
    if scene.act.says:
        receive_message(db, desk, scene.inbound(desk.zone), scene.at)
        return True
    try:
        _act(db, desk, scene, cast)
    except (answering.Refused, keep_case.NotKept, keep_check_ins.NotKept, LookupError) as error:
        log.warning("an act of the demo's night was left out: %s, %s: %s", scene.address.value, scene.act.by, error)
        return False
    return True


def _act(db: Session, desk: Desk, scene: Scene, cast: Mapping[str, int]) -> None:
    """Do what a social worker does, as the console or their telephone would. Raises Refused; LookupError for somebody who
    is not there."""
    act, me, now = scene.act, cast[scene.act.by], scene.at
    conversation_id = with_addresses(db, desk.sealer, [scene.address])[0]
    if act.checks_in or act.keeps or act.met:
        _follow_up(db, desk, act, conversation_id, me, now)
        return
    handoff = handoffs.current(db, conversation_id)
    if handoff is None:
        raise LookupError("nobody was called for this person")
    number, once = handoff.id, f"night-{scene.number}"
    if act.claims:
        answering.claim(db, desk, number, me, now)
    elif act.writes:
        answering.write(db, desk, number, me, act.writes, now, once)
    elif act.plans:
        answering.write(db, desk, number, me, act.plans, now, once, at=scene.leaves_at(desk.zone))
    elif act.notes:
        answering.add_note(db, desk, conversation_id, me, act.notes, now, number)
    elif act.names:
        name_person(db, desk.sealer, conversation_id, me, act.names, now)
    elif act.offers_to:
        answering.offer(db, desk, number, me, cast[act.offers_to], act.note, now)
    elif act.hands_back:
        answering.hand_back(db, desk, number, me, now)
    elif act.closes:
        answering.close(db, desk, number, me, act.closes, now, act.note)
    elif act.safe:
        set_safe_contact(db, desk, conversation_id, me, _asked(act.safe), now)


def _follow_up(db: Session, desk: Desk, act: Act, conversation_id: int, me: int, now: datetime) -> None:
    """What goes on after the conversation, with or without an open handoff."""
    if act.checks_in:
        keep_check_ins.add_cadence(db, desk, conversation_id, me, act.checks_in, now, agreed=True)
    elif act.keeps:
        keep_case.open_case(db, conversation_id, me, now)
        keep_case.take(db, conversation_id, me)
        with suppress(keep_case.NotKept):
            # The line has noted it already, where it offered something for it.
            keep_case.open_need(db, conversation_id, act.keeps, me, now)
    else:
        keep_case.record_encounter(db, desk, conversation_id, Met(act.met, now, 20, act.note), me, now)


def _asked(safe: SafeTimes) -> Asked:
    times = (Window(safe.days, safe.starts, safe.ends),)
    return Asked(SafeContact(times=times, neutral=True, may_name_line=False, note=safe.note), None, False)
