from __future__ import annotations

from bot.domain.flows.editing.breakage import deletion_problems, uses_in_other_flows
from bot.domain.flows.language.reader import read_flow
from tests.domain.flows.editing.test_document import SMALL, SOURCES

SCRIPT = read_flow(SMALL, "small.yaml")
SHIPPED = {name: read_flow(source, f"{name}.yaml") for name, source in SOURCES.items()}


def test_it_names_what_leads_to_a_step() -> None:
    assert deletion_problems(SCRIPT, "bye") == [
        "`need`, choice `food`, leads to it.",
        "`need` leads to it when nobody answers.",
        "`zip` leads to it.",
        "`zip` leads to it when nobody answers.",
    ]


def test_it_names_what_needs_the_answer() -> None:
    found = deletion_problems(SCRIPT, "need")
    assert found[0] == "The flow begins with it."
    assert "The text `bye.say` fills in the answer `need`. Nobody else keeps this answer." in found


def test_it_names_conditions_and_steps_that_can_no_longer_be_reached() -> None:
    found = deletion_problems(SHIPPED["emergency_assistance"], "court_date")
    assert "`rent_sorry` leads to it." in found
    assert "Nothing leads to `court_person` any more." in found
    assert any(said.startswith("The text `court_person.because` fills in") for said in found)


def test_it_finds_nothing_to_break_for_a_step_that_is_not_there() -> None:
    assert deletion_problems(SCRIPT, "nope") == []


def test_it_names_other_flows_that_use_an_answer() -> None:
    found = uses_in_other_flows("need", SHIPPED)
    assert found == ["Flow `household_check_in`: the text `worse.because` fills in the answer `need`."]
