"""The rows of staff, with a real PostgreSQL."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from bot.domain.messages.message import Address, Channel
from bot.domain.staff.permissions import Role
from bot.storage.sealing import Sealer
from bot.storage.staff import staff
from tests.support.clock import MONDAY_MORNING as NOW


@pytest.fixture
def db(db: Session) -> Session:
    staff.get_or_add_team(db, "housing", "Housing")
    return db


def test_it_adds_a_social_worker_with_roles_teams_and_languages(db: Session) -> None:
    roles = (Role.SUPERVISOR, Role.SOCIAL_WORKER)
    ana = staff.add(db, " Ana@STL.example ", "Ana Ruiz", NOW, roles=roles, teams=["housing"], languages=["es", "en", "es"])
    assert (ana.email, ana.called, ana.languages, ana.capacity, ana.active) == (
        "ana@stl.example", "Ana", ["es", "en"], 4, True,
    )  # fmt: skip
    assert staff.roles_of(ana) == set(roles) and staff.teams_of(db, ana.id) == {"housing"}
    assert [one.id for one in staff.list_members(db, "housing")] == [one.id for one in staff.list_active(db)] == [ana.id]
    assert staff.find_by_email(db, "ANA@stl.example ") is ana
    assert [one.id for one in staff.list_with_role(db, Role.SUPERVISOR)] == [ana.id] and not staff.list_with_role(
        db, Role.ADMIN
    )


def test_it_refuses_an_email_that_is_known_and_a_team_that_is_not(db: Session) -> None:
    staff.add(db, "ana@stl.example", "Ana", NOW)
    with pytest.raises(staff.DuplicateStaff):
        staff.add(db, "ANA@stl.example", "Ana", NOW)
    with pytest.raises(LookupError, match=r"no team medical.*housing"):
        staff.add(db, "joe@stl.example", "Joe", NOW, teams=["medical"])


def test_it_finds_a_telephone_however_it_is_typed(db: Session, sealer: Sealer) -> None:
    ana = staff.add(db, "ana@stl.example", "Ana", NOW)
    assert staff.set_phone(db, sealer, ana, "(314) 555-0142") == Address(Channel.SMS, "+13145550142")
    assert staff.find_by_phone(db, sealer, "+13145550142") is ana
    assert staff.phone_of(sealer, ana) == Address(Channel.SMS, "+13145550142")
    assert "555" not in (ana.sealed_phone or "") and staff.find_by_phone(db, sealer, "+13145550143") is None
    assert staff.set_phone(db, sealer, ana, "") is None and staff.phone_of(sealer, ana) is None


def test_it_gives_a_telephone_to_one_person_only_and_never_quotes_it(db: Session, sealer: Sealer) -> None:
    ana, joe = staff.add(db, "ana@stl.example", "Ana", NOW), staff.add(db, "joe@stl.example", "Joe", NOW)
    staff.set_phone(db, sealer, ana, "314-555-0142")
    with pytest.raises(staff.DuplicateStaff) as taken:
        staff.set_phone(db, sealer, joe, "+1 314 555 0142")
    with pytest.raises(staff.InvalidPhone) as bad:
        staff.set_phone(db, sealer, joe, "555-0142-12345678")
    assert "0142" not in str(taken.value) and "12345678" not in str(bad.value) and joe.sealed_phone is None


def test_it_keeps_an_address_of_the_simulator(db: Session, sealer: Sealer) -> None:
    ana = staff.add(db, "ana@stl.example", "Ana", NOW)
    pretend = Address(Channel.SIMULATOR, "ana-phone")
    staff.set_phone(db, sealer, ana, pretend)
    assert staff.phone_of(sealer, ana) == pretend and staff.find_by_address(db, sealer, pretend) is ana


def test_it_forgets_the_telephone_of_staff_who_leave(db: Session, sealer: Sealer) -> None:
    ana = staff.add(db, "ana@stl.example", "Ana", NOW, teams=["housing"])
    staff.set_phone(db, sealer, ana, "314-555-0142")
    key = ana.fs_uniquifier
    staff.mark_left(db, sealer, ana, NOW)
    assert staff.find_by_phone(db, sealer, "+13145550142") is None and ana.fs_uniquifier != key
    assert not staff.list_active(db) and not staff.list_members(db, "housing")
