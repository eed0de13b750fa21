"""What a played conversation passes through is recorded, and nothing else changes."""

from __future__ import annotations

from datetime import UTC, datetime

from bot.domain.conversation.engine import take_turn
from bot.domain.conversation.state import Conversation, Frame
from bot.domain.conversation.turn import FlowStarted, TextReceived, Turn
from bot.domain.flows.checks.coverage import UsageLog, coverage_gaps, coverage_of, watch_flow
from bot.domain.flows.language.flow import Flow
from bot.domain.flows.language.reader import read_flow
from bot.domain.state_machine import ENDED

NOW = datetime(2026, 11, 23, 16, tzinfo=UTC)
FLOW = Flow(
    read_flow(
        "flow: a\ntitle: A\nstart: hello\nsteps:\n  hello: {say: Hi., next: need}\n"
        "  need: {ask: What?, choices: {rent: {label: Rent, go: bye}, food: {label: Food, go: person}}}\n"
        "  bye: {say: Bye., end: done}\n  person: {handoff: {team: t}}\n",
        "a.yaml",
    ),
    {},
)


def play(flow: Flow) -> tuple[Turn, Turn]:
    start = Conversation(frames=(Frame("a", 0, "hello"),))
    first = take_turn(flow, start, FlowStarted(""), NOW, lambda key, language: key)
    return first, take_turn(flow, first.conversation, TextReceived("1"), NOW, lambda key, language: key)


def test_it_records_the_steps_choices_and_ways_that_are_used() -> None:
    watch = UsageLog()
    play(watch_flow(FLOW, watch))
    assert watch.steps == {("a", "hello"), ("a", "need"), ("a", "bye")}
    assert watch.choices == {("a", "need", "rent")}
    assert watch.ways == {("a", "hello", "need"), ("a", "need", "bye"), ("a", "bye", ENDED)}


def test_it_changes_nothing_of_what_is_played() -> None:
    twin = watch_flow(FLOW, UsageLog())
    assert play(twin) == play(FLOW)
    assert (twin.version, twin.script.flow, list(twin.script.steps)) == (0, "a", list(FLOW.script.steps))


def test_it_changes_nothing_in_the_flow_that_is_recorded() -> None:
    watch = UsageLog()
    watch_flow(FLOW, watch)
    play(FLOW)
    assert watch == UsageLog()


def test_it_says_what_no_transcript_passes() -> None:
    watch = UsageLog()
    play(watch_flow(FLOW, watch))
    covered = coverage_of("a", {"en/rent": watch.drain(), "en/nothing": watch.drain()})
    assert list(covered.transcripts) == ["en/rent"]
    missed = coverage_gaps(FLOW.script, covered)
    assert (missed.steps, missed.choices) == (("person",), (("need", "food"),))
