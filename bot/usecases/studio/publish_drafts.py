"""Drafts become live: at once, at a time, or once a second person has looked; always checked, always together.

What is published together is one transaction, so no turn sees half of it (`StoredLibrary`). Live conversations stay on
their version unless a move was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from bot.domain.flow_content import FlowContent
from bot.domain.flow_yaml import FlowError, Problem, Severity
from bot.domain.script import STEP_NAME, Handoff, Script
from bot.storage import audits, board, drafts, flow_moves, flows, publish_requests
from bot.storage.drafts import Author, Revision
from bot.storage.publish_requests import Request, State
from bot.usecases.desk import Desk
from bot.usecases.studio import world
from bot.usecases.studio.check_draft import check, warning_key
from bot.usecases.studio.edit_draft import ChangedMeanwhile, NotThere, Unfit

SHORTEST_WHY = 3
"""Letters: a word why is a word."""


Reasons = Mapping[str, Mapping[str, str]]
"""Key of a warning -> {"warning": its words, "why": why it was published all the same}; the words are for the history."""


@dataclass(frozen=True, slots=True)
class Published:
    """Flow -> id of the version that holds now."""

    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Waiting:
    """It waits for a second person; `teams` are those for which one looks."""

    request: int
    teams: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scheduled:
    """It becomes live at `due_at` (aware UTC)."""

    request: int
    due_at: datetime


Outcome = Published | Waiting | Scheduled


class Refused(Exception):
    """It is not fit to be published, and nothing has happened: the errors, and the warnings without a reason."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"{len(self.problems)} problems")


@dataclass(frozen=True, slots=True)
class Wish:
    """How something is to be published. `reasons`: key of a warning -> its words and why all the same; `moves`: flow ->
    map of steps."""

    why: str
    reasons: Reasons
    moves: Mapping[str, Mapping[str, str]]
    due_at: datetime | None = None


def ask(
    db: Session, desk: Desk, flows_: Mapping[str, int], by: Author, now: datetime, *, why: str,
    reasons: Mapping[str, str], moves: Mapping[str, Mapping[str, str]] | None = None, due_at: datetime | None = None,
) -> Outcome:  # fmt: skip
    """Publish the drafts of `flows_` (flow -> number of the revision that was looked at) together, or let them wait.

    Raises NotThere, ChangedMeanwhile, Unfit with a sentence, Refused with problems; nothing has happened then.
    """
    assert by.staff_id is not None
    wish = Wish(why.strip(), {}, moves or {}, due_at)
    _refuse_wish(wish, now)
    flows.lock_publishing(db)
    changed = _changed(db, _locked(db, flows_))
    if not changed:
        raise Unfit("Nothing differs from what is live.")
    explained = _check(db, desk, changed, reasons)
    wish = replace(wish, reasons=explained, moves={flow: to for flow, to in wish.moves.items() if flow in changed})
    teams = who_looks_twice(db, {flow: revision.content for flow, revision in changed.items()})
    _supersede(db, changed, by, now)
    if not teams and due_at is None:
        return _publish(db, changed, by, now, wish, how=flows.How.CONSOLE)
    state = State.WAITING if teams else State.SCHEDULED
    request_id = publish_requests.add(
        db, {flow: revision.id for flow, revision in changed.items()}, by.staff_id, now, state=state,
        needs_second=bool(teams), why=wish.why, reasons=wish.reasons, moves=wish.moves, due_at=due_at,
    )  # fmt: skip
    act = "flow_publish_asked" if teams else "flow_scheduled"
    audits.record(db, by.staff_id, act, now, detail=f"request {request_id}: {_named(changed)}")
    if teams:
        return Waiting(request_id, tuple(sorted(teams)))
    assert due_at is not None
    return Scheduled(request_id, due_at)


def approve(db: Session, desk: Desk, request_id: int, by: Author, now: datetime) -> Outcome:
    """A second person agrees to exactly the revisions that were asked for. Raises as `ask` does.

    Whoever asked cannot approve; and a draft that was changed since must be asked for again.
    """
    flows.lock_publishing(db)
    request = _open_request(db, request_id, State.WAITING)
    if by.staff_id is None or by.staff_id == request.staff_id:
        raise Unfit("Somebody else than who asked for it must look at it.")
    revisions = _revisions(db, request)
    _refuse_older(db, request)
    for flow, revision in revisions.items():
        draft = drafts.lock(db, flow)
        if draft is None or draft.revision.id != revision.id:
            raise ChangedMeanwhile(draft.revision if draft else revision, revision)
    _check(db, desk, revisions, whys(request.reasons))
    detail = f"request {request.id}: {_named(revisions)}"
    audits.record(db, by.staff_id, "flow_approved", now, detail=detail)
    if request.due_at is not None and request.due_at > now:
        publish_requests.settle(db, request.id, State.SCHEDULED, now, decided_by=by.staff_id)
        return Scheduled(request.id, request.due_at)
    publish_requests.settle(db, request.id, State.PUBLISHED, now, decided_by=by.staff_id)
    how = flows.How.CONSOLE if request.due_at is None else flows.How.SCHEDULED
    return _publish(db, revisions, _asker(request), now, _wish(request), how=how, approved_by=by.staff_id)


def refuse(db: Session, request_id: int, by: Author, why: str, now: datetime) -> None:
    """A second person says no, and why. Raises NotThere, Unfit."""
    request = _open_request(db, request_id, State.WAITING)
    if by.staff_id == request.staff_id:
        raise Unfit("You asked for it yourself: withdraw it.")
    if len(why.strip()) < SHORTEST_WHY:
        raise Unfit("Say in a word why, so that it can be mended.")
    publish_requests.settle(db, request_id, State.REFUSED, now, decided_by=by.staff_id, told=why.strip())
    audits.record(db, by.staff_id, "flow_refused", now, detail=f"request {request_id}: {_named(request.revisions)}")


def withdraw(db: Session, request_id: int, by: Author, now: datetime) -> None:
    """Take back what waits for a second person or for its time. Raises NotThere, Unfit."""
    request = _open_request(db, request_id, *publish_requests.OPEN)
    publish_requests.settle(db, request_id, State.WITHDRAWN, now, told=f"Withdrawn by {by.name}")
    audits.record(db, by.staff_id, "flow_withdrawn", now, detail=f"request {request_id}: {_named(request.revisions)}")


def publish_due(db: Session, desk: Desk, request_id: int, now: datetime) -> Outcome | None:
    """Publish what was scheduled, if it still passes; else it has failed for good, and the page says why.

    The revisions are those that were asked for: a draft may have gone on since, and its newer changes wait for their own
    turn. None where nothing was published.
    """
    flows.lock_publishing(db)
    request = publish_requests.lock(db, request_id)
    if request is None or request.state != State.SCHEDULED or request.due_at is None or request.due_at > now:
        return None
    try:
        revisions = _revisions(db, request)
        _refuse_older(db, request)
        for flow, revision in revisions.items():
            if drafts.lock(db, flow) is None or drafts.was_begun_after(db, flow, revision.number):
                raise Unfit(f"The draft of `{flow}` was thrown away.")
        _check(db, desk, revisions, whys(request.reasons))
        _refuse_missing_look(db, request, revisions)
    except Refused as refused:
        fail(db, request_id, now, " ".join(str(problem) for problem in refused.problems[:5]))
        return None
    except (Unfit, NotThere) as unfit:
        fail(db, request_id, now, str(unfit))
        return None
    publish_requests.settle(db, request_id, State.PUBLISHED, now)
    how = flows.How.SCHEDULED
    return _publish(db, revisions, _asker(request), now, _wish(request), how=how, approved_by=request.decided_by)


def fail(db: Session, request_id: int, now: datetime, told: str) -> None:
    """It is not tried again: whoever planned it looks at it by day."""
    publish_requests.settle(db, request_id, State.FAILED, now, told=told)


def problems_of(db: Session, desk: Desk, contents: Mapping[str, FlowContent]) -> list[Problem]:
    """All that the checks say about these contents among what is published; errors first."""
    made = world.world_with(db, contents)
    teams = frozenset(board.teams(db))
    report = check(made, list(contents), desk.line, desk.zone, desk.line_name, teams=teams or None)
    late = [problem for flow, content in contents.items() if (problem := _overtaken(db, flow, content))]
    return [*report.problems, *late]


def who_looks_twice(db: Session, contents: Mapping[str, FlowContent]) -> frozenset[str]:
    """The teams whose option asks for a second person, and which these flows name, as they are live or as drafted."""
    careful = publish_requests.careful_teams(db)
    if not careful:
        return careful
    named: set[str] = set()
    current = flows.current(db)
    for flow, content in contents.items():
        stored = flows.load(db, current[flow]) if flow in current else None
        for each in (content, stored.content if stored else None):
            named |= teams_of(flow, each) if each is not None else set()
    return careful & named


def teams_of(flow: str, content: FlowContent) -> set[str]:
    """The teams that a flow's hand-offs name; none where it cannot be read."""
    try:
        script: Script = world.read(flow, content).script
    except FlowError:
        return set()
    return {step.handoff.team for step in script.steps.values() if isinstance(step, Handoff)}


def last_reasons(db: Session, flow: str) -> dict[str, str]:
    """What the warnings were explained with when this flow was published last: key -> why."""
    holds = flows.holding(db, flow)
    return whys(holds.reasons) if holds else {}


def whys(reasons: Reasons) -> dict[str, str]:
    """Key of a warning -> why it was published all the same."""
    return {key: each["why"] for key, each in reasons.items()}


def _refuse_wish(wish: Wish, now: datetime) -> None:
    if len(wish.why) < SHORTEST_WHY:
        raise Unfit("Say in a word why this is published. It is read when somebody asks later.")
    if wish.due_at is not None and wish.due_at <= now:
        raise Unfit("The time to publish is over already. Choose one that is to come, or publish now.")


def _locked(db: Session, flows_: Mapping[str, int]) -> dict[str, Revision]:
    """The drafts as they were looked at; nobody changes them until the transaction ends."""
    found: dict[str, Revision] = {}
    # In one order for everybody, so that two who publish the same flows wait and never block one another.
    for flow in sorted(flows_):
        draft = drafts.lock(db, flow) if re.fullmatch(STEP_NAME, flow) else None
        if draft is None:
            raise NotThere(flow)
        if draft.revision.number != flows_[flow]:
            raise ChangedMeanwhile(draft.revision, None)
        found[flow] = draft.revision
    return found


def _changed(db: Session, revisions: Mapping[str, Revision]) -> dict[str, Revision]:
    current = flows.current(db)
    live = {flow: stored.content for flow in revisions if flow in current and (stored := flows.load(db, current[flow]))}
    return {flow: revision for flow, revision in revisions.items() if live.get(flow) != revision.content}


def _check(db: Session, desk: Desk, revisions: Mapping[str, Revision], reasons: Mapping[str, str]) -> Reasons:
    """The warnings with their reasons, as they are kept. Raises Refused."""
    problems = problems_of(db, desk, {flow: revision.content for flow, revision in revisions.items()})
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    warned = {warning_key(problem): problem for problem in problems if problem.severity is Severity.WARNING}
    given = {key: reasons.get(key, "").strip() for key in warned}
    bare = [problem for key, problem in warned.items() if len(given[key]) < SHORTEST_WHY]
    if errors or bare:
        raise Refused([*errors, *bare])
    return {key: {"warning": problem.what, "why": given[key]} for key, problem in warned.items()}


def _overtaken(db: Session, flow: str, content: FlowContent) -> Problem | None:
    """A warning where something was published that the draft has never seen: it would be taken back without a word."""
    draft, holds = drafts.find(db, flow), flows.holding(db, flow)
    if draft is None or holds is None or draft.based_on == holds.version:
        return None
    stored = flows.load(db, holds.version)
    if stored is None or stored.content == content:
        return None
    what = f"Version {holds.number} was published by {holds.by} after this draft began; the draft takes its changes back."
    return Problem(f"{flow}.yaml", 1, what, "Compare the two in the history, and say why if it is meant.", Severity.WARNING)


def _supersede(db: Session, changed: Iterable[str], by: Author, now: datetime) -> None:
    """Whoever asks anew means what they ask for now: older requests for the same flows do not come true as well."""
    for request in publish_requests.waiting(db):
        if set(request.revisions) & set(changed) and publish_requests.lock(db, request.id):
            publish_requests.settle(db, request.id, State.WITHDRAWN, now, told=f"Asked anew by {by.name}")
            audits.record(db, by.staff_id, "flow_withdrawn", now, detail=f"request {request.id}, asked anew")


def _publish(
    db: Session, revisions: Mapping[str, Revision], by: Author, now: datetime, wish: Wish, *, how: flows.How,
    approved_by: int | None = None,
) -> Published:  # fmt: skip
    versions: dict[str, int] = {}
    for flow, revision in sorted(revisions.items()):
        version = flows.publish(
            db, flow, revision.content, by.name, now, how=how, why=wish.why, reasons=wish.reasons, staff_id=by.staff_id,
            approved_by=approved_by,
        )  # fmt: skip
        if version is None:
            continue
        versions[flow] = version
        drafts.base_on(db, flow, version)
        audits.record(db, by.staff_id, "flow_published", now, detail=f"{flow}, revision {revision.number}")
        if flow in wish.moves:
            flow_moves.add(db, flow, version, wish.moves[flow], by.staff_id, now)
    return Published(versions)


def _open_request(db: Session, request_id: int, *states: State) -> Request:
    request = publish_requests.lock(db, request_id)
    if request is None:
        raise NotThere("There is no such request.")
    if request.state not in states:
        raise Unfit(f"This request is {request.state} already.")
    return request


def _revisions(db: Session, request: Request) -> dict[str, Revision]:
    found = {flow: drafts.revision(db, revision_id) for flow, revision_id in sorted(request.revisions.items())}
    there = {flow: revision for flow, revision in found.items() if revision is not None}
    if len(there) < len(found):
        raise NotThere("A revision of this request is gone.")
    return there


def _refuse_older(db: Session, request: Request) -> None:
    for flow in request.revisions:
        holds = flows.holding(db, flow)
        if holds is not None and holds.at > request.made_at:
            raise Unfit(f"`{flow}` was published by {holds.by} after this was asked for. Look at the draft and ask again.")


def _refuse_missing_look(db: Session, request: Request, revisions: Mapping[str, Revision]) -> None:
    """A team may have asked for a second look since it was scheduled."""
    teams = who_looks_twice(db, {flow: revision.content for flow, revision in revisions.items()})
    if teams and request.decided_by is None:
        raise Unfit(f"A second person must look by now (for {', '.join(sorted(teams))}). Ask for it again.")


def _asker(request: Request) -> Author:
    return Author(request.by, request.staff_id)


def _wish(request: Request) -> Wish:
    return Wish(request.why, request.reasons, request.moves, request.due_at)


def _named(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
