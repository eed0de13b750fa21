from __future__ import annotations

import pytest
from sqlalchemy import func, select

from bot.domain.refused import InvalidForm
from bot.storage.handoff.ready_replies import list_for_language
from bot.storage.tables.staff import Audit, StoredReadyReply
from bot.usecases.handoff.ready_replies import ReadyReply, read_all, remove, save, seed_if_empty
from tests.support.supervisors import Office

HELLO = ReadyReply("", "Hello there", "", {"en": "Hi.", "es": "Hola."})


def count(office: Office) -> int:
    return office.demo.count(StoredReadyReply)


def test_it_fills_an_empty_table_once(office: Office) -> None:
    with office.demo.db() as db:
        added = seed_if_empty(db, office.now)
    with office.demo.db() as db:
        assert seed_if_empty(db, office.now) == 0
    assert added == count(office) >= 28


def test_it_does_not_restore_what_a_supervisor_has_removed(office: Office) -> None:
    with office.demo.db() as db:
        seed_if_empty(db, office.now)
    with office.demo.db() as db:
        assert remove(db, office.supervisor, "hello", office.now)
        seed_if_empty(db, office.now)
        assert "hello" not in {reply.slug for reply in read_all(db)}
        assert not remove(db, office.supervisor, "hello", office.now)


def test_it_adds_changes_and_drops_a_language(office: Office) -> None:
    with office.demo.db() as db:
        assert save(db, office.supervisor, HELLO, ["housing"], office.now) == "hello_there"
        changed = ReadyReply("hello_there", "Greet", "housing", {"en": "Hi!", "es": ""})
        save(db, office.supervisor, changed, ["housing"], office.now)
        assert read_all(db) == [ReadyReply("hello_there", "Greet", "housing", {"en": "Hi!"})]
        acts = db.scalars(select(Audit.act).order_by(Audit.id)).all()
    assert acts == ["reply_added", "reply_changed"]


@pytest.mark.parametrize(
    ("reply", "field"),
    [
        (ReadyReply("", "!!", "", {"en": "Hi."}), "title"),
        (ReadyReply("", "x" * 61, "", {"en": "Hi."}), "title"),
        (ReadyReply("", "Hi", "gone", {"en": "Hi."}), "team"),
        (ReadyReply("", "Hi", "", {"en": "", "es": ""}), "body_en"),
        (ReadyReply("", "Hi", "", {"en": "x" * 1601}), "body_en"),
        (ReadyReply("was_here", "Hi", "", {"en": "Hi."}), ""),
    ],
)
def test_it_refuses_what_cannot_be_kept(office: Office, reply: ReadyReply, field: str) -> None:
    with office.demo.db() as db, pytest.raises(InvalidForm) as refused:
        save(db, office.supervisor, reply, ["housing"], office.now)
    assert list(refused.value.problems) == [field]
    assert count(office) == 0


def test_it_refuses_a_second_reply_of_the_same_title(office: Office) -> None:
    with office.demo.db() as db:
        save(db, office.supervisor, HELLO, [], office.now)
        with pytest.raises(InvalidForm):
            save(db, office.supervisor, HELLO, [], office.now)
        assert db.scalar(select(func.count()).select_from(StoredReadyReply)) == 2


def test_it_offers_a_worker_what_is_for_all_and_for_their_teams(office: Office) -> None:
    with office.demo.db() as db:
        save(db, office.supervisor, HELLO, [], office.now)
        save(db, office.supervisor, ReadyReply("", "Rent", "housing", {"en": "Rent?"}), ["housing"], office.now)
        assert [row.title for row in list_for_language(db, "en", ["housing"])] == ["Hello there", "Rent"]
        assert [row.title for row in list_for_language(db, "en", ["counseling"])] == ["Hello there"]
        assert [row.body for row in list_for_language(db, "es", ["housing"])] == ["Hola."]
