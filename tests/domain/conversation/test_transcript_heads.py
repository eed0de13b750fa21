"""The head of a transcript that starts in the middle of a flow: step, channel and what is already known."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.domain.conversation.transcript import LineKind, Transcript, TranscriptLine, read_transcript, write_transcript
from bot.domain.flows.language.yaml_source import FlowError

BODY = "\nperson: hi\n"


def remedies(head: str) -> list[tuple[int, str]]:
    with pytest.raises(FlowError) as raised:
        read_transcript(f"title: T\n{head}\n{BODY}", "t.txt")
    return [(problem.line, problem.remedy) for problem in raised.value.problems]


def test_it_comes_back_as_it_was_written() -> None:
    known = {"need": "food # really", "adults": 2, "safe": True, "court_date": None, "name": "José"}
    now = datetime(2026, 11, 23, 10, tzinfo=UTC).replace(tzinfo=None)
    transcript = Transcript("T", "rent", "es", now, (TranscriptLine(LineKind.PERSON, "hi"),), "zip", "web", known)
    assert read_transcript(write_transcript(transcript), "t.txt") == transcript


def test_it_leaves_default_values_out_of_the_head() -> None:
    text = write_transcript(Transcript("T", lines=(TranscriptLine(LineKind.PERSON, "hi"),)))
    assert text == "title: T\nlanguage: en\n\nperson: hi\n"


@pytest.mark.parametrize(
    ("head", "line", "remedy"),
    [
        ("step: zip", 2, "Add `flow:`"),
        ("flow: rent\nstep: The Zip", 3, "Write it as it stands in the flow."),
        ("channel: pigeon", 2, "sms, web"),
        ("answers: zip=63118", 2, '{"zip": "63118"'),
        ('answers: {"zip": ["63118"]}', 2, '{"zip": "63118"'),
        ('answers: {"Zip code": "63118"}', 2, '{"zip": "63118"'),
        ("answers: " + "[" * 5000, 2, '{"zip": "63118"'),
    ],
)
def test_it_names_line_and_remedy_of_what_it_cannot_read(head: str, line: int, remedy: str) -> None:
    found = remedies(head)
    assert found[0][0] == line and remedy in found[0][1]
