"""An earlier version holds again, by one press: it is published anew, and the draft is left alone.

An emergency is no time to look for a second person, so a roll-back never waits for one. Where a team of the flow wants a
second look, the look comes afterwards: the roll-back stands among the requests until somebody else has said that they saw it
(docs/decisions/live-conversations-stay.md tells what becomes of those who are in the flow).
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from bot.domain.flow_ways import runs
from bot.domain.flow_yaml import FlowError
from bot.domain.script import CheckIn, Run
from bot.storage import audits, flow_moves, flows
from bot.storage.drafts import Author
from bot.storage.flows import How, Publication, StoredFlow
from bot.usecases.studio import world
from bot.usecases.studio.edit_draft import NotThere, Unfit
from bot.usecases.studio.publish_drafts import SHORTEST_WHY, Published, who_looks_twice


def version_before(db: Session, flow: str) -> int | None:
    """The number of the version that held before the one that holds; None where there was none."""
    log = flows.publications(db, flow)
    return next((each.number for each in log if each.version != log[0].version), None)


def roll_back(
    db: Session, flow: str, number: int, by: Author, now: datetime, *, why: str, moves_live: bool = False
) -> Published:
    """Let version `number` of the flow hold again; with `moves_live`, those who are in the flow go back to it as well, as
    far as they can. Raises NotThere, and Unfit with the remedy; nothing has happened then.
    """
    if len(why.strip()) < SHORTEST_WHY:
        raise Unfit("Say in a word why. It is read when somebody asks later.")
    flows.lock_publishing(db)
    stored = flows.load_number(db, flow, number)
    if stored is None:
        raise NotThere(f"There is no version {number} of `{flow}`.")
    _refuse_misfit(db, stored)
    version = flows.publish(
        db, flow, stored.content, by.name, now, how=How.ROLLED_BACK, why=why.strip(), staff_id=by.staff_id
    )
    if version is None:
        raise Unfit(f"Version {number} holds already.")
    if moves_live:
        flow_moves.add(db, flow, version, {}, by.staff_id, now)
    audits.record(db, by.staff_id, "flow_rolled_back", now, detail=f"{flow}, version {number}")
    return Published({flow: version})


def wants_look(db: Session) -> list[Publication]:
    """Roll-backs that hold, that one person made, and that a team of the flow wants a second person to look at."""
    return [each for each in flows.unseen_roll_backs(db) if _is_watched(db, each)]


def look(db: Session, publication_id: int, by: Author, now: datetime) -> Publication:
    """A second person has seen a roll-back. Raises Unfit for whoever made it, and where nothing waits for a look."""
    waiting = next((each for each in flows.unseen_roll_backs(db) if each.id == publication_id), None)
    if waiting is None or by.staff_id is None:
        raise Unfit("This roll-back was looked at already, or something newer holds.")
    if waiting.staff_id == by.staff_id:
        raise Unfit("Somebody else than who rolled back must look at it.")
    seen = flows.looked_at(db, publication_id, by.staff_id)
    if seen is None:
        raise Unfit("This roll-back was looked at already.")
    audits.record(db, by.staff_id, "flow_approved", now, detail=f"{seen.flow}, roll-back to version {seen.number}")
    return seen


def _is_watched(db: Session, publication: Publication) -> bool:
    before = flows.publications(db, publication.flow, 1, publication.id)
    contents = [stored.content for each in before if (stored := flows.load(db, each.version))]
    return any(who_looks_twice(db, {publication.flow: content}) for content in contents)


def _refuse_misfit(db: Session, stored: StoredFlow) -> None:
    """An old version may run flows that are not there, or bring a second menu. Its warnings hold nobody up."""
    made = world.world_with(db, {stored.name: stored.content})
    try:
        script = world.read(stored.name, stored.content).script
    except FlowError as error:
        raise Unfit(f"Version {stored.number} cannot be read any more: {error.problems[0]}") from error
    ran = {step.run for step in script.steps.values() if isinstance(step, Run)}
    ran |= {step.check_in.flow for step in script.steps.values() if isinstance(step, CheckIn)}
    missing = sorted(ran - set(made.flows))
    if missing:
        names = ", ".join(f"`{name}`" for name in missing)
        raise Unfit(f"Version {stored.number} runs {names}, which nobody has published. Publish that first.")
    if stored.name in {way for name in ran for way in runs(name, made.scripts)}:
        raise Unfit(
            f"Version {stored.number} runs a flow that by now runs this one, and so on without end. Roll that back first."
        )
    menus = sorted(name for name, each in made.flows.items() if each.script.menu)
    if len(menus) != 1:
        raise Unfit(
            f"With version {stored.number} the line would have {len(menus)} flows with `menu: true`. "
            "Roll the other flow back first, or publish it with another `menu`."
        )
