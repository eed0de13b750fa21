"""The supervisor with real servers and real children, ended in each way that machines and persons do it."""

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


class House:
    """A supervisor that runs as a process of its own on its own folder and port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[str] | None = None

    def start(self, *broken: str) -> subprocess.Popen[str]:
        env = {**os.environ, "DATA_DIR": str(self.folder), "PORT": str(self.port), "HOST": "127.0.0.1"}
        for name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ENCRYPTION_KEYS"):
            env.pop(name, None)
        command = [sys.executable, "-m", "tests.support.small_plan", "run", *broken]
        # Its words go to a file: a pipe that nobody reads would one day hold it up.
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
        """What still runs in this folder or for it; no number of a process tells, another may have it by now."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                is_ours = process.environ().get("DATA_DIR") == str(self.folder)
                at_work = is_ours or Path(process.cwd()).is_relative_to(self.folder)
                if at_work and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(f"{process.pid} {process.name()}")
        return found

    def server(self, name: str) -> int | None:
        """The process id of the first process of one embedded server, None while it does not run."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.name() == name and Path(process.cwd()).is_relative_to(self.folder):
                    return int(process.pid)
        return None


@pytest.fixture
def house() -> Iterator[House]:
    folder = Path(tempfile.mkdtemp(prefix="warmline-tests-"))
    house = House(folder)
    yield house
    if house.process and house.process.poll() is None:
        house.process.kill()
        house.process.wait()
    eventually(lambda: not house.alive(), 20, lambda: str(house.alive()))
    shutil.rmtree(folder)


def eventually(holds: Callable[[], bool], seconds: float, otherwise: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.05)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_everything_when_it_is_asked_to(house: House, sign: signal.Signals) -> None:
    process = house.up()
    assert f"http://127.0.0.1:{house.port}/phone" in house.said()
    assert f"http://127.0.0.1:{house.port}/console" in house.said() and "Denise Okafor" in house.said()
    asked = time.monotonic()
    process.send_signal(sign)
    assert process.wait(10) == 0
    assert time.monotonic() - asked < 10
    assert not house.alive()


def test_it_takes_everything_along_when_it_is_killed_and_starts_again_on_the_same_data(house: House) -> None:
    process = house.up()
    with psycopg.connect(postgres.url(house.folder)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    process.kill()
    process.wait()
    eventually(lambda: not house.alive(), 15, lambda: str(house.alive()))
    house.up()
    with psycopg.connect(postgres.url(house.folder)) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


@pytest.mark.parametrize("name", ["web", "worker"])
def test_it_starts_a_child_again_and_ends_what_the_dead_one_left(house: House, name: str) -> None:
    house.up()
    eventually(lambda: len(house.noted(name)) == 1, 10, house.said)
    first = house.noted(name)[0]
    os.kill(first[0], signal.SIGKILL)
    eventually(lambda: len(house.noted(name)) == 2, 10, house.said)
    running = {int(each.split()[0]) for each in house.alive()}
    assert not running & set(first) and house.noted(name)[1][0] in running


@pytest.mark.parametrize("name", ["postgres", "valkey-server"])
def test_it_starts_an_embedded_server_again(house: House, name: str) -> None:
    house.up()
    first = house.server(name)
    assert first is not None
    os.kill(first, signal.SIGKILL)
    address = house.folder / ("postgres/.s.PGSQL.5432" if name == "postgres" else "valkey/valkey.sock")
    eventually(lambda: house.server(name) not in (None, first) and answers(address), 15, house.said)
    if name == "postgres":
        eventually(lambda: postgres.is_running(house.folder), 15, house.said)


def answers(address: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(address)) == 0


def test_it_invites_nobody_of_the_demo_where_there_is_a_carrier(tmp_path: Path) -> None:
    twilio = {
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32, "TWILIO_AUTH_TOKEN": "t" * 32, "TWILIO_FROM": "+13145550100",
        "PUBLIC_URL": "https://help.example.org", "SECRET_KEY": "s" * 64, "DATA_DIR": str(tmp_path),
        "ENCRYPTION_KEYS": "A" * 43 + "=",
    }  # fmt: skip
    said = supervisor._welcome(Settings.from_env(twilio))
    assert "/phone" not in said and "Denise" not in said
    assert "warmline staff add" in said and "/console" in said


def test_it_says_what_to_do_when_the_port_is_taken(house: House) -> None:
    with socket.create_server(("127.0.0.1", house.port)):
        assert house.start().wait(10) == 1
    assert f"Port {house.port} is already in use" in house.said()
    assert f"PORT={house.port + 1} make run" in house.said()
    assert not (house.folder / "postgres").exists()


def test_it_refuses_a_folder_that_another_one_uses(house: House) -> None:
    house.up()
    other = House(house.folder)
    assert other.start().wait(10) == 1
    assert "already runs on" in other.said() and "DATA_DIR" in other.said()


def test_it_stops_at_a_preparation_that_fails(house: House) -> None:
    assert house.start("preparation").wait(30) == 1
    assert "-m tests.support.small_plan fail` ended with status 3" in house.said()
    assert not house.noted("web") and not house.alive()


def test_it_gives_up_on_a_child_that_never_comes_up(house: House) -> None:
    assert house.start("web").wait(60) == 1
    assert "the web ended again and again" in house.said()
    assert not house.alive()


def test_it_clears_away_a_pid_file_whose_number_another_process_has_now(house: House) -> None:
    process = house.up()
    stale = (house.folder / "postgres" / "postmaster.pid").read_text().splitlines()
    process.send_signal(signal.SIGTERM)
    process.wait(10)
    (house.folder / "postgres" / "postmaster.pid").write_text("\n".join([str(os.getpid()), *stale[1:]]) + "\n")
    house.up()


def test_it_makes_a_demos_keys_once_for_this_account_alone(tmp_path: Path) -> None:
    made = demo_secrets.load_or_make(tmp_path)
    assert demo_secrets.load_or_make(tmp_path) == demo_secrets.read(tmp_path) == made
    assert stat.S_IMODE((tmp_path / "secrets.env").stat().st_mode) == 0o600
    settings = Settings.from_env(made)
    assert len(settings.encryption_keys) == 1 and len(settings.secret_key) == 64


def test_it_makes_no_new_keys_for_old_words(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    with pytest.raises(demo_secrets.SecretsLost, match=r"Put it back"):
        demo_secrets.load_or_make(tmp_path)


def test_it_lets_the_command_line_join_a_running_house(house: House) -> None:
    house.up()
    settings = supervisor.settings_of_running(Settings.from_env({"DATA_DIR": str(house.folder)}))
    assert settings.database_url and settings.encryption_keys
    with psycopg.connect(settings.database_url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_it_tells_the_command_line_when_no_house_runs(tmp_path: Path) -> None:
    settings = Settings.from_env({"DATA_DIR": str(tmp_path)})
    with pytest.raises(SettingsError, match="ENCRYPTION_KEYS"):
        supervisor.settings_of_running(settings)
    demo_secrets.load_or_make(tmp_path)
    with pytest.raises(EmbeddedError, match="make run"):
        supervisor.settings_of_running(settings)
