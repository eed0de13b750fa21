"""Silence counts as an answer, once, and a late alarm changes nothing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.storage.tables.residents import Conversation, Handoff
from bot.usecases.conversation.time_out import handle_timeout
from bot.usecases.flows.files import read_folder
from bot.usecases.flows.publish_flows import publish_flows
from tests.paths import ROOT
from tests.support.help_line import ADA, HelpLine

FLOW = """
flow: nudge
title: A flow with patience
menu: true
start: ask_zip
steps:
  ask_zip: {ask: What ZIP code?, answer: zip, save: zip, wait: {after: 2h, go: nudge}, next: pause}
  nudge: {say: Still there?, next: pause}
  pause: {wait: 1d, next: after}
  after: {say: How did it go?, end: done}
"""


@pytest.fixture
def patient(line: HelpLine, tmp_path: Path) -> HelpLine:
    """The line with a menu flow that waits."""
    folder = tmp_path / "flows"
    folder.mkdir()
    (folder / "nudge.yaml").write_text(FLOW)
    for name in ("privacy",):
        (folder / f"{name}.yaml").write_text((ROOT / f"flows/{name}.yaml").read_text())
    with line.db() as db:
        db.connection().exec_driver_sql("truncate flow_publication, flow_version cascade")
    line.runtime.context.flow_cache._flows.clear()
    with line.db() as db:
        publish_flows(db, read_folder(folder), "test", line.clock.now())
    return line


def settle(line: HelpLine) -> None:
    for message in line.twilio.messages:
        line.twilio.report(message.sid, "delivered")


def test_it_reminds_once_after_two_hours_and_again_a_day_later(patient: HelpLine) -> None:
    assert patient.text("hi") == ["What ZIP code?"]
    settle(patient)
    patient.work()
    patient.clock.advance(timedelta(hours=2, seconds=1))
    patient.work(3)
    assert patient.twilio.texts_to(ADA)[-1] == "Still there?"
    settle(patient)
    patient.clock.advance(timedelta(days=1, seconds=1))
    patient.work(3)
    assert patient.twilio.texts_to(ADA) == ["What ZIP code?", "Still there?", "How did it go?"]


def test_it_does_not_remind_a_person_who_answered(patient: HelpLine) -> None:
    patient.text("hi")
    with patient.db() as db:
        due = db.scalars(select(Conversation.timeout_at)).one()
    patient.text("63118")
    assert due is not None
    patient.clock.advance(timedelta(hours=2, seconds=1))
    with patient.db() as db:
        row = db.scalars(select(Conversation.id)).one()
        assert handle_timeout(db, patient.runtime.context, row, patient.clock.now()) == []
    assert "Still there?" not in patient.twilio.texts_to(ADA)


def test_it_calls_a_human_where_the_direct_question_is_not_answered(line: HelpLine) -> None:
    line.text("i feel hopeless")
    settle(line)
    assert line.count(Handoff) == 0
    line.clock.advance(timedelta(minutes=11))
    line.work(2)
    with line.db() as db:
        handoff = db.scalars(select(Handoff)).one()
    assert handoff.reason == "danger"
    assert "988" in line.twilio.texts_to(ADA)[-1]


def test_it_does_not_text_a_person_who_opted_out_meanwhile(patient: HelpLine) -> None:
    patient.text("hi")
    patient.text("STOP")
    settle(patient)
    said = len(patient.twilio.texts_to(ADA))
    patient.clock.advance(timedelta(days=3))
    patient.work(2)
    assert len(patient.twilio.texts_to(ADA)) == said
