"""How somebody may be reached without betraying them to whoever else reads their phone.

Rules for survivors of violence at home (techsafety.org, NNEDV; 34 USC 12291): contact only in ways that were marked safe,
asked again each time; others may answer in the person's name; a text that we start names no topic, no title, no agency.
Not reviewed by an advocate yet; docs/social-workers/safe-contact.md says so to those who use it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from bot.domain import answers
from bot.domain.keywords import Keywords
from bot.domain.script import AnswerKind
from bot.domain.understanding import fold, phrases, words_of

WORD_HOLDS = timedelta(hours=12)
"""For so long after the safe word we take it that the phone is still in the same hands."""
SHORTEST_WINDOW = timedelta(minutes=15)
MOST_WINDOWS, LONGEST_WORD, LONGEST_NOTE = 14, 40, 500
SHORTEST_WORD = 4
"""Letters: shorter ones stand in anybody's texts by chance."""

EXITS: Final = phrases(
    "exit, exit now, exit please, leave now, wrong number, sorry wrong number, wrong number sorry, no wrong number, "
    "wrong number please, you have the wrong number, you have wrong number, u have the wrong number, "
    "you got the wrong number, this is the wrong number, wrong person, you have the wrong person, "
    "salir, salir ya, salir ahora, numero equivocado, numero incorrecto, numero erroneo, tiene el numero equivocado, "
    "tienes el numero equivocado, este es el numero equivocado, se equivoco de numero, te equivocaste de numero, "
    "perdon numero equivocado, persona equivocada"
)
"""Whole messages that end a conversation at once, in words that give nothing away to a reader over the shoulder."""


@dataclass(frozen=True, slots=True)
class Window:
    """A span of the day, on these weekdays (0 is Monday), in the city's own time.

    One that ends at or before it starts ends on the next day; from midnight to midnight is a whole day.
    """

    days: frozenset[int]
    starts: time
    ends: time


@dataclass(frozen=True, slots=True)
class SafeContact:
    """What somebody told us about reaching them; the first value of each field is what holds for everybody."""

    times: tuple[Window, ...] = ()
    """When a text that we start may arrive; none given: any time."""
    word: str = ""
    """The safe word, agreed with the person: who writes it is them."""
    exit_word: str = ""
    """Their own word to end a conversation at once; the general ones hold as well."""
    neutral: bool = False
    """Texts that we start say nothing but that we are thinking of them."""
    may_leave_voice: bool = False
    may_name_line: bool = True
    note: str = ""
    """For the social workers; never sent."""
    set_at: datetime | None = None
    set_by: int | None = None
    """Which member of staff wrote this down; None where the person did by themselves."""
    paused: bool = False
    """The person left with an exit word: we start nothing until they write again."""
    verified_at: datetime | None = None
    """When the safe word was last given."""


NOTHING: Final = SafeContact()
_NEVER: Final = Window(frozenset(), time(0), time(0))


def is_safe_time(safe: SafeContact, at: datetime, zone: ZoneInfo) -> bool:
    """Whether a text that we start may arrive at `at` (aware): within a window, or at any time where none was given.

    Never while paused. Answers to what the person has just written are not asked about here.
    """
    if safe.paused:
        return False
    local = at.astimezone(zone).replace(tzinfo=None)
    return not safe.times or any(_holds(window, local) for window in safe.times)


def _holds(window: Window, local: datetime) -> bool:
    for day in (local.date(), local.date() - timedelta(days=1)):
        starts, ends = _span(window, day)
        if day.weekday() in window.days and starts <= local < ends:
            return True
    return False


def _span(window: Window, day: date) -> tuple[datetime, datetime]:
    """The window that starts on this day, in wall-clock time."""
    starts, ends = datetime.combine(day, window.starts), datetime.combine(day, window.ends)
    return starts, ends if ends > starts else ends + timedelta(days=1)


def next_safe_time(safe: SafeContact, at: datetime, zone: ZoneInfo) -> datetime | None:
    """The first moment from `at` on (both aware UTC) that is safe; None where there is none: paused, or no window opens.

    A window that begins in the hour which the clocks leave out in spring begins up to an hour late.
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
    return bool(said) and (said == words_of(safe.exit_word) or " ".join(said) in EXITS)


def has_word(safe: SafeContact, text: str) -> bool:
    """Whether the safe word stands in the text as a whole word, whatever the case and the accents."""
    return _find(safe.word, text) is not None


def without_word(safe: SafeContact, text: str) -> str:
    """The text without the safe word, as the flow is to read it; "" where there was nothing else."""
    while (place := _find(safe.word, text)) is not None:
        before, after = text[: place[0]].rstrip(), text[place[1] :].lstrip(" \t,.;:!-")
        text = f"{before} {after}".strip() if before else after.strip()
    return text


_TOKEN = re.compile(r"[^\W_][^\W_\u0300-\u036f]*(?:['’‘`´ʼ\u0300-\u036f]*[^\W_]+)*[\u0300-\u036f]*")


def _find(word: str, text: str) -> tuple[int, int] | None:
    """Where the words of `word` stand in the text, one after the other."""
    wanted = words_of(word)
    if not wanted:
        return None
    said = [(part, token.start(), token.end()) for token in _TOKEN.finditer(text) for part in words_of(token[0])]
    for first in range(len(said) - len(wanted) + 1):
        if [part for part, _, _ in said[first : first + len(wanted)]] == wanted:
            return said[first][1], said[first + len(wanted) - 1][2]
    return None


def needs_word(safe: SafeContact, now: datetime) -> bool:
    """Whether somebody else may hold the phone: a safe word is agreed, and it was not given within twelve hours."""
    if not safe.word:
        return False
    return safe.verified_at is None or now - safe.verified_at > WORD_HOLDS


def dump(safe: SafeContact) -> dict[str, Any]:
    """As JSON can hold it; `load` gives an equal one back."""
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
    """What `dump` made, by this version of the code or another: unknown fields are left, missing ones have their first
    value. A window that cannot be read is one that never opens: to send at any time instead could betray somebody."""
    row = row or {}
    return SafeContact(
        times=tuple(_window(window) for window in row.get("times") or ()),
        word=row.get("word") or "",
        exit_word=row.get("exit_word") or "",
        neutral=bool(row.get("neutral", False)),
        may_leave_voice=bool(row.get("may_leave_voice", False)),
        may_name_line=bool(row.get("may_name_line", True)),
        note=row.get("note") or "",
        set_at=_moment(row.get("set_at")),
        set_by=row.get("set_by"),
        paused=bool(row.get("paused", False)),
        verified_at=_moment(row.get("verified_at")),
    )


def _window(stored: Any) -> Window:
    try:
        days, starts, ends, *_ = stored
        return Window(frozenset(int(day) for day in days), time.fromisoformat(starts), time.fromisoformat(ends))
    except (TypeError, ValueError):
        return _NEVER


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong with one field of the settings, as a sentence for the page."""

    field: str
    text: str


def complaints(safe: SafeContact, keywords: Keywords, taken: Collection[str] = ()) -> list[Complaint]:
    """Why these settings cannot be kept; empty where they can. `taken` are folded words that answer a menu."""
    found = [*_about_words(safe, keywords, taken), *_about_times(safe.times)]
    if len(safe.note) > LONGEST_NOTE:
        found.append(Complaint("note", f"The note is longer than {LONGEST_NOTE} characters. Please shorten it."))
    return found


def _about_words(safe: SafeContact, keywords: Keywords, taken: Collection[str]) -> list[Complaint]:
    found = []
    for name, label, word in (("word", "safe word", safe.word), ("exit_word", "exit word", safe.exit_word)):
        if word and (why := _wrong_with(word, keywords, taken)):
            found.append(Complaint(name, f"This {label} cannot be used: {why}"))
    if not found and safe.word and says_exit(safe, safe.word):
        found.append(Complaint("word", "This safe word cannot be used: it is a word that ends the conversation."))
    elif not found and safe.word and has_word(safe, safe.exit_word):
        found.append(Complaint("exit_word", "The exit word must not hold the safe word: one means stay, the other leave."))
    return found


def _wrong_with(word: str, keywords: Keywords, taken: Collection[str]) -> str | None:
    words = words_of(word)
    whole = " ".join(words)
    if len(word) > LONGEST_WORD or len(words) > 3:
        return f"use one to three words, {LONGEST_WORD} characters at most."
    if sum(map(len, words)) < SHORTEST_WORD or not any(char.isalpha() for char in fold(word)):
        return f"use a word of at least {SHORTEST_WORD} letters; short words and numbers stand in other texts by chance."
    if keywords.read(word) or keywords.wants_no_texts(word):
        return "the line listens to it everywhere (like STOP, HELP or PERSON), so it would do something else."
    if keywords.language(word):
        return "it is the name of a language, and would change the language."
    if answers.read(AnswerKind.YES_NO, word, language="en", today=date.min).understood:
        return "it means yes or no, and is the answer to many questions."
    if whole in taken:
        return "it answers a question of the menu."
    if all(part in keywords.telling or part in keywords.alone.before | keywords.alone.after for part in words):
        return "it is a word that anybody writes, so it would prove nothing."
    return None


def _about_times(times: tuple[Window, ...]) -> list[Complaint]:
    found = []
    if len(times) > MOST_WINDOWS:
        found.append(Complaint("times", f"Give {MOST_WINDOWS} times at most."))
    for number, window in enumerate(times, 1):
        if why := _wrong_with_window(window):
            found.append(Complaint("times", f"Safe time {number}: {why}"))
    return found


def _wrong_with_window(window: Window) -> str | None:
    if not window.days:
        return "choose at least one day."
    if not window.days <= frozenset(range(7)):
        return "there are seven days in a week."
    if window.starts == window.ends and window.starts != time(0):
        return "it ends when it begins. For the whole day, write 00:00 to 00:00."
    starts, ends = _span(window, date(2000, 1, 3))
    if ends - starts < SHORTEST_WINDOW:
        return "it is shorter than a quarter of an hour; a text may be on its way for longer."
    return None
