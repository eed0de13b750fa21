"""Formatting of times and texts on pages; the public functions are Jinja filters."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time
from markupsafe import Markup, escape

from bot.domain.languages import SOURCE_LANGUAGE, locale_of

_LINK_PATTERN = re.compile(
    r"(?<![\w.-])(?:(?P<phone>(?:1-)?\d{3}-\d{3}-\d{4}|911|988|211)"
    r"|(?P<site>(?:https?://)?(?:[a-z0-9-]+\.)+(?:gov|org)(?:/[\w./-]*[\w/])?))(?![\w-])"
)


def time_of_day(at: datetime, zone: ZoneInfo, language: str = SOURCE_LANGUAGE) -> str:
    """Hour and minute in `zone`, in the format of the language."""
    local = at.astimezone(zone)
    return _format_time(time(local.hour, local.minute), locale_of(language))


def day(at: datetime, zone: ZoneInfo, language: str = SOURCE_LANGUAGE) -> str:
    """Weekday and date in `zone`, in the format of the language."""
    return _format_date(at.astimezone(zone).date(), locale_of(language))


# A page of a conversation shows fifty times, and formatting one costs as much as rendering the line around it.
@lru_cache(maxsize=4096)
def _format_time(local: time, locale: str) -> str:
    return format_time(local, "short", locale=locale)


@lru_cache(maxsize=4096)
def _format_date(local: date, locale: str) -> str:
    return format_date(local, "EEEE, MMM d", locale=locale)


def linked(text: str) -> Markup:
    """One of our own texts as HTML, with telephone numbers and web sites as links and everything else escaped."""
    parts: list[str] = []
    end = 0
    for found in _LINK_PATTERN.finditer(text):
        parts += [escape(text[end : found.start()]), _link_html(found)]
        end = found.end()
    return Markup("").join([*parts, escape(text[end:])])


def _link_html(found: re.Match[str]) -> Markup:
    shown = found[0]
    if found["phone"]:
        return Markup('<a href="tel:{}">{}</a>').format(shown, shown)
    address = shown if "://" in shown else f"https://{shown}"
    return Markup('<a href="{}" rel="noreferrer noopener" target="_blank">{}</a>').format(address, shown)
