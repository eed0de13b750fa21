"""Play the demo's night through the real use cases, at times within the last hours.

All of it is one transaction: an interrupted start leaves no half-played night behind.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.domain.conversation.safe_contact import SafeContact, TimeWindow
from bot.domain.messages.delivery import DeliveryState
from bot.domain.refused import Refused
from bot.storage import next_due
from bot.storage.check_ins import check_ins
from bot.storage.conversation import conversations, timeouts
from bot.storage.handoff import handoffs
from bot.storage.messages import outbox
from bot.storage.people.people import find_by_addresses
from bot.storage.staff import staff
from bot.usecases.cases import manage_case
from bot.usecases.cases.manage_case import EncounterEntry
from bot.usecases.check_ins import manage_check_ins
from bot.usecases.check_ins.send_check_ins import send_check_in
from bot.usecases.context import Context
from bot.usecases.conversation.receive_message import receive_message
from bot.usecases.conversation.time_out import handle_timeout
from bot.usecases.demo.night import DemoAct, DemoSafeTimes, DemoScene, DemoStory, order_scenes
from bot.usecases.handoff import claiming, ending, writing
from bot.usecases.handoff.sla import handle_due
from bot.usecases.people.name_person import name_person
from bot.usecases.people.set_safe_contact import SafeContactForm, set_safe_contact

log = logging.getLogger(__name__)
_TICK = timedelta(milliseconds=1)
_MAX_ROUNDS = 50
"""Rounds of the sweep between two acts; more would mean that something falls due again and again."""


def is_untouched(db: Session) -> bool:
    """Whether no one has ever texted. The night is only played into an empty database, and so only once."""
    return conversations.is_empty(db)


def play_night(db: Session, context: Context, night: tuple[DemoStory, ...], now: datetime) -> int:
    """Play it up to `now` (aware UTC) in an untouched demo; returns how many acts had to be left out.

    Texts are marked as delivered, as the simulator does, without any job: no worker process may run meanwhile.
    """
    cast = {row.called: row.id for row in staff.list_active(db)}
    left_out, before = 0, now
    for scene in order_scenes(night, now):
        _run_sweep(db, context, min(before, scene.at), scene.at)
        left_out += not _play_scene(db, context, scene, cast)
        _flush_and_expire(db)
        before = scene.at
    _run_sweep(db, context, before, now)
    return left_out


def _flush_and_expire(db: Session) -> None:
    # A turn is plain SQL beside the session: both must see what the other has changed.
    db.flush()
    db.expire_all()


def _run_sweep(db: Session, context: Context, at: datetime, until: datetime) -> None:
    """Do what the sweep does, at each time at which something falls due."""
    for _ in range(_MAX_ROUNDS):
        due = next_due.find_earliest(db)
        if due is None or due > until:
            return
        at = max(due, at + _TICK)
        for handoff_id in handoffs.due_ids(db, at):
            handle_due(db, context, handoff_id, at)
        for conversation_id in timeouts.list_timed_out(db, at):
            handle_timeout(db, context, conversation_id, at)
        for check_in_id in check_ins.due_ids(db, at):
            send_check_in(db, context, check_in_id, at)
        for message_id, _lane in outbox.list_due(db, at):
            _deliver(db, context, message_id, at)
        _flush_and_expire(db)


def _deliver(db: Session, context: Context, message_id: int, at: datetime) -> None:
    claimed = outbox.claim(db, context.sealer, message_id, at)
    if claimed is not None:
        blocked = claimed.opted_out or claimed.unreachable
        outbox.settle(
            db, claimed.id, DeliveryState.DROPPED if blocked else DeliveryState.DELIVERED, sid=f"NIGHT-{claimed.id}"
        )


def _play_scene(db: Session, context: Context, scene: DemoScene, staff_ids: Mapping[str, int]) -> bool:
    """Returns whether it could be done; a failed act is only logged."""
    if scene.act.says:
        receive_message(db, context, scene.inbound(context.zone), scene.at)
        return True
    try:
        _play_staff_act(db, context, scene, staff_ids)
    except (Refused, LookupError) as error:
        why = error.reason if isinstance(error, Refused) else error
        log.warning("an act of the demo's night was left out: %s, %s: %s", scene.address.value, scene.act.by, why)
        return False
    return True


def _play_staff_act(db: Session, context: Context, scene: DemoScene, staff_ids: Mapping[str, int]) -> None:
    """Do what a social worker would do in the console. Raises Refused; LookupError for an unknown person or staff name."""
    act, me, now = scene.act, staff_ids[scene.act.by], scene.at
    conversation_id = find_by_addresses(db, context.sealer, [scene.address])[0]
    if act.checks_in or act.keeps or act.met:
        _play_follow_up(db, context, act, conversation_id, me, now)
        return
    handoff = handoffs.find_open(db, conversation_id)
    if handoff is None:
        raise LookupError("nobody was called for this person")
    number, once = handoff.id, f"night-{scene.number}"
    if act.claims:
        claiming.claim(db, context, number, me, now)
    elif act.writes:
        writing.send_text(db, context, number, me, act.writes, now, once)
    elif act.plans:
        writing.send_text(db, context, number, me, act.plans, now, once, send_at=scene.send_at(context.zone))
    elif act.notes:
        writing.add_note(db, context, conversation_id, me, act.notes, now, number)
    elif act.names:
        name_person(db, context.sealer, conversation_id, me, act.names, now)
    elif act.offers_to:
        claiming.offer_to_colleague(db, context, number, me, staff_ids[act.offers_to], act.note, now)
    elif act.hands_back:
        ending.hand_back(db, context, number, me, now)
    elif act.closes:
        ending.close(db, context, number, me, act.closes, now, act.note)
    elif act.safe:
        set_safe_contact(db, context, conversation_id, me, _safe_contact_form(act.safe), now)


def _play_follow_up(db: Session, context: Context, act: DemoAct, conversation_id: int, me: int, now: datetime) -> None:
    """Do the follow-up acts, which need no open handoff."""
    if act.checks_in:
        manage_check_ins.plan_cadence(db, context, conversation_id, me, act.checks_in, now, agreed=True)
    elif act.keeps:
        manage_case.open_case(db, conversation_id, me, now)
        manage_case.take_case(db, conversation_id, me)
        with suppress(Refused):
            # The need exists already where a flow has offered services for it.
            manage_case.open_need(db, conversation_id, act.keeps, me, now)
    else:
        manage_case.record_encounter(db, context, conversation_id, EncounterEntry(act.met, now, 20, act.note), me, now)


def _safe_contact_form(safe: DemoSafeTimes) -> SafeContactForm:
    times = (TimeWindow(safe.days, safe.starts, safe.ends),)
    return SafeContactForm(SafeContact(times=times, neutral=True, may_name_line=False, note=safe.note), None, False)
