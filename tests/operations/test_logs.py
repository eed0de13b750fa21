from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from bot.operations import logs

NUMBERS = ["+13145550142", "3145550142", "13145550142", "(314) 555-0142", "314-555-0142", "314.555.0142"]
NUMBERS += [
    "+1 314 555 0142",
    "555-0142",
    "+52 55 1234 5642",
    "%2B13145550142",
    "whatsapp:+13145550142",
    "525512345642",
]


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    root = logging.root
    before = (root.handlers[:], root.level)
    stream = io.StringIO()
    logs.set_up("info", stream, pretty=False)
    yield stream
    logging.captureWarnings(False)
    structlog.reset_defaults()
    root.handlers[:], root.level = before


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize("number", NUMBERS)
def test_it_masks_a_number_wherever_it_is_written(written: io.StringIO, number: str) -> None:
    structlog.get_logger("test").info(f"sent to {number}.", to=number, deep={"list": [number], number: 1})
    logging.getLogger("rq.worker").warning("sent to %s", number)
    try:
        raise ValueError(f"cannot send to {number}")
    except ValueError:
        logging.getLogger("library").exception("failed")
    # The time of day may hold any digits, so it is set aside.
    kept = json.dumps([{key: line[key] for key in line if key != "timestamp"} for line in lines(written)])
    assert "0142" not in kept and "5642" not in kept
    assert kept.count("42)") >= 5


def test_it_keeps_what_an_operator_needs(written: io.StringIO) -> None:
    sid = "SM3145550142314555014231455501420a"
    structlog.get_logger("test").info("sent", message=12345678, sid=sid, at="2026-03-02T15:00:00.123456Z", row=42)
    (line,) = lines(written)
    assert (line["message"], line["sid"], line["row"]) == (12345678, sid, 42)
    assert line["at"] == "2026-03-02T15:00:00.123456Z"


@pytest.mark.parametrize("key", sorted(logs.DROPPED_KEYS))
def test_it_drops_what_was_said(written: io.StringIO, key: str) -> None:
    structlog.get_logger("test").info("came in", **{key: "a secret", "deep": {key: "a secret"}})
    assert "a secret" not in written.getvalue()


def test_it_masks_mail_and_passwords(written: io.StringIO) -> None:
    logging.getLogger("x").error("ana@example.org postgresql://warmline:hush@db/warmline")
    assert "ana@" not in written.getvalue() and "hush" not in written.getvalue()


def test_it_leaves_out_the_row_that_a_database_error_quotes(written: io.StringIO) -> None:
    row, values = "DETAIL:  Key (body)=(a secret) already exists.", "[parameters: {'b': 'a secret'}]"
    error = f"duplicate key\n{row}\n[SQL: INSERT]\n{values}"
    logging.getLogger("x").error(error)
    assert "a secret" not in written.getvalue() and "duplicate key" in written.getvalue()


def test_it_leaves_out_the_value_that_pydantic_quotes(written: io.StringIO) -> None:
    logging.getLogger("x").error("1 error [type=int, input_value='a secret', input_type=str]")
    assert "a secret" not in written.getvalue()


def test_it_takes_over_a_logger_that_a_library_configured_before(written: io.StringIO) -> None:
    library, aside = logging.getLogger("library.of.its.own"), io.StringIO()
    library.addHandler(logging.StreamHandler(aside))
    library.propagate = False
    logs.set_up("info", written, pretty=False)
    library.error("to 3145550142")
    assert not aside.getvalue() and lines(written)[-1]["event"] == "to (number ..42)"


def test_it_masks_as_much_in_the_readable_format(written: io.StringIO) -> None:
    logs.set_up("info", written, pretty=True)
    secret = "3145550142"
    try:
        raise RuntimeError(secret)
    except RuntimeError:
        structlog.get_logger("test").exception("failed", body="words")
    assert secret not in written.getvalue().replace("\x1b", "") and "RuntimeError" in written.getvalue()
