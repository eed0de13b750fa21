"""Makes an earlier version live again at once: it is published again, and the draft is left alone.

An emergency is no time to look for a second person, so a rollback never waits for one. If a team of the flow requires a
second person, the review comes afterwards: the rollback is listed among the requests until another admin confirms having
seen it (docs/decisions/live-conversations-stay.md says what happens to people who are in the flow).
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from bot.domain.flows.checks.reachability import flows_run_by
from bot.domain.flows.language.script import CheckIn, Run
from bot.domain.flows.language.yaml_source import FlowError
from bot.domain.refused import Refused
from bot.storage.flows import flow_moves, flows
from bot.storage.flows.drafts import DraftAuthor
from bot.storage.flows.flows import Publication, PublicationMethod, StoredFlow
from bot.storage.staff import audits
from bot.usecases.studio import flow_sets
from bot.usecases.studio.edit_draft import FlowNotFound
from bot.usecases.studio.publish_drafts import MIN_REASON_LETTERS, PublishedVersions, review_teams


def version_before(db: Session, flow: str) -> int | None:
    """The number of the version that was live before the current one; None if there was none."""
    log = flows.list_publications(db, flow)
    return next((each.number for each in log if each.version != log[0].version), None)


def roll_back(
    db: Session, flow: str, number: int, by: DraftAuthor, now: datetime, *, why: str, moves_live: bool = False
) -> PublishedVersions:
    """Makes version `number` of the flow live again; with `moves_live`, people who are in the flow go back to it too, as far
    as possible. Raises FlowNotFound, and Refused with the remedy; nothing has changed then.
    """
    if len(why.strip()) < MIN_REASON_LETTERS:
        raise Refused("Say in a word why. It is read when somebody asks later.")
    flows.lock_publishing(db)
    stored = flows.load_version_number(db, flow, number)
    if stored is None:
        raise FlowNotFound(f"There is no version {number} of `{flow}`.")
    _check_version(db, stored)
    version = flows.publish(
        db, flow, stored.content, by.name, now, how=PublicationMethod.ROLLED_BACK, why=why.strip(), staff_id=by.staff_id
    )
    if version is None:
        raise Refused(f"Version {number} holds already.")
    if moves_live:
        flow_moves.add(db, flow, version, {}, by.staff_id, now)
    audits.record(db, by.staff_id, "flow_rolled_back", now, detail=f"{flow}, version {number}")
    return PublishedVersions({flow: version})


def unreviewed_roll_backs(db: Session) -> list[Publication]:
    """Live rollbacks that one person made and for which a team of the flow requires a second person's review."""
    return [each for each in flows.list_unreviewed_rollbacks(db) if _needs_review(db, each)]


def review_roll_back(db: Session, publication_id: int, by: DraftAuthor, now: datetime) -> Publication:
    """Records a second person's review of a rollback. Raises Refused for its author, and if it needs no review."""
    waiting = next((each for each in flows.list_unreviewed_rollbacks(db) if each.id == publication_id), None)
    if waiting is None or by.staff_id is None:
        raise Refused("This roll-back was looked at already, or something newer holds.")
    if waiting.staff_id == by.staff_id:
        raise Refused("Somebody else than who rolled back must look at it.")
    seen = flows.mark_reviewed(db, publication_id, by.staff_id)
    if seen is None:
        raise Refused("This roll-back was looked at already.")
    audits.record(db, by.staff_id, "flow_approved", now, detail=f"{seen.flow}, roll-back to version {seen.number}")
    return seen


def _needs_review(db: Session, publication: Publication) -> bool:
    before = flows.list_publications(db, publication.flow, 1, publication.id)
    contents = [stored.content for each in before if (stored := flows.load_version(db, each.version))]
    return any(review_teams(db, {publication.flow: content}) for content in contents)


def _check_version(db: Session, stored: StoredFlow) -> None:
    """An old version may run flows that no longer exist, or bring a second menu. Its warnings do not prevent a rollback."""
    made = flow_sets.flow_set_with(db, {stored.name: stored.content})
    try:
        script = flow_sets.parse_flow(stored.name, stored.content).script
    except FlowError as error:
        raise Refused(f"Version {stored.number} cannot be read any more: {error.problems[0]}") from error
    ran = {step.run for step in script.steps.values() if isinstance(step, Run)}
    ran |= {step.check_in.flow for step in script.steps.values() if isinstance(step, CheckIn)}
    missing = sorted(ran - set(made.flows))
    if missing:
        names = ", ".join(f"`{name}`" for name in missing)
        raise Refused(f"Version {stored.number} runs {names}, which nobody has published. Publish that first.")
    if stored.name in {way for name in ran for way in flows_run_by(name, made.scripts)}:
        raise Refused(
            f"Version {stored.number} runs a flow that by now runs this one, and so on without end. Roll that back first."
        )
    menus = sorted(name for name, each in made.flows.items() if each.script.menu)
    if len(menus) != 1:
        raise Refused(
            f"With version {stored.number} the line would have {len(menus)} flows with `menu: true`. "
            "Roll the other flow back first, or publish it with another `menu`."
        )
