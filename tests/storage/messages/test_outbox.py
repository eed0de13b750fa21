"""The outbox under concurrent connections: a row has one owner at a time, also when a worker dies."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from bot.domain.conversation.state import Conversation as State
from bot.domain.messages.delivery import DeliveryState as Delivery
from bot.domain.messages.message import Address, Channel, InboundMessage, OutboxLane
from bot.storage.conversation import turns
from bot.storage.database import Database
from bot.storage.messages import outbox
from bot.storage.sealing import Sealer
from bot.storage.tables.residents import Message
from tests.support.clock import FrozenClock

ADA = Address(Channel.SMS, "+13145550142")


def text_from_ada(sid: str, clock: FrozenClock, body: str = "hi") -> InboundMessage:
    return InboundMessage(sid, ADA, "+13145550100", body, clock.now())


def known(database: Database, sealer: Sealer, clock: FrozenClock) -> int:
    with database.transaction() as db:
        inbound = text_from_ada("SM1", clock)
        thread = turns.load_for_update(db, sealer, inbound, "en")
        options = {"opted_out": False, "rules": (), "silence": "test", "now": clock.now()}
        return turns.save(db, sealer, thread, State(), inbound, [], **options).conversation_id  # type: ignore[arg-type]


def add(
    database: Database, sealer: Sealer, clock: FrozenClock, conversation: int, lane: OutboxLane = OutboxLane.REPLY
) -> int:
    with database.transaction() as db:
        return outbox.enqueue(db, sealer, conversation, "a promise", lane, None, 1, clock.now()).id


def test_it_gives_a_row_to_one_of_many_claimers(database: Database, sealer: Sealer, clock: FrozenClock) -> None:
    row = add(database, sealer, clock, known(database, sealer, clock))

    def claim(_: int) -> bool:
        with database.transaction() as db:
            return outbox.claim(db, sealer, row, clock.now()) is not None

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(claim, range(24))) == 1


def test_it_marks_a_row_whose_owner_died_as_uncertain(database: Database, sealer: Sealer, clock: FrozenClock) -> None:
    row = add(database, sealer, clock, known(database, sealer, clock))
    with database.transaction() as db:
        assert outbox.claim(db, sealer, row, clock.now()).previous_state is Delivery.WAITING  # type: ignore[union-attr]
    with database.transaction() as db:
        assert outbox.claim(db, sealer, row, clock.now()) is None
    clock.advance(outbox.LEASE + timedelta(seconds=1))
    with database.transaction() as db:
        assert outbox.claim(db, sealer, row, clock.now()).previous_state is Delivery.UNKNOWN  # type: ignore[union-attr]


def test_it_keeps_what_the_carrier_reported_while_we_were_sending(
    database: Database, sealer: Sealer, clock: FrozenClock
) -> None:
    row = add(database, sealer, clock, known(database, sealer, clock))
    with database.transaction() as db:
        outbox.claim(db, sealer, row, clock.now())
    with database.transaction() as db:
        outbox.record_report(db, row, "SM9", Delivery.DELIVERED, "delivered", None, clock.now())
    with database.transaction() as db:
        outbox.settle(db, row, Delivery.QUEUED, sid="SM9")
        assert db.get_one(Message, row).state == "delivered"


def test_it_gives_each_text_its_own_place_in_the_queue_of_a_number(
    database: Database, sealer: Sealer, clock: FrozenClock
) -> None:
    def slot(_: int) -> float:
        with database.transaction() as db:
            start = outbox.reserve_slot(db, "+13145550100", 2, 1, OutboxLane.REPLY, clock.now())
        return (start - clock.now()).total_seconds()

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(slot, range(8))) == [0, 2, 4, 6, 8, 10, 12, 14]


def test_it_lists_what_is_due_crisis_first(database: Database, sealer: Sealer, clock: FrozenClock) -> None:
    conversation = known(database, sealer, clock)
    rows = {lane: add(database, sealer, clock, conversation, lane) for lane in reversed(OutboxLane)}
    with database.transaction() as db:
        assert [row for row, _ in outbox.list_due(db, clock.now())] == [rows[lane] for lane in OutboxLane]


def test_it_refuses_the_same_message_twice_and_writes_nothing(
    database: Database, sealer: Sealer, clock: FrozenClock
) -> None:
    known(database, sealer, clock)
    with pytest.raises(turns.ConcurrentTurn), database.transaction() as db:
        thread = turns.load_for_update(db, sealer, text_from_ada("SM2", clock), "en")
        options = {"opted_out": False, "rules": (), "silence": None, "now": clock.now()}
        reply = turns.OutgoingText("x", "reply", None, "answered", None, 1)
        turns.save(db, sealer, thread, State(), text_from_ada("SM1", clock), [reply], **options)  # type: ignore[arg-type]
    with database.transaction() as db:
        assert db.query(Message).count() == 1
