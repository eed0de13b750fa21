"""Manages the transcripts of a flow's draft: recorded from a trial, changed, renamed, deleted, and recorded again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from bot.domain.conversation.effects import Effect, OfferServices, RaiseAlarm
from bot.domain.conversation.transcript import (
    ANYTHING,
    LineKind,
    Transcript,
    TranscriptLine,
    matches_expected,
    read_transcript,
    write_line,
    write_transcript,
)
from bot.domain.flows.language.content import FlowContent
from bot.domain.flows.language.script import read_duration
from bot.domain.flows.language.yaml_source import FlowError, FlowProblem
from bot.domain.refused import Refused
from bot.domain.suggestion import name_from_text
from bot.storage.flows import drafts
from bot.storage.flows.drafts import DraftAuthor, Revision
from bot.usecases.conversation.rehearsal import OPTIONAL_EFFECTS, PICTURE, PlayedTurn, effects_as_lines, play_turns
from bot.usecases.flows.library import Library
from bot.usecases.studio import edit_draft
from bot.usecases.studio.trial.play_trial import TrialRun, TrialTurn, cards_before, play
from bot.usecases.studio.trial.trials import MAX_ENTRIES, Trial, TrialEntry, TrialEntryKind, TrialStart
from bot.usecases.system_texts import SystemTexts as HelpLine

NAME = re.compile(r"[a-z]{2,3}/[a-z0-9][a-z0-9_-]{0,59}")
MAX_TITLE_LENGTH = 120
MAX_TRANSCRIPTS = 500


@dataclass(frozen=True, slots=True)
class TranscriptResult:
    """A transcript and its last check result; `transcript` is None if it can't be read."""

    name: str
    text: str
    transcript: Transcript | None
    problems: tuple[FlowProblem, ...] = ()

    @property
    def title(self) -> str:
        return self.transcript.title if self.transcript else self.name


def problem_file(name: str) -> str:
    """The path that problems give for the transcript, as in a repository."""
    return f"transcripts/{name}.txt"


# Recording.


def record(trial: Trial, flow: str, title: str, system_texts: HelpLine, library: Library, zone: ZoneInfo) -> Transcript:
    """Makes a transcript of a trial that replays on this library. Raises Refused with the reason.

    Plays the trial again: a test meets the same services everywhere, while the live directory has others.
    """
    run = play(trial, flow, system_texts, library, zone)
    if not trial.entries:
        raise Refused("Nothing was tried yet. Text something on the phone first.")
    _check_playable(trial, run)
    lines = [one for turn in run.turns for one in _lines(turn)]
    made = Transcript(
        title=" ".join(title.split()) or "A conversation",
        flow=None if trial.start is TrialStart.MENU else flow,
        step=trial.step if trial.start is TrialStart.STEP else None,
        language=trial.language,
        channel=trial.channel,
        now=trial.moment,
        answers=dict(trial.answers),
        lines=tuple(lines),
    )
    _check_replays(made, system_texts, library, zone)
    return made


def _check_playable(trial: Trial, run: TrialRun) -> None:
    if any(entry.kind is TrialEntryKind.CHECK_IN for entry in trial.entries):
        raise Refused(
            "A transcript has one beginning, and here a check-in begins another conversation. Undo it to keep what came "
            "before; try the check-in's own flow to keep what it asks."
        )
    failed = next(
        (turn.failed or _failure_detail(turn.effects) for turn in run.turns if turn.failed or _failure_detail(turn.effects)),
        "",
    )
    if failed:
        raise Refused(
            f"The flow fails in this conversation ({failed}). Mend it first: a test should show how it ought to go."
        )


def _failure_detail(effects: Sequence[Effect]) -> str:
    """Where and why the flow failed in this turn; "" if it did not."""
    alarms = (effect for effect in effects if isinstance(effect, RaiseAlarm) and effect.kind == "flow_failed")
    return next((alarm.detail or alarm.kind for alarm in alarms), "")


def _check_replays(transcript: Transcript, system_texts: HelpLine, library: Library, zone: ZoneInfo) -> None:
    try:
        again = read_transcript(write_transcript(transcript), "")
    except FlowError as error:
        raise Refused(f"This conversation cannot be written as a transcript: {error.problems[0].what}") from error
    wrong = next(
        (turn.problem for turn in play_turns(again, "", system_texts, library, zone) if turn.problem is not None), None
    )
    if wrong is not None:
        raise Refused(f"This conversation does not replay as it was: {wrong.what}")


def _lines(turn: TrialTurn) -> Iterator[TranscriptLine]:
    if turn.cause is not None:
        yield turn.cause
    yield from transcript_lines(turn.effects)


def transcript_lines(effects: Sequence[Effect]) -> list[TranscriptLine]:
    """The lines a transcript shows for these effects; cards of services as `...`, since every directory words its own."""
    cards = {at for number, effect in enumerate(effects) if isinstance(effect, OfferServices) for at in
             cards_before(effects, number)}  # fmt: skip
    lines = effects_as_lines(effects)
    return [TranscriptLine(LineKind.LINE, ANYTHING) if number in cards else one for number, one in enumerate(lines)]


def name_for(title: str, language: str, taken: Mapping[str, object]) -> str:
    """A free name for a transcript: `en/rent_is_late`."""
    others = {name.partition("/")[2] for name in taken if name.startswith(f"{language}/")}
    return f"{language}/{name_from_text(title, others)}"


# Recording again.


def rerecord(text: str, name: str, system_texts: HelpLine, library: Library, zone: ZoneInfo) -> str:
    """The transcript with current replies in place of recorded ones. Turns that still go as written stay unchanged, byte for
    byte. Raises FlowError if it can't be read, Refused if its flow fails.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    read = read_transcript(text, problem_file(name))
    played = list(play_turns(read, problem_file(name), system_texts, library, zone))
    last = played[-1]
    if last.failed and last.problem:
        # Nothing after it was played, so the rest is unknown.
        raise Refused(f"{last.problem.what} Mend that first.")
    if any(_failure_detail(turn.effects) for turn in played):
        raise Refused("The flow fails in this conversation. Mend it first: a test should show how it ought to go.")
    rows = text.split("\n")
    starts = [1, *(turn.expected.cause.number for turn in played[1:])]
    ends = [*starts[1:], len(rows) + 1]
    fresh: list[str] = []
    for turn, first, end in zip(played, starts, ends, strict=True):
        block = rows[first - 1 : end - 1]
        fresh += block if turn.problem is None else _rewritten(turn, block, first)
    return "\n".join(fresh)


def _rewritten(turn: PlayedTurn, block: list[str], first: int) -> list[str]:
    """The rows of one turn with the current replies; its comments and the blank rows after it stay."""
    body = len(block)
    while body and not block[body - 1].strip():
        body -= 1
    numbers = [one.number for one in turn.expected.lines]
    kept = min(numbers) - first if numbers else body
    remarks = [row for row in block[kept:body] if row.startswith("#")]
    made = [row for one in _merged(turn) for row in write_line(one)]
    return [*block[:kept], *remarks, *made, *block[body:]]


def _merged(turn: PlayedTurn) -> Iterator[TranscriptLine]:
    """The current replies, in the transcript's own words where these still match."""
    wanted = [one for one in turn.expected.lines if one.kind is not LineKind.EFFECT]
    effects = [one.text for one in turn.expected.lines if one.kind is LineKind.EFFECT]
    spoken = 0
    for current, written in zip(turn.actual_lines, transcript_lines(turn.effects), strict=True):
        if current.kind is LineKind.EFFECT:
            if current.text in effects or not current.text.startswith(OPTIONAL_EFFECTS):
                yield current
            continue
        then = wanted[spoken] if spoken < len(wanted) else None
        fits = (
            then is not None and then.kind is current.kind and (not then.text or matches_expected(then.text, current.text))
        )
        spoken += 1
        yield then if then is not None and fits else written


# Trials.


def to_trial(transcript: Transcript, moment: datetime) -> Trial:
    """The transcript's texts and waits as a trial; `moment` (local) if it has no time of its own."""
    causes = [one for one in transcript.lines if one.kind in (LineKind.PERSON, LineKind.WAIT)]
    trial = Trial(
        moment=transcript.now or moment,
        language=transcript.language,
        channel=transcript.channel,
        start=TrialStart.STEP if transcript.step else TrialStart.FLOW if transcript.flow else TrialStart.MENU,
        step=transcript.step or "",
        answers=dict(transcript.answers),
    )
    for one in causes[:MAX_ENTRIES]:
        trial = _with_line(trial, one)
    return trial


def _with_line(trial: Trial, line: TranscriptLine) -> Trial:
    """The trial's clock counts whole minutes: a wait of some seconds becomes one minute."""
    if line.kind is LineKind.WAIT:
        length = read_duration(line.text)
        assert isinstance(length, timedelta)
        return trial.with_wait(length)
    if line.text.strip() == PICTURE:
        return trial.with_picture()
    return replace(trial, entries=(*trial.entries, TrialEntry(TrialEntryKind.SAYS, line.text)))


# The draft.


def add(
    db: Session, flow: str, name: str, text: str, by: DraftAuthor, now: datetime, *, seen: int | None = None
) -> Revision:
    """Adds a transcript to a flow's draft. Raises Refused for a name that is taken or invalid, FlowNotFound."""
    number = _current_number(db, flow) if seen is None else seen

    def act(content: FlowContent) -> FlowContent:
        if name in content.transcripts:
            raise Refused(f"There is a transcript {name} already. Choose another name.")
        if len(content.transcripts) >= MAX_TRANSCRIPTS:
            raise Refused(f"A flow holds at most {MAX_TRANSCRIPTS} transcripts. Delete some.")
        return replace(content, transcripts={**content.transcripts, name: text})

    return _change(db, flow, number, f"Added the transcript {_check_name(name)}", act, name, by, now)


def save(
    db: Session, flow: str, menu: str | None, seen: int, name: str, text: str, by: DraftAuthor, now: datetime,
    *, what: str = "Changed the transcript",
) -> Revision:  # fmt: skip
    """Changes a transcript's text. Raises FlowError with line and remedy, Refused, FlowNotFound, DraftChangedMeanwhile."""
    text = text if text.endswith("\n") else f"{text}\n"
    read = read_transcript(text, problem_file(name))
    owner = read.flow or menu
    if owner != flow:
        place = f"the flow `{read.flow}`" if read.flow else "the menu"
        raise Refused(f"It begins in {place}, and so it belongs there. Write `flow: {flow}` in its head to keep it here.")

    def act(content: FlowContent) -> FlowContent:
        _check_exists(content, name)
        return replace(content, transcripts={**content.transcripts, name: text})

    return _change(db, flow, seen, f"{what} {name}", act, name, by, now)


def rename(db: Session, flow: str, seen: int, name: str, new: str, by: DraftAuthor, now: datetime) -> Revision:
    """Renames a transcript. Raises Refused, FlowNotFound, DraftChangedMeanwhile."""
    _check_name(new)

    def act(content: FlowContent) -> FlowContent:
        _check_exists(content, name)
        if new != name and new in content.transcripts:
            raise Refused(f"There is a transcript {new} already. Choose another name.")
        return replace(
            content, transcripts={(new if key == name else key): text for key, text in content.transcripts.items()}
        )

    return _change(db, flow, seen, f"Renamed the transcript {name} to {new}", act, name, by, now)


def delete(db: Session, flow: str, seen: int, name: str, by: DraftAuthor, now: datetime) -> Revision:
    """Removes a transcript from the draft. Raises Refused, FlowNotFound, DraftChangedMeanwhile."""

    def act(content: FlowContent) -> FlowContent:
        _check_exists(content, name)
        return replace(content, transcripts={key: text for key, text in content.transcripts.items() if key != name})

    return _change(db, flow, seen, f"Deleted the transcript {name}", act, name, by, now)


def _change(
    db: Session, flow: str, seen: int, what: str, act: Callable[[FlowContent], FlowContent], name: str, by: DraftAuthor,
    now: datetime,
) -> Revision:  # fmt: skip
    return edit_draft.change(db, flow, seen, what, act, by, now, touches=lambda content: content.transcripts.get(name))


def _current_number(db: Session, flow: str) -> int:
    draft = drafts.find(db, flow)
    return draft.revision.number if draft else 0


def _check_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise Refused("A name is the language and a few words in small letters, digits and _, like en/rent_is_late.")
    return name


def _check_exists(content: FlowContent, name: str) -> None:
    if name not in content.transcripts:
        raise Refused(f"There is no transcript {name} in this flow any more.")
