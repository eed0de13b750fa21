"""An upgrade renames columns while people wait: their handoffs, check-ins and questions go on from where they were."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select, text

from bot.storage import schema
from bot.storage.check_ins import check_ins
from bot.storage.tables.residents import CheckIn, Conversation
from bot.storage.tables.staff import CallOut
from tests.journeys.test_handoff import CRISIS, pass_time
from tests.support.help_line import ADA, MARCUS, HelpLine
from tests.support.team import Worker, handoff, texts_to

# The schema of version 0004, made from the newest one.
TO_0004 = """
alter table conversation rename timeout_at to waking;
alter table handoff rename tier to rung;
alter table handoff rename due_at to rung_due_at;
alter table handoff rename last_notice_at to told_at;
alter table call_out rename tier to rung;
alter table referral rename reported_by to told_by;
alter table measure rename reported_by to told_by;
alter index conversation_timeout rename to conversation_waking;
alter index handoff_due rename to handoff_rung_due;
alter table ready_reply rename to canned_reply;
update alembic_version set version_num = '0004';
"""


def upgrade_from_0004(line: HelpLine) -> None:
    """The database goes back to the schema before, as an old version would have left it, and is migrated."""
    with line.db() as db:
        for statement in TO_0004.split(";")[:-1]:
            db.execute(text(statement))
    line.runtime.database.engine.dispose()
    schema.migrate(line.runtime.settings.database_url or "")


def test_it_escalates_a_handoff_from_the_tier_that_it_had(line: HelpLine, dana: Worker) -> None:
    line.text(CRISIS)
    line.work()
    pass_time(line, 2)
    before = handoff(line)
    upgrade_from_0004(line)
    after = handoff(line)
    assert (after.tier, after.due_at, after.last_notice_at) == (before.tier, before.due_at, before.last_notice_at)
    assert after.tier >= 1 and after.due_at is not None and after.last_notice_at is not None
    called = line.count(CallOut)
    pass_time(line, 10)
    assert handoff(line).tier > before.tier and line.count(CallOut) > called
    assert line.count(CallOut, CallOut.tier == before.tier) >= 1


def test_it_claims_and_answers_after_the_upgrade(line: HelpLine, dana: Worker) -> None:
    line.text(CRISIS)
    line.work()
    upgrade_from_0004(line)
    dana.texts("1")
    line.work()
    assert handoff(line).owner_id == dana.id
    assert "Dana from our team has your texts now" in texts_to(line, ADA)[-1]


def test_it_still_counts_silence_after_the_direct_question(line: HelpLine) -> None:
    line.text("i feel hopeless")
    with line.db() as db:
        due = db.scalars(select(Conversation.timeout_at)).one()
    assert due is not None
    upgrade_from_0004(line)
    line.clock.advance(due - line.clock.now() + timedelta(seconds=1))
    line.work()
    assert handoff(line).reason == "danger"


def test_it_still_looks_at_a_check_in_when_it_is_due(line: HelpLine) -> None:
    line.text("food", sender=MARCUS)
    with line.db() as db:
        person = db.scalars(select(Conversation.id)).one()
        check_ins.plan(db, person, "household_check_in", [line.clock.now() + timedelta(days=1)], line.clock.now())
    upgrade_from_0004(line)
    line.clock.advance(timedelta(days=1, seconds=1))
    line.work(3)
    # No consent was given, so it is dropped; what counts here is that it was looked at.
    assert line.count(CheckIn, CheckIn.state == "dropped", CheckIn.reason.is_not(None)) == 1
