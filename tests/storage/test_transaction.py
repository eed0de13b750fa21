"""Work in plain SQL and work through the mapped classes belong to one transaction."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from bot.storage.database import Database, driver_connection
from bot.storage.staff import audits
from bot.storage.tables.residents import Sender

NOW = datetime(2026, 1, 5, tzinfo=UTC)
INSERT = "insert into sender (line, free_at) values (%s, %s)"


def senders(database: Database) -> int:
    with database.transaction() as db:
        return db.scalar(select(func.count()).select_from(Sender)) or 0


def test_it_waits_no_longer_than_a_carrier_does(database: Database) -> None:
    with database.transaction() as db:
        limits = [db.scalar(text(f"show {name}")) for name in ("lock_timeout", "statement_timeout")]
    assert limits == ["6s", "8s"]


def test_it_commits_plain_and_mapped_work_together(database: Database) -> None:
    with database.transaction() as db:
        driver_connection(db).execute(INSERT, ("one", NOW))
        db.add(Sender(line="two", free_at=NOW))
        db.flush()
        driver_connection(db).execute(INSERT, ("three", NOW))
    with database.transaction() as db:
        driver_connection(db).execute(INSERT, ("four", NOW))
    with database.transaction() as db:
        db.add(Sender(line="five", free_at=NOW))
    assert senders(database) == 5


def test_it_rolls_both_back_when_the_block_raises(database: Database) -> None:
    for mapped in (False, True):
        with pytest.raises(ZeroDivisionError), database.transaction() as db:
            driver_connection(db).execute(INSERT, ("one", NOW))
            if mapped:
                db.add(Sender(line="two", free_at=NOW))
                db.flush()
            raise ZeroDivisionError
    assert senders(database) == 0


def test_it_forgets_an_audit_row_with_the_act_that_failed(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.transaction() as db:
        audits.record(db, None, "claim", NOW)
        assert audits.count(db, audits.AuditFilter()) == 1
        raise ZeroDivisionError
    with database.transaction() as db:
        assert audits.count(db, audits.AuditFilter()) == 0


def test_it_reaches_the_driver_through_a_session_of_the_engine_too(database: Database) -> None:
    with Session(database.engine) as db:
        driver_connection(db).execute(INSERT, ("one", NOW))
        assert senders(database) == 0
        db.commit()
    assert senders(database) == 1


def test_it_fails_only_once_after_a_restart_of_postgresql(database: Database) -> None:
    with database.transaction() as first, database.transaction() as second, database.transaction() as third:
        for db in (first, second, third):
            driver_connection(db).execute("select 1")
    with psycopg.connect(database.engine.url.render_as_string(False).replace("+psycopg", ""), autocommit=True) as admin:
        admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where pid <> pg_backend_pid() and datname = current_database()"
        )
    with pytest.raises((psycopg.OperationalError, OperationalError)), database.transaction() as db:
        driver_connection(db).execute("select 1")
    assert senders(database) == 0


def test_it_logs_no_parameter_of_a_statement(database: Database) -> None:
    with pytest.raises(DBAPIError) as failed, database.transaction() as db:
        db.execute(select(func.length("+13145550142\0")))
    assert "3145550142" not in str(failed.value)
