"""Trying a flow on the studio's phone: the draft as it stands, the clock moved by hand, and nothing sent or written."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from bot.domain.conversation.state import Holder
from bot.domain.flows.language.content import FlowContent
from bot.domain.refused import Refused
from bot.storage.flows import flows
from bot.usecases.studio.trial import try_flow
from bot.usecases.studio.trial.trials import MAX_ENTRIES, Trial, TrialStart, dump, load
from bot.usecases.studio.trial.try_flow import BubbleKind, ShownTrial
from tests.support.console import make_staff
from tests.support.demo import Demo

MORNING = datetime.fromisoformat("2026-11-23 10:00")
RENT = Trial(MORNING, start=TrialStart.FLOW)


def content(demo: Demo, flow: str) -> FlowContent:
    """The published content of a flow."""
    with demo.db() as db:
        stored = flows.load_version(db, flows.current_version(db, flow) or 0)
    assert stored is not None
    return stored.content


def changed(demo: Demo, flow: str, old: str, new: str) -> FlowContent:
    """The flow as a draft in which these words are replaced."""
    whole = content(demo, flow)
    assert old in whole.source
    return replace(whole, source=whole.source.replace(old, new))


def tried(demo: Demo, trial: Trial, flow: str = "emergency_assistance", draft: FlowContent | None = None) -> ShownTrial:
    with demo.db() as db:
        return try_flow.show_trial(db, demo.runtime.context, flow, draft or content(demo, flow), trial)


def said(shown: ShownTrial, *kinds: BubbleKind) -> list[str]:
    return [bubble.text for bubble in shown.bubbles if bubble.kind in (kinds or (BubbleKind.LINE,))]


def rows(demo: Demo) -> dict[str, int]:
    """How many rows each table has."""
    with demo.db() as db:
        tables = db.scalars(text("select tablename from pg_tables where schemaname = 'public'")).all()
        return {name: db.scalar(text(f'select count(*) from "{name}"')) or 0 for name in tables}


def test_it_plays_a_conversation_on_the_draft_with_its_new_words(demo: Demo) -> None:
    draft = changed(demo, "emergency_assistance", "What is most urgent right now?", "What do you need first?")
    shown = tried(demo, RENT.with_text("my landlord is evicting me"), draft=draft)
    assert said(shown)[0].startswith("What do you need first?\n1 ")
    assert "We are sorry, that is hard." in said(shown)[1]
    assert shown.run is not None and shown.run.conversation.frame is not None
    assert shown.run.conversation.frame.step == "court_date"


def test_it_writes_nothing_but_the_trial(demo: Demo) -> None:
    staff = make_staff(demo.runtime, "ada@example.org", ["admin"])
    before = rows(demo)
    trial = RENT.with_text("eviction").with_text("11/27").with_wait(timedelta(days=7)).with_picture()
    with demo.db() as db:
        whole = content(demo, "emergency_assistance")
        now = demo.runtime.clock.now()
        try_flow.store_trial(db, demo.runtime.context, staff, "emergency_assistance", whole, trial, now)
    after = rows(demo)
    assert {name: after[name] - count for name, count in before.items() if after[name] != count} == {"flow_trial": 1}


def test_it_says_in_words_what_would_happen(demo: Demo) -> None:
    shown = tried(demo, RENT.with_text("eviction").with_text("11/27"))
    assert said(shown, BubbleKind.EFFECT) == [
        "A handoff to team housing, urgency: now. The social worker would read: Eviction, court date 2026-11-27"
    ]
    assert shown.run is not None and shown.run.conversation.holder is Holder.WAITING


def test_it_names_the_days_of_check_ins_and_lets_one_ask(demo: Demo) -> None:
    trial = RENT.with_text("food").with_text("63118").with_text("no").with_text("1")
    shown = tried(demo, trial)
    shown_effects = [words for words in said(shown, BubbleKind.EFFECT) if words.startswith("Would ask again")]
    assert shown_effects and "Mon, Nov 30" in shown_effects[0] + shown_effects[-1]
    assert shown.run is not None
    flow, at = shown.run.planned[0]
    later = tried(demo, trial.with_check_in(flow))
    assert later.run is not None and at <= later.run.now < at + timedelta(minutes=2)
    assert later.run.conversation.frame is not None and later.run.conversation.frame.flow == flow
    answered = tried(demo, trial.with_check_in(flow).with_text("better"))
    assert "The check-in counts as answered." in said(answered, BubbleKind.EFFECT)


def test_it_answers_danger_in_the_middle_of_a_form_before_the_flow(demo: Demo) -> None:
    shown = tried(demo, RENT.with_text("eviction").with_text("i want to kill myself"))
    assert shown.run is not None and shown.run.conversation.in_danger
    assert "988" in said(shown)[-1]
    urgent = [bubble for bubble in shown.bubbles if bubble.urgent]
    assert "team crisis" in urgent[0].text
    assert shown.quick == ()


def test_it_begins_at_a_step_with_answers_in_another_language_on_the_web(demo: Demo) -> None:
    trial = Trial(MORNING, "es", "web", TrialStart.STEP, "court_date", {"need": "rent"})
    shown = tried(demo, trial)
    assert said(shown)[0].startswith("¿Tiene fecha de corte por desalojo?")
    assert shown.bubbles[0].cost is None
    assert shown.run is not None and shown.run.conversation.answers == {"need": "rent"}


def test_it_counts_texts_as_a_phone_would_show_them(demo: Demo) -> None:
    first = tried(demo, RENT).bubbles[0]
    assert first.cost is not None and (first.cost.encoding, first.cost.segments) == ("GSM-7", 1)


def test_it_hears_silence_when_its_time_has_come(demo: Demo) -> None:
    shown = tried(demo, RENT.with_text("eviction").with_wait(timedelta(days=7)))
    assert said(shown, BubbleKind.TIME) == ["3 days later: Thu, Nov 26, 10:00 AM", "4 days later: Mon, Nov 30, 10:00 AM"]
    assert shown.run is not None and shown.run.conversation.timeout_at is None


def test_it_waits_to_nine_tomorrow_also_when_the_clocks_change(demo: Demo) -> None:
    saturday = Trial(datetime.fromisoformat("2026-10-31 20:00"), start=TrialStart.FLOW)
    run = tried(demo, saturday).run
    assert run is not None
    length = try_flow.wait_length("morning", run, ZoneInfo("America/Chicago"))
    assert length == timedelta(hours=14)
    there = tried(demo, saturday.with_wait(length)).run
    assert there is not None and there.now == datetime(2026, 11, 1, 15, tzinfo=UTC)


def test_it_marks_where_the_conversation_now_differs_and_keeps_the_persons_texts(demo: Demo) -> None:
    staff = make_staff(demo.runtime, "ada@example.org", ["admin"])
    whole = content(demo, "emergency_assistance")
    with demo.db() as db:
        now = demo.runtime.clock.now()
        kept = try_flow.store_trial(
            db,
            demo.runtime.context,
            staff,
            "emergency_assistance",
            whole,
            RENT.with_text("eviction").with_text("11/27"),
            now,
        )
        again = try_flow.read_trial(db, staff, "emergency_assistance", now, demo.runtime.context.zone)
    assert again == kept.trial
    other = changed(demo, "emergency_assistance", "days_until(court_date) <= 7", "days_until(court_date) <= 2")
    shown = tried(demo, again, draft=other)
    marked = [bubble.kind for bubble in shown.bubbles].index(BubbleKind.DIVERGED)
    assert [bubble.text for bubble in shown.bubbles[marked:] if bubble.kind is BubbleKind.PERSON] == ["11/27"]
    assert BubbleKind.DIVERGED not in {bubble.kind for bubble in tried(demo, again).bubbles}


def test_it_does_not_take_new_wording_for_another_course(demo: Demo) -> None:
    whole = content(demo, "emergency_assistance")
    run = tried(demo, RENT.with_text("eviction"), draft=whole).run
    assert run is not None
    draft = changed(demo, "emergency_assistance", "What is most urgent right now?", "What do you need first?")
    shown = tried(demo, replace(RENT.with_text("eviction"), fingerprints=run.fingerprints), draft=draft)
    assert BubbleKind.DIVERGED not in {bubble.kind for bubble in shown.bubbles}


def test_it_says_calmly_why_a_draft_cannot_be_played(demo: Demo) -> None:
    broken = FlowContent("flow: emergency_assistance\nsteps: [")
    shown = tried(demo, RENT.with_text("hello"), draft=broken)
    assert shown.run is None and shown.bubbles == ()
    assert shown.problems[0].file == "emergency_assistance.yaml"


def test_it_names_the_step_where_a_flow_fails_and_raises_no_alarm_of_the_line(
    demo: Demo, caplog: pytest.LogCaptureFixture
) -> None:
    draft = changed(demo, "emergency_assistance", "We are sorry, that is hard.", "We are sorry, {{ need + 1 }}.")
    shown = tried(demo, RENT.with_text("eviction"), draft=draft)
    failed = [bubble for bubble in shown.bubbles if bubble.kind is BubbleKind.FAILED]
    assert failed[0].place == ("emergency_assistance", "rent_sorry")
    assert said(shown)[-1].startswith(demo.runtime.context.system_texts.text("apology", "en")[:20])
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_it_goes_on_at_the_menu_where_a_step_is_not_there_any_more(demo: Demo) -> None:
    shown = tried(demo, Trial(MORNING, start=TrialStart.STEP, step="gone").with_text("food"))
    assert said(shown, BubbleKind.FAILED)[0].startswith("This flow cannot begin: emergency_assistance/gone")
    assert said(shown)


def test_it_offers_the_answers_to_the_open_question(demo: Demo) -> None:
    shown = tried(demo, replace(RENT, language="es"))
    assert [send for send, _ in shown.quick] == ["1", "2", "3", "4", "5"]
    assert shown.quick[2][1].startswith("3 Comida")


def test_it_sends_nothing_to_a_person_who_has_stopped_texts(demo: Demo) -> None:
    shown = tried(demo, RENT.with_text("STOP").with_text("eviction").with_wait(timedelta(days=5)))
    assert "All texts to them are stopped. Writes that into the consent ledger." in said(shown, BubbleKind.EFFECT)
    assert said(shown, BubbleKind.SILENT)[0] == "Nothing is said: opted out."


def test_it_holds_a_bounded_conversation() -> None:
    with pytest.raises(Refused, match="1600 characters"):
        RENT.with_text("x" * 1601)
    with pytest.raises(Refused, match="Write a text"):
        RENT.with_text("  \n ")
    full = replace(RENT, entries=RENT.with_text("hi").entries * MAX_ENTRIES)
    with pytest.raises(Refused, match="Start over"):
        full.with_picture()


def test_it_comes_back_from_the_database_as_it_was() -> None:
    trial = Trial(MORNING, "es", "web", TrialStart.STEP, "zip", {"need": "food", "adults": 2, "court_date": None}, True)
    trial = (
        trial.with_text("hola\nadios").with_picture().with_wait(timedelta(seconds=61)).with_check_in("household_check_in")
    )
    assert load(dump(replace(trial, fingerprints=("a", "b")))) == replace(trial, fingerprints=("a", "b"))
    assert trial.entries[2].text == "2"
    assert trial.without_last().entries == trial.entries[:-1]
