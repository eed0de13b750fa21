"""How a person may be reached without exposing them to someone else who reads their phone.

Rules for survivors of domestic violence (techsafety.org, NNEDV; 34 USC 12291): contact them only in ways that were marked
safe, and ask again each time; someone else may answer in their name; a text that Warmline starts names no topic, no title
and no agency. Not yet reviewed by an advocate; docs/social-workers/safe-contact.md tells the social workers so.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from bot.domain.conversation import answers
from bot.domain.conversation.keywords import Keywords
from bot.domain.flows.language.script import AnswerKind
from bot.domain.languages import SOURCE_LANGUAGE
from bot.domain.listening.understanding import fold, split_phrases, words_of

SAFE_WORD_VALID_FOR = timedelta(hours=12)
"""For this long after the safe word, the phone is taken to be in the same hands."""
MIN_WINDOW = timedelta(minutes=15)
MAX_WINDOWS, MAX_WORD_LENGTH, MAX_NOTE_LENGTH = 14, 40, 500
MIN_WORD_LETTERS = 4
"""Letters; shorter words occur in other texts by chance."""

EXIT_PHRASES: Final = split_phrases(
    "exit, exit now, exit please, leave now, wrong number, sorry wrong number, wrong number sorry, no wrong number, "
    "wrong number please, you have the wrong number, you have wrong number, u have the wrong number, "
    "you got the wrong number, this is the wrong number, wrong person, you have the wrong person, "
    "salir, salir ya, salir ahora, numero equivocado, numero incorrecto, numero erroneo, tiene el numero equivocado, "
    "tienes el numero equivocado, este es el numero equivocado, se equivoco de numero, te equivocaste de numero, "
    "perdon numero equivocado, persona equivocada"
)
"""Whole messages that end a conversation at once, and give nothing away to someone who reads along."""


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """A span of the day on these weekdays (0 is Monday), in the city's time zone.

    If `ends` is not after `starts`, it ends on the next day; midnight to midnight is a whole day.
    """

    days: frozenset[int]
    starts: time
    ends: time


@dataclass(frozen=True, slots=True)
class SafeContact:
    """How the person said they may be reached. The defaults hold for a person who said nothing about it."""

    times: tuple[TimeWindow, ...] = ()
    """When a text that Warmline starts may arrive; empty means at any time."""
    word: str = ""
    """The safe word agreed with the person: it proves that the person is writing."""
    exit_word: str = ""
    """The person's own word to end a conversation at once; the general ones work as well."""
    neutral: bool = False
    """Texts that Warmline starts reveal nothing."""
    may_leave_voice: bool = False
    may_name_line: bool = True
    note: str = ""
    """For the social workers; never sent."""
    set_at: datetime | None = None
    set_by: int | None = None
    """The staff account that recorded this; None where the person did so by text."""
    paused: bool = False
    """The person left with an exit word: Warmline starts no text until they write again."""
    verified_at: datetime | None = None
    """When the safe word was last given."""


DEFAULT_CONTACT: Final = SafeContact()
_NEVER_OPEN: Final = TimeWindow(frozenset(), time(0), time(0))


def is_safe_time(safe: SafeContact, at: datetime, zone: ZoneInfo) -> bool:
    """Whether a text that Warmline starts may arrive at `at` (aware): within a window, or any time if there are none.

    Never while paused. Replies to what the person has just written are not subject to this.
    """
    if safe.paused:
        return False
    local = at.astimezone(zone).replace(tzinfo=None)
    return not safe.times or any(_contains(window, local) for window in safe.times)


def _contains(window: TimeWindow, local: datetime) -> bool:
    for day in (local.date(), local.date() - timedelta(days=1)):
        starts, ends = _span(window, day)
        if day.weekday() in window.days and starts <= local < ends:
            return True
    return False


def _span(window: TimeWindow, day: date) -> tuple[datetime, datetime]:
    """Start and end of the window that opens on this day, in wall-clock time."""
    starts, ends = datetime.combine(day, window.starts), datetime.combine(day, window.ends)
    return starts, ends if ends > starts else ends + timedelta(days=1)


def next_safe_time(safe: SafeContact, at: datetime, zone: ZoneInfo) -> datetime | None:
    """The first safe time from `at` on (both aware UTC); None if paused or no window opens.

    A window that starts in the hour that is skipped in spring starts up to an hour late.
    """
    if is_safe_time(safe, at, zone):
        return at.astimezone(UTC)
    today = at.astimezone(zone).date()
    openings = (
        datetime.combine(today + timedelta(days=ahead), window.starts, zone).replace(fold=fold_).astimezone(UTC)
        for ahead in range(-1, 15)
        for window in safe.times
        for fold_ in (0, 1)
    )
    return min((moment for moment in openings if moment > at and is_safe_time(safe, moment, zone)), default=None)


def says_exit(safe: SafeContact, text: str) -> bool:
    """Whether the whole message is an exit word: the person's own or one of the general ones."""
    said = words_of(text[:80])
    return bool(said) and (said == words_of(safe.exit_word) or " ".join(said) in EXIT_PHRASES)


def contains_safe_word(safe: SafeContact, text: str) -> bool:
    """Whether the text contains the safe word as a whole word; case and accents are ignored."""
    return _find(safe.word, text) is not None


def remove_safe_word(safe: SafeContact, text: str) -> str:
    """The text without the safe word, for the flow to read; "" where there was nothing else."""
    while (place := _find(safe.word, text)) is not None:
        before, after = text[: place[0]].rstrip(), text[place[1] :].lstrip(" \t,.;:!-")
        text = f"{before} {after}".strip() if before else after.strip()
    return text


_TOKEN = re.compile(r"[^\W_][^\W_\u0300-\u036f]*(?:['’‘`´ʼ\u0300-\u036f]*[^\W_]+)*[\u0300-\u036f]*")


def _find(word: str, text: str) -> tuple[int, int] | None:
    """Start and end of the words of `word` in the text, in sequence."""
    wanted = words_of(word)
    if not wanted:
        return None
    said = [(part, token.start(), token.end()) for token in _TOKEN.finditer(text) for part in words_of(token[0])]
    for first in range(len(said) - len(wanted) + 1):
        if [part for part, _, _ in said[first : first + len(wanted)]] == wanted:
            return said[first][1], said[first + len(wanted) - 1][2]
    return None


def needs_safe_word(safe: SafeContact, now: datetime) -> bool:
    """Whether someone else may hold the phone: a safe word was agreed, and not given within the last twelve hours."""
    if not safe.word:
        return False
    return safe.verified_at is None or now - safe.verified_at > SAFE_WORD_VALID_FOR


def dump(safe: SafeContact) -> dict[str, Any]:
    """As JSON values; `load` returns an equal object."""
    return {
        "times": [[sorted(w.days), w.starts.isoformat("minutes"), w.ends.isoformat("minutes")] for w in safe.times],
        "word": safe.word,
        "exit_word": safe.exit_word,
        "neutral": safe.neutral,
        "may_leave_voice": safe.may_leave_voice,
        "may_name_line": safe.may_name_line,
        "note": safe.note,
        "set_at": safe.set_at and safe.set_at.isoformat(),
        "set_by": safe.set_by,
        "paused": safe.paused,
        "verified_at": safe.verified_at and safe.verified_at.isoformat(),
    }


def load(row: Mapping[str, Any] | None) -> SafeContact:
    """What `dump` made, in this version of the code or another: unknown fields are ignored, missing ones get their default.

    An unreadable window never opens: sending at any time instead could expose the person.
    """
    row = row or {}
    return SafeContact(
        times=tuple(_load_window(window) for window in row.get("times") or ()),
        word=row.get("word") or "",
        exit_word=row.get("exit_word") or "",
        neutral=bool(row.get("neutral", False)),
        may_leave_voice=bool(row.get("may_leave_voice", False)),
        may_name_line=bool(row.get("may_name_line", True)),
        note=row.get("note") or "",
        set_at=_parse_time(row.get("set_at")),
        set_by=row.get("set_by"),
        paused=bool(row.get("paused", False)),
        verified_at=_parse_time(row.get("verified_at")),
    )


def _load_window(stored: Any) -> TimeWindow:
    try:
        days, starts, ends, *_ = stored
        return TimeWindow(frozenset(int(day) for day in days), time.fromisoformat(starts), time.fromisoformat(ends))
    except (TypeError, ValueError):
        return _NEVER_OPEN


def _parse_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


@dataclass(frozen=True, slots=True)
class SafeContactProblem:
    """What is wrong with one field of the settings, as a sentence for the social worker."""

    field: str
    text: str


def find_problems(safe: SafeContact, keywords: Keywords, menu_words: Collection[str] = ()) -> list[SafeContactProblem]:
    """Why these settings cannot be saved; empty where they can. `menu_words` are folded words that answer a menu."""
    found = [*_word_problems(safe, keywords, menu_words), *_time_problems(safe.times)]
    if len(safe.note) > MAX_NOTE_LENGTH:
        found.append(SafeContactProblem("note", f"The note is longer than {MAX_NOTE_LENGTH} characters. Please shorten it."))
    return found


def _word_problems(safe: SafeContact, keywords: Keywords, taken: Collection[str]) -> list[SafeContactProblem]:
    found = []
    for name, label, word in (("word", "safe word", safe.word), ("exit_word", "exit word", safe.exit_word)):
        if word and (why := _word_problem(word, keywords, taken)):
            found.append(SafeContactProblem(name, f"This {label} cannot be used: {why}"))
    if not found and safe.word and says_exit(safe, safe.word):
        found.append(SafeContactProblem("word", "This safe word cannot be used: it is a word that ends the conversation."))
    elif not found and safe.word and contains_safe_word(safe, safe.exit_word):
        found.append(
            SafeContactProblem("exit_word", "The exit word must not hold the safe word: one means stay, the other leave.")
        )
    return found


def _word_problem(word: str, keywords: Keywords, taken: Collection[str]) -> str | None:
    words = words_of(word)
    whole = " ".join(words)
    if len(word) > MAX_WORD_LENGTH or len(words) > 3:
        return f"use one to three words, {MAX_WORD_LENGTH} characters at most."
    if sum(map(len, words)) < MIN_WORD_LETTERS or not any(char.isalpha() for char in fold(word)):
        return f"use a word of at least {MIN_WORD_LETTERS} letters; short words and numbers stand in other texts by chance."
    if keywords.read(word) or keywords.wants_no_texts(word):
        return "the line listens to it everywhere (like STOP, HELP or PERSON), so it would do something else."
    if keywords.language(word):
        return "it is the name of a language, and would change the language."
    if answers.parse_answer(AnswerKind.YES_NO, word, language=SOURCE_LANGUAGE, today=date.min).understood:
        return "it means yes or no, and is the answer to many questions."
    if whole in taken:
        return "it answers a question of the menu."
    if all(
        part in keywords.language_words or part in keywords.leave_me_alone.before | keywords.leave_me_alone.after
        for part in words
    ):
        return "it is a word that anybody writes, so it would prove nothing."
    return None


def _time_problems(times: tuple[TimeWindow, ...]) -> list[SafeContactProblem]:
    found = []
    if len(times) > MAX_WINDOWS:
        found.append(SafeContactProblem("times", f"Give {MAX_WINDOWS} times at most."))
    for number, window in enumerate(times, 1):
        if why := _window_problem(window):
            found.append(SafeContactProblem("times", f"Safe time {number}: {why}"))
    return found


def _window_problem(window: TimeWindow) -> str | None:
    if not window.days:
        return "choose at least one day."
    if not window.days <= frozenset(range(7)):
        return "there are seven days in a week."
    if window.starts == window.ends and window.starts != time(0):
        return "it ends when it begins. For the whole day, write 00:00 to 00:00."
    starts, ends = _span(window, date(2000, 1, 3))
    if ends - starts < MIN_WINDOW:
        return "it is shorter than a quarter of an hour; a text may be on its way for longer."
    return None
