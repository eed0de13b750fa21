"""The documents of follow-up and directory are true: reasons, moves, states, cadences, refusals, a mapping."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bot.domain import cases as case
from bot.domain import referrals
from bot.domain.check_ins import decision
from bot.domain.check_ins.decision import REASON_SENTENCES, CheckInFacts, CheckInReason, DropCheckIn, HoldUntil, decide
from bot.domain.conversation.safe_contact import SafeContact
from bot.domain.directory.hsds import mapping, mapping_values
from bot.domain.directory.hsds.package import read
from bot.domain.directory.hsds.records import ImportRefusal, ImportRemark, OrganizationRecord, ServiceRecord
from bot.domain.state_machine import NamedTransitions
from bot.usecases.check_ins.manage_check_ins import CADENCES
from bot.usecases.directory.files import open_files
from tests.docs.test_docs import ARCHITECTURE, rows, sources, spans, tables
from tests.paths import ROOT

FOLLOWING = ROOT / "docs/supervisors/following-up.md"
DIRECTORY = ROOT / "docs/admins/your-own-directory.md"


def following_moves(machine: NamedTransitions, states: Iterable[str], file: str) -> dict[tuple[str, str], str]:
    """Every move that a state machine allows, by name and state. `file` is the source that lists the moves' names."""
    names = set(re.findall(r'^        \("(\w+)", ', (ROOT / file).read_text("utf-8"), re.MULTILINE))
    assert names
    # As plain strings, so that a failure shows the values and not the enumeration's members.
    known = [str(state) for state in states]
    return {(name, state): machine.move(state, name) for name in names for state in known if machine.allows(state, name)}


def documented_moves(table: list[list[str]]) -> dict[tuple[str, str], str]:
    return {(row[0].strip("`"), state): row[2].strip("`") for row in table for state in spans(row[1])}


def test_it_documents_every_move_of_a_check_in() -> None:
    known = following_moves(decision.MOVES, [*decision.CheckInState], "bot/domain/check_ins/decision.py")
    assert documented_moves(tables(ARCHITECTURE, "The way of a check-in")[1]) == known


def test_it_documents_every_move_of_a_referral() -> None:
    known = following_moves(referrals.MOVES, [*referrals.ReferralState], "bot/domain/referrals.py")
    assert documented_moves(rows(ARCHITECTURE, "The way of a referral")) == known


def test_it_tells_supervisors_every_reason_not_to_ask() -> None:
    decided, others, *_ = tables(FOLLOWING, "What is decided when it is due")
    documented = [row[0] for row in (*decided, *others)]
    assert sorted(documented) == sorted(REASON_SENTENCES.values())


NOON = datetime(2026, 11, 24, 18, tzinfo=UTC)
"""Tuesday, noon in St. Louis."""
ASKABLE = CheckInFacts(
    planned_for=NOON, made_at=NOON - timedelta(days=3), attempts=0, holds=0, after_crisis=False,
    zone=ZoneInfo("America/Chicago"), holidays=frozenset(), safe=SafeContact(), consented=True, opted_out=False,
    unreachable=None, with_social_worker=False, in_danger=False, staff_contact_at=None, person_wrote_at=None,
    in_conversation=False, has_language=True, is_published=True,
)  # fmt: skip
AGAINST = {
    CheckInReason.OPTED_OUT: {"opted_out": True},
    CheckInReason.UNREACHABLE: {"unreachable": "carrier"},
    CheckInReason.LEFT: {"safe": SafeContact(paused=True)},
    CheckInReason.NO_CONSENT: {"consented": False},
    CheckInReason.NO_FLOW: {"is_published": False},
    CheckInReason.STALE: {"planned_for": NOON - timedelta(days=30)},
    CheckInReason.HELD_TOO_OFTEN: {"with_social_worker": True, "holds": decision.MAX_HOLDS},
    CheckInReason.OPEN_DANGER: {"in_danger": True},
    CheckInReason.WITH_SOCIAL_WORKER: {"with_social_worker": True},
    CheckInReason.JUST_TALKED: {"staff_contact_at": NOON - timedelta(hours=1)},
    CheckInReason.IN_CONVERSATION: {"in_conversation": True, "person_wrote_at": NOON - timedelta(hours=1)},
    CheckInReason.HOLIDAY: {"holidays": frozenset({NOON.date()})},
    CheckInReason.NO_LANGUAGE: {"has_language": False},
}
"""For each reason that does not depend on the time, the facts that lead to it."""


@pytest.mark.parametrize("reason", AGAINST)
def test_it_tells_supervisors_what_a_reason_leads_to(reason: CheckInReason) -> None:
    documented = {row[0]: row[1:] for row in rows(FOLLOWING, "What is decided when it is due")}
    known = replace(ASKABLE, **AGAINST[reason])  # type: ignore[arg-type]
    found, after_crisis = decide(known, NOON), decide(replace(known, after_crisis=True), NOON)
    assert isinstance(found, HoldUntil | DropCheckIn)
    assert isinstance(after_crisis, HoldUntil | DropCheckIn)
    assert found.reason is after_crisis.reason is reason
    if isinstance(found, HoldUntil) or isinstance(after_crisis, HoldUntil):
        assert documented[REASON_SENTENCES[reason]][0].startswith("put off")
        assert documented[REASON_SENTENCES[reason]][1] == ""
        return
    who = "always" if found.task else "after a crisis" if after_crisis.task else ""
    assert documented[REASON_SENTENCES[reason]] == ["not asked", who]


def test_it_tells_supervisors_the_reasons_in_their_order() -> None:
    documented = [row[0] for row in rows(FOLLOWING, "What is decided when it is due")]
    # Several of these apply at once, and the one that is listed first counts.
    both = replace(
        ASKABLE, opted_out=True, consented=False, with_social_worker=True, staff_contact_at=NOON, has_language=False
    )
    found = decide(both, NOON)
    assert isinstance(found, DropCheckIn)
    assert REASON_SENTENCES[found.reason] == documented[0]
    assert documented.index(REASON_SENTENCES[CheckInReason.WITH_SOCIAL_WORKER]) < documented.index(
        REASON_SENTENCES[CheckInReason.JUST_TALKED]
    )


def test_it_tells_supervisors_the_cadences_that_are_planned() -> None:
    documented = {row[0].split()[-1]: row[1] for row in rows(FOLLOWING, "The cadences")}
    for name, ends in (("referral", "referral"), ("household", "followed"), ("crisis", "crisis")):
        for delay in CADENCES[name].after:
            number = str(int(delay / timedelta(hours=1)) if delay == timedelta(hours=24) else delay.days)
            assert re.search(rf"\b{number}\b", documented[ends]), f"{name} has no {number}"


def test_it_tells_supervisors_every_state_and_outcome_of_a_referral() -> None:
    states, outcomes = tables(FOLLOWING, "Referrals, and what closed means")
    assert {row[0].strip("`"): row[1] for row in states} == referrals.STATES
    assert {row[0].strip("`"): row[1] for row in outcomes} == referrals.OUTCOMES
    for name, _, closes in outcomes:
        closed = referrals.state_after_outcome(
            "requested", referrals.ReferralOutcome(name.strip("`")), referrals.Reporter.PERSON
        )[1]
        assert closes == ("yes" if closed else "no")
    ended = {row[0].strip("`") for row in states if row[2] == "yes"}
    assert ended.isdisjoint({*referrals.OPEN_STATES, "draft", "entered_in_error"})


def test_it_tells_supervisors_the_words_of_a_case() -> None:
    measures, endings = tables(FOLLOWING, "Cases")
    assert {row[0]: row[1] for row in measures} == {case.MEASURE_NAMES[key]: case.MEASURES[key] for key in case.MEASURES}
    assert measures[0][2].split(", ") == [*case.VALUES.values()]
    needs, cases = endings[0]
    assert needs.split(", ") == [*case.NEED_OUTCOMES.values()]
    assert cases.split(", ") == [*case.OUTCOMES.values()]
    assert f"{case.WINDOW_BEFORE.days} days before to {case.WINDOW_AFTER.days} days" in FOLLOWING.read_text("utf-8")


def test_it_quotes_to_admins_what_an_import_says() -> None:
    said = sources()
    refused, everything, warned = tables(DIRECTORY, "The report")
    for complaint, *_ in (*refused, *everything, *warned):
        for quoted in re.findall(r'"([^"]+)"', complaint):
            assert all(part in said for part in re.split(r" ?\.\.\. ?", quoted) if part), f"nothing says {quoted!r}"


def test_it_gives_admins_a_mapping_that_works(tmp_path: Path) -> None:
    """Import the sheet with the mapping that the guide gives, as a reader would."""
    text = DIRECTORY.read_text("utf-8")
    sheet, rules = (re.search(rf"```{form}\n(.*?)```", text, re.DOTALL) for form in ("csv", "yaml"))
    assert sheet
    assert rules
    (tmp_path / "pantries.csv").write_text(sheet[1], "utf-8")
    found = list(read(open_files(tmp_path / "pantries.csv"), mapping.read_mapping(rules[1])))
    assert len([one for one in found if isinstance(one, OrganizationRecord)]) == 3
    assert len([one for one in found if isinstance(one, ServiceRecord)]) == 4
    refused = [one for one in found if isinstance(one, ImportRefusal)]
    assert len(refused) == 2
    assert all("with this id was read before" in one.what for one in refused)
    assert ["open over midnight" in one.what for one in found if isinstance(one, ImportRemark)] == [True]


def test_it_shows_admins_every_converter_of_a_mapping() -> None:
    written = " ".join(row[0] for row in rows(DIRECTORY, "A mapping, from a spreadsheet"))
    # The first word within the braces of a span; braces further in belong to the converter.
    assert set(re.findall(r"`\{(\w+): ", written)) == set(mapping_values.CONVERTERS)
