"""What an admin looks at before drafts are published: problems, changes, whom it concerns. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from bot.domain.flow_content import FlowContent
from bot.domain.flow_editing import compare
from bot.domain.flow_editing.compare import Change
from bot.domain.flow_outline import outline
from bot.domain.flow_texts import messages
from bot.domain.flow_yaml import FlowError, Problem, Severity
from bot.storage import drafts, flows, publish_requests
from bot.storage.publish_requests import Request
from bot.usecases.desk import Desk
from bot.usecases.studio import look_over, world
from bot.usecases.studio.check_draft import warning_key
from bot.usecases.studio.edit_draft import NotThere
from bot.usecases.studio.move_conversations import Trial, try_on_real
from bot.usecases.studio.publish_drafts import last_reasons, problems_of, who_looks_twice
from bot.usecases.studio.transcript_owners import Owned, owners


@dataclass(frozen=True, slots=True)
class Wrong:
    """An error, with the step of this flow that it is about ("" for none), or the transcript that goes otherwise."""

    problem: Problem
    step: str
    transcript: Owned | None


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning, by the key under which its reason is kept; `reason` is what was said at the last publication."""

    key: str
    problem: Problem
    reason: str


@dataclass(frozen=True, slots=True)
class Other:
    """Another flow with changes that wait: it may be published along."""

    flow: str
    number: int
    what: str
    by: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Sheet:
    """All of one page. `translated` is language -> (texts translated, texts in all)."""

    errors: tuple[Wrong, ...]
    warnings: tuple[Warned, ...]
    changes: tuple[Change, ...]
    changes_of_others: Mapping[str, tuple[Change, ...]]
    marks: Mapping[str, str]
    renamed: Mapping[str, str]
    """Old step -> new step, where a step has got another name."""
    translated: Mapping[str, tuple[int, int]]
    others: tuple[Other, ...]
    teams: tuple[str, ...]
    """Those for which a second person looks."""
    trial: Trial | None
    steps: tuple[str, ...]
    """The steps of the draft, for the map; empty where it cannot be read."""
    asked_about: Mapping[str, str]
    """Old step, where it is gone -> the step that is suggested for it, "" for none."""
    waiting: tuple[Request, ...]


def read_sheet(db: Session, desk: Desk, flow: str, along: Collection[str], steps: Mapping[str, str], now: datetime) -> Sheet:
    """What there is to know about publishing this draft together with those of `along`; `steps` is the map that was typed.

    Raises NotThere where there is no draft.
    """
    draft = drafts.find(db, flow)
    if draft is None:
        raise NotThere(flow)
    content, live = draft.revision.content, _live(db)
    others = _others(flow, along, db, live)
    contents = {flow: content}
    for other in others:
        found = drafts.find(db, other.flow) if other.is_chosen else None
        if found is not None:
            contents[other.flow] = found.revision.content
    problems = problems_of(db, desk, contents)
    reasons = {key: reason for name in contents for key, reason in last_reasons(db, name).items()}
    names = _step_names(flow, content)
    changes = compare.changes(live.get(flow), content)
    renamed = {each.before: each.step for each in changes if each.kind == "renamed"} if flow in live else {}
    suggested = {**renamed, **steps}
    trial = try_on_real(db, desk, flow, content, suggested, now) if names and flow in live else None
    gone = [step for step in (trial.by_step if trial else ()) if step not in names]
    return Sheet(
        errors=tuple(_placed(db, flow, contents, [each for each in problems if each.severity is Severity.ERROR])),
        warnings=_warned(problems, reasons),
        changes=tuple(changes),
        changes_of_others={
            name: tuple(compare.changes(live.get(name), each)) for name, each in contents.items() if name != flow
        },
        marks=compare.step_changes(live.get(flow), content),
        renamed=renamed,
        translated=_translated(desk, flow, content),
        others=others,
        teams=tuple(sorted(who_looks_twice(db, contents))),
        trial=trial,
        steps=names,
        asked_about={step: suggested.get(step, "") for step in sorted(gone)},
        waiting=tuple(request for request in publish_requests.waiting(db) if flow in request.revisions),
    )


def _live(db: Session) -> dict[str, FlowContent]:
    stored = (flows.load(db, version) for version in flows.all_published(db))
    return {each.name: each.content for each in stored if each}


def _others(flow: str, along: Collection[str], db: Session, live: Mapping[str, FlowContent]) -> tuple[Other, ...]:
    return tuple(
        Other(draft.flow, draft.revision.number, draft.revision.what, draft.revision.by, draft.flow in along)
        for draft in drafts.everyone(db)
        if draft.flow != flow and live.get(draft.flow) != draft.revision.content
    )


def _warned(problems: Collection[Problem], reasons: Mapping[str, str]) -> tuple[Warned, ...]:
    """Each warning once: what is said of two places in the same words wants one reason."""
    found: dict[str, Warned] = {}
    for problem in problems:
        if problem.severity is Severity.WARNING:
            key = warning_key(problem)
            found.setdefault(key, Warned(key, problem, reasons.get(key, "")))
    return tuple(found.values())


def _placed(db: Session, flow: str, contents: Mapping[str, FlowContent], errors: Sequence[Problem]) -> Iterator[Wrong]:
    file = f"{flow}.yaml"
    try:
        rows = outline(contents[flow].source, file).rows
    except FlowError:
        rows = ()
    owned = owners(world.world_with(db, contents)) if any(each.file.endswith(".txt") for each in errors) else {}
    for step, found in look_over.by_step(rows, tuple(errors), file).items():
        yield from (Wrong(problem, step, owned.get(problem.file)) for problem in found)


def _step_names(flow: str, content: FlowContent) -> tuple[str, ...]:
    try:
        return tuple(world.read(flow, content).script.steps)
    except FlowError:
        return ()


def _translated(desk: Desk, flow: str, content: FlowContent) -> dict[str, tuple[int, int]]:
    try:
        read = world.read(flow, content)
    except FlowError:
        return {}
    texts = [(context, source) for context, source, _ in messages(read.script)]
    others = [language for language in desk.line.languages if language != "en"]
    return {
        language: (sum(key in read.translations.get(language, {}) for key in texts), len(texts))
        for language in sorted({*others, *read.translations})
    }
