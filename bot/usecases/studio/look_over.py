"""What the checks say of one flow without playing its transcripts: quick enough for every page of the editor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from bot.domain import flow_checks
from bot.domain.flow_content import FlowContent
from bot.domain.flow_outline import Row
from bot.domain.flow_yaml import FlowError, Problem
from bot.domain.script import Script
from bot.storage import board, drafts, flows
from bot.usecases.desk import Desk
from bot.usecases.studio import world
from bot.usecases.studio.world import World


@dataclass(frozen=True, slots=True)
class Look:
    """What is wrong or doubtful; `script` is None where the flow could not be read."""

    problems: tuple[Problem, ...]
    script: Script | None
    around: World
    """What is published, with the drafts of flows that never were."""
    drafted: frozenset[str] = frozenset()
    """Those that never were."""


_looks: dict[str, tuple[Problem, ...]] = {}
_MOST_LOOKS = 100


def look_over(db: Session, desk: Desk, flow: str, content: FlowContent) -> Look:
    """Read and check this content of a flow among what is published, and new flows that are to be."""
    live = flows.current(db)
    new = {draft.flow: draft.revision.content for draft in drafts.everyone(db) if draft.flow not in {*live, flow}}
    # A flow may lead to one that is only drafted: both are published together.
    around = world.world_with(db, new)
    try:
        read = world.read(flow, content)
    except FlowError as error:
        return Look(error.problems, None, around, frozenset(new))
    teams = frozenset(board.teams(db))
    digests = [world.digest_of(one.name, one.content) for _, one in sorted(around.flows.items())]
    key = "".join([world.digest_of(flow, content), *digests, *sorted(teams)])
    problems = _looks.get(key)
    if problems is None:
        problems = tuple(
            flow_checks.check(
                read.script,
                read.translations,
                {**around.scripts, flow: read.script},
                file=f"{flow}.yaml",
                lines=read.lines,
                languages=desk.line.languages,
                teams=teams or None,
            )
        )
        if len(_looks) >= _MOST_LOOKS:
            _looks.clear()
        _looks[key] = problems
    return Look(problems, read.script, around, frozenset(new))


def by_step(rows: tuple[Row, ...], problems: tuple[Problem, ...], file: str) -> Mapping[str, list[Problem]]:
    """The problems of each step, and under "" those of no step, by the lines of the file."""
    found: dict[str, list[Problem]] = {}
    for problem in problems:
        name = ""
        if problem.file == file:
            for row in rows:
                if row.line > problem.line:
                    break
                name = row.name
        found.setdefault(name, []).append(problem)
    return found
