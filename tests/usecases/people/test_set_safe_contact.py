"""Recording how a person may be reached: sealed, shown to no one else, never undoing what the person did meanwhile."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bot.domain.conversation.safe_contact import SafeContact, TimeWindow
from bot.domain.conversation.state import load
from bot.domain.messages.message import Channel
from bot.storage.tables.residents import Conversation
from bot.storage.tables.staff import Audit, HandoffEvent
from bot.usecases.context import Context
from bot.usecases.people.name_person import name_person
from bot.usecases.people.read_person import PersonPage, read_person
from bot.usecases.people.set_safe_contact import PersonNotFound, SafeContactForm, choice_words, set_safe_contact
from tests.support.clock import MONDAY_MORNING as NOW
from tests.support.people import PersonIds, make_person

EVENINGS = SafeContact(times=(TimeWindow(frozenset(range(5)), time(18), time(20)),), word="Paraguas", neutral=True)


@pytest.fixture
def ada(db: Session, context: Context) -> PersonIds:
    return make_person(db, context.sealer)


def stored(db: Session, context: Context, made: PersonIds) -> SafeContact:
    db.expire_all()
    return load(context.sealer.open(db.get_one(Conversation, made.conversation).sealed_state)).safe


def ask(safe: SafeContact, seen: datetime | None = None, *, was_paused: bool = False) -> SafeContactForm:
    return SafeContactForm(safe, seen, was_paused)


def test_it_keeps_the_settings_with_who_and_when(db: Session, context: Context, rosa: int, ada: PersonIds) -> None:
    assert set_safe_contact(db, context, ada.conversation, rosa, ask(EVENINGS), NOW) == []
    assert stored(db, context, ada) == replace(EVENINGS, set_at=NOW, set_by=rosa)


def test_it_audits_what_was_changed_and_no_word_of_it(db: Session, context: Context, rosa: int, ada: PersonIds) -> None:
    set_safe_contact(db, context, ada.conversation, rosa, ask(replace(EVENINGS, note="her brother reads it")), NOW)
    audit = db.scalars(select(Audit).where(Audit.act == "safe_contact_changed")).one()
    assert (audit.staff_id, audit.conversation_id, audit.handoff_id) == (rosa, ada.conversation, ada.handoff)
    assert audit.detail == "safe times, safe word, neutral texts, note"
    event = db.scalars(select(HandoffEvent).where(HandoffEvent.kind == "safe_contact_changed")).one()
    assert event.detail == {"changed": ["times", "word", "neutral", "note"]}


def test_it_audits_nothing_where_nothing_changes(db: Session, context: Context, rosa: int, ada: PersonIds) -> None:
    assert set_safe_contact(db, context, ada.conversation, rosa, ask(SafeContact()), NOW) == []
    assert stored(db, context, ada) == SafeContact()
    assert db.scalars(select(Audit)).all() == []


@pytest.mark.parametrize("word", ["STOP", "landlord", "Food", "comida"])
def test_it_refuses_a_word_that_the_line_listens_to(
    db: Session, context: Context, rosa: int, ada: PersonIds, word: str
) -> None:
    wrong = set_safe_contact(db, context, ada.conversation, rosa, ask(SafeContact(word=word)), NOW)
    assert [complaint.field for complaint in wrong] == ["word"]
    assert stored(db, context, ada) == SafeContact()


def test_it_knows_the_choices_of_the_flows_in_each_language(db: Session, context: Context) -> None:
    assert {"rent", "comida"} <= choice_words(db, context)


def test_it_keeps_nothing_over_what_a_colleague_kept_meanwhile(
    db: Session, context: Context, rosa: int, ada: PersonIds
) -> None:
    set_safe_contact(db, context, ada.conversation, rosa, ask(EVENINGS), NOW)
    later = NOW + timedelta(minutes=1)
    wrong = set_safe_contact(db, context, ada.conversation, rosa, ask(SafeContact(neutral=True)), later)
    assert [complaint.field for complaint in wrong] == ["form"]
    assert stored(db, context, ada).word == "Paraguas"
    again = ask(replace(EVENINGS, word="Tijeras"), NOW)
    assert set_safe_contact(db, context, ada.conversation, rosa, again, later) == []
    assert stored(db, context, ada).word == "Tijeras"


def test_it_does_not_undo_an_exit_word_that_came_while_the_form_was_open(
    db: Session, context: Context, rosa: int, ada: PersonIds
) -> None:
    leave(db, context, ada)
    set_safe_contact(db, context, ada.conversation, rosa, ask(EVENINGS, was_paused=False), NOW)
    assert stored(db, context, ada).paused


def test_it_lets_a_worker_end_the_pause_that_they_saw(db: Session, context: Context, rosa: int, ada: PersonIds) -> None:
    leave(db, context, ada)
    set_safe_contact(db, context, ada.conversation, rosa, ask(SafeContact(), was_paused=True), NOW)
    assert not stored(db, context, ada).paused


def leave(db: Session, context: Context, made: PersonIds) -> None:
    """The person sends an exit word."""
    row = db.get_one(Conversation, made.conversation)
    state = load(context.sealer.open(row.sealed_state))
    row.sealed_state = context.sealer.seal(replace(state, safe=replace(state.safe, paused=True)).dump())
    db.flush()


def test_it_requires_a_new_word_to_be_agreed_again(db: Session, context: Context, rosa: int) -> None:
    verified = replace(EVENINGS, verified_at=NOW, set_at=NOW, set_by=rosa)
    made = make_person(db, context.sealer, safe=verified)
    set_safe_contact(db, context, made.conversation, rosa, ask(replace(EVENINGS, word="PARAGUAS", neutral=False), NOW), NOW)
    assert stored(db, context, made).verified_at == NOW
    set_safe_contact(db, context, made.conversation, rosa, ask(replace(EVENINGS, word="Tijeras"), NOW), NOW)
    assert stored(db, context, made).verified_at is None


def test_it_leaves_deleted_people_deleted(db: Session, context: Context, rosa: int, ada: PersonIds) -> None:
    db.execute(update(Conversation).values(unreachable="erased"))
    for unknown in (ada.conversation, 999):
        with pytest.raises(PersonNotFound):
            set_safe_contact(db, context, unknown, rosa, ask(EVENINGS), NOW)


def test_it_seals_a_name_and_takes_it_away(db: Session, context: Context, rosa: int, ada: PersonIds) -> None:
    name_person(db, context.sealer, ada.conversation, rosa, "  Ada   Brown ", NOW)
    assert page_of(db, context, rosa, ada).name == "Ada Brown"
    name_person(db, context.sealer, ada.conversation, rosa, "", NOW)
    assert page_of(db, context, rosa, ada).name == ""
    assert not any("Ada" in row.detail for row in db.scalars(select(Audit)))


class Reader:
    """A member of the housing team with every permission."""

    def __init__(self, staff_id: int) -> None:
        self.id = staff_id
        self.teams = frozenset({"housing"})

    def may(self, _permission: object) -> bool:
        return True


def page_of(db: Session, context: Context, reader: int, made: PersonIds) -> PersonPage:
    page = read_person(db, context, Reader(reader), made.conversation, NOW)
    assert page is not None
    return page


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"team": "housing", "state": "closed"}, ""),
        ({}, "A handoff is open"),
        ({"state": "closed", "opted_out": True}, "opted out"),
        ({"state": "closed", "unreachable": "no_texts"}, "do not reach"),
        ({"state": "closed", "channel": Channel.WEB}, "web chat"),
        ({"state": "closed", "safe": SafeContact(paused=True)}, "paused"),
        ({"state": "closed", "safe": EVENINGS}, "not a safe time"),
    ],
)
def test_it_says_why_staff_may_not_write_first(
    db: Session, context: Context, rosa: int, fields: dict[str, object], why: str
) -> None:
    made = make_person(db, context.sealer, **fields)  # type: ignore[arg-type]
    said = page_of(db, context, rosa, made).why_not
    assert why in said if why else said == ""
