"""Reading a person's words for danger: pure, deterministic, in time proportional to the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.safety.levels import Assessment, Danger, Level
from bot.domain.safety.rules import Rule, Rules

# A carrier's text is at most 1600 characters; of a longer one (web chat) the beginning and the end are read.
LONGEST = 8000
# A long text holds more signs of every kind: each so many words ask one point more.
WORDS_A_POINT = 25
_NOTHING = Assessment()
_ORDER = {danger: place for place, danger in enumerate(Danger)}
# The question about a child or an ambulance makes sense to one who writes for another; "are you having thoughts" does not.
_ASKED_FOR_ANOTHER = (Danger.CHILD, Danger.MEDICAL, Danger.OVERDOSE)
Spans = dict[int, list[tuple[int, int]]]


@dataclass(frozen=True, slots=True)
class _Hit:
    rule: str
    danger: Danger
    level: Level
    doubtful: bool
    about_other: bool
    fresh: bool


class _Reading:
    """One canonical text and the phrases found in it, each looked for at most once."""

    def __init__(self, rules: Rules, text: str) -> None:
        self._rules, self.text = rules, text
        self._found: Spans = {}

    def spans(self, number: int) -> list[tuple[int, int]]:
        """Where phrase `number` is found, as (start, end) of the text."""
        found = self._found.get(number)
        if found is None:
            pattern = self._rules.phrases[number].pattern
            found = self._found[number] = [match.span() for match in pattern.finditer(self.text)]
        return found

    def candidates(self) -> set[int]:
        """The numbers of the phrases whose words occur, in whatever order."""
        numbers: set[int] = set()
        by_word, phrases = self._rules.by_word, self._rules.phrases
        words = set(self.text.split(" "))
        for word in by_word.keys() & words:
            for number in by_word[word]:
                for need in phrases[number].needs:
                    if need.isdisjoint(words):
                        break
                else:
                    numbers.add(number)
        if self._rules.beginnings:
            for match in self._rules.beginnings.finditer(self.text):
                numbers.update(self._rules.by_beginning[match[1]])
        return numbers

    def said(self, numbers: Sequence[int]) -> bool:
        """True where any of the phrases is found."""
        return any(self.spans(number) for number in numbers)


def _cancelled(rule: Rule, reading: _Reading, start: int, end: int) -> bool:
    return any(low < end and start < high for number in rule.unless for low, high in reading.spans(number))


def _lowered(level: Level) -> Level:
    """The level of words in doubt: what would be worst still wakes a person, while one question is asked."""
    return min(level, Level.ACTIVE if level >= Level.IMMINENT else Level.DISTRESS)


def _rule_hits(rules: Rules, rule: Rule, reading: _Reading, spans: list[tuple[int, int]], new: int) -> list[_Hit]:
    """What `rule` makes of its phrases found at `spans`; words from place `new` on are this message's."""
    if rule.unless_said and reading.said(rule.unless_said):
        return []
    hits = []
    negation = rules.negated.get(rule.language) if rule.negatable else None
    unclear = bool(rule.doubt_if) and reading.said(rule.doubt_if)
    for start, end in spans:
        if rule.unless and _cancelled(rule, reading, start, end):
            continue
        negated = bool(negation and negation.search(reading.text[max(0, start - 60) : start + 1]))
        level = _lowered(rule.level) if negated or unclear else rule.level
        doubtful = rule.doubtful or negated or unclear
        hits.append(_Hit(rule.id, rule.danger, level, doubtful, rule.about_other, end > new))
    return hits


def _raised(rules: Rules, reading: _Reading, candidates: set[int], hits: list[_Hit], new: int) -> list[_Hit]:
    """The hits that something said with them makes worse (a time, a means at hand)."""
    found = []
    for number in sorted(candidates & rules.raising.keys()):
        spans = reading.spans(number)
        if not spans:
            continue
        fresh = spans[-1][1] > new
        for entry in (rules.raises[place] for place in rules.raising[number]):
            for hit in hits:
                if hit.danger is entry.danger and not hit.doubtful and hit.level >= Level.ACTIVE and (fresh or hit.fresh):
                    found.append(_Hit(entry.id, hit.danger, entry.level, False, hit.about_other, True))
    return found


def _scored(rules: Rules, reading: _Reading, candidates: set[int], new: int) -> list[_Hit]:
    """The scores whose signs are enough for the length of the text; each sign counts once."""
    found = []
    for score in rules.scores:
        signs = candidates & score.points.keys()
        if sum(score.points[number] for number in signs) < score.at:
            continue
        total, fresh = 0, False
        for number in signs:
            spans = reading.spans(number)
            if spans:
                total += score.points[number]
                fresh = fresh or spans[-1][1] > new
        if total >= score.at and total >= score.at + reading.text.count(" ") // WORDS_A_POINT:
            found.append(_Hit(score.id, score.danger, Level.DISTRESS, True, False, fresh))
    return found


def _jested(rules: Rules, text: str, hits: list[_Hit]) -> list[_Hit]:
    """A laugh makes a wish to die doubtful, not nothing: people in danger laugh it off."""
    if not hits or rules.joking is None or not rules.joking.search(text):
        return hits
    return [
        _Hit(hit.rule, hit.danger, Level.DISTRESS, True, hit.about_other, hit.fresh)
        if hit.danger is Danger.SELF_HARM and hit.level is Level.ACTIVE
        else hit
        for hit in hits
    ]


def _summed_up(hits: list[_Hit]) -> Assessment:
    """One assessment of all hits: the worst level, dangers worst first, a question only where all is in doubt."""
    if not hits:
        return _NOTHING
    hits = sorted(hits, key=lambda hit: (-hit.level, hit.doubtful, hit.about_other, _ORDER[hit.danger]))
    certain = [hit for hit in hits if hit.level >= Level.ACTIVE and not hit.doubtful]
    doubtful = [hit for hit in hits if hit.doubtful and (not hit.about_other or hit.danger in _ASKED_FOR_ANOTHER)]
    worst = certain or doubtful or hits
    dangers = list(dict.fromkeys(hit.danger for hit in hits))
    ask = None
    if not certain and doubtful:
        ask = doubtful[0].danger
        dangers = [ask, *(danger for danger in dangers if danger is not ask)]
    return Assessment(
        level=hits[0].level,
        dangers=tuple(dangers),
        rules=tuple(dict.fromkeys(hit.rule for hit in hits)),
        ask=ask,
        about_other=all(hit.about_other for hit in worst),
    )


def _shortened(text: str) -> str:
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[:half]} {text[-half:]}"


def assess(rules: Rules, text: str, earlier: Sequence[str] = ()) -> Assessment:
    """What `text` says about danger, in any of the rules' languages.

    `earlier` are this person's texts of the last two minutes, oldest first: people split a sentence in two. Danger that
    lies wholly in them was assessed when they came, and is not counted again. The text is read by itself as well, and the
    worse counts: a "no" to another question must not take back what follows. Never raises, whatever the characters.
    """
    joined = _read(rules, text, earlier)
    if not earlier or joined.level >= Level.ACTIVE:
        return joined
    alone = _read(rules, text, ())
    return alone if (alone.level, alone.ask is not None) > (joined.level, joined.ask is not None) else joined


def _read(rules: Rules, text: str, earlier: Sequence[str]) -> Assessment:
    canonical = rules.spelling.canonical(_shortened(text))
    whole = rules.whole.get(canonical) or rules.whole.get(canonical.replace(" .", ""), ())
    new = 0
    if earlier:
        before = rules.spelling.canonical(_shortened(" ".join(earlier)))
        canonical, new = before + canonical[1:], len(before)
    reading = _Reading(rules, canonical)
    candidates = reading.candidates()
    hits = [
        _Hit(rule.id, rule.danger, rule.level, rule.doubtful, rule.about_other, True)
        for rule in (rules.rules[number] for number in whole)
    ]
    firing = rules.firing
    for number in sorted(candidates):
        if number in firing:
            spans = reading.spans(number)
            if spans:
                for place in firing[number]:
                    hits += _rule_hits(rules, rules.rules[place], reading, spans, new)
    if hits:
        hits = _jested(rules, canonical, hits)
        hits += _raised(rules, reading, candidates, hits, new)
    if not any(hit.level >= Level.ACTIVE for hit in hits) and not (rules.joking and rules.joking.search(canonical)):
        hits += _scored(rules, reading, candidates, new)
    return _summed_up([hit for hit in hits if hit.fresh])
