from __future__ import annotations

from datetime import timedelta

import pytest

from bot.domain.staff.lockout import MAX_DURATION, lock_duration
from bot.domain.staff.passwords import refusal_reason

ABOUT = ("Rosa Ortiz", "rosa@example.org")


@pytest.mark.parametrize(
    "password",
    [
        "short", "passwordpassword", "Password123456!", "P@ssw0rd2026!!", "qwertyuiop1234", "aaaaaaaaaaaa", "121212121212",
        "123456789012", "098765432109", "abcdefghijklmnop", "rosaortiz2026", "Rosa.Ortiz!!!", "STLouisCardinals1",
        "welcome to warmline", "x" * 300,
    ],
)  # fmt: skip
def test_it_refuses_passwords_that_are_guessed_first(password: str) -> None:
    assert refusal_reason(password, ABOUT)


@pytest.mark.parametrize(
    "password", ["a calm river at dusk", "correct horse battery", "yellow kettle 9", "Tr0ub4dor&3xxyz", "una lámpara azul"]
)
def test_it_accepts_words_that_are_hard_to_guess(password: str) -> None:
    assert refusal_reason(password, ABOUT) is None


def test_it_locks_for_longer_each_time_but_never_for_a_whole_shift() -> None:
    assert [lock_duration(failures) for failures in (1, 4, 6)] == [None] * 3
    assert [lock_duration(failures) for failures in (5, 10, 15)] == [timedelta(minutes=minutes) for minutes in (15, 30, 60)]
    assert lock_duration(50) == lock_duration(5_000_000) == MAX_DURATION
