"""The texts of the chat page in each of its languages, read once from words/chat.yaml."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from bot.domain.words import WordTables, read_word_tables
from bot.paths import ROOT

FILE: Final = "words/chat.yaml"
KEYS: Final = frozenset({
    "title", "skip", "leave", "leave_hint", "leave_hint_plain", "emergency", "call_911", "crisis", "call_988",
    "or", "text_988", "this_page", "heading", "lead", "about", "who_reads", "ends", "keeps", "not_911", "start",
    "start_1", "start_2", "start_3", "thread", "you", "label", "placeholder", "hint", "keys_hint", "send",
    "check", "sending", "sent", "writing", "left", "over", "empty", "too_long", "nothing_new", "fresh", "kept",
    "offline", "not_sent", "back", "picture", "deleted",
})  # fmt: skip
"""The texts that the page shows."""


@cache
def read_chat_words(root: Path = ROOT) -> WordTables:
    """Read words/chat.yaml. Raises SafetyRuleError with file, line, key and problem, which prevents the start."""
    return read_word_tables((root / FILE).read_text("utf-8"), FILE, KEYS)
