"""A team for tests of handoffs: social workers with telephones and shifts, on the system of tests/support/help_line.py."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import time

from sqlalchemy import select

from bot.domain.staff.permissions import Role
from bot.storage.staff import staff
from bot.storage.tables.residents import Handoff, Message
from bot.storage.tables.staff import Shift
from tests.support.help_line import POOL, PUBLIC_URL, HelpLine


@dataclass(frozen=True)
class Worker:
    """A member of the team, and what they can do with their own telephone."""

    line: HelpLine
    id: int
    phone: str

    def texts(self, body: str, to: str = POOL[0], **parameters: str) -> list[str]:
        """Send a text to a number of the pool; gives the replies in the webhook's response."""
        answer = self.line.twilio.text_the_line(f"{PUBLIC_URL}/twilio/sms", self.phone, body, To=to, **parameters)
        assert answer.status == 200, answer.text
        return [message.body for message in answer.messages]

    def got(self) -> list[str]:
        """Every text that was sent to this telephone through Twilio's API, oldest first."""
        return self.line.twilio.texts_to(self.phone)


def hire(
    line: HelpLine, name: str, phone: str = "", *, role: Role = Role.SOCIAL_WORKER, teams: Iterable[str] = ("crisis",),
    on: bool = True, place: int = 1, **fields: object,
) -> Worker:  # fmt: skip
    """Add a member of staff; with `on`, on duty round the clock in each of their teams."""
    with line.db() as db:
        slugs = list(teams)
        for slug in slugs:
            staff.get_or_add_team(db, slug, slug.title())
        row = staff.add(db, f"{name.lower()}@example.org", f"{name} Ortiz", line.clock.now(), roles=[role], teams=slugs)
        if phone:
            staff.set_phone(db, line.runtime.context.sealer, row, phone)
        for field, value in fields.items():
            setattr(row, field, value)
        for team in staff.list_teams(db):
            if on and team.slug in slugs:
                whole_day = {"starts": time(0), "ends": time(0), "place": place}
                db.add_all(Shift(team_id=team.id, staff_id=row.id, weekday=day, **whole_day) for day in range(7))
        return Worker(line, row.id, phone)


def handoff(line: HelpLine) -> Handoff:
    """The newest handoff, as it is now."""
    with line.db() as db:
        return db.scalars(select(Handoff).order_by(Handoff.id.desc()).limit(1)).one()


def texts_to(line: HelpLine, sender: str) -> list[str]:
    """Every text that was sent to a resident through Twilio's API, oldest first."""
    return line.twilio.texts_to(sender)


def keys(line: HelpLine) -> list[str | None]:
    """The keys of all stored texts to residents, oldest first."""
    with line.db() as db:
        rows = select(Message.key).where(Message.outbound, Message.conversation_id.is_not(None)).order_by(Message.id)
        return list(db.scalars(rows))
