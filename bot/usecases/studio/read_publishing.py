"""The page an admin sees before publishing drafts: problems, changes, affected conversations. Only reads."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from bot.domain.flows.editing import compare
from bot.domain.flows.editing.compare import FlowChange
from bot.domain.flows.language.content import FlowContent
from bot.domain.flows.language.texts import translatable_texts
from bot.domain.flows.language.yaml_source import FlowError, FlowProblem, Severity
from bot.domain.flows.outline import read_outline
from bot.domain.languages import SOURCE_LANGUAGE
from bot.storage.flows import drafts, flows, publish_requests
from bot.storage.flows.flows import Publication
from bot.storage.flows.publish_requests import PublishRequestView
from bot.usecases.context import Context
from bot.usecases.studio import flow_sets, quick_check
from bot.usecases.studio.check_draft import warning_key
from bot.usecases.studio.edit_draft import FlowNotFound
from bot.usecases.studio.move_conversations import MovePreview, preview_move
from bot.usecases.studio.publish_drafts import last_reasons, problems_of, review_teams
from bot.usecases.studio.roll_back import unreviewed_roll_backs
from bot.usecases.studio.transcript_owners import OwnedTranscript, find_owners


@dataclass(frozen=True, slots=True)
class PublishErrorItem:
    """An error, with the step of this flow that it is about ("" for none), or the transcript that failed."""

    problem: FlowProblem
    step: str
    transcript: OwnedTranscript | None


@dataclass(frozen=True, slots=True)
class PublishWarningItem:
    """A warning, with the key under which its reason is stored; `reason` is the one given at the last publication."""

    key: str
    problem: FlowProblem
    reason: str


@dataclass(frozen=True, slots=True)
class OtherFlow:
    """Another flow with unpublished changes: it may be published together with this one."""

    flow: str
    number: int
    what: str
    by: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class PublishPage:
    """All data of the page. `translated` is language -> (translated texts, all texts)."""

    errors: tuple[PublishErrorItem, ...]
    warnings: tuple[PublishWarningItem, ...]
    changes: tuple[FlowChange, ...]
    changes_of_others: Mapping[str, tuple[FlowChange, ...]]
    marks: Mapping[str, str]
    renamed: Mapping[str, str]
    """Old step -> new step, for renamed steps."""
    translated: Mapping[str, tuple[int, int]]
    others: tuple[OtherFlow, ...]
    teams: tuple[str, ...]
    """Teams that require a second person."""
    move_preview: MovePreview | None
    steps: tuple[str, ...]
    """The steps of the draft, for the map; empty if it can't be read."""
    asked_about: Mapping[str, str]
    """Old step that no longer exists -> suggested new step, "" for none."""
    waiting: tuple[PublishRequestView, ...]


@dataclass(frozen=True, slots=True)
class PublishRequests:
    """Publish requests: those that wait (oldest first), the last that were decided (newest first), the roll-backs that a
    second person has yet to review, and the id of each flow's live version."""

    waiting: tuple[PublishRequestView, ...]
    decided: tuple[PublishRequestView, ...]
    rolled_back: tuple[Publication, ...]
    live: Mapping[str, int]


def list_waiting(db: Session) -> list[PublishRequestView]:
    """The requests that wait for approval or for their time, oldest first."""
    return publish_requests.list_open(db)


def read_requests(db: Session) -> PublishRequests:
    """The data of the page of publish requests."""
    return PublishRequests(
        waiting=tuple(publish_requests.list_open(db)),
        decided=tuple(publish_requests.list_decided(db)),
        rolled_back=tuple(unreviewed_roll_backs(db)),
        live=flows.current_versions(db),
    )


def read_publish_page(
    db: Session, context: Context, flow: str, along: Collection[str], steps: Mapping[str, str], now: datetime
) -> PublishPage:
    """The data for publishing this draft together with those of `along`; `steps` is the submitted map of steps.

    Raises FlowNotFound if there is no draft.
    """
    draft = drafts.find(db, flow)
    if draft is None:
        raise FlowNotFound(flow)
    content, live = draft.revision.content, _published_contents(db)
    others = _other_flows(flow, along, db, live)
    contents = {flow: content}
    for other in others:
        found = drafts.find(db, other.flow) if other.is_chosen else None
        if found is not None:
            contents[other.flow] = found.revision.content
    problems = problems_of(db, context, contents)
    reasons = {key: reason for name in contents for key, reason in last_reasons(db, name).items()}
    names = _step_names(flow, content)
    changes = compare.list_changes(live.get(flow), content)
    renamed = {each.before: each.step for each in changes if each.kind == "renamed"} if flow in live else {}
    suggested = {**renamed, **steps}
    trial = preview_move(db, context, flow, content, suggested, now) if names and flow in live else None
    gone = [step for step in (trial.by_step if trial else ()) if step not in names]
    return PublishPage(
        errors=tuple(_error_items(db, flow, contents, [each for each in problems if each.severity is Severity.ERROR])),
        warnings=_warning_items(problems, reasons),
        changes=tuple(changes),
        changes_of_others={
            name: tuple(compare.list_changes(live.get(name), each)) for name, each in contents.items() if name != flow
        },
        marks=compare.step_changes(live.get(flow), content),
        renamed=renamed,
        translated=_translated(context, flow, content),
        others=others,
        teams=tuple(sorted(review_teams(db, contents))),
        move_preview=trial,
        steps=names,
        asked_about={step: suggested.get(step, "") for step in sorted(gone)},
        waiting=tuple(request for request in publish_requests.list_open(db) if flow in request.revisions),
    )


def _published_contents(db: Session) -> dict[str, FlowContent]:
    stored = (flows.load_version(db, version) for version in flows.current_version_ids(db))
    return {each.name: each.content for each in stored if each}


def _other_flows(flow: str, along: Collection[str], db: Session, live: Mapping[str, FlowContent]) -> tuple[OtherFlow, ...]:
    return tuple(
        OtherFlow(draft.flow, draft.revision.number, draft.revision.what, draft.revision.by, draft.flow in along)
        for draft in drafts.list_all(db)
        if draft.flow != flow and live.get(draft.flow) != draft.revision.content
    )


def _warning_items(problems: Collection[FlowProblem], reasons: Mapping[str, str]) -> tuple[PublishWarningItem, ...]:
    """Each warning once: the same text about two places needs one reason."""
    found: dict[str, PublishWarningItem] = {}
    for problem in problems:
        if problem.severity is Severity.WARNING:
            key = warning_key(problem)
            found.setdefault(key, PublishWarningItem(key, problem, reasons.get(key, "")))
    return tuple(found.values())


def _error_items(
    db: Session, flow: str, contents: Mapping[str, FlowContent], errors: Sequence[FlowProblem]
) -> Iterator[PublishErrorItem]:
    file = f"{flow}.yaml"
    try:
        rows = read_outline(contents[flow].source, file).rows
    except FlowError:
        rows = ()
    owned = find_owners(flow_sets.flow_set_with(db, contents)) if any(each.file.endswith(".txt") for each in errors) else {}
    for step, found in quick_check.problems_by_step(rows, tuple(errors), file).items():
        yield from (PublishErrorItem(problem, step, owned.get(problem.file)) for problem in found)


def _step_names(flow: str, content: FlowContent) -> tuple[str, ...]:
    try:
        return tuple(flow_sets.parse_flow(flow, content).script.steps)
    except FlowError:
        return ()


def _translated(context: Context, flow: str, content: FlowContent) -> dict[str, tuple[int, int]]:
    try:
        read = flow_sets.parse_flow(flow, content)
    except FlowError:
        return {}
    texts = [(place, source) for place, source, _ in translatable_texts(read.script)]
    others = [language for language in context.system_texts.languages if language != SOURCE_LANGUAGE]
    return {
        language: (sum(key in read.translations.get(language, {}) for key in texts), len(texts))
        for language in sorted({*others, *read.translations})
    }
