"""Flows of Twilio Studio become drafts without errors, and nothing of them is dropped without a remark."""

from __future__ import annotations

import json
from typing import Any

from bot.domain.flows.checks.checks import check_flow
from bot.domain.flows.importing import floip
from bot.domain.flows.importing.report import ImportedDraft, ImportStatus
from bot.domain.flows.importing.twilio_studio.kinds import KINDS
from bot.domain.flows.importing.twilio_studio.reading import read_studio
from bot.domain.flows.language.reader import read_flow
from bot.domain.flows.language.script import Ask, Decide, Handoff, Run, Say
from bot.domain.flows.language.yaml_source import Severity
from tests.domain.flows.importing.studio_files import flow, real_files, split, widget
from tests.paths import ROOT

REPLY = "{{widgets.menu.inbound.Body}}"


def steps_of(made: ImportedDraft) -> dict[str, Any]:
    return dict(read_flow(made.content.source, "made.yaml").steps)


def only(data: object) -> ImportedDraft:
    (made,) = read_studio(data, "test.json")
    return made


def menu(body: str = "What do you need?", otherwise: str | None = None, timeout: str = "3600") -> dict[str, Any]:
    return flow(
        widget("menu", "send-and-wait-for-reply", {"incomingMessage": "which"}, body=body, timeout=timeout),
        split("which", REPLY, [("equal_to", "1", "food"), ("matches_any_of", "rent,eviction", "rent")], otherwise),
        widget("food", "send-message", {"sent": None}, body="Food is here."),
        widget("rent", "send-to-flex", {"callComplete": None}),
        widget("sorry", "send-message", {"sent": "menu"}, body="Please pick one."),
    )


def test_it_checks_clean_or_says_what_is_missing_for_every_real_file() -> None:
    for path in real_files("twilio_studio"):
        data = json.loads(path.read_bytes())
        for made in read_studio(data, path.name):
            script = read_flow(made.content.source, path.name)
            errors = [problem for problem in check_flow(script, {}, {}) if problem.severity is Severity.ERROR]
            assert not errors or made.missing, path.name
            assert {state["name"] for state in data["states"]} <= {item.node for item in made.items}, path.name
            assert all(item.remark for item in made.items if item.status is not ImportStatus.CARRIED), path.name
            assert all(item.step is None or item.step in script.steps for item in made.items), path.name


def test_it_makes_choices_of_the_split_behind_a_question() -> None:
    made = only(menu())
    ask = steps_of(made)["menu"]
    assert isinstance(ask, Ask)
    assert [(name, choice.go) for name, choice in ask.choices.items()] == [("choice_1", "food"), ("rent", "rent")]
    assert ask.choices["rent"].words == ("eviction",)
    assert made.missing == ()


def test_it_takes_the_lines_of_a_menu_for_labels() -> None:
    ask = steps_of(only(menu("What do you need?\n1. Something to eat\n2. Rent")))["menu"]
    assert ask.choices["choice_1"].label == "Something to eat"


def test_it_keeps_how_long_their_question_waits() -> None:
    ask = steps_of(only(menu(timeout="5400")))["menu"]
    assert ask.wait is not None and ask.wait.after.total_seconds() == 5400


def test_it_says_their_apology_before_it_asks_again() -> None:
    made = only(menu(otherwise="sorry"))
    ask = steps_of(made)["menu"]
    assert ask.not_understood.say == "Please pick one."
    assert [item.status for item in made.items if item.node == "sorry"] == [ImportStatus.APPROXIMATED]


def test_it_calls_a_human_where_theirs_went_to_one() -> None:
    step = steps_of(only(menu()))["rent"]
    assert isinstance(step, Handoff) and (step.handoff.team, step.handoff.urgency) == ("anyone", "this_shift")


def test_it_passes_a_web_request_by_on_the_way_of_success() -> None:
    made = only(
        flow(
            widget("ask_them", "make-http-request", {"success": "hello", "failed": "sorry"}, url="https://x.example"),
            widget("hello", "send-message", {"sent": None}, body="Hello"),
            widget("sorry", "send-message", {"sent": None}, body="Sorry"),
        )
    )
    assert list(steps_of(made)) == ["hello"]
    assert {item.node: item.status for item in made.items}["ask_them"] is ImportStatus.LEFT_OUT
    assert any(item.node == "sorry" and item.status is ImportStatus.LEFT_OUT for item in made.items)


def test_it_keeps_the_ways_of_a_split_that_looks_at_something_unknown() -> None:
    made = only(
        flow(
            split("open", "{{widgets.hours.parsed.status}}", [("equal_to", "closed", "shut")], "hello"),
            widget("hello", "send-message", {"sent": None}, body="Hello"),
            widget("shut", "send-message", {"sent": None}, body="We are closed."),
        )
    )
    step = steps_of(made)["open"]
    assert isinstance(step, Decide)
    assert [(branch.when, branch.go) for branch in step.next] == [("false", "shut"), (None, "hello")]
    assert made.missing == ()


def test_it_decides_by_a_free_answer() -> None:
    made = only(
        flow(
            widget("menu", "send-and-wait-for-reply", {"incomingMessage": "which"}, body="Your booking number, or AGENT"),
            split("which", REPLY, [("equal_to", "agent", "human")], "thanks"),
            widget("human", "enqueue-call", {}),
            widget("thanks", "send-message", {"sent": None}, body="Thanks for " + REPLY),
        )
    )
    steps = steps_of(made)
    assert steps["menu"].choices == {} and steps["which"].next[0].go == "human"
    assert steps["thanks"].say == "Thanks for {{ menu }}"


def test_it_writes_a_constant_variable_where_it_is_used() -> None:
    made = only(
        flow(
            widget("set", "set-variables", {"next": "hello"}, variables=[{"key": "place", "value": "Oak House"}]),
            widget("hello", "send-message", {"sent": None}, body="Go to {{flow.variables.place}}."),
        )
    )
    assert steps_of(made)["hello"].say == "Go to Oak House."


def test_it_marks_what_it_can_not_fill_in() -> None:
    made = only(flow(widget("hello", "send-message", {}, body="Hi {{contact.name}} {% if x %}a{% endif %} {{ {% }} {#")))
    step = steps_of(made)["hello"]
    assert isinstance(step, Say) and step.say.startswith("Hi [contact.name]")
    assert [item.status for item in made.items if item.node == "hello"] == [ImportStatus.APPROXIMATED]


def test_it_names_the_flow_that_is_not_in_the_file() -> None:
    made = only(flow(widget("survey", "run-subflow", {"completed": None}, flow_sid="FW123")))
    step = steps_of(made)["survey"]
    assert isinstance(step, Run) and len(made.missing) == 1 and "FW123" in made.missing[0]


def test_it_names_the_placeholder_that_stands_for_a_text() -> None:
    made = only(flow(widget("hello", "send-message", {}, body="${greeting}")))
    assert len(made.missing) == 1 and "`greeting`" in made.missing[0]


def test_it_reads_a_flow_within_another_object() -> None:
    wrapped = {"friendly_name": "Night line", "definition": json.dumps(menu())}
    assert only(wrapped).name == "night_line"
    assert [made.name for made in read_studio([wrapped, {**wrapped, "friendly_name": "Day line"}], "x.json")] == [
        "night_line", "day_line",
    ]  # fmt: skip


def test_it_reads_the_older_shape() -> None:
    old = {"widgets": {"a": widget("a", "SendMessage", {"sent": None}, body="Hello")}}
    del old["widgets"]["a"]["name"]
    assert next(iter(steps_of(only(old)).values())).say == "Hello"


def test_it_makes_texts_of_a_call() -> None:
    made = only(
        flow(
            widget(
                "keys", "gather-input-on-call", {"keypress": "which", "speech": None}, say="Press 1 for food, 2 for rent."
            ),
            split("which", "{{widgets.keys.Digits}}", [("equal_to", "2", "rent"), ("equal_to", "1", "food")]),
            widget("food", "say-play", {"audioComplete": None}, say="Food is here."),
            widget("rent", "connect-call-to", {}, to="+13145550100"),
        )
    )
    ask = steps_of(made)["keys"]
    assert [choice.label for choice in ask.choices.values()] == ["food", "rent"]
    assert isinstance(steps_of(made)["rent"], Handoff)


def test_it_documents_every_kind_that_it_knows() -> None:
    for kind, (fate, _) in KINDS.items():
        if kind != "trigger":
            made = only(
                flow(
                    widget("it", kind, {}, say="Hello", body="Hello", flow_sid="FW1", variables=[{"key": "a", "value": "b"}])
                )
            )
            found = [item for item in made.items if item.node == "it"]
            assert found and (fate is not ImportStatus.LEFT_OUT or found[0].status is fate), kind


def test_it_says_in_the_docs_what_the_code_does() -> None:
    manual = (ROOT / "docs" / "admins" / "importing-flows.md").read_text("utf-8")
    for mark, kinds in (("studio", KINDS), ("floip", floip.KINDS)):
        table = manual.split(f"<!-- {mark} -->")[1].split(f"<!-- /{mark} -->")[0].strip().splitlines()[2:]
        words = {
            ImportStatus.CARRIED: "carried over",
            ImportStatus.APPROXIMATED: "approximated",
            ImportStatus.LEFT_OUT: "left out",
        }
        assert table == [f"| `{kind}` | {words[fate]} | {how} |" for kind, (fate, how) in kinds.items()]
