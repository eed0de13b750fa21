"""The demo's night: played through the real line into an empty database, once, and believable for a while afterwards."""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from bot.commands.demo import demo as command
from bot.domain.handoff.states import DISPOSITIONS
from bot.domain.messages.segments import fold_for_sms, measure_segments
from bot.domain.refused import Refused
from bot.domain.staff.permissions import Role
from bot.jobs.sweep import sweep
from bot.operations.settings.settings import Settings
from bot.storage.staff import staff
from bot.storage.tables.residents import Conversation, Handoff, Message
from bot.storage.tables.staff import Staff
from bot.usecases.demo.demo_staff import add_demo_staff, read_demo_staff
from bot.usecases.demo.night import order_scenes, read_night
from bot.usecases.demo.play_night import is_untouched, play_night
from bot.usecases.handoff.read_inbox import Inbox, InboxSection, read_inbox
from bot.usecases.roster.check_roster import check
from tests.paths import ROOT
from tests.support.clock import MONDAY_MORNING, FrozenClock
from tests.support.demo import Demo

SATURDAY_NIGHT = datetime(2026, 3, 8, 5, 50, tzinfo=UTC)
"""Ten to midnight in St. Louis, some hours before its clocks go forward."""
BEFORE_THE_MORNING_SHIFT = datetime(2026, 3, 5, 12, 55, tzinfo=UTC)


class Night:
    """A demo after its night, with a clock that stands still until the test moves it."""

    def __init__(self, demo: Demo, now: datetime) -> None:
        self.clock = FrozenClock(now)
        self.demo, self.runtime = demo, dataclasses.replace(demo.runtime, clock=self.clock)
        context = self.runtime.context
        with demo.db() as db:
            add_demo_staff(db, context.sealer, context.zone, now)
            self.left_out = play_night(db, context, read_night(), now)

    def inbox(self, called: str) -> Inbox:
        @dataclasses.dataclass
        class Reader:
            id: int
            teams: frozenset[str]

        with self.demo.db() as db:
            row = db.scalars(select(Staff).where(Staff.called == called)).one()
            return read_inbox(db, self.runtime.context.sealer, Reader(row.id, staff.teams_of(db, row.id)))

    def names(self, called: str, section: InboxSection) -> set[str]:
        return {entry.first_name for entry in self.inbox(called).sections[section]}


@pytest.mark.parametrize("now", [MONDAY_MORNING, SATURDAY_NIGHT, BEFORE_THE_MORNING_SHIFT])
def test_it_plays_every_act_at_any_hour(demo: Demo, now: datetime) -> None:
    night = Night(demo, now)
    assert night.left_out == 0
    sections = night.inbox("Denise").sections
    assert {entry.urgency for entry in sections[InboxSection.WAITING]} >= {
        "minutes",
        "quarter_hour",
        "this_shift",
        "routine",
    }
    assert any(not entry.reachable for entry in sections[InboxSection.WAITING])
    assert len(sections[InboxSection.OTHERS]) >= 5 and sections[InboxSection.HANDED_BACK]
    assert night.names("Rosa", InboxSection.OFFERED) == {"Brianna"} and "Jordan" in night.names("Rosa", InboxSection.MINE)
    assert night.inbox("Rosa").sections[InboxSection.WAITING]
    with demo.db() as db:
        assert db.scalars(select(Message.at).where(Message.at > now)).all() == []
        ended = set(db.scalars(select(Handoff.disposition).where(Handoff.state == "closed")))
    assert ended <= DISPOSITIONS.keys() and len(ended) >= 6


@pytest.mark.slow
def test_it_stays_believable_for_an_hour_without_any_activity(demo: Demo) -> None:
    night = Night(demo, MONDAY_MORNING)
    for _ in range(11):
        night.clock.advance(timedelta(minutes=5))
        sweep(night.runtime)
    assert "Jordan" in night.names("Rosa", InboxSection.MINE) and "Teresa" in night.names("Marisol", InboxSection.MINE)
    assert len(night.inbox("Denise").sections[InboxSection.WAITING]) == 6
    with demo.db() as db:
        to_residents = select(Message.id).where(Message.outbound, Message.conversation_id.is_not(None))
        assert len(db.scalars(to_residents.where(Message.at > MONDAY_MORNING)).all()) < 10


def test_it_leaves_no_gap_in_the_roster(demo: Demo) -> None:
    context = demo.runtime.context
    with demo.db() as db:
        add_demo_staff(db, context.sealer, context.zone, MONDAY_MORNING)
        warned = check(db, context.zone, context.system_texts.languages, MONDAY_MORNING)
        roles = [role for row in staff.list_active(db) for role in staff.roles_of(row)]
    assert [one.text for one in warned] == ["Mobility: nobody is on."]
    assert (roles.count(Role.SOCIAL_WORKER), roles.count(Role.SUPERVISOR)) == (25, 3)
    assert (roles.count(Role.ADMIN), roles.count(Role.AUDITOR)) == (1, 1)


def run(settings: Settings, *arguments: str, **more: str) -> Result:
    env = {
        "DATA_DIR": str(settings.data_dir),
        "DATABASE_URL": settings.database_url or "",
        "REDIS_URL": settings.redis_url or "",
        "SECRET_KEY": settings.secret_key,
        "ENCRYPTION_KEYS": ",".join(settings.encryption_keys),
    }
    return CliRunner(env=env | more).invoke(command, arguments)


def test_it_is_played_once(demo: Demo, settings: Settings) -> None:
    assert "30 added" in run(settings, "staff").output
    assert "nothing was added" in run(settings, "staff").output
    assert run(settings, "night").output == "A night was played.\n"
    before = [demo.count(table) for table in (Staff, Conversation, Handoff, Message)]
    again = run(settings, "night")
    assert again.exit_code == 0 and "nothing was played" in again.output
    assert [demo.count(table) for table in (Staff, Conversation, Handoff, Message)] == before


def test_it_is_refused_with_a_real_carrier(demo: Demo, settings: Settings) -> None:
    twilio = {
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32, "TWILIO_AUTH_TOKEN": "t" * 32, "TWILIO_FROM": "+13145550100",
        "PUBLIC_URL": "https://help.example.org",
    }  # fmt: skip
    for name in ("staff", "night"):
        refused = run(settings, name, **twilio)
        assert isinstance(refused.exception, Refused) and "warmline staff add" in str(refused.exception)
    with demo.db() as db:
        assert is_untouched(db) and not staff.list_active(db)


def test_it_texts_no_real_number() -> None:
    members = read_demo_staff().people
    assert all(member.email.endswith("@example.org") and member.email.isascii() for member in members)
    assert len({member.called for member in members}) == len(members)
    assert len({member.phone for member in members if member.phone}) == sum(member.phone is not None for member in members)
    for path in (ROOT / "staff").iterdir():
        assert_no_numbers(path)
    assert all(story.address.value.startswith("night-") for story in read_night())


def assert_no_numbers(path: Path) -> None:
    text = path.read_text("utf-8").replace("800-799-7233", "")
    assert not re.search(r"\+?\d[\d\-. ()]{8,}\d", re.sub(r"\d\d:\d\d", "", text)), path.name


def test_it_keeps_each_text_short_and_its_acts_in_order() -> None:
    night = read_night()
    for story in night:
        for act in story.story:
            for text in (act.says, act.writes, act.plans):
                assert measure_segments(fold_for_sms(text)).segments <= 2, text
        assert sum(act.after for act in story.story[1:]) <= story.starts, story.person
    played = order_scenes(night, MONDAY_MORNING)
    assert [scene.at for scene in played] == sorted(scene.at for scene in played) and played[-1].at <= MONDAY_MORNING
