"""Who could take a handoff, from real rows."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from bot.domain.handoff.escalation import Candidate
from bot.domain.roster.duty import Roster
from bot.domain.staff.permissions import Role
from bot.operations.settings.settings import Settings
from bot.storage.handoff import candidates
from bot.storage.sealing import Sealer
from bot.storage.staff import staff
from bot.storage.tables.residents import Handoff
from bot.storage.tables.staff import CallOut, HandoffEvent
from tests.support.clock import MONDAY_MORNING as NOW
from tests.support.console import make_staff
from tests.support.people import PersonIds, make_person


@pytest.fixture
def person(db: Session, settings: Settings) -> PersonIds:
    return make_person(db, Sealer(settings.encryption_keys, settings.secret_key), "+13145550101", team="housing")


def look(db: Session, settings: Settings, person: PersonIds, team: str = "housing") -> dict[int, Candidate]:
    found = candidates.list_for_team(db, team, Roster(settings.timezone), person.conversation, NOW)
    return {one.staff_id: one for one in found}


def test_it_counts_held_handoffs_and_recent_calls_as_load(db: Session, settings: Settings, person: PersonIds) -> None:
    ana, joe = (make_staff(db, f"{name}@example.org", ("social_worker",), ("housing",)) for name in ("ana", "joe"))
    handoff = db.get_one(Handoff, person.handoff)
    handoff.state, handoff.owner_id = "with_human", ana
    db.add(CallOut(handoff_id=handoff.id, staff_id=ana, tier=1, raised_at=NOW))
    db.add(CallOut(handoff_id=handoff.id, staff_id=joe, tier=1, raised_at=NOW, answer="missed", answered_at=NOW))
    assert {number: one.load for number, one in look(db, settings, person).items()} == {ana: 2, joe: 0}


def test_it_lists_active_social_workers_and_supervisors(db: Session, settings: Settings, person: PersonIds) -> None:
    both = make_staff(db, "both@example.org", ("admin", "supervisor"))
    make_staff(db, "admin@example.org", ("admin",))
    make_staff(db, "gone@example.org", ("social_worker",), active=False)
    row = staff.add(db, "ana@example.org", "Ana", NOW, roles=(Role.SOCIAL_WORKER,), languages=["es", "en"])
    row.skills = ["crisis"]
    found = look(db, settings, person)
    assert {number: one.is_supervisor for number, one in found.items()} == {both: True, row.id: False}
    assert (found[row.id].languages, found[row.id].skills, found[row.id].capacity) == (("es", "en"), ("crisis",), 4)


def test_it_knows_the_team_and_counts_everyone_in_for_an_empty_team(
    db: Session, settings: Settings, person: PersonIds
) -> None:
    staff.get_or_add_team(db, "nobodys", "Nobody's")
    ours = make_staff(db, "ana@example.org", ("social_worker",), ("housing",))
    theirs = make_staff(db, "joe@example.org", ("social_worker",), ("medical",))
    assert {number: one.in_team for number, one in look(db, settings, person).items()} == {ours: True, theirs: False}
    assert all(one.in_team for one in look(db, settings, person, "nobodys").values())


def test_it_knows_who_had_the_person_last(db: Session, settings: Settings, person: PersonIds) -> None:
    ana, joe = (make_staff(db, f"{name}@example.org", ("social_worker",)) for name in ("ana", "joe"))
    for one, kind in ((joe, "claimed"), (ana, "took_over"), (joe, "passed")):
        row = {"handoff_id": person.handoff, "conversation_id": person.conversation, "staff_id": one, "kind": kind}
        db.add(HandoffEvent(**row, detail={}, at=NOW))
    assert {number: one.knows_person for number, one in look(db, settings, person).items()} == {ana: True, joe: False}
