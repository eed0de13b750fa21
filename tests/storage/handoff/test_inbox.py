"""The rows of the inbox and of one handoff, with a real PostgreSQL."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from bot.operations.settings.settings import Settings
from bot.storage.handoff import inbox
from bot.storage.sealing import Sealer
from bot.storage.staff import staff
from bot.storage.tables.residents import Handoff, Message
from bot.storage.tables.staff import CallOut
from tests.support.clock import MONDAY_MORNING as NOW
from tests.support.people import PersonIds, make_handoff, make_person


@pytest.fixture
def ids(db: Session, settings: Settings) -> PersonIds:
    return make_person(db, Sealer(settings.encryption_keys, settings.secret_key), name="Ana Ruiz")


def hire(db: Session, name: str) -> int:
    return staff.add(db, f"{name}@stl.example", name, NOW).id


def call(db: Session, handoff: int, who: int, answer: str | None) -> None:
    db.add(CallOut(handoff_id=handoff, staff_id=who, tier=1, raised_at=NOW, answer=answer))


def test_it_separates_who_was_ever_called_from_who_is_being_called(db: Session, ids: PersonIds) -> None:
    joe, ann, lee = hire(db, "joe"), hire(db, "ann"), hire(db, "lee")
    call(db, ids.handoff, joe, "missed")
    call(db, ids.handoff, ann, None)
    for reader, was_called in ((joe, True), (ann, True), (lee, False)):
        (shown,), found = inbox.list_open(db, reader), inbox.find_detail(db, ids.handoff, reader)
        (one,), standing = inbox.list_access(db, ids.conversation, reader), inbox.find_access(db, ids.handoff, reader)
        assert found and standing and [each.was_called for each in (shown, found, one, standing)] == [was_called] * 4
        assert shown.calling == found.calling == [ann]


def test_it_gives_the_whole_row_of_a_handoff_detached_from_the_session(db: Session, ids: PersonIds) -> None:
    found, row = inbox.find_detail(db, ids.handoff, 0), inbox.find_handoff(db, ids.handoff)
    assert found and row and found.handoff not in db
    columns = Handoff.__table__.columns.keys()
    assert [getattr(found.handoff, name) for name in columns] == [getattr(row, name) for name in columns]


def test_it_finds_nothing_under_an_id_that_no_row_can_have(db: Session, ids: PersonIds) -> None:
    for number in (0, -1, 2**63, ids.handoff + 1):
        assert not any((inbox.find_detail(db, number, 0), inbox.find_access(db, number, 0), inbox.find_handoff(db, number)))


def test_it_counts_as_planned_only_what_is_due_later_and_was_never_tried(db: Session, ids: PersonIds) -> None:
    joe, hour = hire(db, "joe"), timedelta(hours=1)
    same = {"conversation_id": ids.conversation, "outbound": True, "at": NOW}
    rows = [
        Message(**same, state=state, due_at=due, attempts=tried, staff_id=by)
        for state, due, tried, by in (
            ("waiting", NOW + hour * 2, 0, joe), ("waiting", NOW + hour, 0, joe), ("waiting", NOW, 0, joe),
            ("waiting", NOW + hour, 1, joe), ("waiting", NOW + hour, 0, None), ("sent", NOW + hour, 0, joe),
        )
    ]  # fmt: skip
    db.add_all(rows)
    db.flush()
    assert [text.id for text in inbox.list_planned(db, ids.conversation, NOW)] == [rows[1].id, rows[0].id]


def test_it_names_the_earlier_handoffs_of_the_same_person_newest_first(db: Session, ids: PersonIds) -> None:
    joe = hire(db, "joe")
    first = inbox.find_handoff(db, ids.handoff)
    assert first
    first.state, first.disposition, first.owner_id = "closed", "helped", joe
    second = make_handoff(db, ids.conversation, state="closed")
    third = make_handoff(db, ids.conversation)
    found = [(each.id, each.owner, each.disposition) for each in inbox.list_earlier(db, ids.conversation, third)]
    assert found == [(second, "", ""), (ids.handoff, "joe", "helped")]


def test_it_gives_a_page_of_texts_oldest_first_and_the_one_before_it(db: Session, ids: PersonIds) -> None:
    rows = [Message(conversation_id=ids.conversation, outbound=False, at=NOW, state="received") for _ in range(5)]
    db.add_all(rows)
    db.flush()
    text_ids = [row.id for row in rows]
    assert [text.id for text in inbox.list_texts(db, ids.conversation, None, 2)] == text_ids[3:]
    assert [text.id for text in inbox.list_texts(db, ids.conversation, text_ids[3], 2)] == text_ids[1:3]
