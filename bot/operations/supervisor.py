"""Runs all of Warmline's processes in the foreground on one machine, and stops them together.

It starts the embedded servers where the settings name no others, brings the database and the flows up to date, then keeps
the web and the worker (and the embedded servers) alive until it is told to stop. It answers no requests itself.
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

from bot.operations import demo_secrets, logs
from bot.operations.children import ChildFailed, ChildProcess, Program
from bot.operations.embedded import postgres, servers, valkey
from bot.operations.settings.settings import Settings, SettingsError
from bot.paths import ROOT

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_POLL_SECONDS = 0.2
_MAX_RESTART_DELAY = 30.0
# A child that has run this long counts as healthy: its next exit is a new failure, not a repetition of the last one.
_HEALTHY_AFTER_SECONDS = 60.0
_MAX_FAILURES_BEFORE_READY = 4
# From staff/people.yaml: staff who are on duty around the moment at which a demo is first started.
_DEMO_SIGN_IN = (
    "Nobody in this demo is real. Sign in to the console with one press, as",
    "  Denise Okafor          supervisor",
    "  Rosa Delgado           social worker, crisis",
    "  Marisol Vega           social worker, housing",
)

log = structlog.get_logger(__name__)


class CannotRun(Exception):
    """Warmline cannot be started or kept running; the text says why and what to do."""


class _StopRequested(BaseException):
    """A stop signal came."""


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What to run: `preparations` one after the other, each until it ends, then `programs` until the stop.

    Both are made from the settings: commands, or commands by name, run in the repository folder.
    """

    preparations: Callable[[Settings], Sequence[Sequence[str]]]
    programs: Callable[[Settings], Mapping[str, Sequence[str]]]


def _preparations(_settings: Settings) -> list[list[str]]:
    return [[sys.executable, "-m", "bot", "prepare"]]


def _programs(settings: Settings) -> dict[str, list[str]]:
    return {"the web": web_command(settings), "the worker": [sys.executable, "worker.py"]}


DEFAULT_PLAN = RunPlan(_preparations, _programs)


def web_command(settings: Settings) -> list[str]:
    """The web server's command line. No access log: URLs may contain what must not be logged."""
    options = {
        "--interface": "wsgi",
        "--host": settings.host,
        "--port": str(settings.port),
        "--workers": str(settings.web_workers),
        "--blocking-threads": str(settings.web_threads),
        # New threads are slow to warm up. Ending idle ones after the default 30 s would cost a second after each lull.
        "--blocking-threads-idle-timeout": "600",
        # A burst waits in the kernel's queue and is answered late; a refused webhook would be a lost text.
        "--backlog": "2048",
        "--respawn-interval": "0.5",
        "--workers-kill-timeout": "5",
        "--log-level": "error",
    }
    flags = ["--no-ws", "--no-access-log", "--respawn-failed-workers"]
    named = [part for option in options.items() for part in option]
    return [sys.executable, "-m", "granian", *named, *flags, "wsgi:app"]


def run(settings: Settings, env: Mapping[str, str] | None = None, plan: RunPlan = DEFAULT_PLAN) -> int:
    """Run Warmline until SIGINT, SIGTERM or SIGHUP. Returns 0 after such a stop, 1 when it could not run.

    `env` is the base of the children's environment; os.environ when not given.
    """
    logs.set_up(settings.log_level)
    # Files made from here on, by us and by the children, are readable by this account only.
    os.umask(0o077)
    processes = _Supervisor(settings, dict(os.environ if env is None else env), plan)
    try:
        _listen_for_signals()
        processes.start()
        processes.keep_running()
    except _StopRequested:
        print("Stopping ...", flush=True)
    except (CannotRun, servers.EmbeddedError, demo_secrets.SecretsLost) as reason:
        print(f"Warmline cannot run. {reason}", file=sys.stderr, flush=True)
        return 1
    finally:
        processes.stop()
    print("Stopped.", flush=True)
    return 0


def settings_of_running(settings: Settings) -> Settings:
    """The settings of the Warmline that runs on the same DATA_DIR: with its keys and its servers' addresses.

    For command-line tools beside a running Warmline. Raises SettingsError when the keys are neither given nor made
    yet, and EmbeddedError when the embedded database should be used and does not run.
    """
    made = demo_secrets.read(settings.data_dir)
    keys = settings.encryption_keys or tuple(filter(None, made.get("ENCRYPTION_KEYS", "").split(",")))
    secret = settings.secret_key or made.get("SECRET_KEY", "")
    if not keys or not secret:
        raise SettingsError(["SECRET_KEY and ENCRYPTION_KEYS are not set, and no demo has made its own. make run does."])
    if settings.database_url is None and not postgres.is_running(settings.data_dir):
        raise servers.EmbeddedError(
            f"No database runs on {settings.data_dir}. Start Warmline first (make run), or set DATABASE_URL."
        )
    return replace(
        settings,
        secret_key=secret,
        encryption_keys=keys,
        database_url=settings.database_url or postgres.url(settings.data_dir),
        redis_url=settings.redis_url or valkey.url(settings.data_dir),
    )


class _Supervisor:
    """The processes that run, and how often each has failed."""

    def __init__(self, settings: Settings, env: dict[str, str], plan: RunPlan) -> None:
        self._settings = settings
        self._plan = plan
        self._servers = servers.EmbeddedServers(
            settings.data_dir, postgres=settings.database_url is None, valkey=settings.redis_url is None
        )
        self._env = env
        self._children: list[ChildProcess] = []
        self._failures: dict[str, int] = {}
        self._was_ready = False

    def start(self) -> None:
        """Start everything, in order. Raises CannotRun, EmbeddedError or SecretsLost."""
        check_port(self._settings.host, self._settings.port)
        servers.make_private(self._settings.data_dir)
        self._env |= self._secrets() | {"PYTHONUNBUFFERED": "1", "DATA_DIR": str(self._settings.data_dir)}
        self._servers.start()
        self._env["DATABASE_URL"] = self._settings.database_url or self._servers.database_url
        self._env["REDIS_URL"] = self._settings.redis_url or self._servers.redis_url
        self._env["PROMETHEUS_MULTIPROC_DIR"] = str(_empty_folder(self._settings.data_dir / "metrics"))
        for command in self._plan.preparations(self._settings):
            self._run_to_completion(command)
        for name, command in self._plan.programs(self._settings).items():
            self._children.append(child := ChildProcess(self._program(name, command)))
            child.start()

    def keep_running(self) -> None:
        """Restart what ends, until a signal comes. Raises CannotRun when it never becomes ready at all."""
        while True:
            for child in [*self._servers.children, *self._children]:
                if not child.is_running:
                    self._restart(child)
            if not self._was_ready and is_ready(self._settings):
                self._was_ready = True
                print(_welcome(self._settings), flush=True)
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Stop everything: first the processes that write, then the servers that they write to."""
        for child in self._children:
            child.ask_to_stop()
        for child in self._children:
            child.wait_stopped()
        self._servers.stop()

    def _secrets(self) -> dict[str, str]:
        given = self._settings
        if given.secret_key and given.encryption_keys:
            return {}
        made = demo_secrets.load_or_make(given.data_dir)
        if given.secret_key:
            made.pop("SECRET_KEY", None)
        if given.encryption_keys:
            made.pop("ENCRYPTION_KEYS", None)
        return made

    def _program(self, name: str, command: Sequence[str]) -> Program:
        return Program(name=name, command=command, env=self._env, cwd=ROOT)

    def _run_to_completion(self, command: Sequence[str]) -> None:
        child = ChildProcess(self._program(" ".join(command[1:]), command))
        self._children.append(child)
        child.start()
        while child.is_running:
            time.sleep(0.02)
        self._children.remove(child)
        if child.exit_status:
            raise CannotRun(f"`{child.program.name}` ended with status {child.exit_status}; its reason is above.")

    def _restart(self, child: ChildProcess) -> None:
        name = child.program.name
        uptime = time.monotonic() - child.started_at
        failures = 0 if uptime > _HEALTHY_AFTER_SECONDS else self._failures.get(name, 0)
        if uptime < min(_MAX_RESTART_DELAY, 0.25 * 2**failures):
            return
        self._failures[name] = failures + 1
        if not self._was_ready and self._failures[name] > _MAX_FAILURES_BEFORE_READY:
            raise CannotRun(f"{name} ended again and again before it was ready; its reason is above.")
        log.error("a child ended and is started again", child=name, status=child.exit_status, seconds=round(uptime))
        try:
            child.start()
        except (ChildFailed, OSError) as failure:
            log.error("a child could not be started", child=name, reason=str(failure))


def _empty_folder(folder: Path) -> Path:
    """An empty folder for the processes' metrics; counts of an earlier run would be counted again."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def check_port(host: str, port: int) -> None:
    """Raise CannotRun when nothing can listen there. Called before anything is started."""
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
    """Whether /ready says that everything Warmline needs is up."""
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
        lines += [f"  Their own phones       {here}/phone/staff", *_DEMO_SIGN_IN]
    else:
        lines.append("  The first admin is added with: warmline staff add EMAIL --name NAME --role admin")
    return "\n".join([*lines, "Ctrl-C stops it.", ""])


def _listen_for_signals() -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        # A second Ctrl-C must not interrupt the stop halfway; it takes ten seconds at most.
        for each in _STOP_SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise _StopRequested

    for each in _STOP_SIGNALS:
        signal.signal(each, stop)
