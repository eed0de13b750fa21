"""An invented flow of two hundred steps in five languages, with a hundred conversation tests that pass.

Its translations are the source with its letters shifted: as long, as many and as costly to process as real ones.
"""

from __future__ import annotations

import random
import re
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po

from bot.domain.conversation.effects import Effect
from bot.domain.conversation.transcript import LineKind, Transcript, TranscriptLine, write_transcript
from bot.domain.flows.language.content import FlowContent
from bot.domain.flows.language.reader import read_flow
from bot.domain.flows.language.script import Ask, Script
from bot.domain.flows.language.texts import translatable_texts
from bot.usecases.conversation.rehearsal import DEFAULT_START, Rehearsal, begin_rehearsal, effects_as_lines
from bot.usecases.studio.flow_sets import FlowSet, parse_flow, rehearsal_cards
from bot.usecases.system_texts import SystemTexts as HelpLine
from bot.usecases.system_texts import read_system_texts

NAME = "big_flow"
LANGUAGES = ("en", "es", "fr", "pt", "vi")
TEAM = "crisis"
PARTS, STEPS_OF_A_PART = 20, 10
ZONE = ZoneInfo("America/Chicago")
LINE_NAME = "Warmline"
LONGEST = 14
"""Texts of a person in one conversation test."""
_NOUNS = (
    "acorn apron arrow badge basil bench birch brick brush cabin candle canoe carpet cedar chalk cherry cloud clover comet "
    "copper cotton curtain daisy drum feather fern fiddle flag garlic ginger glove hammer harbor hazel ivory jacket kettle "
    "ladder lantern lemon lily linen magnet maple marble meadow mirror mitten napkin needle nickel oak olive onion orchid "
    "paddle pebble pepper pillow pine plum pocket poppy quilt ribbon river saddle saffron sandal scarf shovel silver spruce "
    "stone sugar teapot thimble thread tulip turtle umbrella velvet violet walnut willow window yarn zipper"
)
_MARKS = re.compile(r"(\{\{.*?\}\}|\{%.*?%\})")


def content(*, tests: int = 100, is_menu: bool = True) -> FlowContent:
    """The flow with `tests` conversation tests; the same each time. Without `is_menu` it can stand beside a menu."""
    source = yaml.safe_dump(_flow(is_menu), sort_keys=False, width=110)
    script = read_flow(source, f"{NAME}.yaml")
    whole = FlowContent(source, {language: _po(script, language) for language in LANGUAGES[1:]})
    return replace(whole, transcripts=_transcripts(whole, tests))


def line() -> HelpLine:
    """The system texts, for a line in these languages."""
    return read_system_texts(LANGUAGES)


def world_of(whole: FlowContent) -> FlowSet:
    """A set of flows with this flow alone."""
    return FlowSet({NAME: parse_flow(NAME, whole)})


# The flow.


def _flow(is_menu: bool) -> dict[str, Any]:
    draw = random.Random(200)
    steps: dict[str, Any] = {}
    for part in range(PARTS):
        steps |= _part(part, draw)
    head = {"flow": NAME, "title": "Two hundred steps", "purpose": "To be measured. It is never shipped."}
    return head | ({"menu": True} if is_menu else {}) | {"start": "hello_0", "segments": 2, "steps": steps}


def _part(part: int, draw: random.Random) -> dict[str, Any]:
    """Ten steps, whose answers lead on, back, into the middle of other parts, and to a human."""
    onward, elsewhere = (part + 1) % PARTS, draw.randrange(PARTS)
    topic, amount, more = f"topic_{part}", f"amount_{part}", f"more_{part}"
    picked = draw.sample(_NOUNS.split(), 20)
    first = picked[0]
    choices = {
        name: {"label": f"The {name}", "words": picked[4 + 4 * at : 8 + 4 * at]} for at, name in enumerate(picked[:4])
    }
    return {
        f"hello_{part}": {"say": f"This is part {part} of our talk. It takes a few short texts.", "next": topic},
        topic: {
            "ask": f"Which of these is yours, here in part {part}?",
            "choices": choices,
            "not_understood": {"tries": 2, "say": "We did not get that. A number is enough.", "go": f"person_{part}"},
            "wait": {"after": "3d", "go": f"quiet_{part}"},
            "next": amount,
        },
        amount: {"ask": f"How many do you have? You said {{{{ {topic} }}}}.", "answer": "number", "save": amount,
                 "wait": {"after": "3d", "go": f"quiet_{part}"}, "next": f"way_{part}"},
        f"way_{part}": {"decide": True, "next": [
            {"when": f"{topic} == '{first}' and {amount} > 5", "go": f"person_{part}"},
            {"when": f"{amount} > 2 or {topic} in ['{picked[1]}', '{picked[2]}']", "go": f"places_{part}"},
            {"go": more},
        ]},
        f"places_{part}": {"refer": {"need": "food", "limit": 2}, "none": f"person_{part}", "next": more},
        f"person_{part}": {
            "handoff": {"team": TEAM, "urgency": "this_shift", "because": f"Part {part}: {{{{ {topic} }}}}"},
            "say": "We have told our team. Nobody has answered yet.", "next": more,
        },
        more: {
            "ask": "What is next?",
            "choices": {
                "on": {"label": "Go on", "words": ["onward", "further"], "go": f"hello_{onward}"},
                "again": {"label": "Ask me once more", "words": ["repeat"], "go": topic},
                "over": {"label": "Another part", "words": ["jump", "leap"], "go": f"topic_{elsewhere}"},
                "enough": {"label": "It is enough", "words": ["thanks", "finish"], "go": f"later_{part}"},
            },
            "wait": {"after": "1d", "go": f"quiet_{part}"},
        },
        f"later_{part}": {"check_in": {"flow": NAME, "after": ["7d", "30d"]}, "next": f"bye_{part}"},
        f"bye_{part}": {"say": f"Take care. That was part {part}. Text us again at any time.", "end": f"done_{part}"},
        f"quiet_{part}": {"end": "no_reply"},
    }  # fmt: skip


# Its translations.


def _po(script: Script, language: str) -> str:
    catalog = Catalog(locale=language, project="Warmline", fuzzy=False, charset="utf-8")
    for context, source, _ in translatable_texts(script):
        catalog.add(source, shifted(source, LANGUAGES.index(language)), context=context)
    written = BytesIO()
    write_po(written, catalog, width=100)
    return written.getvalue().decode()


def shifted(text: str, by: int) -> str:
    """The text with its letters shifted in the alphabet; placeholders stay as they are."""
    parts = _MARKS.split(text)
    return "".join(part if _MARKS.fullmatch(part) else "".join(_moved(letter, by) for letter in part) for part in parts)


def _moved(letter: str, by: int) -> str:
    if not (letter.isascii() and letter.isalpha()):
        return letter
    first = ord("a" if letter.islower() else "A")
    return chr(first + (ord(letter) - first + by) % 26)


# Its conversation tests.


def _transcripts(whole: FlowContent, many: int) -> dict[str, str]:
    """Conversations played at random and recorded, so that each of them passes as a test."""
    draw = random.Random(100)
    return {
        f"{language}/talk_{number:03d}": write_transcript(_played(whole, language, number, draw))
        for number, language in ((number, LANGUAGES[number % len(LANGUAGES)]) for number in range(many))
    }


def _played(whole: FlowContent, language: str, number: int, draw: random.Random) -> Transcript:
    made = world_of(whole)
    part = number % PARTS
    empty = Transcript(
        f"Talk {number}", flow=NAME, language=language, now=DEFAULT_START, step=f"hello_{part}" if part else None
    )
    rehearsal = begin_rehearsal(empty, line(), made.library(ZONE, LINE_NAME, rehearsal_cards(ZONE)), ZONE)
    lines = effects_as_lines(rehearsal.opening)
    for _ in range(draw.randrange(5, LONGEST)):
        said, effects = _texted(rehearsal, made.flows[NAME].script, draw)
        if said is None:
            break
        lines += [said, *effects_as_lines(effects)]
    return replace(empty, lines=tuple(lines))


def _texted(rehearsal: Rehearsal, script: Script, draw: random.Random) -> tuple[TranscriptLine | None, tuple[Effect, ...]]:
    """One text of a person who mostly answers what they are asked; None if nothing more is asked."""
    frames = rehearsal.conversation.frames
    step = script.steps.get(frames[-1].step) if frames else None
    if not isinstance(step, Ask):
        return None, ()
    if draw.random() < 0.04:
        said = TranscriptLine(LineKind.WAIT, "4d")
        return said, rehearsal.wait(timedelta(days=4))
    answer = str(draw.randrange(1, 5) if step.choices else draw.randrange(1, 9))
    said = TranscriptLine(LineKind.PERSON, "Xqzw" if draw.random() < 0.05 else answer)
    return said, rehearsal.play_line(said)
