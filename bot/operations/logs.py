"""Logs that every operator may read: what happened, never to whom, and never a person's words.

One JSON object per line on stderr, or aligned columns on a terminal. Everything from Python's own logging (RQ, Alembic,
the web server) goes through the same masking, tracebacks included.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Mapping, MutableMapping
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

# Values logged under these names are what a person wrote.
DROPPED_KEYS = frozenset({"answers", "body", "text", "words"})
# Made by our own code, without outside text; they must stay readable as they are.
_TRUSTED_KEYS = frozenset({"timestamp", "level", "logger"})

# A carrier's message id is lower-case hexadecimal; the guards on both sides keep a run of digits inside one.
_BEFORE, _AFTER = r"(?:(?<![0-9a-f])|(?<=%2b))", r"(?![0-9a-f])"
_NUMBERS = re.compile(
    rf"\+[0-9][0-9 ().-]{{5,18}}[0-9]{_AFTER}"  # international
    rf"|{_BEFORE}(?:1[ .-]?)?\(?[2-9][0-9]{{2}}\)?[ .-]?[0-9]{{3}}[ .-]?[0-9]{{4}}{_AFTER}"  # North American
    rf"|{_BEFORE}[0-9]{{3}}-[0-9]{{4}}(?!-){_AFTER}"  # a local number without the area code
    rf"|{_BEFORE}[0-9]{{11,15}}{_AFTER}"  # international form that lost its plus sign
)
_MAIL = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_URL_PASSWORD = re.compile(r"://[^\s/@]+@")
# A database error quotes the row that it refused, SQLAlchemy the values it sent, pydantic its input.
_PYDANTIC_INPUT = re.compile(r"input_value=.*?(?=, input_type=)", re.DOTALL)
_DATABASE_ROW = re.compile(r"(DETAIL|CONTEXT):[^\n]*|\[parameters: .*", re.DOTALL | re.MULTILINE)


def set_up(level: str = "info", stream: TextIO | None = None, pretty: bool | None = None) -> None:
    """Send all logging of this process, masked, to `stream` (stderr by default). The last call counts.

    `level` is "debug", "info", "warning" or "error". `pretty`: columns instead of JSON; None means only on a terminal.
    Loggers that a library has already configured are redirected here.
    """
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(stream.isatty() if pretty is None else pretty))
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(level.upper())
    for name in logging.root.manager.loggerDict:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_common_processors(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda dead: _log_uncaught(dead.exc_type, dead.exc_value, dead.exc_traceback)


def mask(text: str) -> str:
    """`text` without telephone numbers (the last two digits stay), e-mail addresses, passwords in URLs and database rows."""
    text = _DATABASE_ROW.sub(lambda found: f"{found.group(1) or '[parameters'}: (left out)", text)
    text = _PYDANTIC_INPUT.sub("input_value=(left out)", text)
    text = _URL_PASSWORD.sub("://(left out)@", text)
    text = _MAIL.sub("(e-mail)", text)
    return _NUMBERS.sub(lambda found: f"(number ..{found.group()[-2:]})", text)


def mask_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The structlog processor: drop what a person wrote and mask every remaining text, at any depth."""
    return {
        key: value if key in _TRUSTED_KEYS or key.startswith("_") else _masked(value)
        for key, value in event.items()
        if key not in DROPPED_KEYS
    }


def _masked(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        # An int is a count or a row's id; Warmline keeps telephone numbers as text.
        return value
    if isinstance(value, Mapping):
        return {mask(str(key)): _masked(each) for key, each in value.items() if key not in DROPPED_KEYS}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(each) for each in value]
    return mask(str(value))


def _common_processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _formatter(pretty: bool) -> logging.Formatter:
    # Rich tracebacks print local variables, which contain what people wrote.
    columns = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_common_processors(),
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.StackInfoRenderer(),
            mask_event,
            columns if pretty else structlog.processors.JSONRenderer(),
        ],
    )


def _log_uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    logging.getLogger("bot").critical("uncaught exception", exc_info=(kind, error or kind(), trace))
