"""A Warmline instance to measure: its own PostgreSQL and Valkey in a separate folder, with the measured flow as its menu."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from bot.operations import supervisor
from bot.operations.children import ChildProcess, Program
from bot.operations.clock import SystemClock
from bot.operations.embedded.servers import EmbeddedServers
from bot.operations.settings.settings import Settings
from bot.storage.database import Database
from bot.storage.schema import migrate
from bot.usecases.flows.files import read_folder
from bot.usecases.flows.publish_flows import publish_flows

HERE = Path(__file__).resolve().parent
TOKEN = "0123456789abcdef0123456789abcdef"
URL = "http://127.0.0.1:8000"
ACCOUNT = "AC" + "0" * 32
# Not secret: the data that they seal is invented and thrown away.
KEYS = {"SECRET_KEY": "measured" * 4, "ENCRYPTION_KEYS": "bWVhc3VyZWRtZWFzdXJlZG1lYXN1cmVkbWVhc3VyZWQ="}


@contextmanager
def opened(folder: Path) -> Iterator[dict[str, str]]:
    """The environment of an instance whose servers run in `folder` until the block ends; its flow is published."""
    with EmbeddedServers(folder) as servers:
        env = environment(folder, servers.database_url, servers.redis_url)
        prepare(env["DATABASE_URL"])
        yield env


def environment(folder: Path, database_url: str, redis_url: str) -> dict[str, str]:
    """The web server's environment: settings with Twilio as the carrier, on 127.0.0.1:8000."""
    return KEYS | {
        "DATA_DIR": str(folder),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "PUBLIC_URL": URL,
        "HOST": "127.0.0.1",
        "PORT": "8000",
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_FROM": "+16175550100",
        "LOG_LEVEL": "warning",
    }


def prepare(database_url: str) -> None:
    """Bring the schema up and publish the measured flow."""
    migrate(database_url)
    database = Database(database_url, connections=1)
    try:
        with database.transaction() as db:
            publish_flows(db, read_folder(HERE), "benchmarks", SystemClock().now())
    finally:
        database.close()


def settings(env: Mapping[str, str]) -> Settings:
    return Settings.from_env(dict(os.environ) | dict(env))


def web_command(env: Mapping[str, str]) -> list[str]:
    """The command that Warmline starts its web server with."""
    return supervisor.web_command(settings(env))


def free_port() -> int:
    """A port of this machine on which nothing listens now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running(env: Mapping[str, str], *names: str) -> Iterator[dict[str, ChildProcess]]:
    """Run Warmline's processes of these names ("the web", "the worker") with `env` until the block ends.

    The web server is ready when the block begins. Its metrics are shared between processes, as in production.
    """
    metrics = Path(env["DATA_DIR"]) / f"metrics-{env['PORT']}"
    metrics.mkdir(parents=True, exist_ok=True)
    whole = {**os.environ, **env, "PROMETHEUS_MULTIPROC_DIR": str(metrics)}
    read = settings(env)
    commands, ready = supervisor.DEFAULT_PLAN.programs(read), {"the web": lambda: supervisor.is_ready(read)}
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(started(name, commands[name], whole, ready.get(name, lambda: True))) for name in names
        }


@contextmanager
def started(
    name: str, command: Sequence[str], env: Mapping[str, str] | None, ready: Callable[[], bool]
) -> Iterator[ChildProcess]:
    """A program in this repository that runs until the block ends and never outlives this process."""
    child = ChildProcess(Program(name=name, command=command, env=env, cwd=HERE.parent, ready=ready))
    child.start()
    try:
        child.wait_ready(60)
        yield child
    finally:
        child.stop()


def processor_seconds(child: ChildProcess) -> float:
    """The CPU time so far, in seconds, of a program and all of its child processes."""
    above = psutil.Process(child.pid)
    times = [process.cpu_times() for process in (above, *above.children(recursive=True))]
    return float(sum(time.user + time.system for time in times))
