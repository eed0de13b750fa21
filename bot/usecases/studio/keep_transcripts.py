"""Transcripts of a flow in its draft: recorded from what was tried, changed, renamed, deleted, and recorded anew."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from bot.domain.effects import Effect, OfferServices, RaiseAlarm
from bot.domain.flow_content import FlowContent
from bot.domain.flow_yaml import FlowError, Problem
from bot.domain.script import read_duration
from bot.domain.suggestion import fit_name
from bot.domain.transcript import REST, Kind, Line, Transcript, matches, read_transcript, write_line, write_transcript
from bot.storage import drafts
from bot.storage.drafts import Author, Revision
from bot.usecases.library import Library
from bot.usecases.line import Line as HelpLine
from bot.usecases.rehearse import OPTIONAL, PICTURE, Played, as_lines, turns
from bot.usecases.studio import edit_draft
from bot.usecases.studio.edit_draft import Unfit
from bot.usecases.studio.play_trial import Run, Turn, cards_before, play
from bot.usecases.studio.trials import MOST_ENTRIES, Entry, EntryKind, Start, Trial

NAME = re.compile(r"[a-z]{2,3}/[a-z0-9][a-z0-9_-]{0,59}")
LONGEST_TITLE = 120
MOST_TRANSCRIPTS = 500


@dataclass(frozen=True, slots=True)
class Result:
    """A transcript and what the last check says of it; `transcript` is None where it cannot be read."""

    name: str
    text: str
    transcript: Transcript | None
    problems: tuple[Problem, ...] = ()

    @property
    def title(self) -> str:
        return self.transcript.title if self.transcript else self.name


def file_of(name: str) -> str:
    """How a problem names the transcript, as it lies in a repository."""
    return f"transcripts/{name}.txt"


# Recording.


def record(trial: Trial, flow: str, title: str, line: HelpLine, library: Library, zone: ZoneInfo) -> Transcript:
    """What was tried, as a transcript that replays on this library. Raises Unfit with the reason.

    It is played anew for it: a test meets the same services everywhere, and the line's own directory has others.
    """
    run = play(trial, flow, line, library, zone)
    if not trial.entries:
        raise Unfit("Nothing was tried yet. Text something on the phone first.")
    _refuse_unplayable(trial, run)
    lines = [one for turn in run.turns for one in _lines(turn)]
    made = Transcript(
        title=" ".join(title.split()) or "A conversation",
        flow=None if trial.start is Start.MENU else flow,
        step=trial.step if trial.start is Start.STEP else None,
        language=trial.language,
        channel=trial.channel,
        now=trial.moment,
        answers=dict(trial.answers),
        lines=tuple(lines),
    )
    _refuse_what_does_not_replay(made, line, library, zone)
    return made


def _refuse_unplayable(trial: Trial, run: Run) -> None:
    if any(entry.kind is EntryKind.CHECK_IN for entry in trial.entries):
        raise Unfit(
            "A transcript has one beginning, and here a check-in begins another conversation. Undo it to keep what came "
            "before; try the check-in's own flow to keep what it asks."
        )
    failed = next((turn.failed or _failure(turn.effects) for turn in run.turns if turn.failed or _failure(turn.effects)), "")
    if failed:
        raise Unfit(f"The flow fails in this conversation ({failed}). Mend it first: a test should show how it ought to go.")


def _failure(effects: Sequence[Effect]) -> str:
    """Where and why the flow failed in this turn; "" where it did not."""
    alarms = (effect for effect in effects if isinstance(effect, RaiseAlarm) and effect.kind == "flow_failed")
    return next((alarm.detail or alarm.kind for alarm in alarms), "")


def _refuse_what_does_not_replay(made: Transcript, line: HelpLine, library: Library, zone: ZoneInfo) -> None:
    try:
        again = read_transcript(write_transcript(made), "")
    except FlowError as error:
        raise Unfit(f"This conversation cannot be written as a transcript: {error.problems[0].what}") from error
    wrong = next((turn.problem for turn in turns(again, "", line, library, zone) if turn.problem is not None), None)
    if wrong is not None:
        raise Unfit(f"This conversation does not replay as it was: {wrong.what}")


def _lines(turn: Turn) -> Iterator[Line]:
    if turn.cause is not None:
        yield turn.cause
    yield from told(turn.effects)


def told(effects: Sequence[Effect]) -> list[Line]:
    """Effects as a transcript shows them; cards of services as `...`, since every directory words its own."""
    cards = {at for number, effect in enumerate(effects) if isinstance(effect, OfferServices) for at in
             cards_before(effects, number)}  # fmt: skip
    lines = as_lines(effects)
    return [Line(Kind.LINE, REST) if number in cards else one for number, one in enumerate(lines)]


def name_for(title: str, language: str, taken: Mapping[str, object]) -> str:
    """A free name for a transcript: `en/rent_is_late`."""
    others = {name.partition("/")[2] for name in taken if name.startswith(f"{language}/")}
    return f"{language}/{fit_name(title, others)}"


# Recording anew.


def anew(text: str, name: str, line: HelpLine, library: Library, zone: ZoneInfo) -> str:
    """The transcript with what the line says now in place of what it said then. Turns that go as they stand are not
    touched, to the letter; raises FlowError where it cannot be read, Unfit where its flow fails."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    read = read_transcript(text, file_of(name))
    played = list(turns(read, file_of(name), line, library, zone))
    last = played[-1]
    if last.failed and last.problem:
        # Nothing behind it was played, so nothing is known of what would come.
        raise Unfit(f"{last.problem.what} Mend that first.")
    if any(_failure(turn.effects) for turn in played):
        raise Unfit("The flow fails in this conversation. Mend it first: a test should show how it ought to go.")
    rows = text.split("\n")
    starts = [1, *(turn.expected.cause.number for turn in played[1:])]
    ends = [*starts[1:], len(rows) + 1]
    fresh: list[str] = []
    for turn, first, end in zip(played, starts, ends, strict=True):
        block = rows[first - 1 : end - 1]
        fresh += block if turn.problem is None else _rewritten(turn, block, first)
    return "\n".join(fresh)


def _rewritten(turn: Played, block: list[str], first: int) -> list[str]:
    """The rows of one turn, with what comes now; its remarks and the blank rows behind it stay."""
    body = len(block)
    while body and not block[body - 1].strip():
        body -= 1
    numbers = [one.number for one in turn.expected.lines]
    kept = min(numbers) - first if numbers else body
    remarks = [row for row in block[kept:body] if row.startswith("#")]
    made = [row for one in _merged(turn) for row in write_line(one)]
    return [*block[:kept], *remarks, *made, *block[body:]]


def _merged(turn: Played) -> Iterator[Line]:
    """What comes, in the transcript's own words where these still fit."""
    wanted = [one for one in turn.expected.lines if one.kind is not Kind.EFFECT]
    effects = [one.text for one in turn.expected.lines if one.kind is Kind.EFFECT]
    spoken = 0
    for came, written in zip(turn.came, told(turn.effects), strict=True):
        if came.kind is Kind.EFFECT:
            if came.text in effects or not came.text.startswith(OPTIONAL):
                yield came
            continue
        then = wanted[spoken] if spoken < len(wanted) else None
        fits = then is not None and then.kind is came.kind and (not then.text or matches(then.text, came.text))
        spoken += 1
        yield then if then is not None and fits else written


# On the phone.


def as_trial(transcript: Transcript, moment: datetime) -> Trial:
    """The transcript's texts and waits for the phone; `moment` (local) where it names none."""
    causes = [one for one in transcript.lines if one.kind in (Kind.PERSON, Kind.WAIT)]
    trial = Trial(
        moment=transcript.now or moment,
        language=transcript.language,
        channel=transcript.channel,
        start=Start.STEP if transcript.step else Start.FLOW if transcript.flow else Start.MENU,
        step=transcript.step or "",
        answers=dict(transcript.answers),
    )
    for one in causes[:MOST_ENTRIES]:
        trial = _with(trial, one)
    return trial


def _with(trial: Trial, line: Line) -> Trial:
    """The phone's clock goes by whole minutes: a wait of some seconds is one of them."""
    if line.kind is Kind.WAIT:
        length = read_duration(line.text)
        assert isinstance(length, timedelta)
        return trial.waits(length)
    if line.text.strip() == PICTURE:
        return trial.picture()
    return replace(trial, entries=(*trial.entries, Entry(EntryKind.SAYS, line.text)))


# In the draft.


def add(db: Session, flow: str, name: str, text: str, by: Author, now: datetime, *, seen: int | None = None) -> Revision:
    """Keep a new transcript in the draft of a flow. Raises Unfit for a name that is taken or unfit, NotThere."""
    number = _number(db, flow) if seen is None else seen

    def act(content: FlowContent) -> FlowContent:
        if name in content.transcripts:
            raise Unfit(f"There is a transcript {name} already. Choose another name.")
        if len(content.transcripts) >= MOST_TRANSCRIPTS:
            raise Unfit(f"A flow holds at most {MOST_TRANSCRIPTS} transcripts. Delete some.")
        return replace(content, transcripts={**content.transcripts, name: text})

    return _change(db, flow, number, f"Added the transcript {_fit(name)}", act, name, by, now)


def save(
    db: Session, flow: str, menu: str | None, seen: int, name: str, text: str, by: Author, now: datetime,
    *, what: str = "Changed the transcript",
) -> Revision:  # fmt: skip
    """Change a transcript's text. Raises FlowError with line and remedy, Unfit, NotThere, ChangedMeanwhile."""
    text = text if text.endswith("\n") else f"{text}\n"
    read = read_transcript(text, file_of(name))
    owner = read.flow or menu
    if owner != flow:
        place = f"the flow `{read.flow}`" if read.flow else "the menu"
        raise Unfit(f"It begins in {place}, and so it belongs there. Write `flow: {flow}` in its head to keep it here.")

    def act(content: FlowContent) -> FlowContent:
        _there(content, name)
        return replace(content, transcripts={**content.transcripts, name: text})

    return _change(db, flow, seen, f"{what} {name}", act, name, by, now)


def rename(db: Session, flow: str, seen: int, name: str, new: str, by: Author, now: datetime) -> Revision:
    """Give a transcript another name. Raises Unfit, NotThere, ChangedMeanwhile."""
    _fit(new)

    def act(content: FlowContent) -> FlowContent:
        _there(content, name)
        if new != name and new in content.transcripts:
            raise Unfit(f"There is a transcript {new} already. Choose another name.")
        return replace(
            content, transcripts={(new if key == name else key): text for key, text in content.transcripts.items()}
        )

    return _change(db, flow, seen, f"Renamed the transcript {name} to {new}", act, name, by, now)


def delete(db: Session, flow: str, seen: int, name: str, by: Author, now: datetime) -> Revision:
    """Take a transcript out of the draft. Raises Unfit, NotThere, ChangedMeanwhile."""

    def act(content: FlowContent) -> FlowContent:
        _there(content, name)
        return replace(content, transcripts={key: text for key, text in content.transcripts.items() if key != name})

    return _change(db, flow, seen, f"Deleted the transcript {name}", act, name, by, now)


def _change(
    db: Session, flow: str, seen: int, what: str, act: Callable[[FlowContent], FlowContent], name: str, by: Author,
    now: datetime,
) -> Revision:  # fmt: skip
    return edit_draft.change(db, flow, seen, what, act, by, now, touches=lambda content: content.transcripts.get(name))


def _number(db: Session, flow: str) -> int:
    draft = drafts.find(db, flow)
    return draft.revision.number if draft else 0


def _fit(name: str) -> str:
    if not NAME.fullmatch(name):
        raise Unfit("A name is the language and a few words in small letters, digits and _, like en/rent_is_late.")
    return name


def _there(content: FlowContent, name: str) -> None:
    if name not in content.transcripts:
        raise Unfit(f"There is no transcript {name} in this flow any more.")
