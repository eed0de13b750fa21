"""Runs the migrations; one at a time, because two processes may start together."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, text

from bot.storage.tables import Table

LOCK = 7_267_510_001
"""Any number will do, as long as every Warmline uses the same one."""


def run() -> None:
    engine = create_engine(context.config.attributes["url"])
    with engine.connect() as connection:
        connection.execute(text("select pg_advisory_lock(:lock)"), {"lock": LOCK})
        context.configure(connection=connection, target_metadata=Table.metadata)
        with context.begin_transaction():
            context.run_migrations()
        connection.execute(text("select pg_advisory_unlock(:lock)"), {"lock": LOCK})
        connection.commit()
    engine.dispose()


run()
