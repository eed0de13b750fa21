"""The documents are true: their links resolve, and their commands, files, settings, tables and log lines exist."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree

import click
import psycopg
import pytest

from bot.__main__ import warmline
from bot.domain.conversation.effects import Effect
from bot.domain.handoff.escalation import AlertChannel, Candidate, HandoffRequirements, Tier, TierAudience, next_tier
from bot.domain.handoff.states import CLAIM_WITHIN, DANGEROUS_URGENCIES, MOVES, HandoffState
from bot.domain.messages import delivery
from bot.domain.messages.segments import fold_for_sms, measure_segments
from bot.domain.safety import read_texts
from bot.domain.safety.levels import Urgency
from bot.domain.staff.permissions import Permission, Role, is_allowed
from bot.operations.settings import settings
from bot.storage.database import CLIENT_TIMEOUT_SECONDS, CONNECT_TIMEOUT_SECONDS, STATEMENT_TIMEOUT_MS
from bot.storage.tables.residents import Base
from bot.usecases.handoff import sla_times
from bot.usecases.handoff.claiming import OFFER_EXPIRES_AFTER
from bot.usecases.handoff.escalation import WAITING_NOTICE_PAUSES
from bot.usecases.staff_words import read_staff_texts
from tests.paths import ROOT

DOCS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [str(path.relative_to(ROOT)) for path in DOCS]
GOING_LIVE = ROOT / "docs/operators/going-live.md"
BREAKS = ROOT / "docs/operators/when-something-breaks.md"
ARCHITECTURE = ROOT / "docs/architecture.md"
TEAM = ROOT / "docs/supervisors/running-a-team.md"
STAFF = ROOT / "docs/admins/staff-and-teams.md"
NOT_OURS = {"PROMETHEUS_MULTIPROC_DIR", "FAULT_SEED", "FAULT_SECONDS", "FAULT_PEOPLE"}
"""Variables that only another program or a test reads."""

each_doc = pytest.mark.parametrize("path", DOCS, ids=NAMES)

_FENCE = re.compile(r"^ *```.*?\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_ASSIGNED = re.compile(r"^(?:[A-Z_]+=\S* +)*")


def prose(path: Path) -> str:
    """The document without its fenced blocks."""
    return _FENCE.sub("", path.read_text("utf-8"))


def code(path: Path) -> Iterator[str]:
    """Everything that is shown as code: the lines of fenced blocks, and the text between backquotes."""
    for block in _FENCE.findall(path.read_text("utf-8")):
        yield from (line.strip() for line in block.splitlines())
    yield from _SPAN.findall(prose(path))


def slugs(path: Path) -> set[str]:
    """The anchors of the headings, as code hosts generate them."""
    found = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in found}


def spans(text: str) -> list[str]:
    """The pieces of text between backquotes."""
    return _SPAN.findall(text)


def tables(path: Path, heading: str) -> list[list[list[str]]]:
    """The cells of every table below a second-level heading, without the header rows."""
    below = path.read_text("utf-8").split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    found = re.findall(r"(?:^\|.*\|\n)+", below, re.MULTILINE)
    assert found, f"no table below {heading}"
    return [[[cell.strip() for cell in line.strip("|\n").split("|")] for line in table.splitlines()[2:]] for table in found]


def rows(path: Path, heading: str) -> list[list[str]]:
    """The cells of the first table below a second-level heading, without its header row."""
    return tables(path, heading)[0]


def sources() -> str:
    """The text of all our code and word files, in which every quoted message must occur."""
    programs, pages = (ROOT / "bot").rglob("*.py"), (ROOT / "templates").rglob("*.html")
    files = [*programs, *pages, ROOT / "worker.py", ROOT / "safety/texts.yaml"]
    text = "".join(path.read_text("utf-8") for path in files) + (ROOT / "docs/operators/fallback.xml").read_text("utf-8")
    # Long messages are split over two lines of source.
    return re.sub(r'"\s*\n\s*f?"', "", text)


@each_doc
def test_it_links_only_to_what_exists(path: Path) -> None:
    for link in _LINK.findall(prose(path)):
        if link.startswith(("http:", "https:", "mailto:")):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.is_file(), f"{link} leads nowhere"
        assert not anchor or anchor in slugs(target), f"{link}: no such heading"


@each_doc
def test_it_names_only_commands_that_exist(path: Path) -> None:
    for line in code(path):
        said = _ASSIGNED.sub("", line).removeprefix(".venv/bin/")
        if said.startswith(("warmline ", "python -m bot ")):
            refuse_unknown(said.removeprefix("python -m bot ").removeprefix("warmline "))


def refuse_unknown(arguments: str) -> None:
    """Fail if the command line has no such command or option."""
    command: click.Command = warmline
    for word in shlex.split(arguments, comments=True):
        if isinstance(command, click.Group):
            assert word in command.commands, f"there is no command `warmline {arguments}`"
            command = command.commands[word]
        elif word.startswith("--"):
            assert any(word in (*option.opts, *option.secondary_opts) for option in command.params), (
                f"`warmline {arguments}` has no {word}"
            )


def test_it_lists_every_command_in_the_readme() -> None:
    listed = {row[0].strip("`") for row in rows(ROOT / "README.md", "The command line")}
    assert listed == set(leaves(warmline, "warmline"))


def leaves(command: click.Command, name: str) -> Iterator[str]:
    """The full names of all commands that are not groups."""
    if isinstance(command, click.Group):
        for part, inner in command.commands.items():
            yield from leaves(inner, f"{name} {part}")
    else:
        yield name


@each_doc
def test_it_names_only_make_targets_that_exist(path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8").replace("$(RAN)", ".venv/.stamps")
    for line in code(path):
        said = _ASSIGNED.sub("", line)
        if said.startswith("make "):
            target = said.split()[1]
            assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), f"there is no `{said}`"


@each_doc
def test_it_names_only_files_that_exist(path: Path) -> None:
    folders = "bot|docs|flows|safety|staff|words|directory|templates|migrations|tests|benchmarks"
    for span in code(path):
        if re.fullmatch(rf"(?:{folders})/[\w./*<>-]*|(?:wsgi|worker)\.py", span):
            # A language that does not exist yet, and a flow's name, are placeholders.
            pattern = re.sub(r"<\w+>|\bxx\b", "*", span)
            assert any(ROOT.glob(pattern)), f"there is no {span}"


@each_doc
def test_it_names_only_settings_that_exist(path: Path) -> None:
    known = {variable.name for _, variable in settings.fields()} | NOT_OURS
    for line in code(path):
        for name in re.findall(r"^([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=.*)?$", line):
            assert name in known, f"{name} is no setting"


@each_doc
def test_it_names_no_path_of_one_machine(path: Path) -> None:
    assert not re.search(r"(?<![\w.-])/(?:work|root|home|tmp|Users)\b", path.read_text("utf-8"))


def test_it_lists_every_document_in_the_index() -> None:
    index = ROOT / "docs/index.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in _LINK.findall(index.read_text("utf-8"))}
    assert {path for path in DOCS if path.parent != ROOT and path != index} <= linked


def fallback_messages() -> list[str]:
    response = ElementTree.parse(ROOT / "docs/operators/fallback.xml").getroot()
    assert response.tag == "Response"
    assert {child.tag for child in response} == {"Message"}
    return [child.text or "" for child in response]


def test_it_falls_back_to_one_cheap_text() -> None:
    (body,) = fallback_messages()
    measured = measure_segments(body)
    assert measured.encoding == "GSM-7"
    assert measured.segments <= 2
    assert fold_for_sms(body) == body


@pytest.mark.parametrize(("language", "promise"), [("en", "kept your text"), ("es", "Guardamos su texto")])
def test_it_falls_back_to_the_words_of_the_outage(language: str, promise: str) -> None:
    texts = read_texts((ROOT / "safety/texts.yaml").read_text("utf-8"), "safety/texts.yaml")
    (body,) = fallback_messages()
    said = re.split(r"(?<=\.) ", fold_for_sms(texts.get("outage", language)))
    kept = [sentence for sentence in said if promise in sentence]
    assert len(kept) == 1
    assert promise not in body, "when Twilio falls back, the text was not kept"
    assert all(sentence in body for sentence in said if sentence not in kept)


def test_it_gives_twilio_times_that_fit_ours() -> None:
    fragment = re.search(r"/twilio/sms#([\w=&,]+)", GOING_LIVE.read_text("utf-8"))
    assert fragment
    named = dict(part.split("=") for part in fragment[1].split("&"))
    connect, answer, tries, most = (int(named[name]) for name in ("ct", "rt", "rc", "tt"))
    # While PostgreSQL hangs, a text waits for a dead connection and then for a new one (bot/reception.py).
    slowest = max(STATEMENT_TIMEOUT_MS, (CLIENT_TIMEOUT_SECONDS + CONNECT_TIMEOUT_SECONDS) * 1000)
    assert answer > slowest, "an answer that is about to arrive would be cut off"
    assert (tries + 1) * connect <= most <= 15_000
    assert answer < most, "no time is left for another try"
    assert "4xx" not in named["rp"]


def test_it_lists_every_number_that_is_texted() -> None:
    numbers = set(re.findall(r"\b(?:\d{3}-\d{3}-\d{4}|911|988|211)\b", texts_of_the_line()))
    listed = {row[0] for row in rows(GOING_LIVE, "13. Numbers must not die")}
    assert len(numbers) >= 5
    assert numbers <= listed


def texts_of_the_line() -> str:
    texts = read_texts((ROOT / "safety/texts.yaml").read_text("utf-8"), "safety/texts.yaml")
    return " ".join(words for by_language in texts.words.values() for words in by_language.values())


def test_it_marks_every_unchecked_code() -> None:
    unchecked = {code for code in delivery.KNOWN_CODES if not delivery.rule_for(code).checked}
    marked = next(row for row in rows(BREAKS, "Twilio's codes") if "(not checked)" in row[1])
    assert {int(number) for number in marked[0].split(", ")} == unchecked


def test_it_quotes_only_messages_that_exist() -> None:
    said = sources()
    for symptom, *_ in rows(BREAKS, "Symptom, meaning, what to do"):
        logged = re.findall(r"Log: `([^`]+)`", symptom)
        for quoted in [*logged, *re.findall(r'"([^"]+)"', symptom)]:
            assert all(part in said for part in re.split(r" ?\.\.\. ?", quoted) if part), f"nothing says {quoted!r}"


def test_it_names_only_figures_that_are_measured() -> None:
    measured = (ROOT / "bot/web/metrics.py").read_text("utf-8")
    named = [span for path in DOCS for span in code(path) if re.fullmatch(r"warmline_[a-z_]+", span)]
    assert named
    assert all(f'"{name}"' in measured for name in named)


def test_it_traces_a_text_through_functions_that_exist() -> None:
    for file, names, _ in rows(ARCHITECTURE, "One text, traced"):
        written = (ROOT / file.strip("`")).read_text("utf-8")
        for name in names.split(", "):
            assert re.search(rf"(?:def|class) {name.strip('`')}\b", written), f"{file} has no {name}"


def test_it_documents_every_effect() -> None:
    documented = {row[0].strip("`") for row in rows(ARCHITECTURE, "Effects")}
    assert documented == {effect.__name__ for effect in get_args(Effect) if inspect.isclass(effect)}


def test_it_documents_every_table_and_what_is_sealed() -> None:
    documented = {row[0].strip("`"): set(_SPAN.findall(row[2])) for row in rows(ARCHITECTURE, "Tables")}
    sealed = {
        table.name: {column.name for column in table.columns if column.name.startswith("sealed_")}
        for table in Base.metadata.sorted_tables
    }
    assert documented == sealed


def test_it_gives_operators_queries_that_run(database_url: str) -> None:
    blocks = [block for path in (GOING_LIVE, BREAKS) for block in _FENCE.findall(path.read_text("utf-8"))]
    statements = [part.strip() for block in blocks for part in block.split(";") if part.strip().startswith("select ")]
    assert len(statements) >= 4
    with psycopg.connect(database_url) as connection:
        for statement in statements:
            connection.execute(f"explain {statement}".encode())


def test_it_explains_every_alarm() -> None:
    raised = set(re.findall(r'(?:raise_alarm\(db, |RaiseAlarm\()"(\w+)"', sources()))
    assert len(raised) >= 5
    assert raised == {row[0].strip("`") for row in rows(BREAKS, "Alarms")}


def in_words(span: timedelta) -> str:
    """A span as the documents write it, like "5 minutes", "1 hour", "7 days". Raises ValueError for part of a minute."""
    for size, unit in ((timedelta(days=1), "day"), (timedelta(hours=1), "hour"), (timedelta(minutes=1), "minute")):
        # The documents give a limit of one or two days in hours, like the shorter ones.
        if span % size == timedelta(0) and (unit != "day" or span > timedelta(days=2)):
            return f"{span // size} {unit}{'s' if span // size > 1 else ''}"
    raise ValueError(f"{span} is not a number of whole minutes")


def escalate(urgency: Urgency, tiers: int = 12) -> list[Tier]:
    """The tiers of a handoff that is never claimed, in a team with two workers and a supervisor on shift."""
    team = [Candidate(number, on_duty=True, in_team=True, is_supervisor=number == 3) for number in (1, 2, 3)]
    found: list[Tier] = []
    for number in range(1, tiers + 1):
        tier = next_tier(HandoffRequirements(urgency), team, {one for each in found for one in each.staff}, number)
        assert tier is not None
        found.append(tier)
    return found


def escalation_cells(urgency: Urgency) -> list[str]:
    """What the supervisors' page must say of this urgency, cell by cell."""
    found, waited = escalate(urgency), timedelta(0)
    cells: dict[int, str] = {}
    for place, tier in enumerate(found):
        column = {TierAudience.SOCIAL_WORKER: place, TierAudience.SUPERVISOR: 2, TierAudience.ALL_STAFF: 3}[tier.audience]
        said = f"after {in_words(waited)}" if waited else "at once"
        said += ", by call too" if AlertChannel.VOICE in tier.channels else ""
        said += f", then every {in_words(tier.duration)}" if tier.audience is TierAudience.ALL_STAFF else ""
        cells.setdefault(column, said)
        waited += tier.duration
    night = "people are woken" if urgency in DANGEROUS_URGENCIES else "it rests"
    return [in_words(CLAIM_WITHIN[urgency]), *(cells.get(column, "") for column in range(4)), night]


def test_it_tells_supervisors_the_escalation_policy() -> None:
    names = read_staff_texts().urgency
    documented = {row[0]: row[1:] for row in rows(TEAM, "The escalation policy")}
    assert documented == {names[urgency.value]: escalation_cells(urgency) for urgency in Urgency}


def test_it_tells_supervisors_when_the_escalation_slows_down() -> None:
    found = escalate(Urgency.QUARTER_HOUR)
    all_staff = [tier.duration for tier in found if tier.audience is TierAudience.ALL_STAFF]
    slower = next(place for place, tier in enumerate(found, 1) if tier.duration == 3 * all_staff[0])
    assert f"From tier {slower} on the pauses are three times as" in TEAM.read_text("utf-8")
    assert [in_words(pause) for pause in WAITING_NOTICE_PAUSES] == ["4 minutes", "15 minutes", "1 hour"]
    assert "after 4 minutes, 15 minutes, and each hour" in TEAM.read_text("utf-8")


def test_it_tells_supervisors_all_the_times() -> None:
    quiet = timedelta(minutes=settings.Settings.from_env({}).hand_back_minutes)
    always = (OFFER_EXPIRES_AFTER, sla_times.SHIFT_WARNING, sla_times.SHIFT_GRACE, quiet, sla_times.AUTO_CLOSE_AFTER)
    parted = (sla_times.REMIND_AFTER, sla_times.CALL_SUPERVISOR_AFTER, sla_times.RELEASE_AFTER)
    expected = [*((times[True], times[False]) for times in parted), *((time, time) for time in always)]
    assert [row[1:] for row in rows(TEAM, "All the times")] == [[in_words(time) for time in pair] for pair in expected]


def test_it_tells_admins_who_may_do_what() -> None:
    documented = {row[0].strip("`"): row[2:] for row in rows(STAFF, "Who may do what")}
    assert documented == {each.value: ["yes" if is_allowed([role], each) else "" for role in Role] for each in Permission}


def test_it_documents_every_move_of_a_handoff() -> None:
    documented = {
        (row[0].strip("`"), state): row[2].strip("`")
        for row in rows(ARCHITECTURE, "The life of a handoff")
        for state in _SPAN.findall(row[1])
    }
    names = set(
        re.findall(r'^        \("(\w+)", ', (ROOT / "bot/domain/handoff/states.py").read_text("utf-8"), re.MULTILINE)
    )
    assert len(names) >= 9
    assert documented == dict(moves(names))


def moves(names: Iterable[str]) -> Iterator[tuple[tuple[str, str], str]]:
    """Every move that a handoff can make: its name and the state it starts from, and the state it leads to."""
    for name in names:
        for state in HandoffState:
            if MOVES.allows(state.value, name):
                yield (name, state.value), MOVES.move(state.value, name)
