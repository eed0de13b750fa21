"""Publishes drafts: at once, at a time, or after a second person's review; always checked, always together.

What is published together is one transaction, so no turn sees half of it (`StoredLibrary`). Live conversations stay on their
version unless a move was requested.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from bot.domain.flows.language.content import FlowContent
from bot.domain.flows.language.script import STEP_NAME, Handoff, Script
from bot.domain.flows.language.yaml_source import FlowError, FlowProblem, Severity
from bot.domain.refused import Refused
from bot.storage.flows import drafts, flow_moves, flows, publish_requests
from bot.storage.flows.drafts import DraftAuthor, Revision
from bot.storage.flows.publish_requests import PublishRequestState, PublishRequestView
from bot.storage.handoff import board
from bot.storage.staff import audits
from bot.usecases.context import Context
from bot.usecases.studio import flow_sets
from bot.usecases.studio.check_draft import check_drafts, warning_key
from bot.usecases.studio.edit_draft import DraftChangedMeanwhile, FlowNotFound

MIN_REASON_LETTERS = 3
"""Letters that a reason must have at least."""


Reasons = Mapping[str, Mapping[str, str]]
"""Key of a warning -> {"warning": its text, "why": the reason for publishing anyway}; the text is for the history."""


@dataclass(frozen=True, slots=True)
class PublishedVersions:
    """Flow -> id of the version now live."""

    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class AwaitingReview:
    """A second person must review it; `teams` are the teams that require it."""

    request: int
    teams: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScheduledPublication:
    """It becomes live at `due_at` (aware UTC)."""

    request: int
    due_at: datetime


PublishOutcome = PublishedVersions | AwaitingReview | ScheduledPublication


class PublicationRefused(Refused):
    """It can't be published, and nothing has changed. Carries the errors, and the warnings without a reason."""

    def __init__(self, problems: Iterable[FlowProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"{len(self.problems)} problems")


@dataclass(frozen=True, slots=True)
class PublishOptions:
    """How something is to be published. `reasons`: key of a warning -> its text and the reason to publish anyway; `moves`:
    flow -> map of steps.
    """

    why: str
    reasons: Reasons
    moves: Mapping[str, Mapping[str, str]]
    due_at: datetime | None = None


def publish_or_request(
    db: Session, context: Context, numbers: Mapping[str, int], by: DraftAuthor, now: datetime, *, why: str,
    reasons: Mapping[str, str], moves: Mapping[str, Mapping[str, str]] | None = None, due_at: datetime | None = None,
) -> PublishOutcome:  # fmt: skip
    """Publishes the drafts of `numbers` (flow -> number of the revision that the admin saw) together, or stores a request.

    Raises FlowNotFound, DraftChangedMeanwhile, Refused, and PublicationRefused with problems; nothing has changed then.
    """
    assert by.staff_id is not None
    wish = PublishOptions(why.strip(), {}, moves or {}, due_at)
    _check_options(wish, now)
    flows.lock_publishing(db)
    changed = _changed_revisions(db, _lock_revisions(db, numbers))
    if not changed:
        raise Refused("Nothing differs from what is live.")
    explained = _check_revisions(db, context, changed, reasons)
    wish = replace(wish, reasons=explained, moves={flow: to for flow, to in wish.moves.items() if flow in changed})
    teams = review_teams(db, {flow: revision.content for flow, revision in changed.items()})
    _supersede(db, changed, by, now)
    if not teams and due_at is None:
        return _publish(db, changed, by, now, wish, how=flows.PublicationMethod.CONSOLE)
    state = PublishRequestState.WAITING if teams else PublishRequestState.SCHEDULED
    request_id = publish_requests.add(
        db, {flow: revision.id for flow, revision in changed.items()}, by.staff_id, now, state=state,
        needs_second=bool(teams), why=wish.why, reasons=wish.reasons, moves=wish.moves, due_at=due_at,
    )  # fmt: skip
    act = "flow_publish_asked" if teams else "flow_scheduled"
    audits.record(db, by.staff_id, act, now, detail=f"request {request_id}: {_join_names(changed)}")
    if teams:
        return AwaitingReview(request_id, tuple(sorted(teams)))
    assert due_at is not None
    return ScheduledPublication(request_id, due_at)


def approve(db: Session, context: Context, request_id: int, by: DraftAuthor, now: datetime) -> PublishOutcome:
    """A second person approves exactly the requested revisions. Raises as `publish_or_request` does.

    The requester cannot approve; and a draft that was changed since must be requested again.
    """
    flows.lock_publishing(db)
    request = _open_request(db, request_id, PublishRequestState.WAITING)
    if by.staff_id is None or by.staff_id == request.staff_id:
        raise Refused("Somebody else than who asked for it must look at it.")
    revisions = _revisions(db, request)
    _check_newest(db, request)
    for flow, revision in revisions.items():
        draft = drafts.lock(db, flow)
        if draft is None or draft.revision.id != revision.id:
            raise DraftChangedMeanwhile(draft.revision if draft else revision, revision)
    _check_revisions(db, context, revisions, reasons_by_key(request.reasons))
    detail = f"request {request.id}: {_join_names(revisions)}"
    audits.record(db, by.staff_id, "flow_approved", now, detail=detail)
    if request.due_at is not None and request.due_at > now:
        publish_requests.set_state(db, request.id, PublishRequestState.SCHEDULED, now, decided_by=by.staff_id)
        return ScheduledPublication(request.id, request.due_at)
    publish_requests.set_state(db, request.id, PublishRequestState.PUBLISHED, now, decided_by=by.staff_id)
    how = flows.PublicationMethod.CONSOLE if request.due_at is None else flows.PublicationMethod.SCHEDULED
    return _publish(db, revisions, _requester(request), now, _options_of(request), how=how, approved_by=by.staff_id)


def reject(db: Session, request_id: int, by: DraftAuthor, why: str, now: datetime) -> None:
    """A second person rejects a request, with a reason. Raises FlowNotFound, Refused."""
    request = _open_request(db, request_id, PublishRequestState.WAITING)
    if by.staff_id == request.staff_id:
        raise Refused("You asked for it yourself: withdraw it.")
    if len(why.strip()) < MIN_REASON_LETTERS:
        raise Refused("Say in a word why, so that it can be mended.")
    publish_requests.set_state(
        db, request_id, PublishRequestState.REFUSED, now, decided_by=by.staff_id, explanation=why.strip()
    )
    audits.record(db, by.staff_id, "flow_refused", now, detail=f"request {request_id}: {_join_names(request.revisions)}")


def withdraw(db: Session, request_id: int, by: DraftAuthor, now: datetime) -> None:
    """Takes back a request that waits for a second person or for its time. Raises FlowNotFound, Refused."""
    request = _open_request(db, request_id, *publish_requests.OPEN_STATES)
    publish_requests.set_state(db, request_id, PublishRequestState.WITHDRAWN, now, explanation=f"Withdrawn by {by.name}")
    audits.record(db, by.staff_id, "flow_withdrawn", now, detail=f"request {request_id}: {_join_names(request.revisions)}")


def publish_due(db: Session, context: Context, request_id: int, now: datetime) -> PublishOutcome | None:
    """Publishes what was scheduled if it still passes the checks; else the request fails for good, and the page says why.

    Publishes the requested revisions: the draft may have moved on, and its newer changes wait for their own publication.
    None if nothing was published.
    """
    flows.lock_publishing(db)
    request = publish_requests.lock(db, request_id)
    if request is None or request.state != PublishRequestState.SCHEDULED or request.due_at is None or request.due_at > now:
        return None
    try:
        revisions = _revisions(db, request)
        _check_newest(db, request)
        for flow, revision in revisions.items():
            if drafts.lock(db, flow) is None or drafts.was_restarted_after(db, flow, revision.number):
                raise Refused(f"The draft of `{flow}` was thrown away.")
        _check_revisions(db, context, revisions, reasons_by_key(request.reasons))
        _check_review(db, request, revisions)
    except PublicationRefused as refused:
        mark_failed(db, request_id, now, " ".join(str(problem) for problem in refused.problems[:5]))
        return None
    except (Refused, FlowNotFound) as refused:
        mark_failed(db, request_id, now, str(refused))
        return None
    publish_requests.set_state(db, request_id, PublishRequestState.PUBLISHED, now)
    how = flows.PublicationMethod.SCHEDULED
    return _publish(db, revisions, _requester(request), now, _options_of(request), how=how, approved_by=request.decided_by)


def mark_failed(db: Session, request_id: int, now: datetime, reason: str) -> None:
    """Marks a request as failed. It is not retried: its requester looks at it during the day."""
    publish_requests.set_state(db, request_id, PublishRequestState.FAILED, now, explanation=reason)


def problems_of(db: Session, context: Context, contents: Mapping[str, FlowContent]) -> list[FlowProblem]:
    """All findings of the checks for these contents among the published flows; errors first."""
    made = flow_sets.flow_set_with(db, contents)
    teams = frozenset(board.team_names(db))
    report = check_drafts(made, list(contents), context.system_texts, context.zone, context.line_name, teams=teams or None)
    late = [problem for flow, content in contents.items() if (problem := _overtaken_warning(db, flow, content))]
    return [*report.problems, *late]


def review_teams(db: Session, contents: Mapping[str, FlowContent]) -> frozenset[str]:
    """The teams that require a second person and that these flows name, as published or as drafted."""
    careful = publish_requests.second_look_teams(db)
    if not careful:
        return careful
    named: set[str] = set()
    current = flows.current_versions(db)
    for flow, content in contents.items():
        stored = flows.load_version(db, current[flow]) if flow in current else None
        for each in (content, stored.content if stored else None):
            named |= handoff_teams(flow, each) if each is not None else set()
    return careful & named


def handoff_teams(flow: str, content: FlowContent) -> set[str]:
    """The teams that a flow's handoffs name; none if it can't be read."""
    try:
        script: Script = flow_sets.parse_flow(flow, content).script
    except FlowError:
        return set()
    return {step.handoff.team for step in script.steps.values() if isinstance(step, Handoff)}


def last_reasons(db: Session, flow: str) -> dict[str, str]:
    """The reasons given for warnings when this flow was last published: key -> reason."""
    holds = flows.current_publication(db, flow)
    return reasons_by_key(holds.reasons) if holds else {}


def reasons_by_key(reasons: Reasons) -> dict[str, str]:
    """Key of a warning -> the reason for publishing anyway."""
    return {key: each["why"] for key, each in reasons.items()}


def _check_options(options: PublishOptions, now: datetime) -> None:
    if len(options.why) < MIN_REASON_LETTERS:
        raise Refused("Say in a word why this is published. It is read when somebody asks later.")
    if options.due_at is not None and options.due_at <= now:
        raise Refused("The time to publish is over already. Choose one that is to come, or publish now.")


def _lock_revisions(db: Session, numbers: Mapping[str, int]) -> dict[str, Revision]:
    """The drafts as the admin saw them, locked until the transaction ends."""
    found: dict[str, Revision] = {}
    # Always in the same order, so that two admins who publish the same flows wait instead of deadlocking.
    for flow in sorted(numbers):
        draft = drafts.lock(db, flow) if re.fullmatch(STEP_NAME, flow) else None
        if draft is None:
            raise FlowNotFound(flow)
        if draft.revision.number != numbers[flow]:
            raise DraftChangedMeanwhile(draft.revision, None)
        found[flow] = draft.revision
    return found


def _changed_revisions(db: Session, revisions: Mapping[str, Revision]) -> dict[str, Revision]:
    current = flows.current_versions(db)
    live = {
        flow: stored.content for flow in revisions if flow in current and (stored := flows.load_version(db, current[flow]))
    }
    return {flow: revision for flow, revision in revisions.items() if live.get(flow) != revision.content}


def _check_revisions(
    db: Session, context: Context, revisions: Mapping[str, Revision], reasons: Mapping[str, str]
) -> Reasons:
    """The warnings with their reasons, in stored form. Raises PublicationRefused."""
    problems = problems_of(db, context, {flow: revision.content for flow, revision in revisions.items()})
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    warned = {warning_key(problem): problem for problem in problems if problem.severity is Severity.WARNING}
    given = {key: reasons.get(key, "").strip() for key in warned}
    bare = [problem for key, problem in warned.items() if len(given[key]) < MIN_REASON_LETTERS]
    if errors or bare:
        raise PublicationRefused([*errors, *bare])
    return {key: {"warning": problem.what, "why": given[key]} for key, problem in warned.items()}


def _overtaken_warning(db: Session, flow: str, content: FlowContent) -> FlowProblem | None:
    """A warning if something was published that the draft never included: publishing would silently take it back."""
    draft, holds = drafts.find(db, flow), flows.current_publication(db, flow)
    if draft is None or holds is None or draft.based_on == holds.version:
        return None
    stored = flows.load_version(db, holds.version)
    if stored is None or stored.content == content:
        return None
    what = f"Version {holds.number} was published by {holds.by} after this draft began; the draft takes its changes back."
    return FlowProblem(
        f"{flow}.yaml", 1, what, "Compare the two in the history, and say why if it is meant.", Severity.WARNING
    )


def _supersede(db: Session, changed: Iterable[str], by: DraftAuthor, now: datetime) -> None:
    """A new request replaces older ones for the same flows, so that those are not published as well."""
    for request in publish_requests.list_open(db):
        if set(request.revisions) & set(changed) and publish_requests.lock(db, request.id):
            publish_requests.set_state(
                db, request.id, PublishRequestState.WITHDRAWN, now, explanation=f"Asked anew by {by.name}"
            )
            audits.record(db, by.staff_id, "flow_withdrawn", now, detail=f"request {request.id}, asked anew")


def _publish(
    db: Session,
    revisions: Mapping[str, Revision],
    by: DraftAuthor,
    now: datetime,
    options: PublishOptions,
    *,
    how: flows.PublicationMethod,
    approved_by: int | None = None,
) -> PublishedVersions:
    versions: dict[str, int] = {}
    for flow, revision in sorted(revisions.items()):
        version = flows.publish(
            db,
            flow,
            revision.content,
            by.name,
            now,
            how=how,
            why=options.why,
            reasons=options.reasons,
            staff_id=by.staff_id,
            approved_by=approved_by,
        )
        if version is None:
            continue
        versions[flow] = version
        drafts.set_base_version(db, flow, version)
        audits.record(db, by.staff_id, "flow_published", now, detail=f"{flow}, revision {revision.number}")
        if flow in options.moves:
            flow_moves.add(db, flow, version, options.moves[flow], by.staff_id, now)
    return PublishedVersions(versions)


def _open_request(db: Session, request_id: int, *states: PublishRequestState) -> PublishRequestView:
    request = publish_requests.lock(db, request_id)
    if request is None:
        raise FlowNotFound("There is no such request.")
    if request.state not in states:
        raise Refused(f"This request is {request.state} already.")
    return request


def _revisions(db: Session, request: PublishRequestView) -> dict[str, Revision]:
    found = {flow: drafts.find_revision(db, revision_id) for flow, revision_id in sorted(request.revisions.items())}
    there = {flow: revision for flow, revision in found.items() if revision is not None}
    if len(there) < len(found):
        raise FlowNotFound("A revision of this request is gone.")
    return there


def _check_newest(db: Session, request: PublishRequestView) -> None:
    for flow in request.revisions:
        holds = flows.current_publication(db, flow)
        if holds is not None and holds.at > request.made_at:
            raise Refused(f"`{flow}` was published by {holds.by} after this was asked for. Look at the draft and ask again.")


def _check_review(db: Session, request: PublishRequestView, revisions: Mapping[str, Revision]) -> None:
    """A team may have started to require a second person since the publication was scheduled."""
    teams = review_teams(db, {flow: revision.content for flow, revision in revisions.items()})
    if teams and request.decided_by is None:
        raise Refused(f"A second person must look by now (for {', '.join(sorted(teams))}). Ask for it again.")


def _requester(request: PublishRequestView) -> DraftAuthor:
    return DraftAuthor(request.by, request.staff_id)


def _options_of(request: PublishRequestView) -> PublishOptions:
    return PublishOptions(request.why, request.reasons, request.moves, request.due_at)


def _join_names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
