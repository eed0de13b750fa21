"""Schema migrations with Alembic, run by a command and never by the web process."""

from __future__ import annotations

from alembic import command
from alembic.config import Config

from bot.paths import ROOT
from bot.storage.database import dialect_url

MIGRATIONS = ROOT / "migrations"


def migrate(url: str) -> None:
    """Migrate the schema to the newest version; safe to run twice and from two processes (migrations/env.py locks)."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = dialect_url(url)
    command.upgrade(config, "head")
