"""The one command that runs the whole house in the foreground, on one machine, and takes it down whole.

It starts the embedded servers where none are named, brings the database and the flows up to date, then keeps
the web and the worker (and the embedded servers) alive until it is told to stop. It serves nobody itself.
"""

from __future__ import annotations

import errno
import http.client
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

import structlog

from bot import demo_secrets, embedded, embedded_postgres, embedded_valkey, logs
from bot.children import Child, ChildFailed, Program
from bot.settings import Settings, SettingsError

REPOSITORY = Path(__file__).resolve().parent.parent
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOOK_SECONDS = 0.2
_LONGEST_PAUSE = 30.0
# A child that has run this long is taken to be well; its next end is a new trouble, not the same one.
_WELL_SECONDS = 60.0
_TRIES_BEFORE_READY = 4
# Of staff/people.yaml; on duty around the moment at which a demo is first started.
_SIGN_IN_AS = (
    "Nobody in this demo is real. Sign in to the console with one press, as",
    "  Denise Okafor          supervisor",
    "  Rosa Delgado           social worker, crisis",
    "  Marisol Vega           social worker, housing",
)

log = structlog.get_logger(__name__)


class CannotRun(Exception):
    """The house cannot be started or kept up; the text says why and what to do."""


class _Stop(BaseException):
    """Somebody asked us to stop."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run: `preparations` one after the other, each to its end, then `programs` for good.

    Each is given the settings and is a command, or a name with a command, to be run in the repository.
    """

    preparations: Callable[[Settings], Sequence[Sequence[str]]]
    programs: Callable[[Settings], Mapping[str, Sequence[str]]]


def _preparations(_settings: Settings) -> list[list[str]]:
    return [[sys.executable, "-m", "bot", "prepare"]]


def _programs(settings: Settings) -> dict[str, list[str]]:
    return {"the web": web_command(settings), "the worker": [sys.executable, "worker.py"]}


HOUSE = Plan(_preparations, _programs)


def web_command(settings: Settings) -> list[str]:
    """The web server's command line. No access log: a URL may hold what must not be in a log."""
    options = {
        "--interface": "wsgi",
        "--host": settings.host,
        "--port": str(settings.port),
        "--workers": str(settings.web_workers),
        "--blocking-threads": str(settings.web_threads),
        # New threads take time to warm up; ending idle ones after 30 s would make each lull cost a second.
        "--blocking-threads-idle-timeout": "600",
        # A burst waits in the kernel's queue and is answered late; a refused webhook is a text that is lost.
        "--backlog": "2048",
        "--respawn-interval": "0.5",
        "--workers-kill-timeout": "5",
        "--log-level": "error",
    }
    flags = ["--no-ws", "--no-access-log", "--respawn-failed-workers"]
    named = [part for option in options.items() for part in option]
    return [sys.executable, "-m", "granian", *named, *flags, "wsgi:app"]


def run(settings: Settings, env: Mapping[str, str] | None = None, plan: Plan = HOUSE) -> int:
    """Run the house until SIGINT, SIGTERM or SIGHUP. Gives 0 when stopped as asked, 1 when it could not run.

    `env` is what the children's environment is made from, the present one when not given.
    """
    logs.set_up(settings.log_level)
    # Everything made from here on, by us and by the children, is for this account's eyes.
    os.umask(0o077)
    house = _House(settings, dict(os.environ if env is None else env), plan)
    try:
        _listen_for_signals()
        house.start()
        house.watch()
    except _Stop:
        print("Stopping ...", flush=True)
    except (CannotRun, embedded.EmbeddedError, demo_secrets.SecretsLost) as reason:
        print(f"Warmline cannot run. {reason}", file=sys.stderr, flush=True)
        return 1
    finally:
        house.stop()
    print("Stopped.", flush=True)
    return 0


def attach(settings: Settings) -> Settings:
    """The settings as the house that runs on the same DATA_DIR has them: its keys, its servers' addresses.

    For the command line beside a running house. Raises SettingsError when the keys are neither given nor made
    yet, and EmbeddedError when the embedded database is meant and does not run.
    """
    made = demo_secrets.read(settings.data_dir)
    keys = settings.encryption_keys or tuple(filter(None, made.get("ENCRYPTION_KEYS", "").split(",")))
    secret = settings.secret_key or made.get("SECRET_KEY", "")
    if not keys or not secret:
        raise SettingsError(["SECRET_KEY and ENCRYPTION_KEYS are not set, and no demo has made its own. make run does."])
    if settings.database_url is None and not embedded_postgres.is_running(settings.data_dir):
        raise embedded.EmbeddedError(
            f"No database runs on {settings.data_dir}. Start the house first (make run), or set DATABASE_URL."
        )
    return replace(
        settings,
        secret_key=secret,
        encryption_keys=keys,
        database_url=settings.database_url or embedded_postgres.url(settings.data_dir),
        redis_url=settings.redis_url or embedded_valkey.url(settings.data_dir),
    )


class _House:
    """Everything that runs, and what is known of it."""

    def __init__(self, settings: Settings, env: dict[str, str], plan: Plan) -> None:
        self._settings = settings
        self._plan = plan
        self._servers = embedded.Servers(
            settings.data_dir, postgres=settings.database_url is None, valkey=settings.redis_url is None
        )
        self._env = env
        self._children: list[Child] = []
        self._troubles: dict[str, int] = {}
        self._was_ready = False

    def start(self) -> None:
        """Bring everything up, in order. Raises CannotRun, EmbeddedError or SecretsLost."""
        check_port(self._settings.host, self._settings.port)
        embedded.make_private(self._settings.data_dir)
        self._env |= self._secrets() | {"PYTHONUNBUFFERED": "1", "DATA_DIR": str(self._settings.data_dir)}
        self._servers.start()
        self._env["DATABASE_URL"] = self._settings.database_url or self._servers.database_url
        self._env["REDIS_URL"] = self._settings.redis_url or self._servers.redis_url
        self._env["PROMETHEUS_MULTIPROC_DIR"] = str(_fresh(self._settings.data_dir / "metrics"))
        for command in self._plan.preparations(self._settings):
            self._run_to_the_end(command)
        for name, command in self._plan.programs(self._settings).items():
            self._children.append(child := Child(self._program(name, command)))
            child.start()

    def watch(self) -> None:
        """Keep everything up until a signal comes. Raises CannotRun when it never comes up at all."""
        while True:
            for child in [*self._servers.children, *self._children]:
                if not child.is_running:
                    self._restart(child)
            if not self._was_ready and is_ready(self._settings):
                self._was_ready = True
                print(_welcome(self._settings), flush=True)
            time.sleep(_LOOK_SECONDS)

    def stop(self) -> None:
        """End everything: those who write first, then the servers that they write to."""
        for child in self._children:
            child.ask_to_stop()
        for child in self._children:
            child.wait_stopped()
        self._servers.stop()

    def _secrets(self) -> dict[str, str]:
        given = self._settings
        if given.secret_key and given.encryption_keys:
            return {}
        made = demo_secrets.make(given.data_dir)
        if given.secret_key:
            made.pop("SECRET_KEY", None)
        if given.encryption_keys:
            made.pop("ENCRYPTION_KEYS", None)
        return made

    def _program(self, name: str, command: Sequence[str]) -> Program:
        return Program(name=name, command=command, env=self._env, cwd=REPOSITORY)

    def _run_to_the_end(self, command: Sequence[str]) -> None:
        child = Child(self._program(" ".join(command[1:]), command))
        self._children.append(child)
        child.start()
        while child.is_running:
            time.sleep(0.02)
        self._children.remove(child)
        if child.exit_status:
            raise CannotRun(f"`{child.program.name}` ended with status {child.exit_status}; its reason is above.")

    def _restart(self, child: Child) -> None:
        name = child.program.name
        lived = time.monotonic() - child.started_at
        troubles = 0 if lived > _WELL_SECONDS else self._troubles.get(name, 0)
        if lived < min(_LONGEST_PAUSE, 0.25 * 2**troubles):
            return
        self._troubles[name] = troubles + 1
        if not self._was_ready and self._troubles[name] > _TRIES_BEFORE_READY:
            raise CannotRun(f"{name} ended again and again before it was ready; its reason is above.")
        log.error("a child ended and is started again", child=name, status=child.exit_status, seconds=round(lived))
        try:
            child.start()
        except (ChildFailed, OSError) as failure:
            log.error("a child could not be started", child=name, reason=str(failure))


def _fresh(folder: Path) -> Path:
    """Where the processes add their counts up; those of an earlier house would be counted again."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def check_port(host: str, port: int) -> None:
    """Raises CannotRun when nothing can listen there, before anything is started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((host, port))
        except OSError as failure:
            raise CannotRun(_port_remedy(host, port, failure)) from None


def _port_remedy(host: str, port: int, failure: OSError) -> str:
    if failure.errno == errno.EADDRINUSE:
        return f"Port {port} is already in use. Stop what uses it, or take another: PORT={port + 1} make run"
    if failure.errno == errno.EACCES:
        return f"This account may not listen on port {port}. Choose one above 1023: PORT=8000 make run"
    return f"Nothing can listen on HOST={host}, PORT={port} ({failure.strerror}). Example: HOST=127.0.0.1"


def is_ready(settings: Settings) -> bool:
    """Whether the web says that the whole house is ready to answer."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    connection = http.client.HTTPConnection(host, settings.port, timeout=2)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _welcome(settings: Settings) -> str:
    here = f"http://{'127.0.0.1' if settings.host == '0.0.0.0' else settings.host}:{settings.port}"
    lines = ["", f"{settings.line_name} is ready."]
    if settings.is_demo:
        lines.append(f"  A phone to try it on   {here}/phone")
    lines += [f"  Web chat               {here}/chat", f"  Console for the staff  {here}/console"]
    if settings.is_demo:
        lines += [f"  Their own phones       {here}/phone/staff", *_SIGN_IN_AS]
    else:
        lines.append("  The first admin is added with: warmline staff add EMAIL --name NAME --role admin")
    return "\n".join([*lines, "Ctrl-C stops it.", ""])


def _listen_for_signals() -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        # A second Ctrl-C must not cut the stopping off in the middle; it takes ten seconds at the most.
        for sign in _STOP_SIGNALS:
            signal.signal(sign, signal.SIG_IGN)
        raise _Stop

    for sign in _STOP_SIGNALS:
        signal.signal(sign, stop)
