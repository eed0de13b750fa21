"""Reading rules files: every mistake raises an error with the file, the line and the remedy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bot.domain.safety.levels import Danger, DirectAnswer, Level
from bot.domain.safety.lined_yaml import LinedNode, SafetyRuleError, check_review, read_yaml
from bot.domain.safety.phrases import Phrase, PhraseError, compile_phrase
from bot.domain.safety.rules import RaiseRule, SafetyRule, SafetyRules, ScoreRule
from bot.domain.safety.spelling import Spelling, masked_spellings, misspellings

_FILE_FIELDS = frozenset(
    {
        "language",
        "review",
        "spelling",
        "signs",
        "same",
        "strong",
        "masked",
        "real_words",
        "negation",
        "negation_ends",
        "joking",
        "families",
        "answers",
        "rules",
        "raises",
        "scores",
    }
)
_RULE_FIELDS = frozenset(
    {
        "id",
        "why",
        "danger",
        "level",
        "doubtful",
        "about",
        "negatable",
        "say",
        "whole",
        "unless",
        "unless_said",
        "doubt_if",
        "match",
        "no_match",
    }
)
_SCORE_FIELDS = frozenset({"id", "why", "danger", "at", "points", "match", "no_match"})
_RAISE_FIELDS = frozenset({"id", "why", "danger", "level", "said", "match", "no_match"})
_DANGERS = {danger.value: danger for danger in Danger}
_LEVELS = {level.name.lower(): level for level in Level if level is not Level.NONE}
_REMEDY = "docs/safety.md shows how it is written."


@dataclass(slots=True)
class _RulesFile:
    """One rules file of a language: its tables are read, its rules not yet."""

    code: str
    top: LinedNode
    fields: Mapping[str, LinedNode]
    same: dict[str, list[str]] = field(default_factory=dict)
    families: dict[str, list[str]] = field(default_factory=dict)
    negations: list[str] = field(default_factory=list)
    negation_ends: list[str] = field(default_factory=list)


class _Phrasebook:
    """The phrases of all files, numbered; each phrase of a language is compiled only once."""

    def __init__(self, words: Spelling) -> None:
        self._words = words
        self.phrases: list[Phrase] = []
        self._numbers: dict[tuple[str, str], int] = {}

    def _number(self, place: LinedNode, text: str, file: _RulesFile) -> int:
        key = (file.code, text)
        if key not in self._numbers:
            try:
                phrase = compile_phrase(text, file.families, self._words.phrase, file.negations, file.same)
            except PhraseError as error:
                raise place.error(str(error), _REMEDY) from None
            self._numbers[key] = len(self.phrases)
            self.phrases.append(phrase)
        return self._numbers[key]

    def numbers(self, fields: Mapping[str, LinedNode], name: str, file: _RulesFile) -> tuple[int, ...]:
        """The numbers of the phrases in the list `name`; () where there is no such list."""
        return tuple(self._number(place, text, file) for place, text in _list(fields, name))

    def points(self, table: LinedNode, file: _RulesFile) -> dict[int, int]:
        """Phrase number to points, from a table that has a list of phrases for each number of points (1, 2, 3)."""
        found: dict[int, int] = {}
        for points, place in table.fields().items():
            if not points.isdecimal():
                raise place.error(f"'{points}' is not a number of points.", "Write 1, 2 or 3.")
            for phrase_place, text in place.texts():
                found[self._number(phrase_place, text, file)] = int(points)
        return found


def _list(fields: Mapping[str, LinedNode], name: str) -> list[tuple[LinedNode, str]]:
    return fields[name].texts() if name in fields else []


def _table(fields: Mapping[str, LinedNode], name: str) -> dict[str, LinedNode]:
    return fields[name].fields() if name in fields else {}


def _danger(place: LinedNode) -> Danger:
    if place.text() not in _DANGERS:
        raise place.error(f"'{place.text()}' is not a danger.", f"Choose one of: {', '.join(_DANGERS)}.")
    return _DANGERS[place.text()]


def _level(place: LinedNode) -> Level:
    if place.text() not in _LEVELS:
        raise place.error(f"'{place.text()}' is not a level.", f"Choose one of: {', '.join(_LEVELS)}.")
    return _LEVELS[place.text()]


def _flag(fields: Mapping[str, LinedNode], name: str, yes: str, no: str, default: bool) -> bool:
    if name not in fields:
        return default
    typed = fields[name].text()
    if typed not in (yes, no):
        raise fields[name].error(f"'{typed}' does not fit.", f"Write {yes} or {no}.")
    return typed == yes


def _open_file(name: str, text: str) -> _RulesFile:
    top = read_yaml(text, name)
    fields = top.fields(_FILE_FIELDS)
    check_review(top, fields)
    file = _RulesFile(top.required(fields, "language").text(), top, fields)
    for key, place in _table(fields, "same").items():
        file.same[key] = [twin for _, twin in place.texts()]
    for key, place in _table(fields, "families").items():
        file.families[key] = [option for _, option in place.texts()]
    return file


def _base_spelling(files: Sequence[_RulesFile]) -> Spelling:
    """The spelling tables of all languages together, without guesses at typos; phrases are spelled with these."""
    written: dict[str, str] = {}
    signs: dict[str, str] = {}
    for file in files:
        for typed, place in _table(file.fields, "spelling").items():
            if written.get(typed, place.text()) != place.text():
                raise place.error(f"Another file spells '{typed}' differently.", "Leave it in one of the files.")
            written[typed] = place.text()
        signs.update((sign, place.text()) for sign, place in _table(file.fields, "signs").items())
    # People leave the apostrophe out. Where that makes another word, the file has its own entry for it.
    for typed in [key for key in written if "'" in key]:
        written.setdefault(typed.replace("'", ""), written[typed])
    return Spelling(replacements=written, emoji_words=signs)


def _share_tables(files: Sequence[_RulesFile], words: Spelling) -> None:
    """Share families, short forms and negations between all files of one language."""
    first: dict[str, _RulesFile] = {}
    for file in files:
        shared = first.setdefault(file.code, file)
        shared.families.update(file.families)
        shared.same.update(file.same)
        shared.negations += [word for _, text in _list(file.fields, "negation") for word in words.phrase(text)]
        shared.negation_ends += [word for _, text in _list(file.fields, "negation_ends") for word in words.phrase(text)]
    for file in files:
        shared = first[file.code]
        file.families, file.same = shared.families, shared.same
        file.negations, file.negation_ends = shared.negations, shared.negation_ends


def _full_spelling(base: Spelling, files: Sequence[_RulesFile], phrases: Sequence[Phrase]) -> Spelling:
    strong = [word for file in files for _, word in _list(file.fields, "strong")]
    real = [word for file in files for _, word in _list(file.fields, "real_words")]
    known = {word for phrase in phrases for word in phrase.words} | set(strong) | set(real)
    for file in files:
        known.update(*file.same.values())
    known -= set(base.replacements)
    typos = misspellings(strong, {*real, *known, *base.replacements})
    typos.update(masked_spellings(word for file in files for _, word in _list(file.fields, "masked")))
    return Spelling(base.replacements, base.emoji_words, frozenset(known), typos)


def _read_rule(place: LinedNode, file: _RulesFile, book: _Phrasebook, words: Spelling) -> SafetyRule:
    fields = place.fields(_RULE_FIELDS)
    danger, level = _danger(place.required(fields, "danger")), _level(place.required(fields, "level"))
    if danger is Danger.DISTRESS and level > Level.DISTRESS:
        raise fields["level"].error("Distress goes up to level distress.", "Name the danger, or lower the level.")
    doubtful = _flag(fields, "doubtful", "yes", "no", default=False)
    if doubtful and level > Level.ACTIVE:
        raise fields["level"].error(
            "In doubt nobody is sent to 911 at once.", "Lower the level to active, or drop doubtful."
        )
    if "say" not in fields and "whole" not in fields:
        raise place.error("The rule says nothing.", "Add `say:` with a list of phrases.")
    for needed in ("match", "no_match"):
        if not place.required(fields, needed).texts():
            raise fields[needed].error("Examples are missing.", "Add at least one text, so that the rule is tested.")
    return SafetyRule(
        id=place.required(fields, "id").text(),
        why=fields["why"].text() if "why" in fields else "",
        language=file.code,
        danger=danger,
        level=level,
        doubtful=doubtful,
        about_other=_flag(fields, "about", "other", "self", default=False),
        negatable=_flag(fields, "negatable", "yes", "no", default=True),
        say=book.numbers(fields, "say", file),
        unless=book.numbers(fields, "unless", file),
        unless_said=book.numbers(fields, "unless_said", file),
        doubt_if=book.numbers(fields, "doubt_if", file),
        whole=tuple(words.canonical(text) for _, text in _list(fields, "whole")),
        must_match=tuple(text for _, text in _list(fields, "match")),
        must_not_match=tuple(text for _, text in _list(fields, "no_match")),
    )


def _read_raise(place: LinedNode, file: _RulesFile, book: _Phrasebook) -> RaiseRule:
    fields = place.fields(_RAISE_FIELDS)
    place.required(fields, "said")
    for needed in ("match", "no_match"):
        place.required(fields, needed).texts()
    return RaiseRule(
        id=place.required(fields, "id").text(),
        why=fields["why"].text() if "why" in fields else "",
        danger=_danger(place.required(fields, "danger")),
        level=_level(place.required(fields, "level")),
        said=book.numbers(fields, "said", file),
        must_match=tuple(text for _, text in _list(fields, "match")),
        must_not_match=tuple(text for _, text in _list(fields, "no_match")),
    )


def _read_score(place: LinedNode, file: _RulesFile, book: _Phrasebook) -> ScoreRule:
    fields = place.fields(_SCORE_FIELDS)
    at = place.required(fields, "at")
    if not at.text().isdecimal() or int(at.text()) < 2:
        raise at.error(f"'{at.text()}' is too little to ask at.", "Write a number of points from 2 up.")
    return ScoreRule(
        id=place.required(fields, "id").text(),
        why=fields["why"].text() if "why" in fields else "",
        danger=_danger(place.required(fields, "danger")),
        at=int(at.text()),
        points=book.points(place.required(fields, "points"), file),
        must_match=tuple(text for _, text in place.required(fields, "match").texts()),
        must_not_match=tuple(text for _, text in place.required(fields, "no_match").texts()),
    )


def _answers(files: Sequence[_RulesFile], spelling: Spelling) -> dict[str, DirectAnswer]:
    found: dict[str, DirectAnswer] = {}
    kinds = {kind.value: kind for kind in DirectAnswer if kind is not DirectAnswer.UNCLEAR}
    for file in files:
        for name, place in file.fields["answers"].fields(kinds).items() if "answers" in file.fields else ():
            for word_place, word in place.texts():
                key = spelling.canonical(word).replace(".", " ")
                key = f" {' '.join(key.split())} "
                if found.get(key, kinds[name]) is not kinds[name]:
                    raise word_place.error(f"'{word}' already means something else.", "Keep it in one list.")
                found[key] = kinds[name]
    return found


def _negation_pattern(file: _RulesFile) -> re.Pattern[str]:
    """A negation within the three words before a match, with no new clause (`I`, `but`) between: `not going to`."""
    ends = "".join(f"(?!{re.escape(word)} )" for word in file.negation_ends)
    return re.compile(rf" (?:{'|'.join(map(re.escape, file.negations))}) (?:{ends}[^ .]{{1,40}} ){{0,2}}$")


def _index(pairs: Iterable[tuple[str, int]]) -> dict[str, tuple[int, ...]]:
    found: dict[str, list[int]] = {}
    for key, number in pairs:
        found.setdefault(key, []).append(number)
    return {key: tuple(dict.fromkeys(numbers)) for key, numbers in found.items()}


def _owners_by_number(owners: Iterable[tuple[int, ...]]) -> dict[int, tuple[int, ...]]:
    found: dict[int, list[int]] = {}
    for owner, numbers in enumerate(owners):
        for number in numbers:
            found.setdefault(number, []).append(owner)
    return {number: tuple(dict.fromkeys(owned)) for number, owned in found.items()}


def _entries(files: Sequence[_RulesFile], name: str) -> list[tuple[LinedNode, _RulesFile]]:
    return [(place, file) for file in files if name in file.fields for place in file.fields[name].items()]


def _refuse_duplicates(entries: Iterable[tuple[LinedNode, str]]) -> None:
    seen: set[str] = set()
    for place, name in entries:
        if name in seen:
            raise place.error(f"The id '{name}' is used twice.", "Give each rule its own id.")
        seen.add(name)


def read_rules(files: Mapping[str, str]) -> SafetyRules:
    """All rules from `files` (file name to YAML text), one or several files per language.

    Raises SafetyRuleError naming the file, the line, what is wrong and the remedy. Takes about half a second: read them
    once and keep them.
    """
    if not files:
        raise SafetyRuleError("safety", 1, "There are no rules.", "Restore the folder from the last version.")
    opened = [_open_file(name, text) for name, text in sorted(files.items())]
    words = _base_spelling(opened)
    _share_tables(opened, words)
    book = _Phrasebook(words)
    rules = [_read_rule(place, file, book, words) for place, file in _entries(opened, "rules")]
    raises = [_read_raise(place, file, book) for place, file in _entries(opened, "raises")]
    scores = [_read_score(place, file, book) for place, file in _entries(opened, "scores")]
    ids = [rule.id for rule in rules] + [entry.id for entry in raises] + [score.id for score in scores]
    places = [place for name in ("rules", "raises", "scores") for place, _ in _entries(opened, name)]
    _refuse_duplicates(zip(places, ids, strict=True))
    spelling = _full_spelling(words, opened, book.phrases)
    joking = [" ".join(words.phrase(text)) for file in opened for _, text in _list(file.fields, "joking")]
    anchors = [(anchor, number) for number, phrase in enumerate(book.phrases) for anchor in phrase.anchors]
    beginnings = _index((anchor[:-1], number) for anchor, number in anchors if anchor.endswith("*"))
    return SafetyRules(
        languages=tuple(dict.fromkeys(file.code for file in opened)),
        spelling=spelling,
        rules=tuple(rules),
        raises=tuple(raises),
        scores=tuple(scores),
        phrases=tuple(book.phrases),
        by_word=_index(pair for pair in anchors if not pair[0].endswith("*")),
        by_prefix=beginnings,
        prefixes=re.compile(f" ({'|'.join(sorted(beginnings, key=len, reverse=True))})") if beginnings else None,
        rules_by_phrase=_owners_by_number(rule.say for rule in rules),
        raises_by_phrase=_owners_by_number(entry.said for entry in raises),
        whole=_index((whole, number) for number, rule in enumerate(rules) for whole in rule.whole),
        negation_patterns={file.code: _negation_pattern(file) for file in opened if file.negations},
        joking=re.compile(f" (?:{'|'.join(map(re.escape, joking))}) ") if joking else None,
        answers=_answers(opened, spelling),
        reviews={
            file.top.file: {key: place.text() for key, place in file.fields["review"].fields().items()} for file in opened
        },
    )
