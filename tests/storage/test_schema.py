"""The migrations create exactly the tables that the code defines."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from bot.storage import schema
from bot.storage.database import dialect_url
from bot.storage.tables.residents import Base


def test_it_creates_the_tables_that_the_code_defines(database_url: str) -> None:
    engine = create_engine(dialect_url(database_url))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    engine.dispose()


def test_it_can_be_run_again(database_url: str) -> None:
    schema.migrate(database_url)
    schema.migrate(database_url)
