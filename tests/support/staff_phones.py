"""Alerts for tests of the staff's phones: the rows that an escalation would have written."""

from __future__ import annotations

from bot import reception
from bot.domain.messages.delivery import DeliveryState
from bot.domain.messages.message import Address, Channel, InboundMessage, OutboxLane
from bot.storage.staff import staff, staff_threads
from bot.storage.staff.staff_threads import StaffMessageSubject
from bot.storage.tables.residents import Conversation, Handoff, Message
from bot.storage.tables.staff import CallOut, Staff
from tests.support.demo import Demo

SAYS = "This is Warmline. Handoff 7 needs an answer. Press 1 to take it. Press 2 to pass."
MAIL = "Warmline: handoff 7, NOW\n\nOpen it here:\n{home}/console/handoffs/7\n"


def hire(demo: Demo, name: str, *, phone: str | None = None) -> int:
    """Add a member of staff, with a simulated phone where `phone` is given; gives the new member's id."""
    with demo.db() as db:
        row = staff.add(db, f"{name.split()[0].lower()}@example.org", name, demo.runtime.clock.now())
        if phone:
            staff.set_phone(db, demo.runtime.context.sealer, row, Address(Channel.SIMULATOR, phone))
        return row.id


def write(
    demo: Demo, staff_id: int, body: str, line: str = "staff-1", channel: Channel = Channel.SIMULATOR,
    state: DeliveryState = DeliveryState.DELIVERED, handoff_id: int | None = None,
) -> int:  # fmt: skip
    """Store a text, mail or call to a member of staff as it is after delivery; gives the message's id."""
    with demo.db() as db:
        member = db.get_one(Staff, staff_id)
        written = staff_threads.enqueue(
            db, demo.runtime.context.sealer, member, channel, line, body, OutboxLane.CRISIS, demo.runtime.clock.now(),
            StaffMessageSubject("alert", handoff_id),
        )  # fmt: skip
        assert written is not None
        row = db.get_one(Message, written)
        row.state, row.due_at = state.value, None
        return written


def open_handoff(demo: Demo, staff_id: int) -> int:
    """Open a handoff for which this member of staff is called out; gives the handoff's id."""
    now = demo.runtime.clock.now()
    sender = Address(Channel.SIMULATOR, f"resident-of-{staff_id}")
    reception.accept(demo.runtime, InboundMessage(f"SIMresident{staff_id}", sender, "warmline", "hello", now))
    with demo.db() as db:
        talk = db.query(Conversation).filter_by(lookup=demo.runtime.context.sealer.blind_index(sender)).one()
        handoff = Handoff(
            conversation_id=talk.id, reason="asked", team="anyone", urgency="now", dangers=[], reachable=True,
            state="alerted", opened_at=now, updated_at=now, tier=1,
        )  # fmt: skip
        db.add(handoff)
        db.flush()
        db.add(CallOut(handoff_id=handoff.id, staff_id=staff_id, tier=1, raised_at=now))
        return handoff.id


def alert(demo: Demo, staff_id: int) -> tuple[int, int]:
    """Alert a member of staff by text, mail and call about a new handoff; gives the ids of the handoff and the call."""
    handoff = open_handoff(demo, staff_id)
    write(demo, staff_id, f"Warmline: handoff {handoff}, NOW. Reply 1 to take it, 2 to pass.", handoff_id=handoff)
    mail = MAIL.format(home=demo.runtime.settings.public_url)
    write(demo, staff_id, mail, "warmline@example.org", Channel.EMAIL, handoff_id=handoff)
    return handoff, write(demo, staff_id, SAYS, "staff-1", Channel.VOICE, handoff_id=handoff)
