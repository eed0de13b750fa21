"""Drafts go live: checked, together, reviewed by a second person where a team wants it, at their time, and rolled back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.domain.flows.language.content import FlowContent
from bot.domain.refused import Refused
from bot.storage.flows import drafts, flows, publish_requests
from bot.storage.flows.drafts import DraftAuthor
from bot.storage.flows.flows import PublicationMethod
from bot.storage.flows.publish_requests import PublishRequestState
from bot.storage.tables.staff import Audit, Team
from bot.storage.tables.studio import FlowMove
from bot.usecases.context import Context
from bot.usecases.flows.files import read_folder
from bot.usecases.flows.publish_flows import publish_flows
from bot.usecases.studio import edit_draft, publish_drafts
from bot.usecases.studio.check_draft import warning_key
from bot.usecases.studio.edit_draft import DraftChangedMeanwhile, FlowNotFound
from bot.usecases.studio.publish_drafts import (
    AwaitingReview,
    PublicationRefused,
    PublishedVersions,
    ScheduledPublication,
    problems_of,
)
from bot.usecases.studio.roll_back import review_roll_back, roll_back, unreviewed_roll_backs, version_before
from tests.paths import ROOT
from tests.support.console import make_staff
from tests.support.demo import Demo

NOW = datetime(2030, 3, 4, 15, 0, tzinfo=UTC)
"""Later than the shipped flows were published, which the demo does by the real clock."""
SOON = NOW + timedelta(hours=2)


@pytest.fixture
def ana(db: Session) -> DraftAuthor:
    return DraftAuthor("Ana Ortiz", make_staff(db, "ana@example.org", ["admin"], teams=["crisis"]))


@pytest.fixture
def ben(db: Session) -> DraftAuthor:
    return DraftAuthor("Ben Ruiz", make_staff(db, "ben@example.org", ["supervisor"], name="Ben Ruiz"))


def says(words: str) -> Callable[[FlowContent], FlowContent]:
    return lambda content: replace(content, source=f"{content.source}# {words}\n")


def change(db: Session, by: DraftAuthor, flow: str = "privacy", words: str = "one") -> int:
    """Change the draft of a flow; the number of the new revision."""
    draft = edit_draft.open_draft(db, flow, by, NOW)
    return edit_draft.change(db, flow, draft.revision.number, words, says(words), by, NOW).number


def ask(
    db: Session, context: Context, by: DraftAuthor, seen: dict[str, int], **wish: object
) -> publish_drafts.PublishOutcome:
    contents = {flow: draft.revision.content for flow in seen if (draft := drafts.find(db, flow))}
    reasons = {warning_key(each): "it is meant" for each in problems_of(db, context, contents)}
    given = {"why": "clearer words", "reasons": reasons, **wish}
    return publish_drafts.publish_or_request(db, context, seen, by, NOW, **given)  # type: ignore[arg-type]


def require_review(db: Session) -> None:
    """Set the review option of the team that the flows `privacy` and `crisis` hand people to."""
    for team in db.scalars(select(Team)):
        team.second_look = True
    db.flush()


def careful(db: Session, slug: str) -> None:
    if db.scalar(select(Team).where(Team.slug == slug)) is None:
        db.add(Team(slug=slug, name=slug))
        db.flush()
    require_review(db)


def holds(db: Session, flow: str) -> flows.Publication:
    found = flows.current_publication(db, flow)
    assert found is not None
    return found


def test_it_publishes_drafts_together_and_says_who_and_why(db: Session, context: Context, ana: DraftAuthor) -> None:
    seen = {flow: change(db, ana, flow) for flow in ("privacy", "counseling")}
    done = ask(db, context, ana, seen)
    assert isinstance(done, PublishedVersions) and set(done.versions) == set(seen)
    log = holds(db, "privacy")
    assert (log.how, log.by, log.why, log.number) == (PublicationMethod.CONSOLE, "Ana Ortiz", "clearer words", 2)
    draft = drafts.find(db, "privacy")
    assert draft is not None and draft.based_on == log.version
    acts = list(db.scalars(select(Audit.act).where(Audit.staff_id == ana.staff_id)))
    assert acts.count("flow_published") == 2


def test_it_refuses_a_draft_that_moved_on_since_it_was_looked_at(db: Session, context: Context, ana: DraftAuthor) -> None:
    seen = change(db, ana)
    change(db, ana, words="two")
    with pytest.raises(DraftChangedMeanwhile):
        ask(db, context, ana, {"privacy": seen})


def test_it_refuses_errors_and_nothing_happens(db: Session, context: Context, ana: DraftAuthor) -> None:
    good, bad = change(db, ana, "counseling"), change(db, ana)
    bad = edit_draft.change(
        db, "privacy", bad, "broke it", lambda now: replace(now, source=now.source.replace("start:", "start: nowhere #")),
        ana, NOW,
    ).number  # fmt: skip
    with pytest.raises(PublicationRefused) as refused:
        ask(db, context, ana, {"privacy": bad, "counseling": good})
    assert refused.value.problems[0].remedy
    assert (holds(db, "privacy").number, holds(db, "counseling").number) == (1, 1)


def test_it_requires_a_reason_for_each_warning(db: Session, context: Context, ana: DraftAuthor) -> None:
    draft = edit_draft.open_draft(db, "privacy", ana, NOW)
    flows.publish(db, "privacy", says("from files")(draft.revision.content), "files", NOW)
    seen = {"privacy": change(db, ana)}
    with pytest.raises(PublicationRefused) as refused:
        ask(db, context, ana, seen, reasons={})
    late = [problem for problem in refused.value.problems if "takes its changes back" in problem.what]
    assert len(late) == 1
    assert isinstance(ask(db, context, ana, seen), PublishedVersions)
    assert {"warning": late[0].what, "why": "it is meant"} in holds(db, "privacy").reasons.values()
    assert publish_drafts.last_reasons(db, "privacy")[warning_key(late[0])] == "it is meant"


def test_it_refuses_a_publication_without_a_reason_or_a_change(db: Session, context: Context, ana: DraftAuthor) -> None:
    seen = change(db, ana)
    with pytest.raises(Refused, match="why"):
        ask(db, context, ana, {"privacy": seen}, why=" ")
    same = edit_draft.open_draft(db, "crisis", ana, NOW).revision.number
    with pytest.raises(Refused, match="Nothing differs"):
        ask(db, context, ana, {"crisis": same})
    with pytest.raises(FlowNotFound):
        ask(db, context, ana, {"nowhere": 1})


def test_it_waits_for_a_second_person_where_a_team_wants_it(
    db: Session, context: Context, ana: DraftAuthor, ben: DraftAuthor
) -> None:
    careful(db, "crisis")
    done = ask(db, context, ana, {"crisis": change(db, ana, "crisis")})
    assert isinstance(done, AwaitingReview) and done.teams == ("crisis",)
    assert holds(db, "crisis").number == 1
    with pytest.raises(Refused, match="Somebody else"):
        publish_drafts.approve(db, context, done.request, ana, NOW)
    approved = publish_drafts.approve(db, context, done.request, ben, NOW)
    assert isinstance(approved, PublishedVersions)
    log = holds(db, "crisis")
    assert (log.number, log.by, log.approver) == (2, "Ana Ortiz", "Ben Ruiz")


def test_it_approves_exactly_what_was_asked(db: Session, context: Context, ana: DraftAuthor, ben: DraftAuthor) -> None:
    careful(db, "crisis")
    done = ask(db, context, ana, {"crisis": change(db, ana, "crisis")})
    assert isinstance(done, AwaitingReview)
    change(db, ana, "crisis", "slipped in")
    with pytest.raises(DraftChangedMeanwhile):
        publish_drafts.approve(db, context, done.request, ben, NOW)


def test_it_refuses_with_a_reason_and_only_once(db: Session, context: Context, ana: DraftAuthor, ben: DraftAuthor) -> None:
    careful(db, "crisis")
    done = ask(db, context, ana, {"crisis": change(db, ana, "crisis")})
    assert isinstance(done, AwaitingReview)
    publish_drafts.reject(db, done.request, ben, "too long for a phone", NOW)
    found = publish_requests.find(db, done.request)
    assert found is not None and (found.state, found.told, found.decider) == (
        PublishRequestState.REFUSED,
        "too long for a phone",
        "Ben Ruiz",
    )
    with pytest.raises(Refused, match="refused already"):
        publish_drafts.approve(db, context, done.request, ben, NOW)


def test_it_takes_the_place_of_what_was_asked_before(db: Session, context: Context, ana: DraftAuthor) -> None:
    first = ask(db, context, ana, {"privacy": change(db, ana)}, due_at=SOON)
    ask(db, context, ana, {"privacy": change(db, ana, words="two")}, due_at=SOON)
    assert isinstance(first, ScheduledPublication)
    found = publish_requests.find(db, first.request)
    assert found is not None and found.state == PublishRequestState.WITHDRAWN
    assert len(publish_requests.list_open(db)) == 1


def test_it_publishes_what_was_planned_at_its_time(db: Session, context: Context, ana: DraftAuthor) -> None:
    seen = change(db, ana)
    planned = ask(db, context, ana, {"privacy": seen}, due_at=SOON, moves={"privacy": {"a": "b"}})
    assert isinstance(planned, ScheduledPublication)
    change(db, ana, words="for next week")
    assert publish_drafts.publish_due(db, context, planned.request, NOW) is None
    assert publish_requests.due_ids(db, SOON) == [planned.request]
    assert isinstance(publish_drafts.publish_due(db, context, planned.request, SOON), PublishedVersions)
    stored = flows.load_version(db, holds(db, "privacy").version)
    assert stored is not None and stored.source.endswith("# one\n")
    assert holds(db, "privacy").how == PublicationMethod.SCHEDULED
    assert publish_requests.due_ids(db, SOON) == []
    assert [move.steps for move in db.scalars(select(FlowMove))] == [{"a": "b"}]


def test_it_fails_once_and_says_why_where_a_push_came_between(db: Session, context: Context, ana: DraftAuthor) -> None:
    planned = ask(db, context, ana, {"privacy": change(db, ana)}, due_at=SOON)
    assert isinstance(planned, ScheduledPublication)
    live = flows.load_version(db, holds(db, "privacy").version)
    assert live is not None
    flows.publish(
        db, "privacy", says("pushed")(live.content), "push", NOW + timedelta(hours=1), how=PublicationMethod.PUSHED
    )
    assert publish_drafts.publish_due(db, context, planned.request, SOON) is None
    found = publish_requests.find(db, planned.request)
    assert found is not None and found.state == PublishRequestState.FAILED and "published by push" in found.told
    assert publish_requests.due_ids(db, SOON) == []


def test_it_is_published_by_the_sweep(demo: Demo) -> None:
    with demo.db() as db:
        ana = DraftAuthor("Ana", make_staff(db, "ana@example.org"))
        now = demo.runtime.clock.now()
        seen = {"privacy": change(db, ana)}
        reasons = {warning_key(each): "it is meant" for each in problems_of(db, demo.runtime.context, {
            "privacy": drafts.find(db, "privacy").revision.content})}  # type: ignore[union-attr]  # fmt: skip
        due = now + timedelta(milliseconds=1)
        publish_drafts.publish_or_request(db, demo.runtime.context, seen, ana, now, why="test", reasons=reasons, due_at=due)
    from bot.jobs.sweep import sweep

    sweep(demo.runtime)
    with demo.db() as db:
        assert holds(db, "privacy").how == PublicationMethod.SCHEDULED


def test_it_refuses_times_that_are_over(db: Session, context: Context, ana: DraftAuthor) -> None:
    with pytest.raises(Refused, match="over already"):
        ask(db, context, ana, {"privacy": change(db, ana)}, due_at=NOW)


def test_it_rolls_back_and_leaves_the_draft_alone(db: Session, context: Context, ana: DraftAuthor) -> None:
    seen = change(db, ana)
    ask(db, context, ana, {"privacy": seen})
    assert version_before(db, "privacy") == 1
    roll_back(db, "privacy", 1, ana, NOW, why="people were confused")
    log = holds(db, "privacy")
    assert (log.number, log.how, log.why) == (1, PublicationMethod.ROLLED_BACK, "people were confused")
    draft = drafts.find(db, "privacy")
    assert draft is not None and draft.revision.number == seen
    with pytest.raises(Refused, match="holds already"):
        roll_back(db, "privacy", 1, ana, NOW, why="again")


def test_it_refuses_a_roll_back_that_would_leave_the_line_without_menu(db: Session, ana: DraftAuthor) -> None:
    live = flows.load_version(db, holds(db, "privacy").version)
    assert live is not None
    second_menu = live.source.replace("start:", "menu: true\nstart:", 1)
    flows.publish(db, "privacy", replace(live.content, source=second_menu), "files", NOW)
    flows.publish(db, "privacy", live.content, "files", NOW)
    with pytest.raises(Refused, match="2 flows with `menu: true`"):
        roll_back(db, "privacy", 2, ana, NOW, why="by mistake")


def test_it_asks_for_a_review_after_a_roll_back(db: Session, context: Context, ana: DraftAuthor, ben: DraftAuthor) -> None:
    ask(db, context, ana, {"crisis": change(db, ana, "crisis")})
    careful(db, "crisis")
    roll_back(db, "crisis", 1, ana, NOW, why="wrong number in it")
    (waiting,) = unreviewed_roll_backs(db)
    with pytest.raises(Refused, match="Somebody else"):
        review_roll_back(db, waiting.id, ana, NOW)
    review_roll_back(db, waiting.id, ben, NOW)
    assert unreviewed_roll_backs(db) == []
    assert holds(db, "crisis").approver == "Ben Ruiz"


def test_it_lets_the_console_win_over_files(db: Session, context: Context, ana: DraftAuthor) -> None:
    ask(db, context, ana, {"privacy": change(db, ana)})
    folder = read_folder(ROOT / "flows")
    again = publish_flows(db, folder, "files", NOW)
    assert (again.changed, again.kept) == ([], ["privacy"])
    assert again.reasons == ["`privacy` was changed in the console on 2030-03-04: pull it, or publish with --overwrite."]
    assert publish_flows(db, folder, "files", NOW, overwrite=True).changed == ["privacy"]
    assert publish_flows(db, folder, "files", NOW).kept == []


def test_it_publishes_changed_files_over_files(db: Session, tmp_path: Path) -> None:
    (tmp_path / "inner.yaml").write_text("flow: inner\ntitle: I\nstart: a\nsteps: {a: {end: done}}\n")
    assert publish_flows(db, read_folder(tmp_path), "files", NOW).changed == ["inner"]
    (tmp_path / "inner.yaml").write_text("flow: inner\ntitle: J\nstart: a\nsteps: {a: {end: done}}\n")
    assert publish_flows(db, read_folder(tmp_path), "push", NOW, how=PublicationMethod.PUSHED).changed == ["inner"]


def test_it_refuses_a_roll_back_to_a_version_that_runs_what_runs_it(db: Session, ana: DraftAuthor) -> None:
    inner = "flow: inner\ntitle: I\nstart: a\nsteps: {a: {run: outer}}\n"
    for number, outer in enumerate(("a: {run: inner}", "a: {end: done}")):
        source = f"flow: outer\ntitle: O\nstart: a\nsteps: {{{outer}}}\n"
        flows.publish(db, "outer", FlowContent(source), "files", NOW)
        if number == 0:
            flows.publish(db, "inner", FlowContent(inner.replace("run: outer", "end: done")), "files", NOW)
    flows.publish(db, "inner", FlowContent(inner), "files", NOW)
    with pytest.raises(Refused, match="without end"):
        roll_back(db, "outer", 1, ana, NOW, why="by mistake")
    assert holds(db, "outer").number == 2


def test_it_checks_a_roll_back_to_what_cannot_be_read(db: Session, ana: DraftAuthor) -> None:
    flows.publish(db, "outer", FlowContent("flow: outer\n"), "files", NOW)
    flows.publish(db, "outer", FlowContent("flow: outer\ntitle: O\nstart: a\nsteps: {a: {end: done}}\n"), "files", NOW)
    with pytest.raises(Refused, match="cannot be read"):
        roll_back(db, "outer", 1, ana, NOW, why="by mistake")


def test_it_waits_for_a_review_that_a_team_wants_by_then(db: Session, context: Context, ana: DraftAuthor) -> None:
    planned = ask(db, context, ana, {"crisis": change(db, ana, "crisis")}, due_at=SOON)
    assert isinstance(planned, ScheduledPublication)
    careful(db, "crisis")
    assert publish_drafts.publish_due(db, context, planned.request, SOON) is None
    found = publish_requests.find(db, planned.request)
    assert found is not None and "second person must look" in found.told and holds(db, "crisis").number == 1


def test_it_publishes_once_where_two_hosts_sweep_at_once(demo: Demo) -> None:
    context, now = demo.runtime.context, demo.runtime.clock.now()
    with demo.db() as db:
        ana = DraftAuthor("Ana", make_staff(db, "ana@example.org"))
        draft = edit_draft.open_draft(db, "privacy", ana, now)
        seen = edit_draft.change(db, "privacy", draft.revision.number, "x", says("x"), ana, now)
        reasons = {warning_key(each): "it is meant" for each in problems_of(db, context, {"privacy": seen.content})}
        due = now + timedelta(seconds=1)
        planned = publish_drafts.publish_or_request(
            db, context, {"privacy": seen.number}, ana, now, why="test", reasons=reasons, due_at=due
        )
    assert isinstance(planned, ScheduledPublication)
    made: list[object] = []

    def host() -> None:
        with demo.db() as db:
            made.append(publish_drafts.publish_due(db, context, planned.request, due))

    hosts = [threading.Thread(target=host) for _ in range(2)]
    for one in hosts:
        one.start()
    for one in hosts:
        one.join(60)
    assert sorted(one is None for one in made) == [False, True]
    with demo.db() as db:
        assert len(flows.list_publications(db, "privacy")) == 2
