"""The whole system in one process for a test: real PostgreSQL and Valkey, a stand-in for Twilio, the flows published.

Texts come in through the signed webhook and go out to the stand-in, as Twilio would get them. `work()` does on demand
what the worker and the sweep do, so that a test decides when.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.jobs import process
from bot.jobs.sweep import sweep
from bot.operations import job_queue
from bot.operations.settings.settings import Settings
from bot.runtime import Runtime
from bot.storage.tables.residents import Base, Message
from bot.web.app import create_app
from tests.stand_ins.twilio import StandInTwilio
from tests.support.clock import FrozenClock
from tests.support.shipped_content import publish

PUBLIC_URL = "https://help.example.gov"
ADA = "+13145550142"
MARCUS = "+13145550177"
POOL = ("+13145550111", "+13145550112", "+13145550113")
"""Warmline's numbers for staff; alerts come from the first."""


class HelpLine:
    """A running Warmline. `text` sends it a person's text; `twilio` shows what was sent out."""

    def __init__(self, runtime: Runtime, twilio: StandInTwilio, clock: FrozenClock) -> None:
        self.runtime, self.twilio, self.clock = runtime, twilio, clock
        self.app = create_app(runtime)

    def text(self, body: str, sender: str = ADA, **parameters: str) -> list[str]:
        """Send a text to Warmline; gives the replies in the webhook's response."""
        answer = self.twilio.text_the_line(f"{PUBLIC_URL}/twilio/sms", sender, body, **parameters)
        assert answer.status == 200, answer.text
        return [message.body for message in answer.messages]

    def work(self, rounds: int = 1) -> None:
        """Run the sweep, then the worker if jobs are waiting, `rounds` times."""
        for _ in range(rounds):
            sweep(self.runtime)
            # Starting a worker takes a moment, which would add up over the many rounds of a quiet night.
            if self.runtime.queue.count_waiting():
                job_queue.work(self.runtime.settings.redis_url or "", burst=True)

    @contextmanager
    def db(self) -> Iterator[Session]:
        with self.runtime.database.transaction() as session:
            yield session

    def count(self, table: type[Base], *conditions: object) -> int:
        with self.db() as db:
            return db.scalar(select(func.count()).select_from(table).where(*conditions)) or 0  # type: ignore[arg-type]

    def outgoing(self) -> list[Message]:
        with self.db() as db:
            return list(db.scalars(select(Message).where(Message.outbound).order_by(Message.id)))


@contextmanager
def open_line(settings: Settings, clock: FrozenClock) -> Iterator[HelpLine]:
    """Warmline on a stand-in for Twilio, with the shipped flows and directory."""
    holder: list[HelpLine] = []

    def post(url: str, form: dict[str, str], headers: dict[str, str]) -> tuple[int, str, str]:
        answer = holder[0].app.test_client().post(url.removeprefix(PUBLIC_URL), data=form, headers=headers)
        return answer.status_code, answer.content_type or "", answer.get_data(as_text=True)

    with StandInTwilio(post=post) as twilio:
        on_twilio = dataclasses.replace(
            settings,
            public_url=PUBLIC_URL,
            twilio_account_sid=twilio.account_sid,
            twilio_auth_tokens=(twilio.auth_token,),
            twilio_from="+13145550100",
            staff_numbers=POOL,
            twilio_api_url=twilio.url,
        )
        runtime = Runtime.start(on_twilio, clock)
        process.set_runtime(runtime)
        try:
            publish(runtime.database, clock.now(), settings.timezone)
            holder.append(HelpLine(runtime, twilio, clock))
            yield holder[0]
        finally:
            process.set_runtime(None)
            runtime.close()
