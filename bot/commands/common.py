"""Shared by the commands: settings, database, and the flow files of this installation; all raise Refused on failure."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

from bot.domain.refused import Refused
from bot.operations import supervisor
from bot.operations.embedded.servers import EmbeddedError
from bot.operations.settings.settings import Settings, SettingsError
from bot.paths import ROOT
from bot.storage.database import Database
from bot.usecases.flows.files import FlowFolder, build_draft_library, read_directory_files, read_folder
from bot.usecases.flows.library import DraftLibrary


def load_settings() -> Settings:
    try:
        return Settings.from_env(os.environ)
    except SettingsError as error:
        raise Refused(str(error)) from error


def load_attached_settings() -> Settings:
    """Settings completed with the addresses and keys of the Warmline instance running here. Raises Refused."""
    try:
        return supervisor.settings_of_running(load_settings())
    except (SettingsError, EmbeddedError) as error:
        raise Refused(str(error)) from error


@contextmanager
def open_database(found: Settings) -> Iterator[Database]:
    opened = Database(found.database_url or "", connections=2)
    try:
        yield opened
    finally:
        opened.close()


def load_flow_folder(path: Path | None) -> FlowFolder:
    root = (path or ROOT / "flows").resolve()
    if not root.is_dir():
        raise Refused(f"{root.name} is no folder. Name the folder that holds the flows' .yaml files.")
    return read_folder(root)


def draft_library(found: FlowFolder, timezone: ZoneInfo, line_name: str) -> DraftLibrary:
    return build_draft_library(found, read_directory_files(ROOT / "directory", timezone), timezone, line_name)
