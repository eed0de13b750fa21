"""Stored data is sealed, can be re-keyed, is not logged, and is deleted when the person asks or its retention ends."""

from __future__ import annotations

import dataclasses
import logging
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select

from bot.domain.conversation.state import load
from bot.jobs.sweep import delete_expired
from bot.storage import keys
from bot.storage.sealing import Sealer, UnsealError
from bot.storage.tables.residents import Consent, Conversation, Erasure, Handoff, Message
from bot.usecases.tidy import carry_out_erasures, delete_old_texts
from tests.support.help_line import ADA, HelpLine


def rotated(line: HelpLine) -> Sealer:
    settings = line.runtime.settings
    return Sealer((Fernet.generate_key().decode(), *settings.encryption_keys), settings.secret_key)


def test_it_seals_everything_under_a_new_key(line: HelpLine) -> None:
    line.text("i need food")
    line.text("PERSON")
    sealer = rotated(line)
    with line.db() as db:
        for number in range(len(keys.SEALED_COLUMNS)):
            last: int | None = 0
            while last is not None:
                last = keys.reseal_batch(db, sealer, number, last, limit=1)
        keys.reindex(db, sealer)
    newest_only = dataclasses.replace(line.runtime.context, sealer=sealer)
    with line.db() as db:
        row = db.scalars(select(Message).order_by(Message.id).limit(1)).one()
        assert newest_only.sealer.open(row.sealed_body or "") == "i need food"
        with pytest.raises(UnsealError):
            line.runtime.context.sealer.open(row.sealed_body or "")


def test_it_finds_a_wrong_key_before_anything_is_written(line: HelpLine) -> None:
    settings = line.runtime.settings
    with line.db() as db:
        keys.verify(db, line.runtime.context.sealer)
    with line.db() as db, pytest.raises(UnsealError, match="ENCRYPTION_KEYS"):
        keys.verify(db, Sealer((Fernet.generate_key().decode(),), settings.secret_key))
    with line.db() as db, pytest.raises(UnsealError, match="SECRET_KEY"):
        keys.verify(db, Sealer(settings.encryption_keys, "another secret that is long enough"))


def test_it_logs_no_number_and_no_word(line: HelpLine, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    line.text("my name is Ada Lovelace and i need food")
    line.twilio.refuse(20003, 401)
    line.clock.advance(timedelta(minutes=5))
    line.work(2)
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("bot", "rq", "worker"))]
    assert not [text for text in ours if "Lovelace" in text or "5550142" in text]


def test_it_deletes_what_it_knows_of_a_person_who_asks(line: HelpLine) -> None:
    line.text("i need food")
    line.text("DELETE MY DATA")
    line.text("1")
    assert line.count(Erasure) == 1
    line.twilio.report(line.twilio.messages[-1].sid, "delivered")
    line.clock.advance(timedelta(minutes=20))
    line.work()
    with line.db() as db:
        bodies = [row.sealed_body for row in db.scalars(select(Message))]
        conversation = db.scalars(select(Conversation)).one()
        assert bodies and set(bodies) == {None}
        assert line.runtime.context.sealer.open_address(conversation.sealed_address).value == "erased"
        assert db.scalars(select(Erasure)).one().done_at
    line.text("hello again")
    assert line.count(Conversation) == 2


def test_it_talks_first_with_a_person_in_danger_who_asks_to_be_deleted(line: HelpLine) -> None:
    line.text("i am going to kill myself tonight")
    with line.db() as db:
        conversation = db.scalars(select(Conversation)).one()
        db.add(Erasure(conversation_id=conversation.id, asked_at=line.clock.now(), done_at=None))
    line.clock.advance(timedelta(hours=1))
    with line.db() as db:
        assert carry_out_erasures(db, line.runtime.context.sealer, line.clock.now()) == 0
        db.scalars(select(Handoff)).one().state = "closed"
    with line.db() as db:
        assert carry_out_erasures(db, line.runtime.context.sealer, line.clock.now()) == 1


def test_it_remembers_whom_never_to_text_after_deleting_the_rest(line: HelpLine) -> None:
    line.text("i need food")
    line.text("STOP")
    with line.db() as db:
        conversation = db.scalars(select(Conversation)).one()
        db.add(Erasure(conversation_id=conversation.id, asked_at=line.clock.now(), done_at=None))
    line.clock.advance(timedelta(hours=1))
    line.work()
    assert line.text("hello", ADA) == []
    assert line.count(Conversation) == 1 and line.count(Consent) == 1


def test_it_forgets_words_past_their_time_but_not_those_of_open_handoffs(line: HelpLine) -> None:
    line.text("i need food")
    line.text("PERSON", "+13145550150")
    line.clock.advance(timedelta(days=500))
    with line.db() as db:
        for row in db.scalars(select(Message).where(Message.outbound)):
            row.due_at = None
    with line.db() as db:
        assert delete_old_texts(db, line.runtime.context.sealer, line.clock.now(), timedelta(days=400)) == 2
        states = [load(line.runtime.context.sealer.open(c.sealed_state)) for c in db.scalars(select(Conversation))]
    assert sorted(len(state.recent) for state in states) == [0, 1]
    assert line.count(Message, Message.sealed_body.is_not(None)) == 2


def test_it_forgets_answers_past_their_time_and_keeps_the_language(line: HelpLine) -> None:
    line.text("necesito comida")
    line.text("63118")
    line.clock.advance(timedelta(days=365 * 3 + 10))
    delete_expired(line.runtime)
    with line.db() as db:
        conversation = db.scalars(select(Conversation)).one()
        state = load(line.runtime.context.sealer.open(conversation.sealed_state))
    assert (state.answers, state.frames, state.language) == ({}, (), "es")
    assert "STL Help" in "\n".join(line.text("hola"))
