"""Safe contact: times that may cross midnight and clock changes, words that prove who writes, and quick exits."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.conversation import state
from bot.domain.conversation.safe_contact import (
    DEFAULT_CONTACT,
    SafeContact,
    TimeWindow,
    contains_safe_word,
    dump,
    find_problems,
    is_safe_time,
    load,
    needs_safe_word,
    next_safe_time,
    remove_safe_word,
    says_exit,
)
from bot.domain.conversation.state import Conversation
from bot.usecases.system_texts import read_system_texts

ZONE = ZoneInfo("America/Chicago")
KEYWORDS = read_system_texts(("en", "es")).keywords
WEEKDAYS = frozenset(range(5))
AT_NIGHT = TimeWindow(frozenset({4}), time(22), time(2))

minutes = st.times().map(lambda at: at.replace(second=0, microsecond=0, tzinfo=None))
windows = st.builds(TimeWindow, st.frozensets(st.integers(0, 6)), minutes, minutes)
instants = st.integers(1_750_000_000, 1_900_000_000).map(lambda second: datetime.fromtimestamp(second, UTC))
settings = st.builds(
    SafeContact,
    times=st.lists(windows, max_size=4).map(tuple),
    word=st.text(max_size=20),
    exit_word=st.text(max_size=20),
    neutral=st.booleans(),
    may_leave_voice=st.booleans(),
    may_name_line=st.booleans(),
    note=st.text(max_size=50),
    set_at=st.none() | instants,
    set_by=st.none() | st.integers(1),
    paused=st.booleans(),
    verified_at=st.none() | instants,
)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).astimezone(UTC)


def safe(*times: TimeWindow, **fields: object) -> SafeContact:
    return replace(SafeContact(times=times), **fields)  # type: ignore[arg-type]


def fields(given: SafeContact, taken: frozenset[str] = frozenset()) -> list[str]:
    return [complaint.field for complaint in find_problems(given, KEYWORDS, taken)]


@given(instants)
def test_it_takes_any_time_where_none_was_given(at: datetime) -> None:
    assert is_safe_time(DEFAULT_CONTACT, at, ZONE)
    assert next_safe_time(DEFAULT_CONTACT, at, ZONE) == at


@pytest.mark.parametrize(
    ("at", "holds"),
    [
        ("2026-11-27 21:59", False),  # Friday
        ("2026-11-27 22:00", True),
        ("2026-11-28 01:59", True),
        ("2026-11-28 02:00", False),
        ("2026-11-28 22:30", False),
        ("2026-11-27 01:00", False),  # the night before, which began on Thursday
    ],
)
def test_it_follows_a_window_over_midnight(at: str, holds: bool) -> None:
    assert is_safe_time(safe(AT_NIGHT), local(at), ZONE) is holds


def test_it_takes_midnight_to_midnight_as_the_whole_day() -> None:
    sunday = safe(TimeWindow(frozenset({6}), time(0), time(0)))
    assert is_safe_time(sunday, local("2026-11-29 00:00"), ZONE)
    assert is_safe_time(sunday, local("2026-11-29 23:59"), ZONE)
    assert not is_safe_time(sunday, local("2026-11-30 00:00"), ZONE)


def test_it_finds_the_next_window() -> None:
    mornings = safe(TimeWindow(WEEKDAYS, time(9), time(11, 30)))
    assert next_safe_time(mornings, local("2026-11-27 12:00"), ZONE) == local("2026-11-30 09:00")
    assert next_safe_time(mornings, local("2026-11-27 09:30"), ZONE) == local("2026-11-27 09:30")


def test_it_counts_wall_clock_time_on_the_day_when_the_clocks_change() -> None:
    every_noon = safe(TimeWindow(frozenset(range(7)), time(12), time(13)))
    for day in ("2026-03-08", "2026-11-01"):
        assert next_safe_time(every_noon, local(f"{day} 00:30"), ZONE) == local(f"{day} 12:00")


@given(st.lists(windows, min_size=1, max_size=4).map(tuple), instants)
def test_it_names_only_safe_moments_and_misses_none(times: tuple[TimeWindow, ...], at: datetime) -> None:
    given_ = SafeContact(times=times)
    found = next_safe_time(given_, at, ZONE)
    if found is None:
        assert not any(window.days for window in times)
        return
    assert found >= at
    assert is_safe_time(given_, found, ZONE)
    # Up to an hour may be missed on the spring night when a window starts at an hour that the clocks skip.
    until = found - timedelta(hours=1)
    step = max((until - at) / 50, timedelta(minutes=7))
    moment = at
    while moment < until:
        assert not is_safe_time(given_, moment, ZONE)
        moment += step


@given(settings, instants)
def test_it_starts_nothing_while_paused(given_: SafeContact, at: datetime) -> None:
    paused = replace(given_, paused=True)
    assert not is_safe_time(paused, at, ZONE)
    assert next_safe_time(paused, at, ZONE) is None


@pytest.mark.parametrize(
    "text", ["EXIT", "exit.", "Salir", "wrong number", "Wrong number!", "NÚMERO EQUIVOCADO", "Paraguas"]
)
def test_it_recognises_an_exit_word(text: str) -> None:
    assert says_exit(safe(exit_word="paraguas"), text)


@pytest.mark.parametrize(
    "text", ["", "!!!", "where is the exit", "I called the wrong number yesterday", "my paraguas broke", "stop", "no"]
)
def test_it_leaves_longer_texts_and_other_words_alone(text: str) -> None:
    assert not says_exit(safe(exit_word="paraguas"), text)


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("bluebird", ""),
        ("Bluebird, I need food", "I need food"),
        ("I need food. BLUEBIRD", "I need food."),
        ("yes blúebird please", "yes please"),
        ("blu\u0301ebird 2", "2"),
    ],
)
def test_it_recognises_the_safe_word_and_removes_it(text: str, rest: str) -> None:
    known = safe(word="Bluebird")
    assert contains_safe_word(known, text)
    assert remove_safe_word(known, text) == rest


@pytest.mark.parametrize("text", ["", "bluebirds", "blue bird", "myblebird", "i can't"])
def test_it_requires_the_whole_safe_word(text: str) -> None:
    assert not contains_safe_word(safe(word="bluebird"), text)
    assert remove_safe_word(safe(word="bluebird"), text) == text


def test_it_recognises_a_safe_word_of_two_words() -> None:
    known = safe(word="blue kettle")
    assert contains_safe_word(known, "the Blue, kettle is on")
    assert remove_safe_word(known, "blue blue kettle kettle") == ""
    assert not contains_safe_word(known, "kettle blue")


@given(st.text(), st.sampled_from(["bluebird", "años", "it's 5", "blue kettle"]), st.text())
def test_it_always_finds_the_word_and_leaves_none(before: str, word: str, after: str) -> None:
    known = safe(word=word)
    text = f"{before} {word} {after}"
    assert contains_safe_word(known, text)
    assert not contains_safe_word(known, remove_safe_word(known, text))


@given(st.text())
def test_it_recognises_no_safe_word_where_none_was_agreed(text: str) -> None:
    assert not contains_safe_word(DEFAULT_CONTACT, text)
    assert remove_safe_word(DEFAULT_CONTACT, text) == text


def test_it_asks_for_the_word_again_after_twelve_hours() -> None:
    now = local("2026-11-27 12:00")
    known = safe(word="bluebird")
    assert needs_safe_word(known, now)
    assert not needs_safe_word(replace(known, verified_at=now - timedelta(hours=12)), now)
    assert needs_safe_word(replace(known, verified_at=now - timedelta(hours=12, minutes=1)), now)
    assert not needs_safe_word(DEFAULT_CONTACT, now)


@given(settings)
def test_it_comes_back_as_it_was_stored(given_: SafeContact) -> None:
    assert load(json.loads(json.dumps(dump(given_)))) == given_
    held = Conversation(safe=given_)
    assert state.load(held.dump()) == held


def test_it_reads_what_another_version_stored() -> None:
    assert load(None) == DEFAULT_CONTACT
    assert load({"word": "bluebird", "colour": "blue"}) == safe(word="bluebird")
    assert state.load("{}").safe == DEFAULT_CONTACT


@pytest.mark.parametrize("stored", [[["x"], "09:00", "10:00"], [[1], "nine", "10:00"], [], None, "09:00"])
def test_it_never_opens_a_window_that_it_cannot_read(stored: object) -> None:
    broken = load({"times": [stored]})
    assert not is_safe_time(broken, local("2026-11-27 09:30"), ZONE)
    assert next_safe_time(broken, local("2026-11-27 09:30"), ZONE) is None


@pytest.mark.parametrize(
    "word",
    ["STOP", "help", "Person", "YES", "español", "12", "1234", "abc", "please", "rent", "exit", "wrong number", "salir",
     "leave me alone", "a b c defg", "x" * 41, "!!!!"],
)  # fmt: skip
def test_it_refuses_a_safe_word_that_means_something_else(word: str) -> None:
    assert fields(safe(word=word), frozenset({"rent"})) == ["word"]


@pytest.mark.parametrize("word", ["STOP", "si", "menu", "5555"])
def test_it_refuses_such_an_exit_word(word: str) -> None:
    assert fields(safe(exit_word=word)) == ["exit_word"]


def test_it_refuses_the_safe_word_as_an_exit_word() -> None:
    assert fields(safe(word="bluebird", exit_word="Blúebird")) == ["word"]
    assert fields(safe(word="bluebird", exit_word="bluebird bye")) == ["exit_word"]


def test_it_takes_good_words_and_times() -> None:
    good = safe(
        TimeWindow(WEEKDAYS, time(9), time(11)), AT_NIGHT, word="Bluebird", exit_word="paraguas rojo", note="x" * 500
    )
    assert fields(good) == []


@pytest.mark.parametrize(
    "window",
    [
        TimeWindow(frozenset(), time(9), time(10)),
        TimeWindow(frozenset({7}), time(9), time(10)),
        TimeWindow(WEEKDAYS, time(9), time(9)),
        TimeWindow(WEEKDAYS, time(9), time(9, 10)),
    ],
)
def test_it_refuses_a_time_that_makes_no_sense(window: TimeWindow) -> None:
    assert fields(safe(window)) == ["times"]


def test_it_refuses_too_many_times_and_a_note_without_end() -> None:
    assert fields(safe(*[AT_NIGHT] * 15, note="x" * 501)) == ["times", "note"]
