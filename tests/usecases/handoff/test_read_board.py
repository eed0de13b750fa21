"""The supervisor's board on real rows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bot.domain.safety.levels import Urgency
from bot.storage.tables.residents import Handoff
from bot.storage.tables.staff import ExtraShift, Staff, StaffThread, Team
from bot.usecases.handoff.read_board import SupervisorBoard, read_board
from tests.support.console import make_staff
from tests.support.supervisors import Office, call_for_human, record_call_out, record_claim, record_event


def look(office: Office, teams: tuple[str, ...] = ("housing",)) -> SupervisorBoard:
    with office.demo.db() as db:
        return read_board(db, office.now, office.runtime.settings.timezone, office.supervisor, teams)


def wait_for(office: Office, number: str, minutes: float, urgency: Urgency = Urgency.MINUTES, **more: Any) -> int:
    with office.demo.db() as db:
        return call_for_human(db, office.runtime.context.sealer, number, office.minutes_ago(minutes), urgency, **more)


def test_it_puts_first_whose_limit_is_longest_past(office: Office) -> None:
    calm = wait_for(office, "+13145550101", 60, Urgency.ROUTINE)
    late = wait_for(office, "+13145550102", 9)
    soon = wait_for(office, "+13145550103", 1, Urgency.NOW)
    found = look(office).waiting
    assert [one.handoff_id for one in found] == [late, soon, calm]
    assert [one.over for one in found] == [timedelta(minutes=4), None, None]
    assert found[0].waited == timedelta(minutes=9)


def test_it_shows_who_was_called_and_what_they_answered(office: Office) -> None:
    number = wait_for(office, "+13145550101", 6)
    with office.demo.db() as db:
        record_call_out(db, number, office.worker, office.minutes_ago(6), "passed")
        record_call_out(db, number, office.supervisor, office.minutes_ago(4), None, tier=2)
    (one,) = look(office).waiting
    assert [(call.name, call.tier, call.answer) for call in one.calls] == [
        ("Wanda Ortiz", 1, "passed"),
        ("Sol Ortiz", 2, None),
    ]


def test_it_counts_today_by_urgency_and_lists_what_was_missed(office: Office) -> None:
    kept, missed, waiting = (wait_for(office, f"+1314555010{each}", 20) for each in range(3))
    with office.demo.db() as db:
        record_claim(db, kept, office.worker, office.minutes_ago(17))
        record_claim(db, missed, office.worker, office.minutes_ago(10))
    found = look(office)
    all_, by_urgency = found.tallies[0], {tally.urgency: tally for tally in found.tallies}
    assert (all_.began, all_.kept, all_.missed, all_.waiting, all_.share) == (3, 1, 2, 1, 33)
    assert by_urgency[Urgency.MINUTES].ninetieth == timedelta(minutes=10)
    assert by_urgency[Urgency.NOW].began == 0
    assert [one.handoff_id for one in found.missed] == [waiting, missed]


def test_it_counts_only_what_began_today_in_the_citys_zone(office: Office) -> None:
    wait_for(office, "+13145550101", 60 * 24)
    found = look(office)
    assert found.tallies[0].began == 0
    assert len(found.waiting) == 1


def test_it_counts_the_wait_from_when_it_was_handed_back(office: Office) -> None:
    number = wait_for(office, "+13145550101", 40)
    with office.demo.db() as db:
        handoff = record_claim(db, number, office.worker, office.minutes_ago(38))
        handoff.state, handoff.owner_id = "alerted", None
        record_event(db, handoff, "released", office.minutes_ago(3))
    found = look(office)
    assert found.waiting[0].waited == timedelta(minutes=3)
    assert (found.tallies[0].began, found.tallies[0].kept) == (2, 1)


def test_it_shows_load_and_languages_of_who_is_on_duty_and_the_gaps(office: Office) -> None:
    wanted = wait_for(office, "+13145550101", 5)
    with office.demo.db() as db:
        record_claim(db, wanted, office.worker, office.minutes_ago(4))
        db.get_one(Staff, office.worker).languages = ["en", "bs"]
        team = db.query(Team).filter_by(slug="housing").one()
        ends = office.now + timedelta(hours=3)
        db.add(ExtraShift(team_id=team.id, staff_id=office.worker, starts_at=office.minutes_ago(60), ends_at=ends, place=1))
    (team_now,) = look(office).teams
    (on,) = team_now.on
    assert (on.worker.name, on.worker.load, on.worker.capacity, on.worker.languages) == ("Wanda Ortiz", 1, 4, ("en", "bs"))
    assert (on.worker.has_phone, on.until) == (False, ends)
    assert [(hole.start, hole.end) for hole in team_now.holes] == [(ends, office.now + timedelta(hours=72))]


def test_it_shows_texts_that_a_social_worker_has_left_unanswered(office: Office) -> None:
    late, fresh = wait_for(office, "+13145550101", 60), wait_for(office, "+13145550102", 60)
    with office.demo.db() as db:
        for number, minutes in ((late, 25), (fresh, 5)):
            record_claim(db, number, office.worker, office.minutes_ago(59)).unanswered_since = office.minutes_ago(minutes)
    (held,) = look(office).held
    assert (held.handoff_id, held.owner, held.waited) == (late, "Wanda Ortiz", timedelta(minutes=25))


def test_it_names_phones_that_cannot_be_reached_of_those_who_work_here(office: Office) -> None:
    with office.demo.db() as db:
        gone = make_staff(db, "gone@example.org", active=False)
        for staff_id, why in ((office.worker, None), (office.supervisor, "bad_address"), (gone, "bad_address")):
            db.add(
                StaffThread(
                    staff_id=staff_id,
                    channel="sms",
                    line="staff-1",
                    sealed_address="x",
                    opted_out=why is None,
                    unreachable=why,
                )
            )
    assert [(each.name, each.why) for each in look(office).dead_threads] == [
        ("Sol Ortiz", "bad_address"),
        ("Wanda Ortiz", "opted_out"),
    ]


def test_it_opens_only_what_the_supervisor_may_see(office: Office) -> None:
    mine = wait_for(office, "+13145550101", 9)
    other = wait_for(office, "+13145550102", 9, team="counseling")
    calling_me = wait_for(office, "+13145550103", 9, team="counseling")
    with office.demo.db() as db:
        record_call_out(db, calling_me, office.supervisor, office.minutes_ago(1))
        assert db.get_one(Handoff, other).team == "counseling"
    assert look(office).visible == {mine, calling_me}
