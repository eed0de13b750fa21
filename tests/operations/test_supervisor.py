"""The supervisor with real servers and real child processes, ended in each way that happens in practice."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from bot.operations import demo_secrets, supervisor
from bot.operations.embedded import postgres
from bot.operations.embedded.servers import EmbeddedError
from bot.operations.settings.settings import Settings, SettingsError
from tests.paths import ROOT as REPOSITORY
from tests.support.ports import free_port


class Instance:
    """A supervisor that runs as a separate process, with its own folder and port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[str] | None = None

    def start(self, *broken: str) -> subprocess.Popen[str]:
        env = {**os.environ, "DATA_DIR": str(self.folder), "PORT": str(self.port), "HOST": "127.0.0.1"}
        for name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ENCRYPTION_KEYS"):
            env.pop(name, None)
        command = [sys.executable, "-m", "tests.support.small_plan", "run", *broken]
        # Its output goes to a file: a pipe that is never read fills up and would block it.
        with (self.folder / "said").open("w") as said:
            self.process = subprocess.Popen(command, cwd=REPOSITORY, env=env, stdout=said, stderr=said, text=True)
        return self.process

    def up(self) -> subprocess.Popen[str]:
        process = self.start()
        eventually(lambda: "is ready" in self.said(), 30, self.said)
        return process

    def said(self) -> str:
        return (self.folder / "said").read_text()

    def noted(self, name: str) -> list[list[int]]:
        lines = (self.folder / name).read_text().splitlines() if (self.folder / name).exists() else []
        return [[int(number) for number in line.split()] for line in lines]

    def alive(self) -> list[str]:
        """The processes that still run in this folder or for it. A remembered pid would not do: it may be reused by now."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                is_ours = process.environ().get("DATA_DIR") == str(self.folder)
                at_work = is_ours or Path(process.cwd()).is_relative_to(self.folder)
                if at_work and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(f"{process.pid} {process.name()}")
        return found

    def server(self, name: str) -> int | None:
        """The process id of an embedded server's first process, None while it is not running."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.name() == name and Path(process.cwd()).is_relative_to(self.folder):
                    return int(process.pid)
        return None


@pytest.fixture
def instance() -> Iterator[Instance]:
    folder = Path(tempfile.mkdtemp(prefix="warmline-tests-"))
    instance = Instance(folder)
    yield instance
    if instance.process and instance.process.poll() is None:
        instance.process.kill()
        instance.process.wait()
    eventually(lambda: not instance.alive(), 20, lambda: str(instance.alive()))
    shutil.rmtree(folder)


def eventually(holds: Callable[[], bool], seconds: float, otherwise: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.05)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_everything_when_it_is_asked_to(instance: Instance, sign: signal.Signals) -> None:
    process = instance.up()
    assert f"http://127.0.0.1:{instance.port}/phone" in instance.said()
    assert f"http://127.0.0.1:{instance.port}/console" in instance.said() and "Denise Okafor" in instance.said()
    asked = time.monotonic()
    process.send_signal(sign)
    assert process.wait(10) == 0
    assert time.monotonic() - asked < 10
    assert not instance.alive()


def test_it_ends_everything_when_it_is_killed_and_starts_again_on_the_same_data(instance: Instance) -> None:
    process = instance.up()
    with psycopg.connect(postgres.url(instance.folder)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    process.kill()
    process.wait()
    eventually(lambda: not instance.alive(), 15, lambda: str(instance.alive()))
    instance.up()
    with psycopg.connect(postgres.url(instance.folder)) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


@pytest.mark.parametrize("name", ["web", "worker"])
def test_it_starts_a_child_again_and_ends_what_the_dead_one_left(instance: Instance, name: str) -> None:
    instance.up()
    eventually(lambda: len(instance.noted(name)) == 1, 10, instance.said)
    first = instance.noted(name)[0]
    os.kill(first[0], signal.SIGKILL)
    eventually(lambda: len(instance.noted(name)) == 2, 10, instance.said)
    running = {int(each.split()[0]) for each in instance.alive()}
    assert not running & set(first) and instance.noted(name)[1][0] in running


@pytest.mark.parametrize("name", ["postgres", "valkey-server"])
def test_it_starts_an_embedded_server_again(instance: Instance, name: str) -> None:
    instance.up()
    first = instance.server(name)
    assert first is not None
    os.kill(first, signal.SIGKILL)
    address = instance.folder / ("postgres/.s.PGSQL.5432" if name == "postgres" else "valkey/valkey.sock")
    eventually(lambda: instance.server(name) not in (None, first) and answers(address), 15, instance.said)
    if name == "postgres":
        eventually(lambda: postgres.is_running(instance.folder), 15, instance.said)


def answers(address: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(address)) == 0


def test_it_offers_no_demo_staff_where_there_is_a_carrier(tmp_path: Path) -> None:
    twilio = {
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32, "TWILIO_AUTH_TOKEN": "t" * 32, "TWILIO_FROM": "+13145550100",
        "PUBLIC_URL": "https://help.example.org", "SECRET_KEY": "s" * 64, "DATA_DIR": str(tmp_path),
        "ENCRYPTION_KEYS": "A" * 43 + "=",
    }  # fmt: skip
    said = supervisor._welcome(Settings.from_env(twilio))
    assert "/phone" not in said and "Denise" not in said
    assert "warmline staff add" in said and "/console" in said


def test_it_says_what_to_do_when_the_port_is_taken(instance: Instance) -> None:
    with socket.create_server(("127.0.0.1", instance.port)):
        assert instance.start().wait(10) == 1
    assert f"Port {instance.port} is already in use" in instance.said()
    assert f"PORT={instance.port + 1} make run" in instance.said()
    assert not (instance.folder / "postgres").exists()


def test_it_refuses_a_folder_that_another_instance_uses(instance: Instance) -> None:
    instance.up()
    other = Instance(instance.folder)
    assert other.start().wait(10) == 1
    assert "already runs on" in other.said() and "DATA_DIR" in other.said()


def test_it_stops_at_a_preparation_that_fails(instance: Instance) -> None:
    assert instance.start("preparation").wait(30) == 1
    assert "-m tests.support.small_plan fail` ended with status 3" in instance.said()
    assert not instance.noted("web") and not instance.alive()


def test_it_gives_up_on_a_child_that_never_comes_up(instance: Instance) -> None:
    assert instance.start("web").wait(60) == 1
    assert "the web ended again and again" in instance.said()
    assert not instance.alive()


def test_it_clears_away_a_pid_file_whose_number_another_process_has_now(instance: Instance) -> None:
    process = instance.up()
    stale = (instance.folder / "postgres" / "postmaster.pid").read_text().splitlines()
    process.send_signal(signal.SIGTERM)
    process.wait(10)
    (instance.folder / "postgres" / "postmaster.pid").write_text("\n".join([str(os.getpid()), *stale[1:]]) + "\n")
    instance.up()


def test_it_makes_a_demos_keys_once_and_readable_by_this_account_only(tmp_path: Path) -> None:
    made = demo_secrets.load_or_make(tmp_path)
    assert demo_secrets.load_or_make(tmp_path) == demo_secrets.read(tmp_path) == made
    assert stat.S_IMODE((tmp_path / "secrets.env").stat().st_mode) == 0o600
    settings = Settings.from_env(made)
    assert len(settings.encryption_keys) == 1 and len(settings.secret_key) == 64


def test_it_makes_no_new_keys_for_existing_data(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    with pytest.raises(demo_secrets.SecretsLost, match=r"Put it back"):
        demo_secrets.load_or_make(tmp_path)


def test_it_lets_the_command_line_join_a_running_instance(instance: Instance) -> None:
    instance.up()
    settings = supervisor.settings_of_running(Settings.from_env({"DATA_DIR": str(instance.folder)}))
    assert settings.database_url and settings.encryption_keys
    with psycopg.connect(settings.database_url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_it_tells_the_command_line_when_no_instance_runs(tmp_path: Path) -> None:
    settings = Settings.from_env({"DATA_DIR": str(tmp_path)})
    with pytest.raises(SettingsError, match="ENCRYPTION_KEYS"):
        supervisor.settings_of_running(settings)
    demo_secrets.load_or_make(tmp_path)
    with pytest.raises(EmbeddedError, match="make run"):
        supervisor.settings_of_running(settings)
