"""The documents of follow-up and directory say what is so: reasons, moves, states, cadences, refusals, a mapping."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bot.domain import case, check_in, referral
from bot.domain.check_in import REASONS, Drop, Facts, Hold, Reason, decide
from bot.domain.directory import mapping, mapping_values
from bot.domain.directory.reading import read
from bot.domain.directory.records import OrganizationRecord, Refusal, Remark, ServiceRecord
from bot.domain.machine import NamedMoves
from bot.domain.safe_contact import SafeContact
from bot.usecases.directory_files import open_files
from bot.usecases.keep_check_ins import CADENCES
from tests.test_docs import ARCHITECTURE, ROOT, rows, sources, spans, tables

FOLLOWING = ROOT / "docs/supervisors/following-up.md"
DIRECTORY = ROOT / "docs/admins/your-own-directory.md"


def following_moves(machine: NamedMoves, states: Iterable[str], file: str) -> dict[tuple[str, str], str]:
    """Every move that a machine allows, by name and state, as its own file names them."""
    names = set(re.findall(r'^        \("(\w+)", ', (ROOT / file).read_text("utf-8"), re.MULTILINE))
    assert names
    # Their plain words: an enumeration of words is not shown as what it holds.
    known = [str(state) for state in states]
    return {(name, state): machine.move(state, name) for name in names for state in known if machine.allows(state, name)}


def told_moves(table: list[list[str]]) -> dict[tuple[str, str], str]:
    return {(row[0].strip("`"), state): row[2].strip("`") for row in table for state in spans(row[1])}


def test_it_tells_of_every_move_of_a_check_in() -> None:
    known = following_moves(check_in.MOVES, [*check_in.CheckInState], "bot/domain/check_in.py")
    assert told_moves(tables(ARCHITECTURE, "The way of a check-in")[1]) == known


def test_it_tells_of_every_move_of_a_referral() -> None:
    known = following_moves(referral.MOVES, [*referral.ReferralState], "bot/domain/referral.py")
    assert told_moves(rows(ARCHITECTURE, "The way of a referral")) == known


def test_it_tells_supervisors_every_reason_not_to_ask() -> None:
    decided, others, *_ = tables(FOLLOWING, "What is decided when it is due")
    told = [row[0] for row in (*decided, *others)]
    assert sorted(told) == sorted(REASONS.values())


NOON = datetime(2026, 11, 24, 18, tzinfo=UTC)
"""Tuesday, noon in St. Louis."""
ASKABLE = Facts(
    planned_for=NOON, made_at=NOON - timedelta(days=3), attempts=0, holds=0, after_crisis=False,
    zone=ZoneInfo("America/Chicago"), holidays=frozenset(), safe=SafeContact(), consented=True, opted_out=False,
    unreachable=None, human=False, in_danger=False, talked_at=None, wrote_at=None, in_conversation=False, speaks=True,
    is_published=True,
)  # fmt: skip
AGAINST = {
    Reason.OPTED_OUT: {"opted_out": True},
    Reason.UNREACHABLE: {"unreachable": "carrier"},
    Reason.LEFT: {"safe": SafeContact(paused=True)},
    Reason.NO_CONSENT: {"consented": False},
    Reason.NO_FLOW: {"is_published": False},
    Reason.STALE: {"planned_for": NOON - timedelta(days=30)},
    Reason.HELD_TOO_OFTEN: {"human": True, "holds": check_in.MOST_HOLDS},
    Reason.OPEN_DANGER: {"in_danger": True},
    Reason.HUMAN_HAS_THEM: {"human": True},
    Reason.JUST_TALKED: {"talked_at": NOON - timedelta(hours=1)},
    Reason.IN_CONVERSATION: {"in_conversation": True, "wrote_at": NOON - timedelta(hours=1)},
    Reason.HOLIDAY: {"holidays": frozenset({NOON.date()})},
    Reason.NO_LANGUAGE: {"speaks": False},
}
"""What must be known of somebody for each reason that needs no clock of its own."""


@pytest.mark.parametrize("reason", AGAINST)
def test_it_tells_supervisors_what_a_reason_leads_to(reason: Reason) -> None:
    told = {row[0]: row[1:] for row in rows(FOLLOWING, "What is decided when it is due")}
    known = replace(ASKABLE, **AGAINST[reason])  # type: ignore[arg-type]
    found, after_crisis = decide(known, NOON), decide(replace(known, after_crisis=True), NOON)
    assert isinstance(found, Hold | Drop)
    assert isinstance(after_crisis, Hold | Drop)
    assert found.reason is after_crisis.reason is reason
    if isinstance(found, Hold) or isinstance(after_crisis, Hold):
        assert told[REASONS[reason]][0].startswith("put off")
        assert told[REASONS[reason]][1] == ""
        return
    who = "always" if found.task else "after a crisis" if after_crisis.task else ""
    assert told[REASONS[reason]] == ["not asked", who]


def test_it_tells_supervisors_the_reasons_in_their_order() -> None:
    told = [row[0] for row in rows(FOLLOWING, "What is decided when it is due")]
    # Two of these apply at once, and the one that is told first is the one that counts.
    both = replace(ASKABLE, opted_out=True, consented=False, human=True, talked_at=NOON, speaks=False)
    found = decide(both, NOON)
    assert isinstance(found, Drop)
    assert REASONS[found.reason] == told[0]
    assert told.index(REASONS[Reason.HUMAN_HAS_THEM]) < told.index(REASONS[Reason.JUST_TALKED])


def test_it_tells_supervisors_the_cadences_that_are_planned() -> None:
    told = {row[0].split()[-1]: row[1] for row in rows(FOLLOWING, "The cadences")}
    for name, ends in (("referral", "referral"), ("household", "followed"), ("crisis", "crisis")):
        for delay in CADENCES[name].after:
            number = str(int(delay / timedelta(hours=1)) if delay == timedelta(hours=24) else delay.days)
            assert re.search(rf"\b{number}\b", told[ends]), f"{name} has no {number}"


def test_it_tells_supervisors_every_state_and_outcome_of_a_referral() -> None:
    states, outcomes = tables(FOLLOWING, "Referrals, and what closed means")
    assert {row[0].strip("`"): row[1] for row in states} == referral.STATES
    assert {row[0].strip("`"): row[1] for row in outcomes} == referral.OUTCOMES
    for name, _, closes in outcomes:
        closed = referral.told("requested", referral.Outcome(name.strip("`")), referral.Teller.PERSON)[1]
        assert closes == ("yes" if closed else "no")
    ended = {row[0].strip("`") for row in states if row[2] == "yes"}
    assert ended.isdisjoint({*referral.OPEN, "draft", "entered_in_error"})


def test_it_tells_supervisors_the_words_of_a_case() -> None:
    measures, endings = tables(FOLLOWING, "Cases")
    assert {row[0]: row[1] for row in measures} == {case.MEASURE_NAMES[key]: case.MEASURES[key] for key in case.MEASURES}
    assert measures[0][2].split(", ") == [*case.VALUES.values()]
    needs, cases = endings[0]
    assert needs.split(", ") == [*case.NEED_OUTCOMES.values()]
    assert cases.split(", ") == [*case.OUTCOMES.values()]
    assert f"{case.EARLY.days} days before to {case.LATE.days} days" in FOLLOWING.read_text("utf-8")


def test_it_quotes_to_admins_what_an_import_says() -> None:
    said = sources()
    refused, everything, warned = tables(DIRECTORY, "The report")
    for complaint, *_ in (*refused, *everything, *warned):
        for quoted in re.findall(r'"([^"]+)"', complaint):
            assert all(part in said for part in re.split(r" ?\.\.\. ?", quoted) if part), f"nothing says {quoted!r}"


def test_it_gives_admins_a_mapping_that_works(tmp_path: Path) -> None:
    """The sheet and the mapping of the guide, imported as a reader would."""
    text = DIRECTORY.read_text("utf-8")
    sheet, rules = (re.search(rf"```{form}\n(.*?)```", text, re.DOTALL) for form in ("csv", "yaml"))
    assert sheet
    assert rules
    (tmp_path / "pantries.csv").write_text(sheet[1], "utf-8")
    found = list(read(open_files(tmp_path / "pantries.csv"), mapping.load(rules[1])))
    assert len([one for one in found if isinstance(one, OrganizationRecord)]) == 3
    assert len([one for one in found if isinstance(one, ServiceRecord)]) == 4
    refused = [one for one in found if isinstance(one, Refusal)]
    assert len(refused) == 2
    assert all("with this id was read before" in one.what for one in refused)
    assert ["open over midnight" in one.what for one in found if isinstance(one, Remark)] == [True]


def test_it_shows_admins_every_converter_of_a_mapping() -> None:
    written = " ".join(row[0] for row in rows(DIRECTORY, "A mapping, from a spreadsheet"))
    # What stands first in the braces of a span; braces within it are parts of the converter.
    assert set(re.findall(r"`\{(\w+): ", written)) == set(mapping_values.CONVERTERS)
