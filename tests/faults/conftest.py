"""A help line in one process whose connections to PostgreSQL and Valkey can be cut; it runs the tests' small flow."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from bot.domain.messages.message import OutboxLane
from bot.jobs import process
from bot.operations.embedded.servers import EmbeddedServers
from bot.operations.settings.settings import Settings
from bot.runtime import Runtime
from bot.storage.messages import outbox
from bot.storage.tables.residents import Conversation
from bot.usecases.flows.files import read_folder
from bot.usecases.flows.publish_flows import publish_flows
from tests.faults.proxy import Proxy
from tests.faults.running_system import eventually
from tests.stand_ins.twilio import StandInTwilio
from tests.support.clock import FrozenClock
from tests.support.databases import Databases, on_disk
from tests.support.help_line import ADA, PUBLIC_URL, HelpLine

FLOWS = Path(__file__).parent / "flows"


class FrailLine(HelpLine):
    """A help line whose `postgres` and `valkey` can become unavailable."""

    postgres: Proxy
    valkey: Proxy

    def say(self, body: str, sender: str = ADA, **parameters: str) -> list[str]:
        """Text the line one second later, so that the order of texts is known."""
        self.clock.advance(timedelta(seconds=1))
        return self.text(body, sender, **parameters)

    def spool(self) -> list[Path]:
        """The files that wait in the spool."""
        return sorted(path for path in self.runtime.settings.spool_dir.iterdir() if path.name[0] != "." and path.is_file())

    def promise(self, body: str, lane: OutboxLane = OutboxLane.REPLY) -> int:
        """Enqueue a text to the one person who has written; the id of its outbox row."""
        with self.db() as db:
            person = db.scalars(select(Conversation.id)).one()
            return outbox.enqueue(db, self.runtime.context.sealer, person, body, lane, None, 1, self.clock.now()).id

    def heal(self, rounds: int = 3) -> None:
        """PostgreSQL is back; the sweep and the worker run, until after the longest wait of a row in doubt."""
        self.postgres.mend()
        wait_for_database(self)
        for _ in range(rounds):
            self.work()
            self.clock.advance(timedelta(minutes=3))


def wait_for_database(line: HelpLine) -> None:
    """Wait until the line uses the database again (it tries once a second)."""
    eventually(lambda: database_answers(line), 10, "the line does not use the database again")


def database_answers(line: HelpLine) -> bool:
    try:
        with line.runtime.database.engine.connect():
            return True
    except DBAPIError:
        return False


@pytest.fixture(scope="session")
def servers() -> Iterator[EmbeddedServers]:
    """Servers that wait for the disk, as in production: committed rows survive a crash."""
    with on_disk() as running:
        yield running


@pytest.fixture(scope="session")
def databases(servers: EmbeddedServers) -> Databases:
    return Databases(servers, is_on_disk=True)


@pytest.fixture
def frail(settings: Settings, servers: EmbeddedServers, clock: FrozenClock) -> Iterator[FrailLine]:
    """The line with a proxy in front of PostgreSQL and of Valkey."""
    postgres = Path(settings.database_url.partition("host=")[2].replace("%2F", "/")) / ".s.PGSQL.5432"  # type: ignore[union-attr]
    valkey = Path(servers.redis_url.removeprefix("unix://"))
    with Proxy(postgres) as to_postgres, Proxy(valkey) as to_valkey:
        name = (settings.database_url or "").partition("?")[0]
        proxied = dataclasses.replace(
            settings,
            database_url=f"{name}?host={quote(str(to_postgres.folder), safe='')}",
            redis_url=f"unix://{quote(str(to_valkey.path))}",
        )
        with open_frail(proxied, clock) as line:
            line.postgres, line.valkey = to_postgres, to_valkey
            yield line
            to_postgres.mend()


@contextmanager
def open_frail(settings: Settings, clock: FrozenClock) -> Iterator[FrailLine]:
    """A line with the stand-in for Twilio and the tests' flow."""
    holder: list[FrailLine] = []

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
            twilio_api_url=twilio.url,
            sender_segments_per_second=1000,
        )
        runtime = Runtime.start(on_twilio, clock)
        process.set_runtime(runtime)
        try:
            with runtime.database.transaction() as db:
                publish_flows(db, read_folder(FLOWS), "test", clock.now())
            holder.append(FrailLine(runtime, twilio, clock))
            yield holder[0]
        finally:
            process.set_runtime(None)
            runtime.close()
