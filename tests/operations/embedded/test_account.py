"""The account that PostgreSQL runs under when we are root, and two first starts on one machine both creating it."""

from __future__ import annotations

import pwd
import subprocess
from types import SimpleNamespace

import pytest

from bot.operations.embedded import postgres


class Machine:
    """A machine on which another process has created the account after this many look-ups; None: never."""

    def __init__(self, looks: int | None) -> None:
        self.looks, self.made = looks, 0

    def find(self, _name: str) -> SimpleNamespace:
        if self.looks is None or self.made < self.looks:
            raise KeyError
        return SimpleNamespace(pw_uid=70, pw_gid=71)

    def make(self, command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        self.made += 1
        return subprocess.CompletedProcess(command, 10)


def on(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
    monkeypatch.setattr(pwd, "getpwnam", machine.find)
    monkeypatch.setattr(subprocess, "run", machine.make)
    monkeypatch.setattr(postgres, "_ACCOUNT_SECONDS", 0.5)


def test_it_takes_the_account_that_another_start_is_making(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, machine := Machine(looks=2))
    assert (postgres._account().pw_uid, machine.made) == (70, 2)


def test_it_says_when_the_account_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, Machine(looks=None))
    with pytest.raises(subprocess.CalledProcessError, match="useradd"):
        postgres._account()
