"""Runs the migrations under an advisory lock, because two processes may start at the same time."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, text

from bot.storage.tables.residents import Base

LOCK = 7_267_510_001
"""Key of the advisory lock; any number, as long as every Warmline process uses the same one."""


def run() -> None:
    engine = create_engine(context.config.attributes["url"])
    with engine.connect() as connection:
        connection.execute(text("select pg_advisory_lock(:lock)"), {"lock": LOCK})
        context.configure(connection=connection, target_metadata=Base.metadata)
        with context.begin_transaction():
            context.run_migrations()
        connection.execute(text("select pg_advisory_unlock(:lock)"), {"lock": LOCK})
        connection.commit()
    engine.dispose()


run()
