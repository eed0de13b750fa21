"""Turns in small flows, each of which shows one thing that a flow can do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.conversation.effects import (
    EraseData,
    OfferServices,
    OpenHandoff,
    RecordConsent,
    RecordOutcome,
    Reply,
    ScheduleCheckIns,
)
from bot.domain.conversation.engine import take_turn
from bot.domain.conversation.state import Conversation, Frame, Holder
from bot.domain.conversation.turn import (
    EnterFlow,
    FindServices,
    FlowReturned,
    FlowStarted,
    LeaveFlow,
    RepeatQuestion,
    ServicesFound,
    TextReceived,
    TimeoutReached,
    Turn,
    TurnInput,
)
from bot.domain.flows.language.flow import Flow, FlowFailed
from bot.domain.flows.language.machine import FlowMachine
from bot.domain.flows.language.reader import read_flow
from bot.domain.state_machine import IllegalMove

NOW = datetime(2026, 11, 23, 16, tzinfo=UTC)


def flow(steps: str, start: str = "a") -> Flow:
    return Flow(read_flow(f"flow: test\ntitle: Test\nstart: {start}\nsteps:\n{steps}", "test.yaml"), {}, 7)


def at(step: str, **changes: object) -> Conversation:
    return Conversation(frames=(Frame("test", 7, step),), **changes)  # type: ignore[arg-type]


def take(script: Flow, conversation: Conversation, said: TurnInput) -> Turn:
    return take_turn(script, conversation, said, NOW, lambda key, _language: f"<{key}>")


def said_by(turn: Turn) -> list[str]:
    return [effect.text for effect in turn.effects if isinstance(effect, Reply)]


PETS = flow("""
  a: {ask: "Cat or dog?", choices: {cat: {label: Cat, words: [kitten], go: b}, dog: {label: Dog}}, next: c}
  b: {say: "A {{ a }}.", end: cats}
  c: {say: Woof., end: dogs}
""")


def test_it_asks_with_numbered_choices() -> None:
    assert said_by(take(PETS, at("a"), FlowStarted())) == ["Cat or dog?\n1 Cat\n2 Dog"]


@pytest.mark.parametrize(("text", "reply"), [("1", "A cat."), ("my kitten", "A cat."), ("dog", "Woof.")])
def test_it_follows_the_choice(text: str, reply: str) -> None:
    turn = take(PETS, at("a"), TextReceived(text))
    assert said_by(turn) == [reply] and turn.conversation.ended


def test_it_asks_again_once_and_then_calls_a_human() -> None:
    first = take(PETS, at("a"), TextReceived("fish"))
    assert said_by(first) == ["<again_choice>", "Cat or dog?\n1 Cat\n2 Dog"]
    second = take(PETS, first.conversation, TextReceived("fish"))
    assert said_by(second) == ["<not_understood_person>"]
    assert second.conversation.holder is Holder.WAITING
    assert any(isinstance(effect, OpenHandoff) for effect in second.effects)


def test_it_lets_first_words_answer_the_first_question() -> None:
    assert said_by(take(PETS, at("a"), FlowStarted("i found a kitten"))) == ["A cat."]


def test_it_uses_a_number_once() -> None:
    twice = flow("""
  a: {ask: One?, choices: {x: {label: X, go: b}, y: {label: Y, go: b}}}
  b: {run: other}
""")
    assert take(twice, at("a"), TextReceived("1")).request == EnterFlow("other", "")
    assert take(twice, at("a"), FlowStarted("1")).request == EnterFlow("other", "")
    assert take(twice, at("a"), TextReceived("x please")).request == EnterFlow("other", "x please")


def test_it_comes_back_from_a_flow_that_it_ran() -> None:
    runs = flow("  a: {run: other, next: b}\n  b: {say: Back., end: done}")
    assert said_by(take(runs, at("a"), FlowReturned())) == ["Back."]


def test_it_asks_the_open_question_after_a_flow_that_the_person_called() -> None:
    assert said_by(take(PETS, at("a"), FlowReturned("delete my data"))) == ["Cat or dog?\n1 Cat\n2 Dog"]


def test_it_leaves_the_inner_flow_for_the_outer_one() -> None:
    inner = Conversation(frames=(Frame("outer", 1, "x"), Frame("test", 7, "a")))
    turn = take(PETS, inner, TextReceived("dog"))
    assert isinstance(turn.request, LeaveFlow) and [f.flow for f in turn.conversation.frames] == ["outer"]
    assert not turn.conversation.ended


def test_it_takes_the_first_branch_that_holds() -> None:
    court = flow("""
  a: {ask: When?, answer: date, save: day, next: [{when: day and days_until(day) <= 7, go: soon}, {go: later}]}
  soon: {say: "Soon, {{ day | day }}.", end: soon}
  later: {say: Later., end: later}
""")
    assert said_by(take(court, at("a"), TextReceived("11/27"))) == ["Soon, Friday, November 27."]
    assert said_by(take(court, at("a"), TextReceived("12/24"))) == ["Later."]
    assert said_by(take(court, at("a"), TextReceived("NO"))) == ["Later."]


def test_it_stops_for_services_and_goes_on_with_what_was_found() -> None:
    refers = flow("""
  a: {refer: {need: "{{ need }}", near: "{{ zip }}", limit: 2}, none: b, next: c}
  b: {say: Nobody., end: none}
  c: {say: Good luck., end: referred}
""")
    here = at("a", answers={"need": "food", "zip": "63118"})
    assert take(refers, here, FlowStarted()).request == FindServices("food", "63118", 2)
    assert said_by(take(refers, here, ServicesFound(()))) == ["Nobody."]
    turn = take(refers, here, ServicesFound(((4, "Pantry: 555"),)))
    assert said_by(turn) == ["Pantry: 555", "Good luck."]
    assert OfferServices("food", "63118", (4,)) in turn.effects


def test_it_names_each_effect() -> None:
    does = flow("""
  a: {consent: followup, next: b}
  b: {check_in: {flow: later, after: [1d, 7d]}, next: c}
  c: {erase: everything, next: d}
  d: {end: all_done}
""")
    kinds = [type(effect) for effect in take(does, at("a"), FlowStarted()).effects]
    assert kinds == [RecordConsent, ScheduleCheckIns, EraseData, RecordOutcome]
    consent = take(does, at("a"), FlowStarted()).effects[0]
    assert isinstance(consent, RecordConsent) and consent.text == "test/a@7"


def test_it_hands_off_and_may_go_on_asking() -> None:
    hands = flow("""
  a: {handoff: {team: housing, urgency: now, because: "{{ need }}"}, next: b}
  b: {ask: Anything else?, next: c}
  c: {handoff: {team: housing}}
""")
    turn = take(hands, at("a", answers={"need": "rent"}), FlowStarted())
    assert said_by(turn) == ["<person_asked>", "Anything else?"]
    assert turn.conversation.holder is Holder.BOT
    handoff = next(effect for effect in turn.effects if isinstance(effect, OpenHandoff))
    assert (handoff.team, handoff.urgency, handoff.because) == ("housing", "now", "rent")
    assert take(hands, turn.conversation, TextReceived("no")).conversation.holder is Holder.WAITING


def test_it_waits_and_goes_where_silence_leads() -> None:
    waits = flow("""
  a: {ask: There?, wait: {after: 2h, go: b}, next: c}
  b: {wait: 1d, next: c}
  c: {end: done}
""")
    asked = take(waits, at("a"), FlowStarted()).conversation
    assert asked.timeout_at == NOW + timedelta(hours=2)
    assert take(waits, asked, TextReceived("yes")).conversation.timeout_at is None
    paused = take(waits, asked, TimeoutReached()).conversation
    assert paused.frame and paused.frame.step == "b" and paused.timeout_at == NOW + timedelta(days=1)
    assert take(waits, paused, TextReceived("hello?")).conversation.ended


def test_it_goes_back_question_by_question() -> None:
    asks = flow("  a: {ask: A?, next: b}\n  b: {ask: B?, next: c}\n  c: {ask: C?, next: d}\n  d: {end: x}")
    there = at("a")
    for words in ("one", "two"):
        there = take(asks, there, TextReceived(words)).conversation
    back = there.at_previous_question()
    assert back and said_by(take(asks, back, RepeatQuestion())) == ["B?"]
    further = back.at_previous_question()
    assert further and said_by(take(asks, further, RepeatQuestion())) == ["A?"]
    assert further.at_previous_question() is None


def test_it_fails_loudly_where_a_flow_talks_in_a_circle() -> None:
    circle = flow("  a: {say: x, next: b}\n  b: {say: y, next: a}")
    with pytest.raises(FlowFailed, match="steps in one turn"):
        take(circle, at("a"), FlowStarted())


@pytest.mark.parametrize("text", ["{{ (1/0) }}", "{{ need.x.y }}", "{{ days_until('soon') }}", "{{ range(10**9)|list }}"])
def test_it_fails_loudly_where_a_text_cannot_be_filled_in(text: str) -> None:
    script = PETS.script.model_copy(update={"steps": {"a": PETS.script.steps["c"].model_copy(update={"say": text})}})
    with pytest.raises(FlowFailed):
        take(Flow(script, {}, 7), at("a"), FlowStarted())


@pytest.mark.parametrize("text", ["{{ ''.__class__.__mro__ }}", "{{ need.__init__.__globals__ }}"])
def test_it_lets_no_text_reach_into_python(text: str) -> None:
    script = PETS.script.model_copy(update={"steps": {"a": PETS.script.steps["c"].model_copy(update={"say": text})}})
    try:
        said = said_by(take(Flow(script, {}, 7), at("a"), FlowStarted()))
    except FlowFailed:
        return
    assert "class" not in " ".join(said) and "<" not in " ".join(said)


def test_it_refuses_a_step_that_this_version_does_not_have() -> None:
    with pytest.raises(FlowFailed, match="no such step"):
        take(PETS, at("gone"), TextReceived("1"))
    with pytest.raises(FlowFailed):
        take(PETS, Conversation(), TextReceived("1"))


def test_it_moves_only_where_the_flow_leads() -> None:
    machine = FlowMachine(PETS.script)
    assert machine.move("a", "b") == "b"
    with pytest.raises(IllegalMove):
        machine.move("b", "a")
    assert machine._machine.models == []


def test_it_leaves_the_conversation_that_it_was_given_alone() -> None:
    here = at("a")
    before = here.dump()
    take(PETS, here, TextReceived("1"))
    assert here.dump() == before
