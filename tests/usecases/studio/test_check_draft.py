"""Everything that is reported about a draft before it is published."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from bot.domain.flows.language.content import FlowContent
from bot.domain.flows.language.yaml_source import MAX_BYTES, FlowProblem, Severity
from bot.usecases.studio import check_draft
from bot.usecases.studio.check_draft import CheckReport, coverage_gaps, warning_key
from bot.usecases.studio.flow_sets import FlowSet, parse_flow
from bot.usecases.system_texts import read_system_texts

ZONE = ZoneInfo("America/Chicago")
LINE = read_system_texts(("en",))
MENU = (
    "flow: welcome\ntitle: Welcome\nstart: topic\nmenu: true\nsteps:\n"
    "  topic: {ask: What do you need?, choices: {food: {label: Food, go: food}, other: {label: Other, go: person}}}\n"
    "  food: {run: food, next: bye}\n  bye: {say: Bye., end: done}\n  person: {handoff: {team: anyone}}\n"
)
FOOD = (
    "flow: food\ntitle: Food\nstart: zip\nsteps:\n"
    "  zip: {ask: What is your ZIP?, answer: zip, save: zip, next: person}\n"
    "  person: {handoff: {team: food, because: 'Food {{ zip }}'}, say: We told our team.}\n"
)
TO_FOOD = "title: To food\nflow: welcome\nline: What do you need? ...\nperson: food\nline: What is your ZIP?\n"


def report(
    *, welcome: str = MENU, food: str = FOOD, teams: tuple[str, ...] | None = None, **transcripts: str
) -> CheckReport:
    flows = {
        "welcome": parse_flow("welcome", FlowContent(welcome, {}, transcripts)),
        "food": parse_flow("food", FlowContent(food)),
    }
    return check_draft.check_drafts(FlowSet(flows), ["food"], LINE, ZONE, "STL Help", teams=teams)


def test_it_plays_the_transcripts_of_all_flows_and_says_what_they_cover() -> None:
    found = report(to_food=TO_FOOD)
    assert (found.problems, found.played, found.failed) == ((), 1, ())
    covered = found.coverage["food"]
    assert covered.transcripts == {"to_food": frozenset({"zip"})}
    assert coverage_gaps(parse_flow("food", FlowContent(FOOD)).script, covered).steps == ("person",)


def test_it_names_the_transcript_that_takes_another_course() -> None:
    found = report(to_food=TO_FOOD.replace("your ZIP", "your name"))
    (problem,) = found.errors
    assert (problem.file, problem.line, found.failed) == ("transcripts/to_food.txt", 5, ("to_food",))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("title: X\nflow: nowhere\nperson: hi\n", 1, "nowhere"),
        ("title: X\nhello there\n", 2, "does not say who speaks"),
        ("title: X\nperson: hi\nline: ...\nwait: 900000000d\n", 4, ""),
        ("title: X\n" + "# remark\n" * (MAX_BYTES // 9), 1, "characters"),
    ],
)
def test_it_says_why_a_transcript_can_not_be_played(text: str, line: int, words: str) -> None:
    found = [problem for problem in report(broken=text).errors if words in problem.what]
    assert [(problem.file, problem.line) for problem in found] == [("transcripts/broken.txt", line)]


def test_it_puts_errors_before_warnings() -> None:
    food = FOOD.replace("What is your ZIP?", "What is your ZIP \u2014 please?")
    found = report(food=food, to_food=TO_FOOD, teams=("housing",))
    assert [problem.severity for problem in found.problems] == [Severity.ERROR, Severity.WARNING, Severity.WARNING]
    assert found.warnings[1].what == "There is no team `food`, so `person` calls whoever is on duty."


def test_it_asks_for_one_menu() -> None:
    found = report(food=FOOD.replace("start: zip", "start: zip\nmenu: true"))
    assert "`food` and `welcome` both have `menu: true`." in [problem.what for problem in found.errors]


def test_it_plays_nothing_where_a_flow_can_not_be_read() -> None:
    flows = {"welcome": parse_flow("welcome", FlowContent(MENU, {}, {"to_food": TO_FOOD}))}
    problem = FlowProblem("food.yaml", 3, "This can't be read.", "Write it again.")
    found = check_draft.check_drafts(FlowSet(flows, (problem,)), ["food"], LINE, ZONE, "STL Help")
    assert (found.played, problem in found.problems) == (0, True)


def test_it_keeps_a_report_until_something_changes() -> None:
    assert report(to_food=TO_FOOD) is report(to_food=TO_FOOD)
    assert report(to_food=TO_FOOD) is not report(to_food=TO_FOOD, teams=("food",))
    assert report(to_food=TO_FOOD + "person: 63118\n").failed == ("to_food",)


def test_it_keeps_no_more_reports_than_it_may() -> None:
    for number in range(check_draft.MAX_CACHED + 5):
        report(food=FOOD.replace("Food", f"Food {number}"))
    assert len(check_draft._report_cache._reports) == check_draft.MAX_CACHED


def test_it_recognises_a_warning_on_another_line() -> None:
    one = FlowProblem("food.yaml", 3, "Nothing uses it.", "Use it.", Severity.WARNING)
    moved = FlowProblem("food.yaml", 9, "Nothing uses it.", "Use it.", Severity.WARNING)
    other = FlowProblem("food.yaml", 3, "Nobody uses it.", "Use it.", Severity.WARNING)
    assert warning_key(one) == warning_key(moved) != warning_key(other)
