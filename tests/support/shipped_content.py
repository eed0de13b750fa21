"""The flows and the directory that come with Warmline, read once per process and published for tests that need them."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo

from bot.storage.database import Database
from bot.storage.directory import reviewed_services
from bot.storage.flows import flows
from bot.usecases.flows.files import FlowFolder, read_directory_files, read_folder
from bot.usecases.flows.publish_flows import publish_flows
from tests.paths import ROOT


@cache
def shipped_flows() -> FlowFolder:
    """The contents of the folder `flows/`."""
    return read_folder(ROOT / "flows")


def publish(database: Database, now: datetime, zone: ZoneInfo) -> None:
    """Publish the shipped flows and directory. A database that has flows already (a copied one) is left unchanged."""
    with database.transaction() as db:
        if not flows.current_versions(db):
            publish_flows(db, shipped_flows(), "test", now)
            reviewed_services.replace_all(db, read_directory_files(ROOT / "directory", zone))
