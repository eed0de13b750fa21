"""Logs that anybody who runs the machine may read: what happened, never to whom and never in which words.

One JSON object a line on stderr, or aligned columns when a person watches a terminal. All that Python's own
logging carries (RQ, Alembic, the web server) goes through the same masking, tracebacks included.
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

# Whatever is logged under these names is what somebody said.
SPOKEN = frozenset({"answers", "body", "text", "words"})
# These are made here, hold no outside text, and must stay readable as they are.
_OURS = frozenset({"timestamp", "level", "logger"})

# A carrier's message id is lower-case hexadecimal; the guards on both sides keep a run of digits inside one.
_BEFORE, _AFTER = r"(?:(?<![0-9a-f])|(?<=%2b))", r"(?![0-9a-f])"
_NUMBERS = re.compile(
    rf"\+[0-9][0-9 ().-]{{5,18}}[0-9]{_AFTER}"  # international
    rf"|{_BEFORE}(?:1[ .-]?)?\(?[2-9][0-9]{{2}}\)?[ .-]?[0-9]{{3}}[ .-]?[0-9]{{4}}{_AFTER}"  # North American
    rf"|{_BEFORE}[0-9]{{3}}-[0-9]{{4}}(?!-){_AFTER}"  # as neighbours say it, without the area code
    rf"|{_BEFORE}[0-9]{{11,15}}{_AFTER}"  # international form that lost its plus sign
)
_MAIL = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_URL_PASSWORD = re.compile(r"://[^\s/@]+@")
# A database error quotes the row that it refused, SQLAlchemy the values it sent, pydantic what it was given.
_GIVEN = re.compile(r"input_value=.*?(?=, input_type=)", re.DOTALL)
_ROW = re.compile(r"(DETAIL|CONTEXT):[^\n]*|\[parameters: .*", re.DOTALL | re.MULTILINE)


def set_up(level: str = "info", stream: TextIO | None = None, pretty: bool | None = None) -> None:
    """Send all logging of this process to `stream` (stderr), masked. The last call counts.

    `level` is "debug", "info", "warning" or "error". `pretty`: columns, not JSON; None asks the stream.
    Loggers that a library has set up for itself before are made to speak through this one.
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
            *_common(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda dead: _log_uncaught(dead.exc_type, dead.exc_value, dead.exc_traceback)


def mask(text: str) -> str:
    """`text` without telephone numbers (two digits stay), e-mail addresses, URLs' passwords and rows."""
    text = _ROW.sub(lambda found: f"{found.group(1) or '[parameters'}: (left out)", text)
    text = _GIVEN.sub("input_value=(left out)", text)
    text = _URL_PASSWORD.sub("://(left out)@", text)
    text = _MAIL.sub("(e-mail)", text)
    return _NUMBERS.sub(lambda found: f"(number ..{found.group()[-2:]})", text)


def mask_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The structlog processor: drop what was said, mask every text left, at any depth."""
    return {
        key: value if key in _OURS or key.startswith("_") else _masked(value)
        for key, value in event.items()
        if key not in SPOKEN
    }


def _masked(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        # A number given as a number is a count or a row's id; telephone numbers are text in this house.
        return value
    if isinstance(value, Mapping):
        return {mask(str(key)): _masked(each) for key, each in value.items() if key not in SPOKEN}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(each) for each in value]
    return mask(str(value))


def _common() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _formatter(pretty: bool) -> logging.Formatter:
    # Rich tracebacks print local variables, and those hold what people said.
    columns = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_common(),
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
