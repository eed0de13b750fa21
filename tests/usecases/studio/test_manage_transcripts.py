"""Transcripts kept in a draft: recorded so that they replay elsewhere, renamed, deleted, and recorded again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bot.domain.conversation.transcript import LineKind, Transcript, read_transcript, write_transcript
from bot.domain.flows.language.content import FlowContent
from bot.domain.flows.language.yaml_source import FlowError
from bot.domain.refused import Refused
from bot.storage.flows import drafts, flows
from bot.storage.flows.drafts import DraftAuthor
from bot.usecases.conversation.rehearsal import replay
from bot.usecases.flows.library import DraftLibrary
from bot.usecases.studio import check_draft, manage_transcripts, transcript_owners
from bot.usecases.studio.edit_draft import DraftChangedMeanwhile
from bot.usecases.studio.flow_sets import rehearsal_cards
from bot.usecases.studio.manage_transcripts import TranscriptResult
from bot.usecases.studio.trial import try_flow
from bot.usecases.studio.trial.trials import Trial, TrialStart
from tests.support.demo import Demo

MORNING = datetime.fromisoformat("2026-11-23 10:00")
RENT = "emergency_assistance"
ADA = DraftAuthor("Ada Ortiz")
TEXT = """title: Rent, without a court date
flow: emergency_assistance
language: en
now: 2026-11-23 10:00

line: What is most urgent right now? ...

# A counsellor has read this.
person: rent
line: We are sorry, that is hard.
line: Do you have an eviction court date? ...

person: no
line: What is your ZIP code, so we can look near you? ...
"""


def content(demo: Demo, flow: str = RENT) -> FlowContent:
    with demo.db() as db:
        draft, version = drafts.find(db, flow), flows.current_version(db, flow)
        stored = flows.load_version(db, version or 0)
    assert stored is not None
    return draft.revision.content if draft else stored.content


def library(demo: Demo, draft: FlowContent) -> DraftLibrary:
    """What tests are played on."""
    context = demo.runtime.context
    with demo.db() as db:
        world = try_flow.flow_set_for(db, RENT, draft, all_drafts=False)
    return world.library(context.zone, context.line_name, rehearsal_cards(context.zone))


def results_of(demo: Demo, draft: FlowContent) -> list[TranscriptResult]:
    """The flow's own transcripts as the check plays them."""
    context = demo.runtime.context
    with demo.db() as db:
        world = try_flow.flow_set_for(db, RENT, draft, all_drafts=False)
    report = check_draft.check_drafts(world, [RENT], context.system_texts, context.zone, context.line_name)
    return transcript_owners.own_results(world, report, RENT)


def recorded(demo: Demo, trial: Trial, draft: FlowContent | None = None) -> Transcript:
    context = demo.runtime.context
    return manage_transcripts.record(
        trial, RENT, "A title", context.system_texts, library(demo, draft or content(demo)), context.zone
    )


def record_again(demo: Demo, text: str, draft: FlowContent) -> str:
    context = demo.runtime.context
    return manage_transcripts.rerecord(text, "en/rent", context.system_texts, library(demo, draft), context.zone)


def worded(demo: Demo, old: str, new: str) -> FlowContent:
    whole = content(demo)
    assert old in whole.source
    return replace(whole, source=whole.source.replace(old, new))


@pytest.mark.parametrize(
    "trial",
    [
        Trial(MORNING).with_text("my landlord is evicting me").with_text("11/27").with_wait(timedelta(hours=2)),
        Trial(MORNING, "es", start=TrialStart.FLOW).with_text("comida").with_text("63118").with_text("no").with_text("1"),
        Trial(MORNING, "en", "web", TrialStart.STEP, "zip", {"need": "food"})
        .with_text("nowhere")
        .with_picture()
        .with_text("63118"),
        Trial(MORNING, start=TrialStart.FLOW)
        .with_text("rent")
        .with_wait(timedelta(days=7))
        .with_text("i want to kill myself"),
        Trial(datetime.fromisoformat("2026-10-31 20:00")).with_text("STOP").with_wait(timedelta(days=3)).with_text("START"),
    ],
)
def test_it_records_what_replays_also_with_another_directory(demo: Demo, trial: Trial) -> None:
    made = recorded(demo, trial)
    again = read_transcript(write_transcript(made), "x.txt")
    context = demo.runtime.context
    assert replay(again, "x.txt", context.system_texts, library(demo, content(demo)), context.zone) == []


def test_it_writes_the_cards_of_services_as_any_words(demo: Demo) -> None:
    made = recorded(demo, Trial(MORNING, start=TrialStart.FLOW).with_text("food").with_text("63118"))
    offer = next(number for number, line in enumerate(made.lines) if line.text.startswith("services food"))
    assert made.lines[offer - 1].text == "..."
    assert not any("211 can look" in line.text for line in made.lines)


def test_it_says_where_a_conversation_after_a_jump_begins(demo: Demo) -> None:
    made = recorded(
        demo, Trial(MORNING, "en", "web", TrialStart.STEP, "zip", {"need": "food", "adults": 2}).with_text("63118")
    )
    head = write_transcript(made).split("\n\n", 1)[0]
    assert head.split("\n")[1:4] == ["flow: emergency_assistance", "step: zip", "channel: web"]
    assert 'answers: {"need": "food", "adults": 2}' in head


def test_it_refuses_to_record_what_no_test_should_expect(demo: Demo) -> None:
    with pytest.raises(Refused, match="Nothing was tried"):
        recorded(demo, Trial(MORNING))
    with pytest.raises(Refused, match="one beginning"):
        recorded(demo, Trial(MORNING).with_text("food").with_check_in("household_check_in"))
    broken = worded(demo, "We are sorry, that is hard.", "Sorry, {{ need + 1 }}.")
    with pytest.raises(Refused, match="emergency_assistance/rent_sorry"):
        recorded(demo, Trial(MORNING).with_text("rent"), broken)


def test_it_keeps_a_new_transcript_in_the_draft_once(demo: Demo) -> None:
    now = demo.runtime.clock.now()
    with demo.db() as db:
        manage_transcripts.add(db, RENT, "en/rent", TEXT, ADA, now)
    assert content(demo).transcripts["en/rent"] == TEXT
    with demo.db() as db, pytest.raises(Refused, match="already"):
        manage_transcripts.add(db, RENT, "en/rent", TEXT, ADA, now)
    with demo.db() as db, pytest.raises(Refused, match="like en/rent_is_late"):
        manage_transcripts.add(db, RENT, "../../etc", TEXT, ADA, now)


def test_it_saves_renames_and_deletes_what_no_colleague_has_changed(demo: Demo) -> None:
    now = demo.runtime.clock.now()
    with demo.db() as db:
        first = manage_transcripts.add(db, RENT, "en/rent", TEXT, ADA, now)
        other = TEXT.replace("Rent,", "Rent is late,")
        second = manage_transcripts.save(db, RENT, "welcome", first.number, "en/rent", other, ADA, now)
        with pytest.raises(DraftChangedMeanwhile):
            manage_transcripts.delete(db, RENT, first.number, "en/rent", ADA, now)
        third = manage_transcripts.rename(db, RENT, second.number, "en/rent", "en/late", ADA, now)
        assert third.content.transcripts["en/late"] == other
        gone = manage_transcripts.delete(db, RENT, third.number, "en/late", ADA, now)
    assert "en/late" not in gone.content.transcripts


def test_it_names_line_and_remedy_of_what_cannot_be_read(demo: Demo) -> None:
    now = demo.runtime.clock.now()
    with demo.db() as db:
        first = manage_transcripts.add(db, RENT, "en/rent", TEXT, ADA, now)
        with pytest.raises(FlowError) as raised:
            manage_transcripts.save(db, RENT, "welcome", first.number, "en/rent", f"{TEXT}persn: hi\n", ADA, now)
        with pytest.raises(Refused, match="begins in the menu"):
            other = TEXT.replace("flow: emergency_assistance\n", "")
            manage_transcripts.save(db, RENT, "welcome", first.number, "en/rent", other, ADA, now)
    assert (raised.value.problems[0].line, "person" in raised.value.problems[0].remedy) == (15, True)


def test_it_takes_new_answers_and_leaves_what_still_fits_to_the_letter(demo: Demo) -> None:
    draft = worded(demo, "Do you have an eviction court date?", "Is there an eviction court date?")
    fresh = record_again(demo, TEXT, draft)
    before, after = TEXT.split("\n"), fresh.split("\n")
    assert [row for row in before if row not in after] == ["line: Do you have an eviction court date? ..."]
    assert "line: Is there an eviction court date? Reply with the date, like 12/5, or NO." in after
    assert "# A counsellor has read this." in after
    context = demo.runtime.context
    assert replay(read_transcript(fresh, "x"), "x", context.system_texts, library(demo, draft), context.zone) == []
    assert record_again(demo, fresh, draft) == fresh


def test_it_does_not_take_a_failing_flow_for_the_new_answer(demo: Demo) -> None:
    with pytest.raises(Refused, match="fails"):
        record_again(demo, TEXT, worded(demo, "We are sorry, that is hard.", "Sorry, {{ need + 1 }}."))
    with pytest.raises(Refused, match="cannot begin"):
        record_again(demo, TEXT.replace("language:", "step: gone\nlanguage:"), content(demo))


def test_it_names_the_transcripts_that_fail_and_puts_these_first(demo: Demo) -> None:
    draft = worded(demo, "Do you have an eviction court date?", "Is there an eviction court date?")
    draft = replace(draft, transcripts={"en/a": TEXT.replace("rent\n", "food\n", 1), "en/b": TEXT, "en/c": "nonsense"})
    draft = replace(draft, transcripts={**draft.transcripts, "en/d": f"{TEXT}\nwait: 900000w\n"})
    results = results_of(demo, draft)
    assert {one.name: bool(one.problems) for one in results} == {"en/a": True, "en/b": True, "en/c": True, "en/d": True}
    whole = content(demo)
    assert [one for one in results_of(demo, whole) if one.problems] == []


def test_it_puts_every_shipped_transcript_on_the_phone_and_back(demo: Demo) -> None:
    whole = content(demo, "welcome")
    for name, text in whole.transcripts.items():
        read = read_transcript(text, name)
        trial = manage_transcripts.to_trial(read, MORNING)
        made = recorded(demo, trial)
        assert [line for line in made.lines if line.kind is LineKind.PERSON] == [
            line for line in read.lines if line.kind is LineKind.PERSON
        ], name


def test_it_makes_a_name_of_the_title() -> None:
    taken = {"es/la_renta": "", "en/la_renta": ""}
    assert manage_transcripts.name_for("¿La renta?", "es", taken) == "es/la_renta_2"
