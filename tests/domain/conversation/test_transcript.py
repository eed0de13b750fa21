from __future__ import annotations

from datetime import datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.conversation.effects import (
    ConsentChoice,
    ConsentMethod,
    DropQueuedTexts,
    Effect,
    EraseData,
    HandoffReason,
    MarkCheckInAnswered,
    NotifyStaff,
    OfferServices,
    OpenHandoff,
    RaiseAlarm,
    RecordConsent,
    RecordMeasure,
    RecordOutcome,
    RecordReferralOutcome,
    Reply,
    ScheduleCheckIns,
    StaySilent,
)
from bot.domain.conversation.transcript import (
    LineKind,
    Transcript,
    TranscriptLine,
    describe,
    matches_expected,
    read_transcript,
    trim_lines,
    write_transcript,
)
from bot.domain.flows.language.reader import FlowError
from bot.domain.safety.levels import Urgency

TEXT = """\
title: An eviction with a court date next week
flow: emergency_assistance        # where the person starts
language: en
now: 2026-11-23 10:00             # local time of the line

# The person knows the date.
person: my landlord is evicting me
line: What is it? # 1
  1 Rent

  2 Food
effect: handoff housing now
wait: 2h
silent:
"""


def test_it_reads_a_transcript() -> None:
    read = read_transcript(TEXT, "t.txt")
    assert read.title == "An eviction with a court date next week"
    assert (read.flow, read.language, read.now) == ("emergency_assistance", "en", datetime(2026, 11, 23, 10, 0))  # noqa: DTZ001
    assert read.lines == (
        TranscriptLine(LineKind.PERSON, "my landlord is evicting me"),
        TranscriptLine(LineKind.LINE, "What is it? # 1\n1 Rent\n\n2 Food"),
        TranscriptLine(LineKind.EFFECT, "handoff housing now"),
        TranscriptLine(LineKind.WAIT, "2h"),
        TranscriptLine(LineKind.SILENT, ""),
    )
    assert [line.number for line in read.lines] == [7, 8, 12, 13, 14]


def test_it_needs_nothing_but_a_title_and_words() -> None:
    assert read_transcript("title: T\nperson: hi\n", "t.txt") == Transcript(
        "T", lines=(TranscriptLine(LineKind.PERSON, "hi"),)
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("person: hi\n", "t.txt:1: The transcript has no title. Begin with `title:` and what it shows."),
        ("title: T\n", "t.txt:1: Nobody says anything. Write `person:` and `line:` lines below the head."),
        ("title: T\nperson: hi\nlien: hello\n", "t.txt:3: `lien:` is not known here. Did you mean `line`?"),
        (
            "title: T\nperson: hi\nhello there\n",
            "t.txt:3: This line does not say who speaks. Begin it with `person:` or `line:`, or indent it.",
        ),
        (
            "title: T\nperson: hi\nwait: soon\n",
            "t.txt:3: `soon` is not a length of time. Write a number and s, m, h, d or w, like 2h.",
        ),
        (
            "title: T\nnow: tomorrow\nperson: hi\n",
            "t.txt:2: `tomorrow` is not a date and time. Write it like 2026-11-23 10:00.",
        ),
        ("title: T\nperson: hi\nline:\n", "t.txt:3: `line:` has no words. Write them behind the colon."),
        (
            "title: T\nperson: hi\nnow: 2026-11-23 10:00\n",
            "t.txt:3: `now:` is not known here. Move it to the top, before the first text.",
        ),
        ("title: T\ntitle: U\nperson: hi\n", "t.txt:2: `title:` stands here a second time. Keep one of them."),
    ],
)
def test_it_explains_what_is_wrong(text: str, complaint: str) -> None:
    with pytest.raises(FlowError) as refused:
        read_transcript(text, "t.txt")
    assert [str(problem) for problem in refused.value.problems] == [complaint]


SPOKEN = (
    st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"]), min_size=1, max_size=60)
    .map(trim_lines)
    .filter(bool)
)
SAID = st.builds(TranscriptLine, st.sampled_from([LineKind.PERSON, LineKind.LINE, LineKind.EFFECT, LineKind.SILENT]), SPOKEN)
WAITED = st.builds(TranscriptLine, st.just(LineKind.WAIT), st.sampled_from(["2h", "90s", "7d"]))


@given(
    st.builds(
        Transcript,
        title=SPOKEN.map(lambda text: " ".join(text.split())).filter(bool),
        flow=st.none() | st.sampled_from(["welcome", "a_1"]),
        language=st.sampled_from(["en", "es"]),
        now=st.none() | st.datetimes(datetime(2000, 1, 1)).map(lambda at: at.replace(second=0, microsecond=0)),  # noqa: DTZ001
        lines=st.lists(SAID | WAITED, min_size=1, max_size=6).map(tuple),
    )
)
def test_it_reads_what_it_wrote(transcript: Transcript) -> None:
    assert read_transcript(write_transcript(transcript), "t.txt") == transcript


@given(st.text(max_size=100))
def test_it_never_fails_otherwise_than_by_its_own_error(text: str) -> None:
    with pytest.raises(FlowError):
        read_transcript("titel: " + text, "t.txt")


@pytest.mark.parametrize(
    ("expected", "said", "same"),
    [
        ("Hello there.", "Hello there.", True),
        ("Hello\nthere.", "Hello  there.", True),
        ("Hello ...", "Hello there.", True),
        ("...", "anything", True),
        ("Hello", "Hello there.", False),
        ("Hello...", "Good day", False),
    ],
)
def test_it_compares_words_and_not_space(expected: str, said: str, same: bool) -> None:
    assert matches_expected(expected, said) is same


DESCRIBED: list[tuple[Effect, str]] = [
    (OpenHandoff(HandoffReason.FLOW, Urgency.NOW, "housing"), "handoff housing now"),
    (OpenHandoff(HandoffReason.DANGER, Urgency.NOW, reachable=False), "handoff anyone now by phone"),
    (NotifyStaff(), "told human"),
    (NotifyStaff(urgent=True), "told human urgently"),
    (RaiseAlarm("flow_failed", "a/b"), "alarm flow_failed"),
    (OfferServices("rent", "63118", (4, 5, 6)), "services rent 63118 3"),
    (OfferServices("rent", None, (4,)), "services rent - 1"),
    (
        ScheduleCheckIns("household_check_in", (timedelta(days=7), timedelta(hours=36), timedelta(seconds=90))),
        "check_in household_check_in 7d 36h 90s",
    ),
    (RecordConsent(ConsentChoice.AGREED, ConsentMethod.FLOW, "service"), "consent service agreed"),
    (RecordConsent(ConsentChoice.WITHDRAWN, ConsentMethod.FLOW, "followup"), "consent followup withdrawn"),
    (RecordConsent(ConsentChoice.OPTED_OUT, ConsentMethod.KEYWORD), "opted_out keyword"),
    (RecordConsent(ConsentChoice.OPTED_IN, ConsentMethod.CARRIER), "opted_in carrier"),
    (MarkCheckInAnswered(4), "check_in answered"),
    (RecordReferralOutcome("helped"), "referral helped"),
    (RecordReferralOutcome("waitlist", 2), "referral waitlist 2"),
    (RecordMeasure("housed", "unsure"), "measure housed unsure"),
    (EraseData(), "erase"),
    (DropQueuedTexts(), "texts held back"),
    (RecordOutcome("referred", "emergency_assistance"), "outcome referred"),
]


@pytest.mark.parametrize(("effect", "words"), DESCRIBED)
def test_it_describes_effects_in_a_few_words(effect: Effect, words: str) -> None:
    assert describe(effect) == words


def test_it_describes_every_effect_but_words_and_silence() -> None:
    assert {type(effect) for effect, _ in DESCRIBED} == set(get_args(Effect)) - {Reply, StaySilent}
    with pytest.raises(TypeError):
        describe(Reply("hi"))
