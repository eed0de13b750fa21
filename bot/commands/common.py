"""What the commands share: settings or a refusal, and the files of this installation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

from bot import embedded_postgres, supervisor
from bot.embedded import EmbeddedError, Servers
from bot.settings import Settings, SettingsError
from bot.storage.database import Database
from bot.usecases.flow_files import Folder, drafts, read_directory, read_folder
from bot.usecases.library import DraftLibrary

ROOT = Path(__file__).resolve().parent.parent.parent


class Refused(Exception):
    """The command cannot do what it was asked; the text says why and what to do."""


def settings() -> Settings:
    try:
        return Settings.from_env(os.environ)
    except SettingsError as error:
        raise Refused(str(error)) from error


def attached() -> Settings:
    """Settings with the addresses and keys of the house that runs here."""
    try:
        return supervisor.attach(settings())
    except (SettingsError, EmbeddedError) as error:
        raise Refused(str(error)) from error


@contextmanager
def beside_or_alone() -> Iterator[Settings]:
    """Settings with a database that answers: the running house's, or the embedded one started for the while.

    For what must be done while the house refuses to start, like following a change of SECRET_KEY.
    """
    found = settings()
    if found.database_url or embedded_postgres.is_running(found.data_dir):
        yield attached()
        return
    with Servers(found.data_dir, valkey=False) as servers:
        yield replace(attached(), database_url=servers.database_url)


@contextmanager
def database(found: Settings) -> Iterator[Database]:
    opened = Database(found.database_url or "", connections=2)
    try:
        yield opened
    finally:
        opened.close()


def folder(path: Path | None) -> Folder:
    root = (path or ROOT / "flows").resolve()
    if not root.is_dir():
        raise Refused(f"{root.name} is no folder. Name the folder that holds the flows' .yaml files.")
    return read_folder(root)


def draft_library(found: Folder, timezone: ZoneInfo, line_name: str) -> DraftLibrary:
    return drafts(found, read_directory(ROOT / "directory", timezone), timezone, line_name)
